//! What is known in memory of one slot, in 44 bytes.

use super::super::{BlockId, Epoch, Pages};
use crate::types::BodyDigest;
use crate::types::layout::PAGE;

/// Bits of a slot number that count the slots of a segment.
const SLOT_BITS: u32 = 14;

/// A slot of a disk: the number of its segment, and its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotNumber(u32);

impl SlotNumber {
    /// The most segments that slot numbers tell apart.
    pub const MOST_SEGMENTS: u32 = 1 << (32 - SLOT_BITS);

    /// Slot `slot` of segment `segment`.
    pub const fn new(segment: u32, slot: u32) -> Self {
        Self(segment << SLOT_BITS | slot)
    }

    pub const fn segment(self) -> u32 {
        self.0 >> SLOT_BITS
    }

    /// From the segment's first.
    pub const fn slot(self) -> u32 {
        self.0 & ((1 << SLOT_BITS) - 1)
    }

    pub(super) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u32 {
        self.0
    }
}

/// Which page of the block lies at which position of the slot: pages lie in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Positions(u64);

impl Positions {
    /// From four bits a position, the first position lowest.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The page at a position.
    pub const fn page(self, position: u32) -> u32 {
        (self.0 >> (4 * position) & 0xf) as u32
    }

    /// The position of a page among the first `count`.
    pub fn find(self, page: u32, count: u32) -> Option<u32> {
        (0..count).find(|position| self.page(*position) == page)
    }

    /// These with `page` at `position`.
    #[must_use]
    pub const fn with(self, position: u32, page: u32) -> Self {
        let shift = 4 * position;
        Self(self.0 & !(0xf << shift) | ((page & 0xf) as u64) << shift)
    }
}

/// What a slot holds of its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// The purges that were known when the oldest of the pages was asked for.
    pub epoch: Epoch,
    pub pages: Pages,
    pub positions: Positions,
    /// Bytes of the body in those pages: whole pages, but for the last of the body.
    pub bytes: u32,
    pub pinned: bool,
}

impl Contents {
    /// Whether the slot is worth more than one of the same block with other contents.
    pub(super) fn better_than(&self, other: &Self) -> bool {
        let worth = |it: &Self| (it.epoch, it.pages.0.count_ones());
        worth(self) > worth(other)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// `index` is the next free slot of the segment.
    Free,
    /// Being written: not found, not evicted.
    Reserved,
    Held,
    Pinned,
}

/// The end of the chain of a segment's free slots.
pub(super) const NONE: u32 = u32::MAX;

/// A slot. Halves and quarters of words keep it at 44 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    digest: [u32; 4],
    positions: [u32; 2],
    pub(super) index: u32,
    epoch: u32,
    /// The tick of the last access.
    pub(super) touched: u32,
    pages: u16,
    /// Bytes that its pages lack to be whole.
    short: u16,
    generation: u16,
    /// How long the block rests between accesses, as `access` has it.
    pub(super) rest: u8,
    pub(super) state: State,
}

impl Slot {
    pub(super) const fn free(generation: u16, next: u32) -> Self {
        Self {
            digest: [0; 4],
            positions: [0; 2],
            index: next,
            epoch: 0,
            touched: 0,
            pages: 0,
            short: 0,
            generation,
            rest: 0,
            state: State::Free,
        }
    }

    pub fn block(&self) -> BlockId {
        let half = |low: u32, high: u32| u128::from(low) | u128::from(high) << 32;
        let [a, b, c, d] = self.digest;
        BlockId {
            body: BodyDigest(half(a, b) | half(c, d) << 64),
            index: self.index,
        }
    }

    pub fn contents(&self) -> Contents {
        let [low, high] = self.positions;
        let pages = Pages(self.pages);
        Contents {
            epoch: Epoch(self.epoch),
            pages,
            positions: Positions(u64::from(low) | u64::from(high) << 32),
            bytes: whole(pages) - u32::from(self.short),
            pinned: self.state == State::Pinned,
        }
    }

    /// Differs from what it was before the slot was last freed, evicted or reserved.
    pub const fn generation(&self) -> u16 {
        self.generation
    }

    /// Whether a block is found here.
    pub(super) const fn is_held(&self) -> bool {
        matches!(self.state, State::Held | State::Pinned)
    }

    /// Takes a block.
    pub(super) fn hold(&mut self, block: BlockId, contents: &Contents) {
        let word = |shift: u32| low_word(block.body.0 >> shift);
        self.digest = [word(0), word(32), word(64), word(96)];
        self.index = block.index;
        self.fill(contents);
    }

    /// Replaces what is held of the block.
    pub(super) fn fill(&mut self, contents: &Contents) {
        let Contents {
            epoch,
            pages,
            positions,
            bytes,
            pinned,
        } = *contents;
        let bits = u128::from(positions.0);
        self.positions = [low_word(bits), low_word(bits >> 32)];
        self.epoch = epoch.0;
        self.pages = pages.0;
        self.short = u16::try_from(whole(pages).saturating_sub(bytes)).unwrap_or(u16::MAX);
        self.state = if pinned { State::Pinned } else { State::Held };
    }

    /// Lets go of a block or of a reservation.
    pub(super) fn leave(&mut self, state: State) {
        self.generation = self.generation.wrapping_add(1);
        self.state = state;
    }
}

fn whole(pages: Pages) -> u32 {
    let page = u32::try_from(PAGE).expect("a page is 64 KiB");
    pages.0.count_ones() * page
}

fn low_word(bits: u128) -> u32 {
    u32::try_from(bits & 0xffff_ffff).expect("32 bits")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slot_takes_44_bytes() {
        assert_eq!(size_of::<Slot>(), 44);
    }

    #[test]
    fn a_slot_number_is_its_segment_and_its_place() {
        let number = SlotNumber::new(SlotNumber::MOST_SEGMENTS - 1, 16_319);
        assert_eq!(
            (number.segment(), number.slot()),
            (SlotNumber::MOST_SEGMENTS - 1, 16_319)
        );
    }

    #[test]
    fn positions_tell_where_a_page_lies() {
        let positions = Positions::default().with(0, 15).with(1, 3).with(0, 14);
        assert_eq!((positions.page(0), positions.page(1)), (14, 3));
        assert_eq!(positions.find(3, 2), Some(1));
        assert_eq!(positions.find(3, 1), None);
        assert_eq!(positions.find(15, 2), None);
    }

    proptest! {
        #[test]
        fn a_slot_tells_what_it_was_given(
            body: u128, index: u32, epoch: u32, pages in 1u16.., positions: u64, short in 0u32..65536, pinned: bool,
        ) {
            let pages = Pages(pages);
            let contents = Contents {
                epoch: Epoch(epoch),
                pages,
                positions: Positions(positions),
                bytes: whole(pages) - short,
                pinned,
            };
            let block = BlockId { body: BodyDigest(body), index };
            let mut slot = Slot::free(7, NONE);
            slot.hold(block, &contents);
            prop_assert_eq!(slot.block(), block);
            prop_assert_eq!(slot.contents(), contents);
            prop_assert!(slot.is_held());
        }
    }
}
