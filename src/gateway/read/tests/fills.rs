//! Fills: coalescing, resumption, sizes, memory.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;

use super::super::BYPASS_LANE;
use super::super::know::AtHand;
use super::origin::{FRAME, Fault, Seen, pattern};
use super::{MIB, default_world, get, range, world};
use crate::gateway::Error;
use crate::memory::{LEAST_LIMIT, Pool};
use crate::routes::Freshness;
use crate::types::Source;
use crate::types::layout::PAGE;

#[tokio::test]
async fn readers_of_a_cold_object_share_one_request() {
    let world = default_world();
    let bytes = pattern(8 * MIB, 2);
    world.origin.put("k", bytes.clone(), "v1");
    let gate = world.origin.hold();
    let readers = (0..100).map(|_| world.read(get("k")));
    let open = async { gate.add_permits(1 << 20) };
    let (answers, ()) = futures::join!(futures::future::join_all(readers), open);
    assert!(answers.iter().all(|(_, _, body)| *body == bytes));
    let from = |wanted: Source| {
        let sources = answers.iter().map(|(_, source, _)| *source);
        sources.filter(|source| *source == wanted).count()
    };
    assert_eq!((from(Source::Origin), from(Source::Coalesced)), (1, 99));
    assert_eq!(
        world.origin.seen(),
        [Seen::Get {
            range: None,
            pinned: false
        }]
    );
    assert_eq!(world.origin.sent(), 8 * MIB);
}

/// A reader that is held up between its look at the records and its turn to ask, for as long as another one's whole flight.
async fn look_before_and_ask_after(freshness: Duration) -> Vec<Seen> {
    let world = world(Freshness::MaxAge(freshness), 1 << 30);
    world.origin.put("k", pattern(8 * MIB, 2), "v1");
    let read = get("k");
    let route = world.gateway.routes.load().find(&read.bucket);
    let aim = world.gateway.aim(route.expect("a route"), &read);
    let source = Arc::new(world.gateway.source(aim.expect("a key")));
    let before = world.gateway.at_hand(&source.aim);
    assert!(matches!(before, AtHand::Nothing));
    world.read(get("k")).await;
    world.clock.advance(Duration::from_secs(1));
    let known = world.gateway.know(&source, &read, before, None).await;
    assert!(known.is_ok_and(|known| known.is_ok_and(|known| !known.own_fill)));
    world.origin.seen()
}

#[tokio::test]
async fn a_reader_that_was_overtaken_by_a_whole_flight_does_not_ask_again() {
    let first = Seen::Get {
        range: None,
        pinned: false,
    };
    let fresh = look_before_and_ask_after(Duration::from_secs(60)).await;
    assert_eq!(fresh, std::slice::from_ref(&first));
    // Where each read asks, it asks for what a reader asks for to whom the object is known.
    let always = look_before_and_ask_after(Duration::ZERO).await;
    assert_eq!(always, [first, Seen::Head]);
}

#[tokio::test]
async fn readers_of_an_absent_object_share_one_answer_and_its_confirmation() {
    let world = default_world();
    let readers = (0..100).map(|_| world.answer(get("absent")));
    for answer in futures::future::join_all(readers).await {
        let Err(Error::Origin(error)) = answer else {
            panic!("there is no such object: {answer:?}");
        };
        assert_eq!(error.status(), Some(http::StatusCode::NOT_FOUND));
    }
    let seen = world.origin.seen();
    assert!(seen.len() <= 2, "{} requests for 100 readers", seen.len());
}

#[tokio::test]
async fn readers_that_leave_harm_nobody() {
    let world = default_world();
    let bytes = pattern(8 * MIB, 2);
    world.origin.put("k", bytes.clone(), "v1");
    let gate = world.origin.hold();
    gate.add_permits(4);
    let mut bodies = Vec::new();
    for _ in 0..10 {
        bodies.push(
            world
                .answer(get("k"))
                .await
                .expect("an answer")
                .response
                .into_body(),
        );
    }
    for body in &mut bodies {
        assert!(body.frame().await.expect("a frame").is_ok());
    }
    // The first one leads; it and every second one leave in mid-body.
    let mut stay = true;
    bodies.retain(|_| {
        stay = !stay;
        stay
    });
    gate.add_permits(1 << 20);
    for body in bodies {
        let rest = body.collect().await.expect("a whole body").to_bytes();
        assert_eq!(rest, bytes.slice(bytes.len() - rest.len()..));
    }
    assert_eq!(world.origin.sent(), 8 * MIB);
}

