//! Memory for buffers of a page and more: slots of a few sizes, cut out of large mappings.
//!
//! A general allocator puts buffers of one size side by side and gives memory back once all neighbours are free. Buffers
//! that leave the tier one by one then pin several times what is accounted. Here what is free is given back, but for a
//! little that is kept for the next buffer, so that what is resident is what is accounted. Mappings are address space only, and
//! live as long as the account.
//!
//! Buffers that fill a slot to its end, as those of whole pages and blocks do, come out of slabs that lie in huge pages
//! ([`slabs`]); the others, whose slots lack the memory behind their end, do not ([`odd`]).

mod mapping;
mod odd;
mod slabs;

use std::ptr::NonNull;

use odd::Odd;
use slabs::Slabs;

/// The smallest slot in bytes: a page of a body. What is smaller belongs on the heap.
pub(super) const SMALLEST: usize = 64 << 10;

/// The largest slot in bytes: a block of a body.
pub(super) const LARGEST: usize = SMALLEST << (SIZES - 1);

/// Sizes of slots: each twice as large as the one before.
const SIZES: usize = 5;

/// Bytes of a slot of the size with that index.
const fn bytes_of(size: usize) -> usize {
    SMALLEST << size
}

/// The index of the least size that holds `bytes`.
fn size_for(bytes: usize) -> usize {
    debug_assert!((SMALLEST..=LARGEST).contains(&bytes), "no slot is for this");
    let ratio = bytes.next_power_of_two() / SMALLEST;
    usize::try_from(ratio.trailing_zeros()).expect("below the bits of a word")
}

/// The slots of one account.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slabs: Slabs,
    odd: Odd,
}

/// A run of memory that whoever has this value owns.
#[derive(Debug)]
pub(super) enum Slot {
    Whole(slabs::Slot),
    Odd(odd::Slot),
}

impl Slot {
    /// Where it begins: a multiple of 4 KiB.
    pub(super) fn start(&self) -> NonNull<u8> {
        match self {
            Self::Whole(slot) => slot.start(),
            Self::Odd(slot) => slot.start(),
        }
    }
}

impl Slots {
    /// A slot for `bytes`, a multiple of 4 KiB from [`SMALLEST`] to [`LARGEST`]; its content is arbitrary.
    pub(super) fn take(&self, bytes: usize) -> Slot {
        match bytes_of(size_for(bytes)) == bytes {
            true => Slot::Whole(self.slabs.take(size_for(bytes))),
            false => Slot::Odd(self.odd.take(bytes)),
        }
    }

    /// Waits until slots are short of memory that is ready. For one caller.
    pub(super) async fn short(&self) {
        self.slabs.short().await;
    }

    /// Makes memory ready for the next slots. Takes the kernel some time.
    pub(super) fn prepare(&self) {
        self.slabs.prepare();
    }

    /// Takes a slot back.
    pub(super) fn give_back(&self, slot: Slot) {
        match slot {
            Slot::Whole(slot) => self.slabs.give_back(slot),
            Slot::Odd(slot) => self.odd.give_back(slot),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_as_large_as_what_it_is_for() {
        let sizes = [64 << 10, 68 << 10, 128 << 10, 513 << 10, 1 << 20].map(size_for);
        assert_eq!(sizes, [0, 1, 1, 4, 4]);
        assert_eq!([0, 4].map(bytes_of), [SMALLEST, LARGEST]);
    }

    #[test]
    fn what_fills_a_slot_lies_in_a_slab() {
        let slots = Slots::default();
        let taken = [SMALLEST, SMALLEST + 4096, LARGEST, LARGEST - 4096].map(|it| slots.take(it));
        let whole = taken.each_ref().map(|slot| matches!(slot, Slot::Whole(_)));
        assert_eq!(whole, [true, false, true, false]);
        taken.into_iter().for_each(|slot| slots.give_back(slot));
    }
}
