//! Objects that were found to be none of the cache's business, so that the next read of them goes straight through.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::bodies::lock;
use crate::clock::{Clock, Moment};
use crate::types::Subject;

/// How long the finding holds: the object may be replaced by one that may be kept.
const HOLDS: Duration = Duration::from_secs(60);

/// How many objects are remembered; a finding that is lost costs one request.
const REMEMBERED: usize = 4096;

/// See the module's description. Objects are known by their hashes: a collision only sends a read past the cache.
#[derive(Debug)]
pub(crate) struct NotKept {
    clock: Clock,
    hasher: RandomState,
    since: Mutex<HashMap<u64, Moment>>,
    /// Whether there is anything to look for: every read asks, and hardly any finds something.
    any: AtomicBool,
}

impl NotKept {
    /// Nothing found yet.
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            hasher: RandomState::new(),
            since: Mutex::default(),
            any: AtomicBool::new(false),
        }
    }

    /// Remembers that `subject` is not kept.
    pub(super) fn insert(&self, subject: &Subject) {
        let now = self.clock.now();
        let mut since = lock(&self.since);
        if since.len() >= REMEMBERED {
            since.retain(|_, found| now.since(*found) < HOLDS);
        }
        if since.len() < REMEMBERED {
            since.insert(self.hasher.hash_one(subject), now);
            self.any.store(true, Ordering::Release);
        }
    }

    /// Whether `subject` was lately found not to be kept.
    pub(super) fn contains(&self, subject: &Subject) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        lock(&self.since)
            .get(&self.hasher.hash_one(subject))
            .is_some_and(|found| self.clock.now().since(*found) < HOLDS)
    }
}
