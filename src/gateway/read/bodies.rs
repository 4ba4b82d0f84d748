//! The bodies that are being read: who reads where, which fills run, how access looks.
//!
//! One [`BodyState`] a body, found by its digest and the latest purge of its object. It is what readers of the same bytes share: a reader that misses looks
//! for a running fill first and starts one only for what nobody fetches yet. Seats tell fills how far their readers are.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use tokio::sync::Notify;

use super::fill::Fill;
use super::loads::Loads;
use super::plan::History;
use crate::cache::disk::Epoch;
use crate::types::layout::PAGE;
use crate::types::{BodyDigest, BodyId};

/// Bodies without readers or fills that are remembered for their history, before the idle ones are dropped.
const REMEMBERED: usize = 16 * 1024;

/// More than cores are likely to look at once; the default of arrays goes no further.
const SHARDS: usize = 32;

/// The bodies by digest. Who reads since a purge shares nothing with who has read before it.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    /// Cut by digest, since every read looks here.
    shards: [Mutex<Shard>; SHARDS],
}

type Shard = HashMap<(BodyDigest, Epoch), Arc<BodyState>>;

impl Bodies {
    /// The shared state of a body for those who read since the purge `floor`.
    pub(super) fn of(&self, body: &BodyId, floor: Epoch) -> Arc<BodyState> {
        let digest = body.digest();
        let mut states = lock(self.shard(digest));
        if states.len() > REMEMBERED / SHARDS {
            states.retain(|_, state| Arc::strong_count(state) > 1);
        }
        let new = || Arc::new(BodyState::new(body));
        Arc::clone(states.entry((digest, floor)).or_insert_with(new))
    }

    /// Readers that have a place.
    #[cfg(test)]
    pub(super) fn seats(&self) -> usize {
        let seats = |states: &Shard| states.values().map(|state| state.seats()).sum::<usize>();
        self.shards.iter().map(|shard| seats(&lock(shard))).sum()
    }

    /// What is being filled of a body.
    pub(crate) fn running(&self, body: BodyDigest, floor: Epoch) -> Vec<Range<u64>> {
        let state = lock(self.shard(body)).get(&(body, floor)).cloned();
        state.map_or_else(Vec::new, |state| {
            let fills = lock(&state.fills);
            fills.iter().map(|fill| fill.range.clone()).collect()
        })
    }

    /// Fills that run now.
    pub(crate) fn running_fills(&self) -> usize {
        let fills = |states: &Shard| {
            states
                .values()
                .map(|it| lock(&it.fills).len())
                .sum::<usize>()
        };
        self.shards.iter().map(|shard| fills(&lock(shard))).sum()
    }

    fn shard(&self, body: BodyDigest) -> &Mutex<Shard> {
        let number = usize::try_from(body.0 % SHARDS as u128).expect("a remainder is small");
        &self.shards[number]
    }
}

/// What the readers of one body share.
#[derive(Debug)]
pub(super) struct BodyState {
    pub(super) id: BodyId,
    pub(super) fills: Mutex<Vec<Arc<Fill>>>,
    pub(super) loads: Loads,
    pub(super) history: Mutex<History>,
    seats: Mutex<Vec<Arc<Position>>>,
    /// Told whenever a reader moves, comes or leaves.
    pub(super) moved: Notify,
}

/// Where a reader is.
#[derive(Debug)]
struct Position {
    start: u64,
    at: AtomicU64,
    end: u64,
    window: AtomicU64,
}

/// How a fill that has come to some offset stands to the readers of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// A reader wants more.
    Wanted,
    /// The fastest reader has a window of bytes before it.
    Ahead,
    /// Nobody reads here.
    Deserted,
}

impl BodyState {
    fn new(body: &BodyId) -> Self {
        Self {
            id: body.clone(),
            fills: Mutex::default(),
            loads: Loads::default(),
            history: Mutex::default(),
            seats: Mutex::default(),
            moved: Notify::new(),
        }
    }

    /// Seats a reader of `range`.
    pub(super) fn seat(self: &Arc<Self>, range: &Range<u64>, window: u64) -> Seat {
        let at = AtomicU64::new(range.start);
        let position = Arc::new(Position {
            start: range.start,
            at,
            end: range.end,
            window: AtomicU64::new(window),
        });
        lock(&self.seats).push(Arc::clone(&position));
        self.moved.notify_waiters();
        Seat {
            body: Arc::clone(self),
            position,
        }
    }

