//! Time as the disk's readers make it: a *tick* is an access to a block, hit or miss.
//!
//! A *turn* is as many ticks as blocks are held. How long a block rests is told in eighths of a turn: the same pattern of
//! accesses gives the same figures on a small disk and on a large one. A reader who takes a block in sixteen ranges has
//! accessed it once: what comes again within a sixteenth of a turn is part of the same access.

use super::sketch::Sketch;
use super::slot::Slot;

/// Ticks in a turn, at least: with few blocks, or none, turns would rush by.
const SHORTEST_TURN: u32 = 64;
/// Turns after which counts are halved.
const HALVE_AFTER: u32 = 4;
/// Misses that are remembered to tell whether the next is part of the same access.
const REMEMBERED: usize = 1024;

#[derive(Debug)]
pub(super) struct Accesses {
    now: u32,
    turn: u32,
    /// Ticks since the counts were halved.
    counted: u32,
    sketch: Sketch,
    /// The last misses: their hashes, and when.
    missed: Box<[(u32, u32)]>,
}

impl Accesses {
    pub(super) fn new() -> Self {
        Self {
            now: 0,
            turn: SHORTEST_TURN,
            counted: 0,
            sketch: Sketch::new(),
            missed: vec![(0, 0); REMEMBERED].into(),
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
        self.sketch.resize(slots);
    }

    /// A block that is not held, or not all of it, was asked for.
    pub(super) fn miss(&mut self, hash: u64) {
        let tag = u32::try_from(hash >> 32).expect("32 bits") | 1;
        let place = usize::try_from(hash % 1024).expect("10 bits");
        let (last, when) = self.missed[place];
        let again = last == tag && self.is_same_access(when);
        if !again {
            self.tick(hash);
        }
        self.missed[place] = (tag, self.now);
    }

    /// A block that is held was asked for.
    pub(super) fn hit(&mut self, hash: u64, slot: &mut Slot) {
        if !self.is_same_access(slot.touched) {
            let rest = self.idle(slot);
            slot.rest = if rest >= slot.rest {
                rest.max(1)
            } else {
                // It falls slowly: a block that once came back after long may do so again.
                slot.rest - (slot.rest - rest).div_ceil(4)
            };
            self.tick(hash);
        }
        slot.touched = self.now;
    }

    /// How often the block was accessed lately.
    pub(super) fn count(&self, hash: u64) -> u8 {
        self.sketch.count(hash)
    }

    /// How long the block has rested, in eighths of a turn.
    pub(super) fn idle(&self, slot: &Slot) -> u8 {
        let ticks = u64::from(self.now.wrapping_sub(slot.touched));
        u8::try_from(8 * ticks / u64::from(self.turn)).unwrap_or(u8::MAX)
    }

    pub(super) fn bytes(&self) -> usize {
        self.sketch.bytes() + size_of_val(&*self.missed)
    }

    fn is_same_access(&self, when: u32) -> bool {
        self.now.wrapping_sub(when) < self.turn / 16
    }

    fn tick(&mut self, hash: u64) {
        self.now = self.now.wrapping_add(1);
        self.sketch.add(hash);
        self.counted = self.counted.saturating_add(1);
        if self.counted >= HALVE_AFTER.saturating_mul(self.turn) {
            self.sketch.halve();
            self.counted = 0;
        }
    }
}
