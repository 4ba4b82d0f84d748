//! Purges: what was fetched before one and is covered by it is not there any more, in whatever tier.
//!
//! A purge is a rule, not a search: it gets the next number, and readers of an object ask for the latest purge that covers it
//! ([`Purges::floor`]). Nothing has to be found and removed.

use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::Epoch;
use crate::types::{CanonicalObject, ObjectKey, OriginFingerprint};

/// Which keys of an origin's bucket a purge is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Covered {
    /// Those that begin so; all of them where it is empty.
    Prefix(String),
    /// This one.
    Key(ObjectKey),
}

impl Covered {
    fn covers(&self, key: &ObjectKey) -> bool {
        match self {
            Self::Prefix(prefix) => key.as_str().starts_with(prefix),
            Self::Key(only) => only == key,
        }
    }

    /// Whether every key of `other` is covered.
    fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Prefix(prefix), Self::Prefix(longer)) => longer.starts_with(prefix),
            (_, Self::Key(key)) => self.covers(key),
            (Self::Key(_), Self::Prefix(_)) => false,
        }
    }
}

#[derive(Debug, Clone)]
struct Rule {
    epoch: Epoch,
    origin: OriginFingerprint,
    covered: Covered,
}

#[derive(Debug, Clone, Default)]
struct List {
    latest: Epoch,
    rules: Vec<Rule>,
}

/// The purges so far. Readers take no lock.
#[derive(Debug, Default)]
pub struct Purges {
    list: ArcSwap<List>,
    adding: Mutex<()>,
}

impl Purges {
    /// The number of the latest purge.
    pub fn latest(&self) -> Epoch {
        self.list.load().latest
    }

    /// The latest purge that covers `object`: what was fetched before it does not count.
    pub fn floor(&self, object: &CanonicalObject) -> Epoch {
        let list = self.list.load();
        let covers =
            |rule: &&Rule| rule.origin == object.origin && rule.covered.covers(&object.key);
        let epochs = list.rules.iter().filter(covers).map(|rule| rule.epoch);
        epochs.max().unwrap_or_default()
    }

    /// Adds a purge. Rules that it includes are no longer needed.
    pub fn add(&self, origin: OriginFingerprint, covered: Covered) -> Epoch {
        let _one_at_a_time = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list = List::clone(&self.list.load());
        list.latest = Epoch(list.latest.0 + 1);
        list.rules
            .retain(|rule| rule.origin != origin || !covered.includes(&rule.covered));
        let epoch = list.latest;
        list.rules.push(Rule {
            epoch,
            origin,
            covered,
        });
        self.list.store(list.into());
        epoch
    }
}
