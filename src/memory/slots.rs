//! Memory for buffers of a page and more: slots of a few sizes, cut out of large mappings.
//!
//! A general allocator puts buffers of one size side by side and gives memory back once all neighbours are free. Buffers
//! that leave the tier one by one then pin several times what is accounted. Here every free slot gives its pages back by
//! itself, but for a few that are kept for the next buffer, so that what is resident is what is accounted. Mappings are
//! address space only, and live as long as the account.
//!
//! Whole blocks, two to a huge page, have huge pages where the system allows them: a read from a disk pins and maps single
//! pages otherwise, which takes longer than the read. Where half of a huge page is given back, its region has no more of them
//! until all of it is free: the kernel would make the other half resident again.

#![expect(unsafe_code, reason = "maps memory and gives single pages of it back")]

use std::alloc::{Layout, handle_alloc_error};
use std::collections::VecDeque;
use std::fmt;
use std::ptr::{NonNull, null_mut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::mm::{Advice, MapFlags, ProtFlags};

/// The smallest slot in bytes: a page of a body. What is smaller belongs on the heap.
pub(super) const SMALLEST: usize = 64 << 10;

/// The largest slot in bytes: a block of a body.
pub(super) const LARGEST: usize = SMALLEST << (WHOLE - 1);

/// Sizes of slots: each twice as large as the one before, but for the last.
const SIZES: usize = 6;

/// The index of the last size: slots as large as those before, for what fills them.
const WHOLE: usize = SIZES - 1;

/// Bytes of a slot.
const fn bytes_of(size: usize) -> usize {
    let bytes = SMALLEST << size;
    if bytes < LARGEST { bytes } else { LARGEST }
}

/// Bytes of one mapping.
const REGION: usize = 64 << 20;

/// Bytes of free slots that keep their memory: taking one again costs no page faults. Enough for the bursts in which blocks
/// that come from disks push out others.
const KEPT: usize = 64 << 20;

/// The slots of one account.
#[derive(Default)]
pub(super) struct Slots {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    regions: Vec<Region>,
    /// Free slots, by size.
    free: [Free; SIZES],
    /// Bytes of memory in all free slots.
    kept: usize,
}

#[derive(Default)]
struct Free {
    /// With memory, the last used one last.
    kept: VecDeque<Slot>,
    /// Without.
    empty: Vec<Slot>,
}

/// A run of memory that whoever has this value owns.
#[derive(Debug)]
pub(super) struct Slot {
    start: NonNull<u8>,
    /// The index of its size.
    size: usize,
    /// Bytes from the start on that may have memory.
    touched: usize,
}

// SAFETY: a slot is memory of nobody else, not bound to a thread.
unsafe impl Send for Slot {}
// SAFETY: a shared slot gives nothing but its address.
unsafe impl Sync for Slot {}

impl Slot {
    /// Where it begins: a multiple of 4 KiB.
    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Gives back the memory from `offset`, a multiple of 4 KiB, on. What was there is lost.
    fn empty_from(&mut self, offset: usize) {
        if offset < self.touched {
            // SAFETY: the bytes lie in the slot, which nobody else has, and of a free slot nobody reads what was there.
            let given = unsafe {
                let start = self.start.add(offset).as_ptr();
                rustix::mm::madvise(start.cast(), self.touched - offset, Advice::LinuxDontNeed)
            };
            given.expect("the range was mapped here");
            self.touched = offset;
        }
    }
}

impl Slots {
    /// A slot for `bytes`, a multiple of 4 KiB from [`SMALLEST`] to [`LARGEST`]; its content is arbitrary.
    pub(super) fn take(&self, bytes: usize) -> Slot {
        let size = size_for(bytes);
        let mut slot = self.lock().take(size);
        slot.empty_from(bytes);
        slot.touched = bytes;
        slot
    }

    /// Takes a slot back. Where free slots have too much memory by that, those of the size that has most of it lose some,
    /// the longest unused first: the sizes that are in use come to have what they need.
    pub(super) fn give_back(&self, slot: Slot) {
        let surplus = self.lock().keep(slot);
        for mut slot in surplus {
            // Giving memory back takes the kernel some time, during which others may go on.
            slot.empty_from(0);
            self.lock().emptied(slot);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Keeps a slot with its memory. Gives out those that are to lose theirs.
    fn keep(&mut self, slot: Slot) -> Vec<Slot> {
        self.kept += slot.touched;
        self.free[slot.size].kept.push_back(slot);
        let mut surplus = Vec::new();
        while self.kept > KEPT {
            let most = (0..SIZES).max_by_key(|size| self.free[*size].kept.len() * bytes_of(*size));
            let oldest = most.and_then(|size| self.free[size].kept.pop_front());
            let oldest = oldest.expect("free slots have memory");
            self.kept -= oldest.touched;
            surplus.push(oldest);
        }
        surplus
    }

    fn take(&mut self, size: usize) -> Slot {
        if let Some(slot) = self.free[size].kept.pop_back() {
            self.kept -= slot.touched;
            return slot;
        }
        if self.free[size].empty.is_empty() {
            let region = Region::map(size);
            self.free[size].empty.extend(region.slots());
            self.regions.push(region);
        }
        let slot = self.free[size].empty.pop();
        let slot = slot.expect("a region holds more than one slot");
        self.region(&slot).filled += 1;
        slot
    }

    /// Takes a slot that has given its memory back.
    fn emptied(&mut self, slot: Slot) {
        let region = self.region(&slot);
        region.filled -= 1;
        region.use_huge_pages(slot.size == WHOLE && region.filled == 0);
        self.free[slot.size].empty.push(slot);
    }

    fn region(&mut self, slot: &Slot) -> &mut Region {
        let mut regions = self.regions.iter_mut();
        let region = regions.find(|region| region.contains(slot));
        region.expect("slots are cut out of regions")
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Slots")
            .field("regions", &state.regions.len())
            .field("kept", &state.kept)
            .finish()
    }
}

/// The index of the least size that holds `bytes`.
fn size_for(bytes: usize) -> usize {
    debug_assert!((SMALLEST..=LARGEST).contains(&bytes), "no slot is for this");
    if bytes == LARGEST {
        return WHOLE;
    }
    let ratio = bytes.next_power_of_two() / SMALLEST;
    usize::try_from(ratio.trailing_zeros()).expect("below the bits of a word")
}

/// A mapping without memory of its own, cut into slots of one size.
struct Region {
    start: NonNull<u8>,
    size: usize,
    /// Slots that may have memory.
    filled: usize,
    huge_pages: bool,
}

// SAFETY: a mapping is not bound to a thread, and this value only names it.
unsafe impl Send for Region {}

impl Region {
    fn map(size: usize) -> Self {
        let (access, how) = (
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE | MapFlags::NORESERVE,
        );
        // SAFETY: a new mapping, at an address that the kernel chooses; where huge pages are to be had, at a multiple of theirs.
        let mapped = unsafe { rustix::mm::mmap_anonymous(null_mut(), REGION, access, how) };
        let Some(start) = mapped
            .ok()
            .and_then(|start| NonNull::new(start.cast::<u8>()))
        else {
            handle_alloc_error(Layout::new::<[u8; REGION]>())
        };
        let mut region = Self {
            start,
            size,
            filled: 0,
            huge_pages: size != WHOLE,
        };
        region.use_huge_pages(size == WHOLE);
        region
    }

    /// Has the kernel use huge pages from now on, or none. They make more resident than was asked for where not all of one is
    /// in use.
    fn use_huge_pages(&mut self, use_them: bool) {
        if std::mem::replace(&mut self.huge_pages, use_them) == use_them {
            return;
        }
        let advice = match use_them {
            true => Advice::LinuxHugepage,
            false => Advice::LinuxNoHugepage,
        };
        // SAFETY: the mapping is this one's, and nothing in it changes. A kernel without huge pages says so.
        let advised = unsafe {
            let start: *mut u8 = self.start.as_ptr();
            rustix::mm::madvise(start.cast(), REGION, advice)
        };
        if let Err(error) = advised {
            tracing::debug!(%error, "huge pages cannot be chosen");
        }
    }

    fn slots(&self) -> impl Iterator<Item = Slot> {
        let (start, size) = (self.start, self.size);
        (0..REGION).step_by(bytes_of(size)).map(move |offset| Slot {
            // SAFETY: the offset lies in the region.
            start: unsafe { start.add(offset) },
            size,
            touched: 0,
        })
    }

    fn contains(&self, slot: &Slot) -> bool {
        let offset = slot.start.addr().get().checked_sub(self.start.addr().get());
        offset.is_some_and(|offset| offset < REGION)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping is this one's, and the account that handed out its slots ends with the last of them.
        let unmapped = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), REGION) };
        debug_assert!(unmapped.is_ok(), "the mapping was made here");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_as_large_as_what_it_is_for() {
        let sizes = [64 << 10, 68 << 10, 128 << 10, 513 << 10, 1 << 20].map(size_for);
        assert_eq!(sizes, [0, 1, 1, 4, WHOLE]);
        assert_eq!([0, 4, WHOLE].map(bytes_of), [SMALLEST, LARGEST, LARGEST]);
    }

    #[test]
    fn slots_do_not_overlap_and_are_used_again() {
        let slots = Slots::default();
        let taken: Vec<_> = (0..200)
            .flat_map(|_| [slots.take(SMALLEST), slots.take(LARGEST)])
            .collect();
        let mut places: Vec<_> = taken
            .iter()
            .map(|slot| (slot.start().addr().get(), slot.touched))
            .collect();
        places.sort_unstable();
        assert!(places.windows(2).all(|it| it[0].0 + it[0].1 <= it[1].0));
        let regions = slots.lock().regions.len();
        taken.into_iter().for_each(|slot| slots.give_back(slot));
        let again: Vec<_> = (0..200).map(|_| slots.take(LARGEST)).collect();
        assert_eq!(slots.lock().regions.len(), regions);
        drop(again);
    }

    #[test]
    fn free_slots_keep_little_memory() {
        let slots = Slots::default();
        let taken: Vec<_> = (0..64).map(|_| slots.take(LARGEST)).collect();
        taken.into_iter().for_each(|slot| slots.give_back(slot));
        assert_eq!(slots.lock().kept, KEPT);
        let kept: usize = slots.lock().free[SIZES - 1].kept.len();
        assert_eq!(kept * LARGEST, KEPT);
        let part = slots.take(LARGEST - 4096);
        slots.give_back(part);
        assert_eq!(slots.lock().kept, KEPT - 4096);
        let smaller = slots.take(LARGEST / 2 + SMALLEST);
        assert_eq!(smaller.touched, LARGEST / 2 + SMALLEST);
        assert_eq!(slots.lock().kept, KEPT - LARGEST);
        slots.give_back(smaller);
    }

    #[test]
    fn huge_pages_are_for_whole_blocks_and_not_for_what_was_given_back_in_part() {
        let slots = Slots::default();
        let region = |at: usize| {
            let region = &slots.lock().regions[at];
            (region.filled, region.huge_pages)
        };
        let taken: Vec<_> = (0..REGION / LARGEST).map(|_| slots.take(LARGEST)).collect();
        let small = slots.take(SMALLEST);
        assert_eq!((region(0), region(1)), ((64, true), (1, false)));
        // One more than is kept: the first loses its memory.
        slots.give_back(small);
        taken.into_iter().for_each(|slot| slots.give_back(slot));
        assert_eq!(region(0), (63, false));
        let rest: Vec<_> = (0..63).map(|_| slots.take(LARGEST)).collect();
        for mut slot in rest {
            slot.empty_from(0);
            slots.lock().emptied(slot);
        }
        assert_eq!(region(0), (0, true));
    }

    #[test]
    fn memory_of_a_size_that_is_not_used_any_more_goes_to_one_that_is() {
        let slots = Slots::default();
        let large: Vec<_> = (0..64).map(|_| slots.take(LARGEST)).collect();
        large.into_iter().for_each(|slot| slots.give_back(slot));
        let small: Vec<_> = (0..40).map(|_| slots.take(SMALLEST)).collect();
        small.into_iter().for_each(|slot| slots.give_back(slot));
        let state = slots.lock();
        assert_eq!(state.free[0].kept.len(), 40);
        assert_eq!(state.free[SIZES - 1].kept.len(), 64 - 3);
        assert!(state.kept <= KEPT);
    }

    #[test]
    fn what_was_given_back_has_no_memory_any_more() {
        let slots = Slots::default();
        let mut slot = slots.take(LARGEST);
        // SAFETY: the slot is this test's, and as large as it asked for.
        unsafe { slot.start().as_ptr().write_bytes(7, LARGEST) };
        slot.empty_from(SMALLEST);
        // SAFETY: as above; what has no memory reads as zero.
        let (front, back) =
            unsafe { (*slot.start().as_ptr(), *slot.start().add(SMALLEST).as_ptr()) };
        assert_eq!((front, back), (7, 0));
        slots.give_back(slot);
    }
}
