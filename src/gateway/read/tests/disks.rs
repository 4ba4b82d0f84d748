//! Reads with a disk below memory: what it holds costs the origin nothing, and whatever it does readers get the right bytes.

use std::collections::HashSet;

use super::origin::pattern;
use super::*;
use crate::cache::disk::medium::Real;
use crate::cache::disk::medium::faulty::{Fault, Faulty, Operation, Wrong};
use crate::cache::disk::{self, Disks, Tuning};
use crate::cache::small::Small;
use crate::types::layout::PAGE;
use crate::types::outcome::DiskRead;

/// Bytes of memory: about 40 blocks fit.
const LIMIT: u64 = 64 * MIB;

/// A world with a disk.
struct Shelved {
    world: World,
    disks: Arc<Disks>,
    medium: Faulty,
    folder: tempfile::TempDir,
    /// What the disk counts.
    metrics: Arc<Metrics>,
    /// Objects are windows of it, each 4 KiB further on.
    bytes: Bytes,
}

/// How long reads of a disk may take where no disk hangs: however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

async fn shelved(capacity: u64, read_deadline: Duration) -> Shelved {
    let world = world(Freshness::Immutable, LIMIT);
    let folder = tempfile::tempdir().expect("a folder");
    let medium = Faulty::new(Arc::new(Real));
    let name = folder.path().to_string_lossy().into_owned();
    let metrics = Arc::new(Metrics::with_disks([name]));
    let means = disk::Means {
        medium: Arc::new(medium.clone()),
        tasks: world.gateway.tasks.clone(),
        cores: None,
        clock: Clock::system(),
        metrics: Arc::clone(&metrics),
        memory_limit: LIMIT,
        tuning: Tuning {
            read_deadline,
            gather: Duration::from_millis(5),
            segment_bytes: Some(4 * MIB),
            ..Tuning::default()
        },
    };
    let config = disk::Config {
        path: folder.path().to_owned(),
        capacity,
    };
    let disks = Disks::open(vec![config], means);
    disks.recovered().await;
    let gateway = Arc::into_inner(world.gateway).expect("the only one");
    let gateway = Arc::new(gateway.with_disks(Arc::clone(&disks), Small::none()));
    Shelved {
        world: World { gateway, ..world },
        disks,
        medium,
        folder,
        metrics,
        bytes: pattern(3 * MIB, 1),
    }
}

impl Shelved {
    /// Puts objects of 1 MiB under these names.
    fn put(&self, names: std::ops::Range<u64>) {
        for seed in names {
            let tag = format!("\"{seed}\"");
            self.world
                .origin
                .put(&seed.to_string(), self.body(seed), &tag);
        }
    }

    fn body(&self, seed: u64) -> Bytes {
        let from = usize::try_from(seed % 512 * 4096).expect("a small offset");
        self.bytes.slice(from..from + (1 << 20))
    }

    /// Reads one of them whole and checks every byte.
    async fn read(&self, seed: u64) -> Source {
        let (status, source, bytes) = self.world.read(get(&seed.to_string())).await;
        assert_eq!(status, StatusCode::OK);
        assert!(bytes == self.body(seed), "object {seed}, from {source:?}");
        source
    }

    /// Reads them one after another, each once the disk has taken the one before.
    async fn read_all(&self, names: std::ops::Range<u64>) {
        for seed in names {
            self.read(seed).await;
            self.disks.settle().await;
        }
    }

    /// Bytes that the disk gave.
    fn given(&self) -> u64 {
        let disk = self.metrics.disk.of(&self.folder.path().to_string_lossy());
        disk.read_bytes.get()
    }
}

#[tokio::test]
async fn what_memory_has_no_room_for_is_read_from_the_disk_and_costs_the_origin_nothing() {
    let shelved = shelved(256 * MIB, PATIENCE).await;
    shelved.put(0..80);
    shelved.read_all(0..80).await;
    shelved.world.origin.seen();
    let mut sources = HashSet::new();
    for seed in 0..80 {
        sources.insert(shelved.read(seed).await.as_str());
    }
    assert!(sources.contains("disk"), "{sources:?}");
    assert!(sources.is_subset(&["disk", "memory"].into()), "{sources:?}");
    assert_eq!(shelved.world.origin.seen(), []);
}

#[tokio::test]
async fn a_range_of_what_is_on_the_disk_costs_its_pages() {
    let shelved = shelved(256 * MIB, PATIENCE).await;
    shelved.put(0..80);
    shelved.read_all(0..80).await;
    let seed = 3;
    let before = shelved.given();
    let asked = range(&seed.to_string(), "bytes=100000-140000");
    let (status, source, bytes) = shelved.world.read(asked).await;
    assert_eq!(
        (status, source),
        (StatusCode::PARTIAL_CONTENT, Source::Disk)
    );
    assert!(bytes == shelved.body(seed).slice(100_000..140_001));
    assert_eq!(shelved.given() - before, 2 * PAGE);
}

/// An object of 8 MiB that only the disk has.
const LARGE: u64 = 8 * MIB;

async fn shelved_large() -> (Shelved, Bytes) {
    let shelved = shelved(256 * MIB, PATIENCE).await;
    let body = pattern(LARGE, 2);
    shelved.world.origin.put("large", body.clone(), "\"large\"");
    shelved.world.read(get("large")).await;
    shelved.disks.settle().await;
    shelved.put(0..80);
    shelved.read_all(0..80).await;
    (shelved, body)
}