#[tokio::test]
async fn the_first_byte_does_not_wait_for_the_rest() {
    let world = default_world();
    world.origin.put("k", pattern(8 * MIB, 2), "v1");
    let gate = world.origin.hold();
    gate.add_permits(1);
    let mut body = world
        .answer(get("k"))
        .await
        .expect("an answer")
        .response
        .into_body();
    let first = body
        .frame()
        .await
        .expect("a frame")
        .expect("data")
        .into_data()
        .expect("data");
    assert_eq!(first.len(), FRAME);
    assert!(world.origin.sent() <= 2 * FRAME as u64);
}

#[tokio::test]
async fn random_ranges_cost_their_pages_and_no_more() {
    let world = default_world();
    let bytes = pattern(64 * MIB, 3);
    world.origin.put("k", bytes.clone(), "v1");
    let mut asked = 0;
    for index in 0..200u64 {
        let start = index.wrapping_mul(7_919_333) % (64 * MIB - PAGE);
        let read = range("k", &format!("bytes={start}-{}", start + PAGE - 1));
        let expected =
            bytes.slice(usize::try_from(start).unwrap()..usize::try_from(start + PAGE).unwrap());
        assert_eq!(world.read(read).await.2, expected);
        asked += PAGE;
    }
    assert!(
        world.origin.sent() * 10 <= asked * 21,
        "{} for {asked}",
        world.origin.sent()
    );
}

#[tokio::test]
async fn sequential_small_ranges_grow_into_large_fills() {
    let world = default_world();
    world.origin.put("k", pattern(32 * MIB, 3), "v1");
    for start in (0..32 * MIB).step_by(usize::try_from(PAGE).unwrap()) {
        world
            .read(range("k", &format!("bytes={start}-{}", start + PAGE - 1)))
            .await;
    }
    let requests = world.origin.seen().len();
    assert!(requests <= 12, "{requests} requests for 512 ranges");
    assert_eq!(world.origin.sent(), 32 * MIB);
}

#[tokio::test]
async fn a_broken_body_is_resumed_unseen() {
    let world = default_world();
    let bytes = pattern(4 * MIB, 4);
    world.origin.put("k", bytes.clone(), "v1");
    world.origin.fail(&[
        Fault::BreakAfter(MIB + 17),
        Fault::Down,
        Fault::EndAfter(10),
    ]);
    assert_eq!(world.read(get("k")).await.2, bytes);
    let resumed = world
        .origin
        .seen()
        .into_iter()
        .skip(1)
        .all(|seen| matches!(seen, Seen::Get { pinned: true, .. }));
    assert!(resumed, "the rest is read under the same version");
}

#[tokio::test]
async fn a_version_that_vanishes_in_mid_body_never_looks_complete() {
    let world = default_world();
    world.origin.put("k", pattern(4 * MIB, 4), "v1");
    world.origin.fail(&[Fault::BreakAfter(MIB)]);
    let gate = world.origin.hold();
    gate.add_permits(2);
    let body = world
        .answer(get("k"))
        .await
        .expect("an answer")
        .response
        .into_body();
    world.origin.put("k", pattern(4 * MIB, 5), "v2");
    gate.add_permits(1 << 20);
    assert!(body.collect().await.is_err());
    assert_eq!(world.read(get("k")).await.2, pattern(4 * MIB, 5));
}

#[tokio::test]
async fn an_overwrite_at_the_origin_is_never_mixed_with_what_is_cached() {
    let world = default_world();
    world.origin.put("k", pattern(4 * MIB, 4), "v1");
    assert_eq!(
        world.read(range("k", "bytes=0-99")).await.2,
        pattern(4 * MIB, 4).slice(0..100)
    );
    world.origin.put("k", pattern(4 * MIB, 5), "v2");
    // The record still names v1. Its first page is held and sent; the rest is gone, so that the body ends in an error.
    let answer = world.answer(get("k")).await.expect("an answer");
    assert!(answer.response.into_body().collect().await.is_err());
    assert_eq!(world.read(get("k")).await.2, pattern(4 * MIB, 5));
}

#[tokio::test]
async fn a_version_that_vanished_before_the_first_byte_is_replaced_unseen() {
    let world = default_world();
    world.origin.put("k", pattern(4 * MIB, 4), "v1");
    world.read(range("k", "bytes=0-99")).await;
    world.origin.put("k", pattern(4 * MIB, 5), "v2");
    let read = range("k", "bytes=2000000-2000099");
    assert_eq!(
        world.read(read).await.2,
        pattern(4 * MIB, 5).slice(2_000_000..2_000_100)
    );
}

