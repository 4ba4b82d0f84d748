//! Purges: what was in the tiers before, and is not to be served again.
//!
//! A purge is a rule: of the objects of an origin whose keys begin with a prefix, whatever was asked of the origin before
//! the rule's epoch is not there any more, in whatever tier. Nothing is looked for and deleted: a reader asks for the
//! [`Purges::floor`] of its object and takes nothing older. Epochs count purges, so what was fetched under the latest
//! epoch that was known is newer than every purge of the time.
//!
//! A rule may be about one key only. What rules are compared with is a key and the byte [`END`] behind it, which no key holds: a
//! prefix that ends in that byte is the beginning of one key alone.
//!
//! The list is short: a rule replaces the earlier ones that it covers, and past [`MOST_RULES`] the older ones of an origin
//! become one for all of its keys. That only makes more of the tiers miss. Its file is on every disk; a list that was away
//! while others were written is merged ([`Purges::merge`]). Pure: who writes the file is `disk`.

mod file;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

pub use self::file::Damaged;
use super::Epoch;
use crate::types::names::MAX_KEY_BYTES;
use crate::types::{CanonicalObject, ObjectKey, OriginFingerprint};

/// The most rules that are kept apart.
pub const MOST_RULES: usize = 4096;

/// Ends a key's name among the prefixes: UTF-8, which keys are, has no such byte.
const END: u8 = 0xff;

/// Key prefixes, and the epochs of their rules.
type Prefixes = BTreeMap<Box<[u8]>, Epoch>;

/// All purges that still matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Purges {
    latest: Epoch,
    /// The epoch of a rule for all objects of all origins.
    everything: Epoch,
    origins: HashMap<OriginFingerprint, Prefixes>,
    /// Rules, `everything` aside.
    rules: usize,
}

impl Purges {
    /// The epoch of what is asked of an origin now.
    pub const fn latest(&self) -> Epoch {
        self.latest
    }

    /// Rules that are kept.
    pub const fn rules(&self) -> usize {
        self.rules
    }

    /// The epoch from which on bytes of an object are good.
    pub fn floor(&self, object: &CanonicalObject) -> Epoch {
        let prefixes = self.origins.get(&object.origin);
        let floor = prefixes.map_or(Epoch(0), |it| floor(it, &name_of(&object.key)));
        floor.max(self.everything)
    }

    /// Purges the objects of an origin whose keys begin with `prefix`; all, where it is empty.
    pub fn purge(&mut self, origin: OriginFingerprint, prefix: &str) -> Epoch {
        self.latest = next(self.latest);
        // No key is longer.
        if prefix.len() <= MAX_KEY_BYTES {
            self.insert(origin, prefix.as_bytes(), self.latest);
            self.shorten();
        }
        self.latest
    }

    /// Purges the object of an origin under `key`, and none whose key only begins so.
    pub fn purge_key(&mut self, origin: OriginFingerprint, key: &ObjectKey) -> Epoch {
        self.latest = next(self.latest);
        self.insert(origin, &name_of(key), self.latest);
        self.shorten();
        self.latest
    }

    /// Purges all objects of all origins, for when a list was lost: nobody knows how many purges it had. Their number is
    /// below that of the seconds since 1970, `now`, as nobody purges once a second for decades.
    pub fn purge_everything(&mut self, now: u32) -> Epoch {
        self.latest = next(self.latest).max(Epoch(now));
        self.everything = self.latest;
        self.forget_covered();
        self.latest
    }

    /// Takes in the rules of another disk's list.
    ///
    /// A list that lags behind lacks what came after it, and takes it over. Two lists that went on apart from each other
    /// gave the same epochs to different rules: those rules get a new epoch, later than what either disk holds.
    pub fn merge(&mut self, other: &Self) {
        let apart = next(self.latest.max(other.latest));
        let (ours, theirs) = (self.foreign_to(other), other.foreign_to(self));
        let mut any_apart = false;
        let mut stamped = |epoch: Epoch, known_until: Epoch| {
            let is_apart = epoch <= known_until;
            any_apart |= is_apart;
            if is_apart { apart } else { epoch }
        };
        for (origin, prefix, epoch) in ours {
            let epoch = stamped(epoch, other.latest);
            self.insert(origin, &prefix, epoch);
        }
        for (origin, prefix, epoch) in theirs {
            let epoch = stamped(epoch, self.latest);
            self.insert(origin, &prefix, epoch);
        }
        let (low, high) = if self.everything < other.everything {
            (self.latest, other.everything)
        } else {
            (other.latest, self.everything)
        };
        if self.everything != other.everything {
            self.everything = stamped(high, low);
        }
        self.latest = self.latest.max(other.latest);
        if any_apart {
            self.latest = apart;
        }
        self.forget_covered();
        self.shorten();
    }

