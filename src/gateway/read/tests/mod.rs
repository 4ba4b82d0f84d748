//! The read path over an origin in memory: what each contract promises, one test a promise.

mod model;
mod origin;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt;

use self::origin::{FRAME, FakeOrigin, Fault, Seen, pattern};
use super::{Conditions, Demand, RangeHeader, Read, ReadMethod};
use crate::auth::Auth;
use crate::clock::Clock;
use crate::gateway::{Answer, Context, Error, Gateway};
use crate::memory::{self, LEAST_LIMIT, Memory, Pool};
use crate::records::{self, Records};
use crate::routes::{Freshness, NamedOrigin, Route, Routes};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;
use crate::types::layout::{BLOCK, PAGE};
use crate::types::{CanonicalObject, Principal, RangeSpec, Source};

const MIB: u64 = 1 << 20;

struct World {
    origin: FakeOrigin,
    gateway: Arc<Gateway>,
    clock: Clock,
}

fn world(freshness: Freshness, limit: u64) -> World {
    let origin = FakeOrigin::default();
    let named = NamedOrigin {
        name: "fake".into(),
        origin: Arc::new(origin.clone()),
    };
    let bucket: crate::types::BucketName = "train".parse().expect("a bucket name");
    let route = Route::new(
        bucket.clone(),
        named.clone(),
        bucket,
        String::new(),
        Vec::new(),
        freshness,
    );
    let (memory, clock) = (Memory::new(memory::Config { limit }), Clock::manual());
    let records = Records::new(
        records::Config {
            capacity: memory.records_capacity(),
        },
        clock.clone(),
    );
    let routes = Routes::new(vec![named], vec![route], None);
    let metrics = Arc::new(Metrics::default());
    let gateway = Gateway::new(
        routes,
        records,
        memory,
        metrics,
        Tasks::default(),
        clock.clone(),
    );
    World {
        origin,
        gateway: Arc::new(gateway),
        clock,
    }
}

fn default_world() -> World {
    world(Freshness::MaxAge(Duration::from_secs(60)), 1 << 30)
}

fn get(key: &str) -> Read {
    Read {
        method: ReadMethod::Get,
        bucket: "train".parse().expect("a bucket name"),
        key: key.parse().expect("a key"),
        range: None,
        conditions: Conditions::default(),
        checksum_mode: false,
        part_number: None,
        version_id: None,
        freshness: Demand::Normal,
        query: Vec::new(),
        headers: http::HeaderMap::new(),
    }
}

fn range(key: &str, range: &str) -> Read {
    let header = RangeHeader {
        raw: range.to_owned(),
        parsed: RangeSpec::parse(range),
    };
    let mut read = Read {
        range: Some(header),
        ..get(key)
    };
    read.headers
        .insert("range", range.parse().expect("a header"));
    read
}

fn head(key: &str) -> Read {
    Read {
        method: ReadMethod::Head,
        ..get(key)
    }
}

fn context() -> Context {
    Context {
        principal: Arc::new(Principal::anonymous()),
        auth: Arc::new(Auth::default()),
        request_id: "test".into(),
    }
}

impl World {
    async fn answer(&self, read: Read) -> Result<Answer, Error> {
        self.gateway.read(&context(), read).await
    }

    async fn read(&self, read: Read) -> (StatusCode, Source, Bytes) {
        let Answer { response, source } = self.answer(read).await.expect("an answer");
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        (head.status, source, bytes)
    }
}

#[tokio::test]
async fn the_first_read_is_one_request_and_the_second_is_none() {
    let world = default_world();
    let bytes = pattern(3 * MIB + 5, 1);
    world.origin.put("k", bytes.clone(), "v1");
    assert_eq!(
        world.read(get("k")).await,
        (StatusCode::OK, Source::Origin, bytes.clone())
    );
    assert_eq!(
        world.origin.seen(),
        [Seen::Get {
            range: None,
            pinned: false
        }]
    );
    assert_eq!(
        world.read(get("k")).await,
        (StatusCode::OK, Source::Memory, bytes.clone())
    );
    assert_eq!(
        world.read(range("k", "bytes=5-6")).await.2,
        bytes.slice(5..7)
    );
    assert_eq!(world.read(head("k")).await.1, Source::Memory);
    assert_eq!(world.origin.seen(), []);
}

#[tokio::test]
async fn a_stale_record_costs_one_head_and_shows_new_metadata() {
    let world = default_world();
    let bytes = pattern(MIB, 1);
    world.origin.put("k", bytes.clone(), "v1");
    world.read(get("k")).await;
    world
        .origin
        .put_with("k", bytes.clone(), "v1", "new", http::HeaderMap::new());
    world.clock.advance(Duration::from_secs(61));
    world.origin.seen();
    let answer = world.answer(get("k")).await.expect("an answer");
    assert_eq!(answer.source, Source::Revalidated);
    assert_eq!(answer.response.headers()["x-amz-meta-note"], "new");
    assert_eq!(
        answer
            .response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes(),
        bytes
    );
    assert_eq!(world.origin.seen(), [Seen::Head]);
}

