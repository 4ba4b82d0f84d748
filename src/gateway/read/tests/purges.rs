//! Purges: who reads after one gets nothing that was asked for before it.

use http_body_util::BodyExt;

use super::origin::{Seen, pattern};
use super::{MIB, World, get, part, version, world};
use crate::gateway::place::Place;
use crate::gateway::purge::Purge;
use crate::routes::Freshness;
use crate::types::Source;

/// A world in which nothing is ever asked about again, with an object under each key that was read once.
async fn warm(keys: &[&str]) -> World {
    let world = world(Freshness::Immutable, 1 << 30);
    for (seed, key) in (1..).zip(keys) {
        world.origin.put(key, pattern(2 * MIB, seed), "v1");
        world.read(get(key)).await;
    }
    world.origin.seen();
    world
}

impl World {
    async fn purge(&self, purge: Purge) {
        let bucket = "train".parse().unwrap();
        self.gateway.purge(&bucket, &purge).await.unwrap();
    }

    async fn place(&self, key: &str) -> Place {
        let (bucket, key) = ("train".parse().unwrap(), key.parse().unwrap());
        self.gateway.place(&bucket, &key, None).await.unwrap()
    }
}

fn prefix(prefix: &str) -> Purge {
    Purge::Prefix(prefix.to_owned())
}

#[tokio::test]
async fn what_is_purged_is_fetched_anew_with_its_bytes() {
    let world = warm(&["a/1", "a/2", "b"]).await;
    world.purge(prefix("a/")).await;
    assert_eq!(world.origin.seen(), [], "a purge asks nobody");
    let whole = Seen::Get {
        range: None,
        pinned: false,
    };
    for (key, source, requests) in [
        ("a/1", Source::Origin, vec![whole.clone()]),
        ("a/2", Source::Origin, vec![whole]),
        ("a/1", Source::Memory, vec![]),
        ("b", Source::Memory, vec![]),
    ] {
        let (_, told, bytes) = world.read(get(key)).await;
        assert_eq!((told, bytes.len() as u64), (source, 2 * MIB), "{key}");
        assert_eq!(world.origin.seen(), requests, "{key}");
    }
}

#[tokio::test]
async fn a_purge_of_one_key_is_about_no_other() {
    let world = warm(&["key", "key2"]).await;
    world.purge(Purge::Key("key".parse().unwrap())).await;
    assert_eq!(world.read(get("key2")).await.1, Source::Memory);
    assert_eq!(world.read(get("key")).await.1, Source::Origin);
}

#[tokio::test]
async fn a_later_purge_elsewhere_disturbs_nothing() {
    let world = warm(&["a", "b"]).await;
    for purge in ["a", "b", "a"] {
        world.purge(prefix(purge)).await;
        assert_eq!(world.read(get(purge)).await.1, Source::Origin);
    }
    for key in ["a", "b"] {
        assert_eq!(world.read(get(key)).await.1, Source::Memory, "{key}");
    }
}

#[tokio::test]
async fn who_comes_after_a_purge_joins_no_body_from_before_it() {
    let world = warm(&["other"]).await;
    world.origin.put("k", pattern(2 * MIB, 7), "v1");
    let gate = world.origin.hold();
    gate.add_permits(1);
    let early = world.answer(get("k")).await.unwrap();
    world.purge(prefix("")).await;
    let sent = world.origin.sent();
    let late = async {
        let answer = world.answer(get("k")).await.unwrap();
        let source = answer.source;
        (source, answer.response.into_body().collect().await.unwrap())
    };
    let early = async {
        let body = early.response.into_body().collect().await;
        body.expect("it goes on").to_bytes()
    };
    gate.add_permits(1 << 20);
    let ((source, late), early) = tokio::join!(late, early);
    assert_eq!(source, Source::Origin);
    assert_eq!(early, pattern(2 * MIB, 7));
    assert_eq!(late.to_bytes(), early);
    assert!(world.origin.sent() >= sent + 2 * MIB);
    world.origin.seen();
    let (_, source, bytes) = world.read(get("k")).await;
    assert_eq!((source, bytes), (Source::Memory, early));
    assert_eq!(world.origin.seen(), []);
}

#[tokio::test]
async fn who_comes_after_a_purge_joins_no_question_from_before_it() {
    let world = warm(&["other"]).await;
    world.origin.put("k", pattern(100, 1), "v1");
    let gate = world.origin.hold();
    let early = world.read(get("k"));
    let late = async {
        while world.origin.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        world.purge(prefix("k")).await;
        world.origin.put("k", pattern(100, 2), "v2");
        let reading = world.read(get("k"));
        gate.add_permits(1 << 20);
        reading.await
    };
    let (early, late) = tokio::join!(early, late);
    assert_eq!(early.2.len(), 100);
    assert_eq!((late.1, late.2), (Source::Origin, pattern(100, 2)));
    let (_, source, bytes) = world.read(get("k")).await;
    assert_eq!((source, bytes), (Source::Memory, pattern(100, 2)));
}

#[tokio::test]
async fn versions_and_parts_are_forgotten_too() {
    let world = warm(&["other"]).await;
    world.origin.put_version("k", pattern(MIB, 1), "one");
    world.origin.put("p", pattern(3 * MIB, 2), "v1");
    world.origin.set_parts("p", &[2 * MIB, MIB]);
    for source in [Source::Origin, Source::Memory] {
        assert_eq!(world.read(version("k", "one")).await.1, source);
        assert_eq!(world.read(part("p", "2")).await.1, source);
    }
    world.purge(prefix("")).await;
    assert_eq!(world.read(version("k", "one")).await.1, Source::Origin);
    assert_eq!(world.read(part("p", "2")).await.1, Source::Origin);
}

#[tokio::test]
async fn an_objects_place_is_known_until_it_is_purged() {
    let world = warm(&["k"]).await;
    let place = world.place("k").await;
    let record = place.record.expect("a record");
    assert_eq!((record.size, record.fresh), (2 * MIB, true));
    assert_eq!(record.age_seconds, Some(0));
    let runs = place.blocks.iter().map(|run| (&*run.blocks, &*run.memory));
    assert_eq!(runs.collect::<Vec<_>>(), [("0-1", "0-15")]);
    assert_eq!((place.totals.pages, place.totals.memory_pages), (32, 32));
    assert_eq!(place.totals.memory_bytes, 2 * MIB);
    world.purge(prefix("k")).await;
    let place = world.place("k").await;
    assert_eq!((place.record, place.blocks), (None, vec![]));
    assert_eq!(world.origin.seen(), [], "nobody was asked");
}

#[tokio::test]
async fn what_is_under_way_is_told_as_a_fill() {
    let world = warm(&["other"]).await;
    world.origin.put("k", pattern(2 * MIB, 7), "v1");
    let gate = world.origin.hold();
    gate.add_permits(1);
    let answer = world.answer(get("k")).await.unwrap();
    let place = world.place("k").await;
    let fills: Vec<_> = place.fills.iter().map(|it| (it.from, it.to)).collect();
    assert_eq!(fills, [(0, 2 * MIB)]);
    gate.add_permits(1 << 20);
    answer.response.into_body().collect().await.unwrap();
}