    /// Adds a rule, if none covers it, in place of those that it covers.
    fn insert(&mut self, origin: OriginFingerprint, prefix: &[u8], epoch: Epoch) {
        let prefixes = self.origins.entry(origin).or_default();
        if floor(prefixes, prefix) >= epoch {
            return;
        }
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let below = prefixes.range::<[u8], _>(from);
        let covered: Vec<_> = below
            .take_while(|(longer, _)| longer.starts_with(prefix))
            .filter(|(_, earlier)| **earlier <= epoch)
            .map(|(longer, _)| longer.clone())
            .collect();
        for longer in &covered {
            prefixes.remove(longer);
        }
        prefixes.insert(prefix.into(), epoch);
        self.rules = self.rules + 1 - covered.len();
    }

    /// The rules that `other` neither has nor covers.
    fn foreign_to(&self, other: &Self) -> Vec<(OriginFingerprint, Box<[u8]>, Epoch)> {
        let is_foreign = |(origin, prefix, epoch): &(OriginFingerprint, &[u8], Epoch)| {
            let theirs = other.origins.get(origin);
            let theirs = theirs.map_or(Epoch(0), |it| floor(it, prefix));
            theirs.max(other.everything) < *epoch
        };
        let foreign = self.sorted().into_iter().filter(is_foreign);
        foreign
            .map(|(origin, prefix, epoch)| (origin, prefix.into(), epoch))
            .collect()
    }

    /// All rules, the same list in the same order.
    fn sorted(&self) -> Vec<(OriginFingerprint, &[u8], Epoch)> {
        let mut origins: Vec<_> = self.origins.iter().collect();
        origins.sort_by_key(|(origin, _)| **origin);
        let rules = origins.into_iter().flat_map(|(origin, prefixes)| {
            let rules = prefixes.iter();
            rules.map(|(prefix, epoch)| (*origin, &**prefix, *epoch))
        });
        rules.collect()
    }

    /// Drops the rules that the one for everything covers.
    fn forget_covered(&mut self) {
        let everything = self.everything;
        for prefixes in self.origins.values_mut() {
            prefixes.retain(|_, epoch| *epoch > everything);
        }
        self.count();
    }

    fn count(&mut self) {
        self.origins.retain(|_, prefixes| !prefixes.is_empty());
        self.rules = self.origins.values().map(BTreeMap::len).sum();
    }

    /// Keeps to [`MOST_RULES`]: the older half of the rules of the origin that has most become one for all of its keys. Where
    /// each origin has but one, the older half of all becomes one for everything.
    fn shorten(&mut self) {
        while self.rules > MOST_RULES {
            let most = self
                .origins
                .iter()
                .max_by_key(|(origin, it)| (it.len(), **origin));
            let Some((origin, prefixes)) = most.map(|(origin, it)| (*origin, it)) else {
                return;
            };
            if prefixes.len() > 1 {
                let middle = middle(prefixes.values());
                self.insert(origin, b"", middle);
            } else {
                self.everything = middle(self.origins.values().flat_map(BTreeMap::values));
                self.forget_covered();
            }
        }
    }
}

/// A key as prefixes are compared with it.
fn name_of(key: &ObjectKey) -> Vec<u8> {
    [key.as_str().as_bytes(), &[END]].concat()
}

/// The greatest epoch of the prefixes that `key` begins with.
fn floor(prefixes: &Prefixes, key: &[u8]) -> Epoch {
    let mut floor = Epoch(0);
    let mut bound = Bound::Included(key);
    // What `key` begins with is not after it. The last that is not after it and is no such prefix tells how much of `key`
    // prefixes can still have in common with it.
    while let Some((prefix, epoch)) = prefixes
        .range::<[u8], _>((Bound::Unbounded, bound))
        .next_back()
    {
        let common = prefix
            .iter()
            .zip(key)
            .take_while(|(one, other)| one == other);
        let common = common.count();
        if common == prefix.len() {
            floor = floor.max(*epoch);
            bound = Bound::Excluded(&key[..common]);
        } else {
            bound = Bound::Included(&key[..common]);
        }
    }
    floor
}

/// An epoch that half of them, and of two both, do not exceed.
fn middle<'a>(epochs: impl Iterator<Item = &'a Epoch>) -> Epoch {
    let mut epochs: Vec<_> = epochs.copied().collect();
    epochs.sort_unstable();
    let middle = epochs.len() / 2;
    epochs.get(middle).copied().unwrap_or_default()
}

fn next(epoch: Epoch) -> Epoch {
    Epoch(epoch.0.checked_add(1).expect("nobody purges 2^32 times"))
}
