//! Epochs: how many writes began or ended, by key, and until when this node may believe that it would have heard of one.
//!
//! A fixed table of counters, picked by a hash of the key: two keys in one slot cost a needless revalidation, nothing else.
//! The [`Machine`](super::protocol::Machine) writes the table under its owner's lock; everybody reads it without one. What a
//! write raises is the counter; what a gap in hearing the others raises is the *generation*, the epoch of all keys at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Moment;

use super::faults::{Fault, Faults};

/// The slots of a node's table: 512 KiB, and a write disturbs 1 key in 65,536 besides its own.
pub const SLOTS: usize = 1 << 16;

/// The low bits of a slot count the open writes (a node has at most as many as connections), the others are the epoch.
const OPEN_BITS: u32 = 20;
const OPEN_MASK: u64 = (1 << OPEN_BITS) - 1;
const ONE_EPOCH: u64 = 1 << OPEN_BITS;

/// The trust of a node that has nobody to listen to.
const FOR_EVER: u64 = u64::MAX;

/// The epoch of one key at one moment. Taken before a request goes to the origin, it tells later whether the answer can
/// still be the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    slot: usize,
    epoch: u64,
    generation: u64,
}

impl Ticket {
    /// The ticket as numbers, to be kept.
    pub(super) fn to_numbers(self) -> [u64; 3] {
        [self.slot as u64, self.epoch, self.generation]
    }

    /// The ticket that numbers were made from. Its slot may be none of the table's.
    pub(super) fn from_numbers([slot, epoch, generation]: [u64; 3]) -> Option<Self> {
        let slot = usize::try_from(slot).ok()?;
        Some(Self {
            slot,
            epoch,
            generation,
        })
    }
}

/// The table of epochs.
#[derive(Debug)]
pub struct Epochs {
    slots: Box<[AtomicU64]>,
    generation: AtomicU64,
    /// In nanoseconds of the clock.
    trusted_until: AtomicU64,
    pub(super) faults: Faults,
}

impl Epochs {
    /// A table of `slots` counters, a power of two, that is trusted for ever.
    pub fn new(slots: usize) -> Self {
        Self {
            slots: (0..slots.next_power_of_two())
                .map(|_| AtomicU64::new(0))
                .collect(),
            generation: AtomicU64::new(0),
            trusted_until: AtomicU64::new(FOR_EVER),
            faults: Faults::default(),
        }
    }

    /// The epoch now of the key that hashes to `key`.
    pub fn ticket(&self, key: u64) -> Ticket {
        // The generation first: one that is raised in between leaves a ticket that is too old, never one that is too new.
        let generation = self.generation.load(Ordering::Acquire);
        let slot = self.slot(key);
        Ticket {
            slot,
            epoch: self.slots[slot].load(Ordering::Acquire) >> OPEN_BITS,
            generation,
        }
    }

    /// The epoch at the node's start of the key that hashes to `key`.
    pub(super) fn first_ticket(&self, key: u64) -> Ticket {
        Ticket {
            slot: self.slot(key),
            epoch: 0,
            generation: 0,
        }
    }

    /// Whether no write to the ticket's key began or ended since it was taken and none is open, as far as a node can know
    /// that has heard every other member within its lease. The clock is read only where there are other members.
    pub fn is_current(&self, ticket: &Ticket, now: impl FnOnce() -> Moment) -> bool {
        // Trust first: whoever renews it after a gap has raised the generation before.
        if !self.is_trusted(now) {
            return false;
        }
        let slot = self.slots[ticket.slot].load(Ordering::Acquire);
        let none_open = slot & OPEN_MASK == 0 || self.faults.has(Fault::IgnoreOpenWrites);
        none_open
            && slot >> OPEN_BITS == ticket.epoch
            && self.generation.load(Ordering::Acquire) == ticket.generation
    }

    /// Whether the ticket was taken for the key that hashes to `key`, or one that shares its slot.
    pub fn covers(&self, ticket: &Ticket, key: u64) -> bool {
        ticket.slot == self.slot(key)
    }

