//! Versions by their id: each has a record of its own, and a write to the key makes all of them ask again.

use std::time::Duration;

use http::StatusCode;

use super::super::{Read, ReadMethod};
use super::origin::{Seen, pattern};
use super::{MIB, World, default_world, get, range, version};
use crate::gateway::Error;
use crate::types::Source;

/// A world with an object in three versions, `null` the oldest.
fn world() -> World {
    let world = default_world();
    world.origin.put("k", pattern(MIB, 1), "null");
    world.origin.put_version("k", pattern(MIB + 5, 2), "v2");
    world.origin.put_version("k", pattern(2 * MIB, 3), "v3");
    world
}

#[tokio::test]
async fn each_version_is_asked_for_once() {
    let world = world();
    for (id, bytes) in [
        ("null", pattern(MIB, 1)),
        ("v2", pattern(MIB + 5, 2)),
        ("v3", pattern(2 * MIB, 3)),
    ] {
        for (source, requests) in [(Source::Origin, 1), (Source::Memory, 0)] {
            let answer = world.read(version("k", id)).await;
            assert_eq!(answer, (StatusCode::OK, source, bytes.clone()), "{id}");
            assert_eq!(world.origin.seen().len(), requests, "{id}");
        }
        let head = Read {
            method: ReadMethod::Head,
            ..version("k", id)
        };
        assert_eq!(world.read(head).await.1, Source::Memory);
        let part = Read {
            version_id: Some(id.to_owned()),
            ..range("k", "bytes=7-70000")
        };
        let (_, source, part) = world.read(part).await;
        assert_eq!((source, part), (Source::Memory, bytes.slice(7..70_001)));
    }
    assert_eq!(world.origin.seen(), []);
}

#[tokio::test]
async fn the_current_object_and_its_version_share_bytes_and_what_is_known() {
    let world = world();
    world.read(get("k")).await;
    world.origin.seen();
    assert_eq!(world.read(version("k", "v3")).await.1, Source::Memory);
    assert_eq!(world.origin.seen(), []);
    world.read(version("k", "v2")).await;
    world.origin.remove_version("k", "v3");
    world.clock.advance(Duration::from_secs(61));
    world.origin.seen();
    assert_eq!(world.read(get("k")).await.2, pattern(MIB + 5, 2));
    assert_eq!(
        world.origin.seen(),
        [Seen::Head],
        "the bytes are here under v2"
    );
}

#[tokio::test]
async fn a_write_to_the_key_makes_every_version_ask() {
    let world = world();
    for id in ["null", "v2", "v3"] {
        world.read(version("k", id)).await;
    }
    world
        .write("k", |origin| origin.remove_version("k", "v2"))
        .await;
    world.origin.seen();
    for id in ["null", "v3"] {
        assert_eq!(world.read(version("k", id)).await.1, Source::Revalidated);
    }
    assert_eq!(world.origin.seen(), [Seen::Head, Seen::Head]);
    match world.answer(version("k", "v2")).await {
        Err(Error::Origin(error)) => assert_eq!(error.status(), Some(StatusCode::NOT_FOUND)),
        other => panic!("a version that was deleted: {other:?}"),
    }
}

#[tokio::test]
async fn the_null_version_is_replaced_by_a_write_without_versions() {
    let world = default_world();
    world.origin.put("k", pattern(100, 1), "one");
    assert_eq!(world.read(version("k", "null")).await.2, pattern(100, 1));
    world
        .write("k", |origin| origin.put("k", pattern(100, 2), "two"))
        .await;
    assert_eq!(world.read(version("k", "null")).await.2, pattern(100, 2));
}

#[tokio::test]
async fn a_version_that_goes_beneath_its_reader_is_looked_for_again() {
    let world = world();
    let whole = pattern(MIB + 5, 2);
    let first = Read {
        version_id: Some("v2".to_owned()),
        ..range("k", "bytes=500000-500009")
    };
    assert_eq!(world.read(first).await.2, whole.slice(500_000..500_010));
    world.origin.remove_version("k", "v2");
    match world.answer(version("k", "v2")).await {
        Err(Error::Origin(error)) => assert_eq!(error.status(), Some(StatusCode::NOT_FOUND)),
        other => panic!("a version that is gone: {other:?}"),
    }
    world.origin.put_version("k", whole.clone(), "v2");
    assert_eq!(world.read(version("k", "v2")).await.2, whole);
}
