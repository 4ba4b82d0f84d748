//! Every wait has an end: cancelled tasks, silent origins, readers that pause.

use std::time::Duration;

use http_body_util::BodyExt;

use super::super::{Demand, Read};
use super::origin::{Fault, Seen, pattern};
use super::{MIB, default_world, get, range, world};
use crate::gateway::Error;
use crate::memory::{LEAST_LIMIT, Pool};
use crate::routes::Freshness;
use crate::types::Source;

#[tokio::test]
async fn readers_of_a_cancelled_fill_are_told() {
    let world = default_world();
    world.origin.put("k", pattern(MIB, 1), "v1");
    let gate = world.origin.hold();
    gate.add_permits(2);
    let answer = world.answer(get("k")).await.expect("an answer");
    let cancel = world.gateway.tasks.drain(Duration::ZERO);
    let (body, _) = futures::join!(answer.response.into_body().collect(), cancel);
    assert!(body.is_err());
    assert_eq!(world.gateway.bodies.running_fills(), 0);
    gate.add_permits(1 << 10);
    assert_eq!(world.read(get("k")).await.2, pattern(MIB, 1));
}

#[tokio::test]
async fn readers_of_a_cancelled_flight_are_told() {
    let world = default_world();
    world.origin.put("k", pattern(MIB, 1), "v1");
    world.origin.fail(&[Fault::Hang]);
    let (mut first, mut second) = (
        Box::pin(world.answer(get("k"))),
        Box::pin(world.answer(get("k"))),
    );
    assert!(futures::poll!(&mut first).is_pending());
    assert!(futures::poll!(&mut second).is_pending());
    world.gateway.tasks.drain(Duration::ZERO).await;
    assert!(matches!(first.await, Err(Error::Origin(_))));
    assert!(matches!(second.await, Err(Error::Origin(_))));
    assert_eq!(world.gateway.flights.flying(), 0);
    assert_eq!(world.read(get("k")).await.2, pattern(MIB, 1));
}

#[tokio::test]
async fn an_error_does_not_wait_for_the_trial_of_pins() {
    let world = default_world();
    world.origin.hang_on_trials();
    match world.answer(get("absent")).await {
        Err(Error::Origin(error)) => assert_eq!(error.status(), Some(http::StatusCode::NOT_FOUND)),
        other => panic!("not the origin's own 404: {other:?}"),
    }
}

#[tokio::test]
async fn who_demands_the_latest_joins_no_flight_that_departed_before() {
    let world = default_world();
    world.origin.put("k", pattern(MIB, 1), "v1");
    world.origin.fail(&[Fault::Hang]);
    let mut early = Box::pin(world.answer(get("k")));
    assert!(futures::poll!(&mut early).is_pending());
    tokio::task::yield_now().await;
    let latest = Read {
        freshness: Demand::Revalidate,
        ..get("k")
    };
    let (_, source, bytes) = world.read(latest).await;
    assert_eq!((source, bytes), (Source::Origin, pattern(MIB, 1)));
}

#[tokio::test(start_paused = true)]
async fn a_fill_whose_readers_pause_hangs_up_and_goes_on_later() {
    let world = default_world();
    let bytes = pattern(20 * MIB, 1);
    world.origin.put("k", bytes.clone(), "v1");
    let answer = world.answer(get("k")).await.expect("an answer");
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(world.origin.sent() < 10 * MIB);
    let first = Seen::Get {
        range: None,
        pinned: false,
    };
    assert_eq!(world.origin.seen(), [first], "nobody wants more");
    let body = answer.response.into_body().collect().await;
    assert_eq!(body.expect("a body").to_bytes(), bytes);
    let rest = world.origin.seen();
    assert!(
        matches!(rest[0], Seen::Get { pinned: true, .. }),
        "{rest:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_fill_that_hung_up_ends_when_its_readers_leave() {
    let world = default_world();
    world.origin.put("k", pattern(20 * MIB, 1), "v1");
    let answer = world.answer(get("k")).await.expect("an answer");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.gateway.bodies.running_fills(), 1);
    drop(answer);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.gateway.bodies.running_fills(), 0);
    assert_eq!(world.origin.seen().len(), 1);
}

#[tokio::test]
async fn a_range_beyond_the_end_of_a_known_version_means_another_version() {
    let world = default_world();
    world.origin.put("k", pattern(4 * MIB, 4), "v1");
    world.read(range("k", "bytes=0-99")).await;
    world.origin.put("k", pattern(3 * MIB, 5), "v2");
    // Some stores look at the range before they look at the pin.
    let status = http::StatusCode::RANGE_NOT_SATISFIABLE;
    world.origin.fail(&[Fault::Status(status)]);
    let got = world.read(range("k", "bytes=2000000-2000099")).await.2;
    assert_eq!(got, pattern(3 * MIB, 5).slice(2_000_000..2_000_100));
}

#[tokio::test(start_paused = true)]
async fn a_first_request_waits_for_memory_and_is_not_sent_again() {
    let world = world(Freshness::Immutable, LEAST_LIMIT);
    world.origin.put("k", pattern(MIB, 1), "v1");
    let memory = &world.gateway.memory;
    let mut held = Vec::new();
    while let Ok(reservation) = memory.try_reserve(Pool::Fill, MIB / 4) {
        held.push(reservation);
    }
    let release = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop(held);
    };
    let (read, ()) = futures::join!(world.read(get("k")), release);
    assert_eq!((read.1, read.2), (Source::Origin, pattern(MIB, 1)));
    assert_eq!(world.origin.seen().len(), 1);
}
