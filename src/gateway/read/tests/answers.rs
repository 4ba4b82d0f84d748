//! Answers: freshness, conditions, ranges, what is passed through.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::BodyExt;

use super::super::{Conditions, Demand, Read};
use super::origin::{Fault, Seen, pattern};
use super::{MIB, context, default_world, get, head, range, world};
use crate::gateway::Error;
use crate::gateway::forward::support::request;
use crate::origin;
use crate::routes::Freshness;
use crate::types::layout::{BLOCK, PAGE};
use crate::types::{OperationName, Source};

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
    let mut wrong = get("k");
    wrong.conditions.if_match = Some("\"v9\"".into());
    wrong.headers.insert("if-match", "\"v9\"".parse().unwrap());
    for (read, status) in [
        (wrong, StatusCode::PRECONDITION_FAILED),
        (range("k", "bytes=300-"), StatusCode::RANGE_NOT_SATISFIABLE),
    ] {
        match world.answer(read).await {
            Err(Error::Origin(origin::Error::Refused(refusal))) => assert_eq!(
                (refusal.status, &refusal.body[..]),
                (status, &b"the origin's own words"[..])
            ),
            other => panic!("not the origin's own error: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_write_makes_the_next_read_ask() {
    let world = default_world();
    world.origin.put("k", pattern(100, 1), "v1");
    world.read(get("k")).await;
    let bucket = "train".parse().unwrap();
    let route = world.gateway.routes.load().find(&bucket).unwrap();
    let object = route.canonical(&"k".parse().unwrap()).unwrap();
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
    match world.answer(get("k")).await {
        Err(Error::Origin(error)) => assert_eq!(error.status(), Some(StatusCode::NOT_FOUND)),
        other => panic!("not the origin's own 404: {other:?}"),
    }
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_here_is_the_clients_to_read() {
    let world = default_world();
    world.origin.put("k", pattern(100, 1), "v1");
    world.origin.fail(&[Fault::Nonsense]);
    let (status, source, bytes) = world.read(get("k")).await;
    assert_eq!((status, source), (StatusCode::OK, Source::Bypass));
    assert_eq!(bytes, pattern(100, 1));
    assert_eq!(world.origin.seen().len(), 2);
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

fn unless(key: &str, etag: &str) -> Read {
    let mut read = get(key);
    read.conditions.if_none_match = Some(etag.into());
    read.headers.insert("if-none-match", etag.parse().unwrap());
    read
}

#[tokio::test]
async fn a_304_needs_no_body_and_is_as_the_origins_was() {
    let world = default_world();
    for key in ["k", "l"] {
        world.origin.put(key, pattern(100, 1), "v1");
    }
    let not_modified = (StatusCode::NOT_MODIFIED, Source::Bypass, Bytes::new());
    assert_eq!(world.read(unless("k", "\"v1\"")).await, not_modified);
    assert_eq!(world.origin.seen(), [Seen::Head, Seen::Call]);
    // Now it is known that this origin says the tag, and neither the note nor anything else.
    for (key, source) in [("l", Source::Origin), ("k", Source::Memory)] {
        let answer = world.answer(unless(key, "\"v1\"")).await.unwrap();
        assert_eq!(
            (answer.response.status(), answer.source),
            (not_modified.0, source)
        );
        let headers: Vec<_> = answer.response.headers().iter().collect();
        assert_eq!(headers.len(), 1, "{headers:?}");
        assert_eq!(headers[0].1, "\"v1\"");
    }
    assert_eq!(world.origin.seen(), [Seen::Head]);
}

#[tokio::test]
async fn a_304_is_the_origins_again_once_the_bucket_has_changed() {
    let world = default_world();
    world.origin.put("k", pattern(100, 1), "v1");
    let source = || async { world.read(unless("k", "\"v1\"")).await.1 };
    assert_eq!(source().await, Source::Bypass);
    assert_eq!(source().await, Source::Memory);
    let name = OperationName::PutBucketVersioning;
    let change = request(name, Method::PUT, "");
    let changed = world.gateway.forward(&context(), change).await;
    assert!(changed.is_ok());
    assert_eq!(source().await, Source::Bypass);
    assert_eq!(source().await, Source::Memory);
}

#[tokio::test]
async fn a_range_of_nothing_is_the_origins_to_judge_before_any_condition() {
    let world = default_world();
    for (key, size) in [("k", 100), ("empty", 0)] {
        world.origin.put(key, pattern(size, 1), "v1");
        world.read(get(key)).await;
        world.read(unless(key, "\"v1\"")).await;
        let mut beyond = unless(key, "\"v1\"");
        beyond.range = range(key, "bytes=100-").range;
        beyond
            .headers
            .insert("range", "bytes=100-".parse().unwrap());
        let answer = world.read(beyond).await;
        assert_eq!(answer.1, Source::Bypass, "{key}");
        let known = world.read(unless(key, "\"v1\"")).await;
        assert_eq!(known.1, Source::Memory, "{key}");
    }
}

#[tokio::test]
async fn what_stores_differ_in_is_the_origins_to_answer() {
    let world = default_world();
    world.origin.put("k", pattern(100, 1), "v1");
    world.read(get("k")).await;
    let malformed = range("k", "bytes=4-2");
    let mut other_version = range("k", "bytes=4-5");
    other_version.conditions.if_range = Some("\"v2\"".into());
    let mut same_version = range("k", "bytes=4-5");
    same_version.conditions.if_range = Some("\"v1\"".into());
    let unclear = Read {
        is_clear: false,
        ..get("k")
    };
    for (read, source) in [
        (unless("k", "*"), Source::Bypass),
        (unless("k", "\"a\", \"b\""), Source::Bypass),
        (unless("k", "W/\"v1\""), Source::Bypass),
        (unless("k", "\"v2\""), Source::Memory),
        (malformed, Source::Bypass),
        (range("k", "bytes=0-1,4-5"), Source::Bypass),
        (other_version, Source::Bypass),
        (same_version, Source::Memory),
        (unclear, Source::Bypass),
    ] {
        assert_eq!(world.read(read.clone()).await.1, source, "{read:?}");
    }
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
async fn a_request_may_ask_for_more_freshness() {
    let world = world(Freshness::Immutable, 1 << 30);
    world.origin.put("k", pattern(100, 1), "v1");
    world.read(get("k")).await;
    world.origin.seen();
    let no_cache = Read {
        freshness: Demand::Revalidate,
        ..get("k")
    };
    assert_eq!(world.read(no_cache).await.1, Source::Revalidated);
    assert_eq!(world.origin.seen(), [Seen::Head]);
    let no_store = Read {
        freshness: Demand::Bypass,
        ..get("k")
    };
    assert_eq!(world.read(no_store).await.1, Source::Bypass);
    assert_eq!(world.origin.seen(), [Seen::Call]);
}

#[tokio::test]
async fn checksums_are_asked_for_once() {
    let world = default_world();
    let headers = http::HeaderMap::from_iter([(
        "x-amz-checksum-crc32".parse().unwrap(),
        "AAAAAA==".parse().unwrap(),
    )]);
    world
        .origin
        .put_with("k", pattern(MIB, 1), "v1", "", headers);
    let asking = || Read {
        checksum_mode: true,
        ..get("k")
    };
    world.read(range("k", "bytes=0-9")).await;
    world.origin.seen();
    for requests in [
        vec![
            Seen::Head,
            Seen::Get {
                range: Some(PAGE..MIB),
                pinned: true,
            },
        ],
        vec![],
    ] {
        let answer = world.answer(asking()).await.expect("an answer");
        assert!(
            answer
                .response
                .headers()
                .contains_key("x-amz-checksum-crc32")
        );
        assert_eq!(
            answer
                .response
                .into_body()
                .collect()
                .await
                .expect("a body")
                .to_bytes(),
            pattern(MIB, 1)
        );
        let seen = world.origin.seen();
        assert!(
            seen.len() == requests.len() && requests.iter().all(|request| seen.contains(request)),
            "{seen:?}"
        );
    }
    assert!(
        !world
            .answer(get("k"))
            .await
            .unwrap()
            .response
            .headers()
            .contains_key("x-amz-checksum-crc32")
    );
}
