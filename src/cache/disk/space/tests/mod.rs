//! Tests of the books as a whole, and what they share.

mod balance;
mod classes;
mod model;
mod patterns;

use super::super::{BlockId, Epoch, Pages};
use super::{Class, Contents, Place, Positions, SlotNumber, Space};
use crate::types::BodyDigest;
use crate::types::layout::PAGE;

const MIB: u64 = 1 << 20;

/// Well spread, as digests are.
fn digest(number: u64) -> BodyDigest {
    let bytes = number.to_be_bytes();
    BodyDigest(xxhash_rust::xxh3::xxh3_128(&bytes))
}

/// A block of its own body.
fn block(number: u64) -> BlockId {
    BlockId {
        body: digest(number),
        index: 0,
    }
}

/// All pages that a class holds, in their order.
fn full(class: Class) -> Contents {
    first_pages(class.pages())
}

fn first_pages(pages: u32) -> Contents {
    let page = u32::try_from(PAGE).expect("64 KiB");
    Contents {
        epoch: Epoch(1),
        pages: Pages(u16::try_from((1_u32 << pages) - 1).expect("at most 16")),
        positions: (0..pages).fold(Positions::default(), |it, page| it.with(page, page)),
        bytes: pages * page,
        pinned: false,
    }
}

impl Space {
    /// Does what a writer does, without a disk: the slot where the block now lies, if it is let in.
    fn write(&mut self, block: BlockId, class: Class, contents: Contents) -> Option<SlotNumber> {
        loop {
            match self.place(class, block, contents.pinned) {
                Place::Slot(slot) | Place::Instead(slot) => {
                    self.publish(slot, block, contents);
                    return Some(slot);
                }
                Place::NewSegment(number) | Place::Recycle(number) => {
                    self.add_segment(number, class);
                }
                Place::Refused(_) => return None,
            }
        }
    }

    /// Does what a reader does: whether it was a hit. A miss is offered.
    fn read(&mut self, block: BlockId, class: Class) -> bool {
        if let Some(slot) = self.find(block) {
            self.touch(slot);
            return true;
        }
        self.missed(block);
        self.write(block, class, full(class));
        false
    }
}