    /// Whether a fill of `range` that has come to `at` should go on.
    pub(super) fn turn(&self, range: &Range<u64>, at: u64) -> Turn {
        let seats = lock(&self.seats);
        let mut turn = Turn::Deserted;
        for position in seats.iter().filter(|position| position.end > at) {
            let reader = position.at.load(Ordering::Relaxed);
            if reader >= range.end {
                continue;
            }
            if reader + position.window.load(Ordering::Relaxed) > at {
                return Turn::Wanted;
            }
            turn = Turn::Ahead;
        }
        turn
    }

    /// Readers that have a place.
    #[cfg(test)]
    pub(super) fn seats(&self) -> usize {
        lock(&self.seats).len()
    }

    /// How far the fastest reader of bytes in `range` has come; its end where that reader has passed it, or nobody reads it.
    pub(super) fn fastest(&self, range: &Range<u64>) -> u64 {
        let seats = lock(&self.seats);
        let readers = seats
            .iter()
            .filter(|seat| seat.start < range.end && seat.end > range.start);
        readers
            .map(|seat| seat.at.load(Ordering::Relaxed))
            .max()
            .unwrap_or(range.end)
            .min(range.end)
    }
}

/// A reader's place in a body; given up when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    body: Arc<BodyState>,
    position: Arc<Position>,
}

impl Seat {
    /// Tells the fills that the reader has come to `at` and may be filled `window` bytes ahead, a page at least.
    pub(super) fn advance(&self, at: u64, window: u64) {
        self.position.window.store(window, Ordering::Relaxed);
        let before = self.position.at.swap(at, Ordering::Relaxed);
        // Once a page is enough, however small the frames: a fill is wanted at the latest when its reader comes to the page
        // that the fill is at.
        if before / PAGE != at / PAGE {
            self.body.moved.notify_waiters();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.body.seats).retain(|position| !Arc::ptr_eq(position, &self.position));
        self.body.moved.notify_waiters();
    }
}

/// Locks a mutex whose holders never leave it half-changed, so that a panic of one of them spoils nothing.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{CanonicalObject, ETag, OriginFingerprint, Version};

    fn body() -> Arc<BodyState> {
        let bucket = "train".parse().expect("a bucket name");
        let object = CanonicalObject {
            origin: OriginFingerprint::new("s3", "", "", &bucket),
            key: "k".parse().expect("a key"),
        };
        let version = Version::S3 {
            etag: ETag::new("\"e\""),
            size: 1000,
            version_id: None,
        };
        Bodies::default().of(&BodyId::new(object, version), Epoch(0))
    }

    #[test]
    fn a_fill_goes_one_window_ahead_of_its_fastest_reader() {
        let body = body();
        let fill = 0..1000;
        assert_eq!(body.turn(&fill, 0), Turn::Deserted);
        let slow = body.seat(&(0..1000), 100);
        let fast = body.seat(&(0..1000), 100);
        fast.advance(300, 100);
        assert_eq!(body.turn(&fill, 399), Turn::Wanted);
        assert_eq!(body.turn(&fill, 400), Turn::Ahead);
        assert_eq!(body.fastest(&fill), 300);
        drop(fast);
        assert_eq!(
            (body.turn(&fill, 200), body.fastest(&fill)),
            (Turn::Ahead, 0)
        );
        drop(slow);
        assert_eq!(
            (body.turn(&fill, 200), body.fastest(&fill)),
            (Turn::Deserted, 1000)
        );
    }

    #[test]
    fn a_reader_that_waits_further_on_pulls_the_fill_along() {
        let body = body();
        let _seat = body.seat(&(600..700), 10);
        assert_eq!(body.turn(&(0..1000), 50), Turn::Wanted);
        assert_eq!(body.turn(&(0..1000), 650), Turn::Ahead);
        assert_eq!(body.turn(&(0..1000), 700), Turn::Deserted);
    }

    #[test]
    fn one_body_has_one_state_between_two_purges() {
        let bodies = Bodies::default();
        let id = body().id.clone();
        let of = |floor| bodies.of(&id, Epoch(floor));
        assert!(Arc::ptr_eq(&of(0), &of(0)));
        assert!(!Arc::ptr_eq(&of(0), &of(1)));
    }
}
