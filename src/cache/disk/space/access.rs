//! Time as the disk's readers make it: a *tick* is an access to a block, hit or miss.
//!
//! A *turn* is as many ticks as blocks are held. How long a block rests is told in eighths of a turn: the same pattern of
//! accesses gives the same figures on a small disk and on a large one. A reader who takes a block in sixteen ranges has
//! accessed it once: what comes again within an eighth of a turn is part of the same access.

use super::ghosts::{Ghost, Ghosts, longest_rest};
use super::slot::Slot;

/// Ticks in a turn, at least: with few blocks, or none, turns would rush by.
const SHORTEST_TURN: u32 = 64;

/// The rest of a slot that was found on the disk and not accessed since: nobody knows how long its block rested before.
const FOUND: u8 = u8::MAX;
/// Eighths of a turn that such a block is taken to have rested at least when it is accessed: four turns.
const FOUND_RESTED: u8 = 32;

/// Misses in a row that are taken for ranges of the same few blocks, at least: sixteen readers at once, sixteen ranges each.
const FEWEST_REPEATS: u32 = 256;

#[derive(Debug)]
pub(super) struct Accesses {
    now: u32,
    turn: u32,
    /// Eighths of turns that have passed, of whatever length turns had then.
    eighths: u32,
    /// Ticks of this eighth.
    ticks: u32,
    /// Misses that were part of the same access as one before, since anything else was missed.
    repeats: u32,
    ghosts: Ghosts,
}

impl Accesses {
    pub(super) fn new() -> Self {
        Self {
            now: 0,
            turn: SHORTEST_TURN,
            eighths: 0,
            ticks: 0,
            repeats: 0,
            ghosts: Ghosts::new(),
        }
    }

    pub(super) const fn now(&self) -> u32 {
        self.now
    }

    /// So many blocks are held.
    pub(super) fn set_blocks(&mut self, blocks: usize) {
        self.turn = u32::try_from(blocks).unwrap_or(u32::MAX).max(SHORTEST_TURN);
    }

    /// There are so many slots.
    pub(super) fn set_slots(&mut self, slots: usize) {
        self.ghosts.resize(slots, self.eighths);
    }

    /// A block that is not held was asked for.
    pub(super) fn miss(&mut self, hash: u64) {
        if self.ghosts.access(hash, self.eighths) {
            self.repeats = 0;
            self.tick();
            return;
        }
        // A set of fewer blocks than an eighth of a turn, and nothing else, is asked for again and again: time would stand
        // still, and none of it ever be let in.
        self.repeats += 1;
        if self.repeats >= (self.turn / 8).max(FEWEST_REPEATS) {
            self.repeats = 0;
            self.eighths = self.eighths.wrapping_add(1);
        }
    }

    /// A block that is held was asked for.
    pub(super) fn hit(&mut self, slot: &mut Slot) {
        if self.now.wrapping_sub(slot.touched) >= self.turn / 8 {
            let idle = self.idle(slot);
            slot.rest = match slot.rest {
                FOUND => longest_rest(0, idle.max(FOUND_RESTED)),
                rest => longest_rest(rest, idle),
            };
            self.tick();
        }
        slot.touched = self.now;
    }

    /// A block is held from now on, in this slot; until now it was in the slot `before`, if any.
    pub(super) fn enter(&mut self, hash: u64, slot: &mut Slot, before: Option<Slot>) {
        slot.touched = self.now;
        slot.rest = match before {
            Some(before) => before.rest,
            None => self.ghosts.take(hash).rest,
        };
    }

    /// A block was found on the disk at the start.
    pub(super) fn found(&mut self, slot: &mut Slot) {
        if slot.rest == 0 {
            slot.rest = FOUND;
        }
    }

    /// The longest that a held block lately rested between two accesses, in eighths of a turn; 0 if none is known to have
    /// come before the last.
    pub(super) const fn rest(&self, slot: &Slot) -> u8 {
        if slot.rest == FOUND { 0 } else { slot.rest }
    }

    /// What is known of a block that is not held.
    pub(super) fn ghost(&self, hash: u64) -> Ghost {
        self.ghosts.get(hash)
    }

    /// How long a held block has rested, in eighths of a turn.
    pub(super) fn idle(&self, slot: &Slot) -> u8 {
        let ticks = u64::from(self.now.wrapping_sub(slot.touched));
        u8::try_from(8 * ticks / u64::from(self.turn)).unwrap_or(u8::MAX)
    }

    pub(super) fn bytes(&self) -> usize {
        self.ghosts.bytes()
    }

    fn tick(&mut self) {
        self.now = self.now.wrapping_add(1);
        self.ticks += 1;
        if self.ticks >= self.turn / 8 {
            self.eighths = self.eighths.wrapping_add(1);
            self.ticks = 0;
        }
    }
}
