//! Everything at once, from a seed: readers of random ranges that dawdle and leave, writes, overwrites and faults at the
//! origin, with as little memory as a node works with. Every body is judged, and in the end nothing is held any more.
//!
//! The clock is tokio's own, paused: stalls and pauses cost no time.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::StatusCode;
use http_body_util::BodyExt;

use super::super::{Demand, Read};
use super::origin::{Fault, pattern};
use super::{MIB, World, get, head, range, world};
use crate::gateway::Answer;
use crate::memory::{LEAST_LIMIT, Pool};
use crate::routes::Freshness;
use crate::types::layout::PAGE;
use crate::types::{CanonicalObject, ObjectKey};

/// The sizes of the objects' first versions.
const SIZES: [u64; 7] = [0, 1, PAGE - 1, MIB + 7, 3 * MIB, 9 * MIB + 12_345, 66 * MIB];

const READERS: u64 = 400;

/// Where numbers come from: SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    async fn pause(&mut self, most: u64) {
        tokio::time::sleep(Duration::from_millis(self.below(most))).await;
    }
}

/// The objects and what their versions are.
struct Truth {
    world: World,
    /// All bodies are parts of it: version `n` of an object begins at byte `n * SHIFT`.
    bytes: Bytes,
    objects: Vec<Object>,
}

struct Object {
    size: u64,
    /// The number of the latest version.
    latest: AtomicU64,
    /// The oldest version that a read which comes now may show.
    oldest: AtomicU64,
}

const SHIFT: u64 = 1009;

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("small")
}

impl Truth {
    fn new() -> Self {
        let unit = pattern(MIB + 13, 9);
        let mut bytes = Vec::new();
        while bytes.len() < index(67 * MIB) {
            bytes.extend_from_slice(&unit);
        }
        let objects = SIZES.iter().map(|size| Object {
            size: *size,
            latest: AtomicU64::new(0),
            oldest: AtomicU64::new(0),
        });
        let truth = Self {
            world: world(Freshness::MaxAge(Duration::from_secs(60)), LEAST_LIMIT),
            bytes: bytes.into(),
            objects: objects.collect(),
        };
        for object in 0..SIZES.len() {
            truth.put(object);
        }
        truth
    }

    fn body(&self, object: usize, version: u64) -> Bytes {
        // Versions differ in size too, but for the empty one.
        let size = self.objects[object].size;
        let size = size - (version % 3).min(size);
        self.bytes
            .slice(index(version * SHIFT)..index(version * SHIFT + size))
    }

    /// A new version at the origin.
    fn put(&self, object: usize) -> u64 {
        let version = self.objects[object].latest.fetch_add(1, Ordering::Relaxed) + 1;
        let body = self.body(object, version);
        let (key, tag) = (format!("k{object}"), format!("v{version}"));
        self.world.origin.put(&key, body, &tag);
        version
    }

    /// A new version through the node.
    async fn write(&self, object: usize, dice: &mut Dice) {
        let bucket = "train".parse().expect("a bucket name");
        let route = self.world.gateway.routes.load().find(&bucket);
        let key: ObjectKey = format!("k{object}").parse().expect("a key");
        let origin = route.expect("a route").fingerprint;
        let written = CanonicalObject { origin, key };
        let write = self.world.gateway.records.begin(&[written]).await;
        dice.pause(50).await;
        let version = self.put(object);
        dice.pause(50).await;
        write.end().await;
        self.objects[object]
            .oldest
            .fetch_max(version, Ordering::Relaxed);
    }

    /// Whether `got` is a whole answer to a read of `asked` by some version that may be shown.
    fn allows(&self, object: usize, oldest: u64, asked: &Asked, got: &[u8]) -> bool {
        let latest = self.objects[object].latest.load(Ordering::Relaxed);
        (oldest..=latest).any(|version| {
            let body = self.body(object, version);
            let part = asked.of(body.len() as u64);
            got == &body[index(part.start)..index(part.end)]
        })
    }

    fn check_limit(&self) {
        let memory = &self.world.gateway.memory;
        let used: u64 = Pool::ALL.iter().map(|pool| memory.used(*pool)).sum();
        assert!(
            used + memory.tier() <= memory.limit(),
            "{used} + {} bytes",
            memory.tier()
        );
    }
}

/// What a reader asks for.
enum Asked {
    Whole,
    Part(Range<u64>),
    Last(u64),
}

impl Asked {
    fn any(size: u64, dice: &mut Dice) -> Self {
        match dice.below(8) {
            0..3 => Self::Whole,
            3 => Self::Last(dice.below(3 * PAGE) + 1),
            4 => {
                let start = dice.below(size);
                Self::Part(start..size.max(1))
            }
            _ => {
                let start = dice.below(size);
                Self::Part(start..start + 1 + dice.below(2 * PAGE))
            }
        }
    }

    fn read(&self, key: &str) -> Read {
        match self {
            Self::Whole => get(key),
            Self::Part(part) => range(key, &format!("bytes={}-{}", part.start, part.end - 1)),
            Self::Last(length) => range(key, &format!("bytes=-{length}")),
        }
    }

    fn of(&self, size: u64) -> Range<u64> {
        match self {
            Self::Whole => 0..size,
            Self::Part(part) => part.start.min(size)..part.end.min(size),
            Self::Last(length) => size.saturating_sub(*length)..size,
        }
    }
}

/// How many readers got all that they asked for.
#[derive(Debug, Default)]
struct Tally {
    whole: AtomicU64,
    failed: AtomicU64,
    left: AtomicU64,
}