/// Reads it in ranges of `length`, one after another, and checks every byte. Gives where they came from.
async fn read_in_order(shelved: &Shelved, body: &Bytes, length: u64) -> Vec<Source> {
    let mut sources = Vec::new();
    for first in (0..LARGE).step_by(usize::try_from(length).expect("small")) {
        let end = (first + length).min(LARGE);
        let asked = range("large", &format!("bytes={first}-{}", end - 1));
        let (status, source, bytes) = shelved.world.read(asked).await;
        assert_eq!(status, StatusCode::PARTIAL_CONTENT);
        let (from, to) = (usize::try_from(first), usize::try_from(end));
        let expected = body.slice(from.expect("small")..to.expect("small"));
        assert!(bytes == expected, "{first}-{end}, from {source:?}");
        sources.push(source);
    }
    sources
}

#[tokio::test]
async fn ranges_that_follow_one_another_are_read_ahead_of_their_client() {
    for length in [PAGE, PAGE - 1000, 3 * PAGE] {
        let (shelved, body) = shelved_large().await;
        let name = shelved.folder.path().to_string_lossy();
        let disk = shelved.metrics.disk.of(&name);
        let (reads, given) = (disk.reads(DiskRead::Hit).get(), shelved.given());
        read_in_order(&shelved, &body, length).await;
        // Two reads as they are asked, the rest of their block, and each other one whole.
        let reads = disk.reads(DiskRead::Hit).get() - reads;
        assert!((10..=12).contains(&reads), "{length}: {reads}");
        assert_eq!(shelved.given() - given, LARGE, "{length}");
        // From the second block on, all of it.
        let metrics = &shelved.world.gateway.metrics.cache;
        assert_eq!(metrics.read_ahead_bytes.get(), LARGE - MIB, "{length}");
    }
}

#[tokio::test]
async fn what_a_disk_fails_to_read_ahead_is_read_from_the_origin() {
    let (shelved, body) = shelved_large().await;
    let wrong = Fault::all(Operation::Read, Wrong::Error(5));
    shelved.medium.add(wrong.after(7));
    let sources = read_in_order(&shelved, &body, PAGE).await;
    assert!(sources.contains(&Source::Origin), "{sources:?}");
    shelved.medium.mend();
}

#[tokio::test]
async fn readers_of_one_block_share_one_read_of_the_disk() {
    let shelved = shelved(256 * MIB, PATIENCE).await;
    shelved.put(0..80);
    shelved.read_all(0..80).await;
    let before = shelved.given();
    let readers = (0..50).map(|_| shelved.read(5));
    let sources = futures::future::join_all(readers).await;
    let from_disk = sources.iter().filter(|source| **source == Source::Disk);
    assert!(from_disk.count() > 0, "{sources:?}");
    assert_eq!(shelved.given() - before, MIB);
}

#[tokio::test]
async fn whatever_a_disk_does_readers_get_the_right_bytes() {
    let wrongs = [
        Wrong::Error(5),
        Wrong::Short(4096),
        Wrong::Flip,
        Wrong::Hang,
    ];
    for wrong in wrongs {
        let patience = match wrong {
            Wrong::Hang => Duration::from_millis(50),
            Wrong::Error(_) | Wrong::Short(_) | Wrong::Flip => PATIENCE,
        };
        let shelved = shelved(256 * MIB, patience).await;
        shelved.put(0..80);
        shelved.read_all(0..80).await;
        shelved.medium.add(Fault::all(Operation::Read, wrong));
        let mut sources = HashSet::new();
        for seed in 0..20 {
            sources.insert(shelved.read(seed).await.as_str());
        }
        let expected = HashSet::from(["origin", "memory"]);
        assert!(sources.is_subset(&expected), "{wrong:?}: {sources:?}");
        shelved.medium.mend();
    }
}

#[tokio::test]
async fn a_disk_that_takes_nothing_is_no_reason_to_fail() {
    for wrong in [
        Wrong::Error(28),
        Wrong::Error(30),
        Wrong::Error(5),
        Wrong::Hang,
    ] {
        let shelved = shelved(256 * MIB, PATIENCE).await;
        shelved.put(0..60);
        shelved.medium.add(Fault::all(Operation::Change, wrong));
        for seed in (0..60).chain(0..60) {
            shelved.read(seed).await;
        }
        shelved.medium.mend();
    }
}

/// A hot set of 30 % of the disk is read every round. A scan of five times the disk passes, a tenth of it in each round.
#[tokio::test]
async fn a_scan_does_not_flush_what_is_read_every_round() {
    let (capacity, hot) = (64, 19);
    let shelved = shelved(capacity * MIB, PATIENCE).await;
    shelved.put(0..hot);
    shelved.put(1000..1000 + 5 * capacity);
    let scan: Vec<u64> = (1000..1000 + 5 * capacity).collect();
    let (mut hits, mut reads) = (0, 0);
    for round in 0..14_usize {
        for seed in 0..hot {
            let source = shelved.read(seed).await;
            shelved.disks.settle().await;
            if round > 3 {
                reads += 1;
                hits += u32::from(matches!(source, Source::Disk | Source::Memory));
            }
        }
        let passed = round
            .checked_sub(3)
            .and_then(|part| scan.chunks(32).nth(part));
        for seed in passed.unwrap_or_default() {
            shelved.read(*seed).await;
            shelved.disks.settle().await;
        }
    }
    assert!(hits * 10 > reads * 9, "{hits} of {reads} reads were hits");
}
