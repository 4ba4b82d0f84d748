//! Versions by their id: each has a record of its own, and a write to the key makes all of them ask again.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt;
use proptest::prelude::*;

use super::super::{Read, ReadMethod};
use super::origin::{Seen, pattern};
use super::{MIB, World, default_world, get, range, version};
use crate::gateway::Error;
use crate::types::Source;
use crate::types::layout::PAGE;

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

#[derive(Debug, Clone)]
enum Step {
    /// A new version through the gateway.
    Put(u64),
    /// One of the versions is deleted for good, through the gateway.
    Delete(usize),
    /// The same past the gateway: it may be read until it is 60 s old.
    DeleteAtOrigin(usize),
    Read(usize, Option<(u64, u64)>),
    ReadCurrent,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let range = proptest::option::of((0..3 * PAGE, 1..2 * PAGE));
    prop_oneof![
        2 => (1..3 * PAGE).prop_map(Step::Put),
        1 => (0..8usize).prop_map(Step::Delete),
        1 => (0..8usize).prop_map(Step::DeleteAtOrigin),
        6 => (0..8usize, range).prop_map(|(version, range)| Step::Read(version, range)),
        3 => Just(Step::ReadCurrent),
        2 => (1..100u64).prop_map(Step::Wait),
    ]
}

/// A version that was made, and whether it may, must or must not be there.
struct Made {
    bytes: Bytes,
    there: There,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum There {
    Yes,
    Perhaps,
    No,
}

/// The whole key is asked for again: what went past the gateway is seen now.
fn settle(made: &mut [Made]) {
    let unsure = made.iter_mut().filter(|made| made.there == There::Perhaps);
    unsure.for_each(|made| made.there = There::No);
}

async fn body(world: &World, read: Read) -> Option<Bytes> {
    let answer = world.answer(read).await.ok()?;
    let body = answer.response.into_body().collect().await;
    body.ok().map(http_body_util::Collected::to_bytes)
}

async fn read_version(
    world: &World,
    made: &Made,
    version: usize,
    range: Option<(u64, u64)>,
) -> Result<(), TestCaseError> {
    let asked = range.map_or_else(
        || get("k"),
        |(start, length)| super::range("k", &format!("bytes={start}-{}", start + length - 1)),
    );
    let id = format!("v{version}");
    let read = Read {
        query: vec![("versionId".to_owned(), id.clone())],
        version_id: Some(id),
        ..asked
    };
    let Made { bytes, there } = made;
    let size = bytes.len() as u64;
    let place = range.map_or(0..size, |(start, length)| {
        start.min(size)..(start + length).min(size)
    });
    let index = |offset: u64| usize::try_from(offset).expect("small");
    let expected = bytes.slice(index(place.start)..index(place.end));
    match body(world, read).await {
        Some(got) => {
            prop_assert!(*there != There::No, "a version that was deleted");
            prop_assert_eq!(got, expected);
        }
        None => prop_assert!(*there != There::Yes || expected.is_empty()),
    }
    Ok(())
}

async fn read_current(world: &World, made: &[Made]) -> Result<(), TestCaseError> {
    let got = body(world, get("k")).await;
    let newest = made.iter().rposition(|made| made.there == There::Yes);
    let allowed = |got: &Bytes| {
        made[newest.unwrap_or(0)..]
            .iter()
            .any(|made| made.there != There::No && made.bytes == *got)
    };
    match got {
        Some(got) => prop_assert!(allowed(&got), "not the current version"),
        // One that goes while it is read breaks off.
        None => prop_assert!(
            newest.is_none() || made.iter().any(|made| made.there == There::Perhaps),
            "there is a version"
        ),
    }
    Ok(())
}

async fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let world = default_world();
    let mut made: Vec<Made> = Vec::new();
    for step in steps {
        match step {
            Step::Put(length) => {
                let number = made.len();
                let bytes = pattern(length, number as u64);
                let put = bytes.clone();
                world
                    .write("k", |origin| {
                        origin.put_version("k", put, &format!("v{number}"))
                    })
                    .await;
                settle(&mut made);
                let there = There::Yes;
                made.push(Made { bytes, there });
            }
            Step::Delete(version) if version < made.len() => {
                let id = format!("v{version}");
                world
                    .write("k", |origin| origin.remove_version("k", &id))
                    .await;
                made[version].there = There::No;
                settle(&mut made);
            }
            Step::DeleteAtOrigin(version) if version < made.len() => {
                world.origin.remove_version("k", &format!("v{version}"));
                if made[version].there == There::Yes {
                    made[version].there = There::Perhaps;
                }
            }
            Step::Read(version, range) if version < made.len() => {
                read_version(&world, &made[version], version, range).await?;
            }
            Step::ReadCurrent => read_current(&world, &made).await?,
            Step::Wait(seconds) => {
                world.clock.advance(Duration::from_secs(seconds));
                if seconds >= 60 {
                    settle(&mut made);
                }
            }
            Step::Delete(_) | Step::DeleteAtOrigin(_) | Step::Read(..) => {}
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_version_is_what_it_was_until_it_is_deleted(steps in proptest::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(run(steps))?;
    }
}