#[tokio::test]
async fn immutable_objects_are_never_asked_about_again() {
    let world = world(Freshness::Immutable, 1 << 30);
    world.origin.put("k", pattern(MIB, 1), "v1");
    world.read(get("k")).await;
    world.clock.advance(Duration::from_secs(1_000_000));
    world.origin.seen();
    assert_eq!(world.read(get("k")).await.1, Source::Memory);
    assert_eq!(world.origin.seen(), []);
}

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
    assert_eq!(
        answers
            .iter()
            .filter(|(_, source, _)| *source == Source::Origin)
            .count(),
        1
    );
    assert_eq!(
        world.origin.seen(),
        [Seen::Get {
            range: None,
            pinned: false
        }]
    );
    assert_eq!(world.origin.sent(), 8 * MIB);
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
async fn no_error_comes_from_a_record_that_was_not_confirmed() {
    let world = default_world();
    world.origin.put("k", pattern(100, 1), "v1");
    world.read(get("k")).await;
    world.origin.put("k", pattern(200, 2), "v2");
    let pinned = Read {
        conditions: Conditions {
            if_match: Some("\"v2\"".into()),
            ..Conditions::default()
        },
        ..get("k")
    };
    assert_eq!(world.read(pinned).await.2, pattern(200, 2));
    world.origin.put("k", pattern(300, 3), "v3");
    assert_eq!(
        world.read(range("k", "bytes=250-")).await.2,
        pattern(300, 3).slice(250..)
    );
    let wrong = Read {
        conditions: Conditions {
            if_match: Some("\"v9\"".into()),
            ..Conditions::default()
        },
        ..get("k")
    };
    assert!(matches!(
        world.answer(wrong).await,
        Err(Error::PreconditionFailed {
            condition: "If-Match"
        })
    ));
    let beyond = world.answer(range("k", "bytes=300-")).await;
    assert!(
        matches!(beyond, Err(Error::RangeNotSatisfiable { size: 300 })),
        "{beyond:?}"
    );
}

#[tokio::test]
async fn a_write_makes_the_next_read_ask() {
    let world = default_world();
    world.origin.put("k", pattern(100, 1), "v1");
    world.read(get("k")).await;
    let route = world
        .gateway
        .routes
        .load()
        .find(&"train".parse().unwrap())
        .unwrap();
    let object = CanonicalObject {
        origin: route.fingerprint,
        key: "k".parse().unwrap(),
    };
    let write = world.gateway.records.begin(&[object]).await;
    world.origin.put("k", pattern(100, 2), "v2");
    assert_eq!(
        world.read(get("k")).await.2,
        pattern(100, 2),
        "an open write hides every record"
    );
    write.end().await;
    assert_eq!(world.read(get("k")).await.2, pattern(100, 2));
    assert_eq!(world.read(get("k")).await.1, Source::Memory);
}

#[tokio::test]
async fn a_bucket_whose_origin_ignores_pins_is_not_cached() {
    let world = default_world();
    world.origin.ignore_pins();
    world.origin.put("k", pattern(100, 1), "v1");
    for _ in 0..2 {
        assert_eq!(
            world.read(get("k")).await,
            (StatusCode::OK, Source::Bypass, pattern(100, 1))
        );
    }
}

#[tokio::test]
async fn objects_that_cannot_be_pinned_are_passed_through() {
    let world = default_world();
    let kms = [("x-amz-server-side-encryption", "aws:kms")];
    let headers = kms
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect();
    world
        .origin
        .put_with("k", pattern(100, 1), "v1", "", headers);
    for _ in 0..2 {
        assert_eq!(world.read(get("k")).await.1, Source::Bypass);
    }
    assert_eq!(
        world
            .origin
            .seen()
            .iter()
            .filter(|seen| **seen == Seen::Call)
            .count(),
        2
    );
}

#[tokio::test]
async fn an_origin_that_is_down_is_an_honest_error() {
    let world = default_world();
    world.origin.put("k", pattern(100, 1), "v1");
    world.origin.fail(&[
        Fault::Down,
        Fault::Status(StatusCode::SERVICE_UNAVAILABLE),
        Fault::Down,
    ]);
    assert!(matches!(
        world.answer(get("k")).await,
        Err(Error::Origin(_))
    ));
    world.origin.remove("k");
    let missing = world.answer(get("k")).await.expect("the origin's own 404");
    assert_eq!(missing.response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn empty_objects_have_no_body() {
    let world = default_world();
    world.origin.put("k", Bytes::new(), "v0");
    for source in [Source::Origin, Source::Memory] {
        let answer = world.answer(get("k")).await.expect("an answer");
        assert_eq!(
            (
                answer.source,
                answer.response.headers()["content-length"].as_bytes()
            ),
            (source, &b"0"[..])
        );
    }
}

#[tokio::test]
async fn a_304_needs_no_body() {
    let world = default_world();
    world.origin.put("k", pattern(100, 1), "v1");
    let read = Read {
        conditions: Conditions {
            if_none_match: Some("\"v1\"".into()),
            ..Conditions::default()
        },
        ..get("k")
    };
    assert_eq!(
        world.read(read.clone()).await,
        (StatusCode::NOT_MODIFIED, Source::Origin, Bytes::new())
    );
    assert_eq!(world.origin.seen(), [Seen::Head]);
    assert_eq!(world.read(read).await.1, Source::Memory);
}

#[tokio::test]
async fn suffixes_and_ranges_beyond_the_end_are_right_cold_and_warm() {
    let world = default_world();
    let bytes = pattern(3 * BLOCK + 100, 6);
    for (key, header, expected) in [
        ("a", "bytes=-1000", bytes.len() - 1000..bytes.len()),
        ("b", "bytes=3145000-99999999", 3_145_000..bytes.len()),
        ("c", "bytes=1048570-1048580", 1_048_570..1_048_581),
        ("d", "bytes=3145800-", 3_145_800..bytes.len()),
    ] {
        world.origin.put(key, bytes.clone(), "v1");
        for _ in 0..2 {
            let (status, _, body) = world.read(range(key, header)).await;
            assert_eq!(
                (status, body),
                (StatusCode::PARTIAL_CONTENT, bytes.slice(expected.clone()))
            );
        }
    }
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
