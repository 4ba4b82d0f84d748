//! What is known of objects outlives the node, and is worth what it was worth.

use std::path::Path;

use super::origin::{Seen, pattern};
use super::*;
use crate::cache::disk::{Disks, Epoch};
use crate::cache::small::{self, Kind, LEAST_CAPACITY, Small};
use crate::telemetry::small::Put;
use crate::types::Subject;

/// A life of a node over `origin`, whose records are kept on `disk`.
async fn life(origin: &FakeOrigin, disk: &Path, freshness: Freshness) -> World {
    let terms = Terms::default();
    let world = world_on(origin.clone(), freshness.into(), terms, 1 << 30);
    let config = small::Config {
        path: disk.to_owned(),
        capacity: LEAST_CAPACITY,
        memory: 8 * MIB,
    };
    let means = small::Means {
        tasks: world.gateway.tasks.clone(),
        clock: world.clock.clone(),
        metrics: Arc::clone(&world.gateway.metrics),
    };
    let small = Small::open(vec![config], means).await;
    let gateway = Arc::into_inner(world.gateway).expect("the only one");
    World {
        gateway: Arc::new(gateway.with_disks(Disks::none(), small)),
        ..world
    }
}

impl World {
    fn subject(&self, key: &str) -> Subject {
        let bucket = "train".parse().expect("a bucket name");
        let route = self.gateway.routes.load().find(&bucket).expect("a route");
        let key = key.parse().expect("a key");
        route.canonical(&key).expect("a key").into()
    }

    async fn end(self) {
        self.gateway.tiers.small.close().await;
    }

    /// Whether a record is kept on the disk.
    async fn keeps(&self, key: &str) -> bool {
        let small = &self.gateway.tiers.small;
        let digest = self.subject(key).digest();
        small.get(Kind::Record, digest).await.is_some()
    }

    fn forget_in_memory(&self, key: &str) {
        let subject = self.subject(key);
        let record = self.gateway.records.lookup(&subject).record;
        let body = record.expect("a record").body.clone();
        self.gateway.records.forget(&subject, &body);
    }

    async fn note(&self, read: Read) -> String {
        let answer = self.answer(read).await.expect("an answer");
        assert_eq!(answer.response.status(), StatusCode::OK);
        let note = answer.response.headers()["x-amz-meta-note"].to_str();
        note.expect("text").to_owned()
    }
}

fn minute() -> Freshness {
    Freshness::MaxAge(Duration::from_secs(60))
}

fn put(origin: &FakeOrigin, note: &str) {
    origin.put_with("k", pattern(9, 1), "e", note, http::HeaderMap::new());
}

#[tokio::test]
async fn under_immutable_a_record_of_an_earlier_life_answers_without_the_origin() {
    let (origin, disk) = (
        FakeOrigin::default(),
        tempfile::tempdir().expect("a folder"),
    );
    put(&origin, "first");
    let world = life(&origin, disk.path(), Freshness::Immutable).await;
    world.read(get("k")).await;
    world.end().await;
    origin.seen();
    let world = life(&origin, disk.path(), Freshness::Immutable).await;
    assert_eq!(world.note(head("k")).await, "first");
    assert_eq!(world.note(head("k")).await, "first");
    assert_eq!(origin.seen(), []);
    let (status, _, bytes) = world.read(get("k")).await;
    assert_eq!((status, bytes), (StatusCode::OK, pattern(9, 1)));
    // The bytes are kept beside it.
    assert_eq!(origin.seen(), []);
    world.end().await;
}

#[tokio::test]
async fn elsewhere_a_record_of_an_earlier_life_costs_one_head() {
    for freshness in [minute(), Freshness::Always] {
        let (origin, disk) = (
            FakeOrigin::default(),
            tempfile::tempdir().expect("a folder"),
        );
        put(&origin, "first");
        let world = life(&origin, disk.path(), freshness).await;
        world.read(get("k")).await;
        world.end().await;
        put(&origin, "second");
        origin.seen();
        let world = Arc::new(life(&origin, disk.path(), freshness).await);
        let reads = (0..50).map(|_| world.note(head("k")));
        let notes = futures::future::join_all(reads).await;
        assert!(notes.iter().all(|note| note == "second"));
        assert_eq!(origin.seen(), [Seen::Head]);
        world.gateway.tiers.small.close().await;
    }
}

