//! Slots whose end has no memory: a buffer takes what it needs of one, and no more is resident.

use std::collections::VecDeque;
use std::fmt;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::mapping::{Mapping, Run};
use super::{SIZES, bytes_of, size_for};

/// Bytes of free slots that keep their memory: taking one again costs no page faults.
const KEPT: usize = 16 << 20;

/// The slots of one account.
#[derive(Default)]
pub(super) struct Odd {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    mappings: Vec<Mapping>,
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

/// A slot of which some bytes may have memory. Not freed when it is dropped.
#[derive(Debug)]
pub(in crate::memory) struct Slot {
    run: Run,
    /// The index of its size.
    size: usize,
    /// Bytes from the start on that may have memory.
    touched: usize,
}

impl Slot {
    pub(super) fn start(&self) -> NonNull<u8> {
        self.run.start()
    }

    /// Gives back the memory from `offset`, a multiple of 4 KiB, on. What was there is lost.
    fn empty_from(&mut self, offset: usize) {
        if offset < self.touched {
            self.run.part(offset..self.touched).empty();
            self.touched = offset;
        }
    }
}

impl Odd {
    /// A slot for `bytes`, a multiple of 4 KiB; its content is arbitrary.
    pub(super) fn take(&self, bytes: usize) -> Slot {
        let mut slot = self.lock().take(size_for(bytes));
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
            self.lock().free[slot.size].empty.push(slot);
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
            let mapping = Mapping::new();
            let slots = mapping.runs(bytes_of(size)).map(|run| Slot {
                run,
                size,
                touched: 0,
            });
            self.free[size].empty.extend(slots);
            self.mappings.push(mapping);
        }
        let slot = self.free[size].empty.pop();
        slot.expect("a mapping holds more than one slot")
    }
}

impl fmt::Debug for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Odd")
            .field("mappings", &state.mappings.len())
            .field("kept", &state.kept)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LARGEST, SMALLEST};
    use super::*;

    /// A little less than the largest.
    const MOST: usize = LARGEST - 4096;

    #[test]
    fn slots_do_not_overlap_and_are_used_again() {
        let odd = Odd::default();
        let taken: Vec<_> = (0..200)
            .flat_map(|_| [odd.take(SMALLEST + 4096), odd.take(MOST)])
            .collect();
        let mut places: Vec<_> = taken
            .iter()
            .map(|slot| (slot.start().addr().get(), slot.touched))
            .collect();
        places.sort_unstable();
        assert!(places.windows(2).all(|it| it[0].0 + it[0].1 <= it[1].0));
        let mappings = odd.lock().mappings.len();
        taken.into_iter().for_each(|slot| odd.give_back(slot));
        let again: Vec<_> = (0..200).map(|_| odd.take(MOST)).collect();
        assert_eq!(odd.lock().mappings.len(), mappings);
        drop(again);
    }

    #[test]
    fn free_slots_keep_little_memory() {
        let odd = Odd::default();
        let taken: Vec<_> = (0..64).map(|_| odd.take(MOST)).collect();
        taken.into_iter().for_each(|slot| odd.give_back(slot));
        let kept = odd.lock().kept;
        assert_eq!(kept, KEPT / MOST * MOST);
        let smaller = odd.take(LARGEST / 2 + SMALLEST);
        assert_eq!(smaller.touched, LARGEST / 2 + SMALLEST);
        assert_eq!(odd.lock().kept, kept - MOST);
        odd.give_back(smaller);
    }

    #[test]
    fn memory_of_a_size_that_is_not_used_any_more_goes_to_one_that_is() {
        let odd = Odd::default();
        let large: Vec<_> = (0..16).map(|_| odd.take(MOST)).collect();
        large.into_iter().for_each(|slot| odd.give_back(slot));
        let small: Vec<_> = (0..40).map(|_| odd.take(SMALLEST + 4096)).collect();
        small.into_iter().for_each(|slot| odd.give_back(slot));
        let state = odd.lock();
        assert_eq!(state.free[1].kept.len(), 40);
        assert!(state.free[SIZES - 1].kept.len() < 16);
        assert!(state.kept <= KEPT);
    }

    #[test]
    fn what_was_given_back_has_no_memory_any_more() {
        let odd = Odd::default();
        let mut slot = odd.take(MOST);
        [0, SMALLEST]
            .iter()
            .for_each(|offset| slot.run.mark(*offset, 7));
        slot.empty_from(SMALLEST);
        assert_eq!((slot.run.look(0), slot.run.look(SMALLEST)), (7, 0));
        odd.give_back(slot);
    }
}
