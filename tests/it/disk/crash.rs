//! A node that is killed at any moment serves right bytes afterwards, whatever it was writing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{KIB, MIB, configuration};
use crate::support::client::Ask;
use crate::support::content;
use crate::support::origin::TestOrigin;
use crate::support::process::Process;
use crate::support::spawn;

const OBJECTS: u64 = 200;
const READERS: u64 = 8;
/// Contents that objects take turns with: each new one makes the disk's bytes of the one before worthless.
const CONTENTS: u64 = 12;
/// How often an answer may break off in a row in a node that lives.
const TRIES: u32 = 5;
/// The most answers before a node is killed.
const MOST_ANSWERS: u64 = 150;
/// How long a node may take for these.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a node is killed; `FOREBAY_TEST_CRASHES` asks for more.
fn rounds() -> u64 {
    let asked = std::env::var_os("FOREBAY_TEST_CRASHES");
    let asked = asked.and_then(|asked| asked.to_str().and_then(|asked| asked.parse().ok()));
    asked.unwrap_or(12)
}

/// A number that depends on the run, the round and a count alone, so that a run can be played again.
#[derive(Debug, Clone, Copy)]
struct Chance {
    seed: u64,
}

impl Chance {
    /// The seed is `FOREBAY_TEST_SEED`, or a fresh one.
    fn new() -> Self {
        let asked = std::env::var_os("FOREBAY_TEST_SEED");
        let asked = asked.and_then(|asked| asked.to_str().and_then(|asked| asked.parse().ok()));
        let fresh = || u64::from(std::process::id()) << 32 | u64::from(rand_of_time());
        Self {
            seed: asked.unwrap_or_else(fresh),
        }
    }

    fn of(self, what: [u64; 3], below: u64) -> u64 {
        let bytes = what.map(u64::to_le_bytes).concat();
        xxh3_64_with_seed(&bytes, self.seed) % below
    }
}

fn rand_of_time() -> u32 {
    crate::support::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| time.subsec_nanos())
}

fn size(object: u64) -> u64 {
    match object % 4 {
        0 => 1 + object * 300,
        1 => 64 * KIB + object * 900,
        2 => MIB - 50 + object,
        _ => 3 * MIB + object * 1000,
    }
}

fn path(object: u64) -> String {
    format!("train/{object}")
}

/// The seed of the content that an answer says it has: the origin's tags are made of seeds.
fn told(headers: &http::HeaderMap) -> u64 {
    let tag = headers["etag"].to_str().expect("text").trim_matches('"');
    u64::from_str_radix(tag, 16).expect("a seed")
}

/// Reads an object, or a range of it, and checks the bytes against the tag; gives up where the node is gone.
async fn read(process: &Process, object: u64, range: Option<(u64, u64)>, seed: u64) -> bool {
    let mut ask = Ask::get(&format!("/{}", path(object)));
    if let Some((first, last)) = range {
        ask = ask.header("range", format!("bytes={first}-{last}"));
    }
    let Ok(answer) = process.client.send_to_mortal(&ask).await else {
        return false;
    };
    let start = range.map_or(0, |(first, _)| first);
    let end = range.map_or(size(object), |(_, last)| last + 1);
    assert!(answer.status.is_success(), "seed {seed}: {answer:?}");
    assert_eq!(answer.body.len() as u64, end - start, "seed {seed}");
    let wrong = content::differs(told(&answer.headers), start, &answer.body);
    let source = answer.source();
    assert_eq!(wrong, None, "seed {seed}, object {object}, from {source}");
    true
}

/// Reads and overwrites at random until enough was answered or the node is gone.
async fn load(
    process: Arc<Process>,
    origin: TestOrigin,
    chance: Chance,
    place: (u64, u64),
    left: Arc<AtomicU64>,
) {
    for count in 0.. {
        let (round, reader) = place;
        let draw = |what, below| chance.of([round << 32 | reader, count, what], below);
        let object = draw(0, OBJECTS);
        if draw(1, 10) == 0 {
            origin.put(&path(object), draw(2, CONTENTS), size(object));
        }
        let range = (draw(3, 2) == 0).then(|| {
            let first = draw(4, size(object));
            (first, first + draw(5, size(object) - first))
        });
        // A version that is replaced while it is sent ends in a reset, which the next try does not see again.
        let mut broken = 0;
        while !read(&process, object, range, chance.seed).await {
            if left.load(Ordering::Relaxed) == 0 {
                return;
            }
            broken += 1;
            let seed = chance.seed;
            assert!(
                broken < TRIES,
                "seed {seed}: answers break off before the node is killed"
            );
        }
        let one_less = |left: u64| left.checked_sub(1);
        if left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .is_err()
        {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_a_node_is_killed_what_it_serves_afterwards_is_right() {
    let (origin, folder) = (TestOrigin::start().await, tempfile::tempdir().unwrap());
    let chance = Chance::new();
    for object in 0..OBJECTS {
        origin.put(&path(object), object % CONTENTS, size(object));
    }
    let configuration = configuration(&origin, folder.path(), "\"always\"", "64MiB");
    for round in 0..rounds() {
        let process = Arc::new(Process::start(&configuration).await);
        let left = Arc::new(AtomicU64::new(chance.of([round, 0, 9], MOST_ANSWERS)));
        let readers = (0..READERS).map(|reader| {
            let (process, origin, left) = (Arc::clone(&process), origin.clone(), Arc::clone(&left));
            spawn(load(process, origin, chance, (round, reader), left))
        });
        let readers: Vec<_> = readers.collect();
        let enough = async {
            for reader in readers {
                // The first to find that enough was answered kills the node for all.
                reader.await.expect("what was read is right");
                process.kill();
            }
        };
        let enough = tokio::time::timeout(PATIENCE, enough).await;
        enough.unwrap_or_else(|_| panic!("seed {}: the node hangs", chance.seed));
    }
    let process = Process::start(&configuration).await;
    for object in 0..OBJECTS {
        assert!(read(&process, object, None, chance.seed).await);
    }
}
