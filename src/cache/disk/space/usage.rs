//! What slots add up to.

use super::segment::Segment;
use super::slot::Slot;

/// What slots hold, by class or in total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    pub segments: u64,
    /// Slots, free ones included.
    pub slots: u64,
    /// Slots that hold a block.
    pub blocks: u64,
    /// Slots that hold a pinned block.
    pub pinned: u64,
    /// Slots being written.
    pub reserved: u64,
    /// Bytes of bodies in those blocks.
    pub live_bytes: u64,
}

impl Usage {
    pub(super) fn segment(&mut self, segment: &Segment, sign: Sign) {
        sign.apply(&mut self.segments, 1);
        sign.apply(&mut self.slots, segment.slots().len() as u64);
        sign.apply(&mut self.reserved, u64::from(segment.reserved));
    }

    pub(super) fn slot(&mut self, slot: &Slot, sign: Sign) {
        let contents = slot.contents();
        sign.apply(&mut self.blocks, 1);
        sign.apply(&mut self.pinned, u64::from(contents.pinned));
        sign.apply(&mut self.live_bytes, u64::from(contents.bytes));
    }
}

#[derive(Clone, Copy)]
pub(super) enum Sign {
    Plus,
    Minus,
}

impl Sign {
    fn apply(self, to: &mut u64, by: u64) {
        match self {
            Self::Plus => *to += by,
            Self::Minus => *to -= by,
        }
    }
}
