//! The slots of one segment file, and which of them are free.

use super::class::Class;
use super::slot::{NONE, Slot, State};

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) class: Class,
    /// Slots that are free: a chain through them that begins at `next`.
    pub(super) free: u32,
    next: u32,
    /// Slots being written.
    pub(super) reserved: u32,
    /// Slots of pinned blocks.
    pub(super) pinned: u32,
    slots: Box<[Slot]>,
}

impl Segment {
    /// A segment of free slots, but for those that `taken` names: they are reserved.
    pub(super) fn new(class: Class, count: u32, generation: u16, taken: &[u32]) -> Self {
        let mut slots: Box<[Slot]> = (0..count).map(|_| Slot::free(generation, NONE)).collect();
        let mut reserved = 0;
        for slot in taken {
            let slot = usize::try_from(*slot).ok();
            if let Some(slot) = slot.and_then(|slot| slots.get_mut(slot))
                && slot.state == State::Free
            {
                slot.state = State::Reserved;
                reserved += 1;
            }
        }
        let (mut next, mut free) = (NONE, 0);
        for (number, slot) in (0..count).zip(&mut slots).rev() {
            if slot.state == State::Free {
                slot.index = next;
                next = number;
                free += 1;
            }
        }
        Self {
            class,
            free,
            next,
            reserved,
            pinned: 0,
            slots,
        }
    }

    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// How many slots it has.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.slots.len()).expect("a segment has at most 2^14 slots")
    }

    pub(super) fn get(&self, slot: u32) -> Option<&Slot> {
        self.slots.get(usize::try_from(slot).ok()?)
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Slot> {
        self.slots.get_mut(usize::try_from(slot).ok()?)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.free == self.count()
    }

    /// Reserves a free slot, the one that was freed last.
    pub(super) fn take(&mut self) -> Option<u32> {
        let taken = self.next;
        let slot = self.get_mut(taken)?;
        let next = slot.index;
        slot.leave(State::Reserved);
        self.next = next;
        self.free -= 1;
        self.reserved += 1;
        Some(taken)
    }

    /// Frees a slot that is reserved.
    pub(super) fn give(&mut self, number: u32) {
        let next = self.next;
        let slot = self.get_mut(number).expect("a slot of this segment");
        debug_assert_eq!(slot.state, State::Reserved);
        slot.leave(State::Free);
        slot.index = next;
        self.next = number;
        self.free += 1;
        self.reserved -= 1;
    }
}