#[tokio::test]
async fn a_record_that_memory_has_lost_has_its_age_still() {
    let (origin, disk) = (
        FakeOrigin::default(),
        tempfile::tempdir().expect("a folder"),
    );
    put(&origin, "first");
    let world = life(&origin, disk.path(), minute()).await;
    world.read(get("k")).await;
    origin.seen();
    world.clock.advance(Duration::from_secs(59));
    world.forget_in_memory("k");
    assert_eq!(world.note(head("k")).await, "first");
    assert_eq!(origin.seen(), []);
    world.clock.advance(Duration::from_secs(1));
    world.forget_in_memory("k");
    put(&origin, "second");
    assert_eq!(world.note(head("k")).await, "second");
    assert_eq!(origin.seen(), [Seen::Head]);
    world.end().await;
}

#[tokio::test]
async fn a_record_is_written_when_something_of_it_has_changed() {
    let (origin, disk) = (
        FakeOrigin::default(),
        tempfile::tempdir().expect("a folder"),
    );
    put(&origin, "first");
    let world = life(&origin, disk.path(), Freshness::Always).await;
    for (note, stored) in [("first", 1), ("first", 1), ("second", 2), ("second", 2)] {
        put(&origin, note);
        assert_eq!(world.note(head("k")).await, note);
        world.gateway.tiers.small.settle().await;
        let metrics = &world.gateway.metrics.small;
        assert_eq!(metrics.put(Kind::Record, Put::Stored).get(), stored);
    }
    world.write("k", |_| {}).await;
    world.note(head("k")).await;
    world.gateway.tiers.small.settle().await;
    let stored = world.gateway.metrics.small.put(Kind::Record, Put::Stored);
    assert_eq!(stored.get(), 3);
    world.end().await;
}

#[tokio::test]
async fn a_write_makes_a_record_on_disk_one_to_confirm() {
    let (origin, disk) = (
        FakeOrigin::default(),
        tempfile::tempdir().expect("a folder"),
    );
    put(&origin, "first");
    let world = life(&origin, disk.path(), Freshness::Immutable).await;
    world.read(get("k")).await;
    // In the life that admitted it, which has lost it from memory.
    world.write("k", |origin| put(origin, "second")).await;
    world.forget_in_memory("k");
    assert!(world.keeps("k").await);
    assert_eq!(world.note(head("k")).await, "second");
    world.end().await;
    // In a later one, which had not looked at it yet.
    let world = life(&origin, disk.path(), Freshness::Immutable).await;
    world.write("k", |origin| put(origin, "third")).await;
    assert!(world.keeps("k").await);
    assert_eq!(world.note(head("k")).await, "third");
    world.end().await;
    let world = life(&origin, disk.path(), Freshness::Immutable).await;
    origin.seen();
    assert_eq!(world.note(head("k")).await, "third");
    assert_eq!(origin.seen(), []);
    world.end().await;
}

#[tokio::test]
async fn a_version_that_has_vanished_is_forgotten_on_disk_too() {
    let (origin, disk) = (
        FakeOrigin::default(),
        tempfile::tempdir().expect("a folder"),
    );
    put(&origin, "first");
    let world = life(&origin, disk.path(), Freshness::Immutable).await;
    assert_eq!(world.note(head("k")).await, "first");
    assert!(world.keeps("k").await);
    origin.remove("k");
    assert!(world.answer(get("k")).await.is_err());
    assert!(!world.keeps("k").await);
    assert!(world.answer(head("k")).await.is_err());
    world.end().await;
}

#[tokio::test]
async fn no_error_comes_from_a_record_of_an_earlier_life() {
    let (origin, disk) = (
        FakeOrigin::default(),
        tempfile::tempdir().expect("a folder"),
    );
    put(&origin, "first");
    let world = life(&origin, disk.path(), Freshness::Immutable).await;
    world.read(get("k")).await;
    world.end().await;
    origin.put_with("k", pattern(99, 2), "f", "second", http::HeaderMap::new());
    let world = life(&origin, disk.path(), Freshness::Immutable).await;
    // The record has 9 bytes.
    let (status, _, bytes) = world.read(range("k", "bytes=50-59")).await;
    assert_eq!(status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(bytes, pattern(99, 2).slice(50..60));
    world.end().await;
}

#[tokio::test]
async fn a_purge_ends_what_is_known_on_disk() {
    let (origin, disk) = (
        FakeOrigin::default(),
        tempfile::tempdir().expect("a folder"),
    );
    put(&origin, "first");
    let world = life(&origin, disk.path(), Freshness::Immutable).await;
    world.read(get("k")).await;
    let subject = world.subject("k");
    let small = &world.gateway.tiers.small;
    let bytes = small.get(Kind::Record, subject.digest()).await;
    let bytes = bytes.expect("a record");
    world.forget_in_memory("k");
    let restore = |floor| world.gateway.records.restore(&subject, &bytes, floor);
    assert!(!restore(Epoch(1)));
    assert!(restore(Epoch(0)));
    world.end().await;
}