#[tokio::test]
async fn large_objects_are_filled_in_parallel() {
    let world = default_world();
    let bytes = pattern(100 * MIB, 7);
    world.origin.put("k", bytes.clone(), "v1");
    assert_eq!(world.read(get("k")).await.2, bytes);
    let seen = world.origin.seen();
    assert_eq!(seen.len(), 13, "the whole read and twelve parts: {seen:?}");
    assert!(
        seen[1..]
            .iter()
            .all(|seen| matches!(seen, Seen::Get { pinned: true, .. }))
    );
    assert_eq!(world.read(get("k")).await.2, bytes);
    assert_eq!(world.origin.seen(), []);
}

#[tokio::test]
async fn many_slow_readers_stay_within_the_limit_and_all_get_on() {
    let world = world(Freshness::Immutable, LEAST_LIMIT);
    let objects: Vec<_> = (0..64)
        .map(|index| (format!("k{index}"), pattern(2 * MIB, index)))
        .collect();
    for (key, bytes) in &objects {
        world.origin.put(key, bytes.clone(), "v1");
    }
    let slow = objects.iter().map(|(key, bytes)| {
        let world = &world;
        async move {
            let mut body = world
                .answer(get(key))
                .await
                .expect("an answer")
                .response
                .into_body();
            let mut got = Vec::new();
            while let Some(frame) = body.frame().await {
                got.extend_from_slice(&frame.expect("data").into_data().expect("data"));
                let memory = &world.gateway.memory;
                let used: u64 = Pool::ALL.iter().map(|pool| memory.used(*pool)).sum();
                assert!(
                    used + memory.tier() <= memory.limit(),
                    "{used} + {} bytes",
                    memory.tier()
                );
                tokio::task::yield_now().await;
            }
            assert!(got == *bytes, "{key}");
        }
    });
    futures::future::join_all(slow).await;
    assert_eq!(world.gateway.memory.used(Pool::Entry), 0);
}

#[tokio::test]
async fn overload_goes_past_the_cache_and_then_slows_down() {
    let world = world(Freshness::Immutable, LEAST_LIMIT);
    world.origin.put("k", pattern(100, 1), "v1");
    world.read(get("k")).await;
    let mut held = Vec::new();
    while let Ok(entry) = world.gateway.memory.enter() {
        held.push(entry);
    }
    let mut past = Vec::new();
    for _ in 0..BYPASS_LANE {
        let answer = world
            .answer(get("k"))
            .await
            .expect("an answer past the cache");
        assert_eq!(answer.source, Source::Bypass);
        past.push(answer);
    }
    assert!(matches!(world.answer(get("k")).await, Err(Error::SlowDown)));
    drop(past.pop());
    assert!(
        world.answer(get("k")).await.is_ok(),
        "an answer that has ended makes room"
    );
    drop(held);
    assert_eq!(world.read(get("k")).await.1, Source::Memory);
}

#[tokio::test(start_paused = true)]
async fn a_body_without_memory_goes_on_past_the_cache_and_is_resumed_there_too() {
    let world = world(Freshness::Immutable, LEAST_LIMIT);
    let bytes = pattern(4 * MIB, 8);
    world.origin.put("k", bytes.clone(), "v1");
    let gate = world.origin.hold();
    gate.add_permits(1);
    let answer = world.answer(get("k")).await.expect("an answer");
    let memory = &world.gateway.memory;
    let mut held = Vec::new();
    while let Ok(reservation) = memory.try_reserve(Pool::Fill, PAGE) {
        held.push(reservation);
    }
    world
        .origin
        .fail(&[Fault::BreakAfter(MIB), Fault::Down, Fault::BreakAfter(MIB)]);
    gate.add_permits(1 << 10);
    // What the fill's first buffer gives back goes to somebody who waited before it.
    let greedy = memory.reserve(Pool::Fill, MIB, Duration::from_secs(60));
    let (taken, body) = futures::join!(greedy, answer.response.into_body().collect());
    assert!(body.expect("a whole body").to_bytes() == bytes);
    assert_eq!(world.gateway.metrics.cache.direct_reads.get(), 1);
    drop((held, taken));
    assert_eq!(memory.used(Pool::Fill), 0);
}