    /// Whether a write to the key that hashes to `key` is open.
    pub fn is_open(&self, key: u64) -> bool {
        self.slots[self.slot(key)].load(Ordering::Acquire) & OPEN_MASK > 0
    }

    fn is_trusted(&self, now: impl FnOnce() -> Moment) -> bool {
        let until = self.trusted_until.load(Ordering::Acquire);
        until == FOR_EVER
            || nanoseconds(now().0) < until
            || self.faults.has(Fault::TrustWithoutLease)
    }

    /// A write began.
    pub(super) fn open(&self, key: u64) {
        self.slots[self.slot(key)].fetch_add(ONE_EPOCH + 1, Ordering::AcqRel);
    }

    /// A write that was open has ended.
    pub(super) fn close(&self, key: u64) {
        let raise = if self.faults.has(Fault::KeepEpochOnEnd) {
            0
        } else {
            ONE_EPOCH
        };
        self.slots[self.slot(key)].fetch_add(raise.wrapping_sub(1), Ordering::AcqRel);
    }

    /// Writes may have gone unheard: everything older is to be confirmed once.
    pub(super) fn raise_all(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Until when this node would have heard of every write; `None`: there is nobody to hear of.
    pub(super) fn trust_until(&self, until: Option<Moment>) {
        let until = until.map_or(FOR_EVER, |until| nanoseconds(until.0));
        self.trusted_until.store(until, Ordering::Release);
    }

    fn slot(&self, key: u64) -> usize {
        // The low bits of the hash: the remainder is below the length, which is a usize.
        usize::try_from(key % self.slots.len() as u64).expect("a remainder of a usize")
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(FOR_EVER)
}

#[cfg(test)]
impl Epochs {
    /// An independent copy, for the model test.
    pub(super) fn fork(&self) -> Self {
        let copy = |value: &AtomicU64| AtomicU64::new(value.load(Ordering::Relaxed));
        Self {
            slots: self.slots.iter().map(copy).collect(),
            generation: copy(&self.generation),
            trusted_until: copy(&self.trusted_until),
            faults: self.faults,
        }
    }

    /// Everything that tells two tables apart, for the model test.
    pub(super) fn values(&self) -> Vec<u64> {
        let others = [&self.generation, &self.trusted_until];
        let values = self.slots.iter().chain(others);
        values.map(|value| value.load(Ordering::Relaxed)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Moment {
        Moment(Duration::from_secs(5))
    }

    #[test]
    fn a_ticket_ends_with_the_next_write_of_its_slot() {
        let epochs = Epochs::new(4);
        let (mine, other, sharing) = (epochs.ticket(1), epochs.ticket(2), epochs.ticket(5));
        epochs.open(1);
        assert!(epochs.is_open(1));
        let during = epochs.ticket(1);
        assert!(!epochs.is_current(&during, now));
        epochs.close(1);
        assert!(!epochs.is_open(1));
        for ticket in [mine, sharing, during] {
            assert!(!epochs.is_current(&ticket, now));
        }
        assert!(epochs.is_current(&other, now));
        assert!(epochs.is_current(&epochs.ticket(1), now));
    }

    #[test]
    fn no_ticket_is_current_while_one_of_two_writes_is_open() {
        let epochs = Epochs::new(1);
        epochs.open(0);
        epochs.open(0);
        epochs.close(0);
        assert!(!epochs.is_current(&epochs.ticket(0), now));
        epochs.close(0);
        assert!(epochs.is_current(&epochs.ticket(0), now));
    }

    #[test]
    fn trust_ends_at_its_moment_and_a_generation_ends_every_ticket() {
        let epochs = Epochs::new(8);
        let ticket = epochs.ticket(3);
        epochs.trust_until(Some(now()));
        assert!(epochs.is_current(&ticket, || Moment(Duration::from_millis(4_999))));
        assert!(!epochs.is_current(&ticket, now));
        epochs.trust_until(None);
        assert!(epochs.is_current(&ticket, now));
        epochs.raise_all();
        assert!(!epochs.is_current(&ticket, now));
    }
}