async fn reader(truth: &Truth, tally: &Tally, mut dice: Dice, spread: u64) {
    dice.pause(spread).await;
    let object = index(dice.below(SIZES.len() as u64));
    let oldest = truth.objects[object].oldest.load(Ordering::Relaxed);
    let key = format!("k{object}");
    let asked = Asked::any(truth.objects[object].size, &mut dice);
    let mut read = asked.read(&key);
    if dice.below(10) == 0 {
        read.freshness = Demand::Revalidate;
    }
    if dice.below(20) == 0 {
        read = head(&key);
    }
    let is_head = read.method == super::ReadMethod::Head;
    // Some leave before the head of the answer has come, some in the middle of the body, some read slowly.
    let patience = if dice.below(6) == 0 { 30 } else { 600_000 };
    let answer =
        tokio::time::timeout(Duration::from_millis(patience), truth.world.answer(read)).await;
    let Ok(answer) = answer else {
        assert!(patience < 600_000, "{key}: no answer");
        tally.left.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let leaves_at = if dice.below(4) == 0 {
        dice.below(20)
    } else {
        u64::MAX
    };
    // In a crowd most are slow, so that memory runs short.
    let is_slow = dice.below(4) == 0 || spread < 1000 && dice.below(4) > 0;
    let slowness = if is_slow { 9_000 } else { 3 };
    let Ok(Answer { response, .. }) = answer else {
        tally.failed.fetch_add(1, Ordering::Relaxed);
        return;
    };
    if !response.status().is_success() {
        assert!(
            response.status() == StatusCode::RANGE_NOT_SATISFIABLE,
            "{key}"
        );
        return;
    }
    let mut body = response.into_body();
    let mut got = Vec::new();
    let mut frames = 0;
    while let Some(frame) = tokio::time::timeout(Duration::from_secs(600), body.frame())
        .await
        .expect("every wait ends")
    {
        let Ok(frame) = frame else {
            tally.failed.fetch_add(1, Ordering::Relaxed);
            return;
        };
        got.extend_from_slice(&frame.into_data().expect("data"));
        truth.check_limit();
        frames += 1;
        if frames > leaves_at {
            tally.left.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if frames < 40 {
            dice.pause(slowness).await;
        }
    }
    assert!(
        is_head || truth.allows(object, oldest, &asked, &got),
        "{key}: {} bytes that no version has",
        got.len()
    );
    tally.whole.fetch_add(1, Ordering::Relaxed);
}

async fn trouble(truth: &Truth, mut dice: Dice) {
    for _ in 0..60 {
        dice.pause(600).await;
        let object = index(dice.below(SIZES.len() as u64));
        match dice.below(8) {
            0 => truth.write(object, &mut dice).await,
            1 => drop(truth.put(object)),
            2 => truth.world.origin.fail(&[Fault::Down]),
            3 => truth
                .world
                .origin
                .fail(&[Fault::BreakAfter(dice.below(9 * MIB))]),
            4 => truth
                .world
                .origin
                .fail(&[Fault::EndAfter(dice.below(9 * MIB))]),
            5 => truth
                .world
                .origin
                .fail(&[Fault::StallAfter(dice.below(9 * MIB))]),
            6 => (truth.world.origin).fail(&[Fault::Status(StatusCode::SERVICE_UNAVAILABLE); 2]),
            _ => truth.world.clock.advance(Duration::from_secs(31)),
        }
    }
}

async fn storm(seed: u64, spread: u64) {
    let truth = Truth::new();
    let tally = Tally::default();
    let mut dice = Dice(seed);
    let readers: FuturesUnordered<_> = (0..READERS)
        .map(|_| reader(&truth, &tally, Dice(dice.below(u64::MAX)), spread))
        .collect();
    let troubles = trouble(&truth, Dice(dice.below(u64::MAX)));
    futures::join!(readers.collect::<Vec<()>>(), troubles);

    let gateway = &truth.world.gateway;
    assert!(
        tally.whole.load(Ordering::Relaxed) > READERS / 4,
        "seed {seed}: {tally:?}"
    );
    truth.world.origin.recover();
    truth.world.clock.advance(Duration::from_secs(61));
    for object in 0..SIZES.len() {
        let latest = truth.objects[object].latest.load(Ordering::Relaxed);
        let (_, _, got) = truth.world.read(get(&format!("k{object}"))).await;
        assert!(got == truth.body(object, latest), "k{object}, seed {seed}");
    }
    // What fills without readers have still to do.
    tokio::time::sleep(Duration::from_secs(600)).await;
    let held = Pool::ALL.map(|pool| gateway.memory.used(pool));
    assert_eq!(held, [0; 3], "seed {seed}");
    assert_eq!(
        gateway.memory.tier(),
        gateway.tiers.memory.usage(),
        "seed {seed}"
    );
    let left = (
        gateway.bodies.running_fills(),
        gateway.bodies.seats(),
        gateway.flights.flying(),
        gateway.memory.open_bodies(),
        gateway.bypass_lane.available_permits(),
    );
    assert_eq!(left, (0, 0, 0, 0, super::super::BYPASS_LANE), "seed {seed}");
}

#[test]
fn nothing_is_wrong_lost_or_held_after_a_storm() {
    // Readers that come within 20 s, and a crowd that all comes at once.
    for (seed, spread) in [(1, 20_000), (2, 300)] {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build();
        runtime.expect("a runtime").block_on(storm(seed, spread));
    }
}
