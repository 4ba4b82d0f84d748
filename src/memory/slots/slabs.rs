//! Slots of one size side by side in a huge page: a slab.
//!
//! In pages of 4 KiB, which come from all over the machine's memory, each page of a slot is one more to pin and map for a read
//! from a disk, and one more for the processor to find: on virtual machines, where it has to look in two tables of four levels
//! each, that takes several times as long as what is then done with the bytes.
//!
//! A slab is of one size for as long as any of its slots is in use. Free slots keep their memory, up to a bound, for the next buffer
//! of their size; a slab all of whose slots are free, for one of any size. What is beyond the bound is given back: whole slabs
//! first, then single slots, which are not used again before all of their slab is free: their huge page is in pieces.
//!
//! A huge page that was not in use has to be cleared, and on a virtual machine the host has to find memory for it first, which can
//! take milliseconds. While the tiers fill, somebody does that ahead of those who need it ([`Slabs::prepare`]).

use std::collections::VecDeque;
use std::fmt;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::mapping::{HUGE_PAGE, Mapping, Run};
use super::{SIZES, bytes_of};

/// Bytes of free slots that keep their memory: enough for the bursts in which blocks that come from disks push out others.
const KEPT: usize = 64 << 20;

/// Bytes of free slots that are to have memory ahead of need: some blocks for those who come next, beside slabs that are in parts.
const AHEAD: usize = 8 << 20;

/// The slabs of one account.
pub(super) struct Slabs {
    state: Mutex<State>,
    /// Bytes of memory that free slots may have.
    bound: usize,
    /// Told when they have less than [`AHEAD`], by a slab or more.
    short: Notify,
}

#[derive(Default)]
struct State {
    mappings: Vec<Mapping>,
    slabs: Vec<Slab>,
    /// Slabs of a size with free slots that have memory, and with others; the last used one last.
    partly: [Vec<u32>; SIZES],
    /// Slabs all of whose slots are free and have memory; the last used one last.
    idle: VecDeque<u32>,
    /// Slabs without memory.
    bare: Vec<u32>,
    /// Bytes of memory in all free slots.
    kept: usize,
}

struct Slab {
    run: Run,
    size: usize,
    /// Free slots that have memory: bit 0 is the first.
    free: u32,
    /// Free slots that have none.
    lost: u32,
}

/// A slot of a slab. Not freed when it is dropped.
#[derive(Debug)]
pub(in crate::memory) struct Slot {
    run: Run,
    slab: u32,
    number: u32,
}

/// Slots that are losing their memory, which nobody has meanwhile.
struct Leaving {
    slab: u32,
    run: Run,
    size: usize,
    slots: u32,
}

/// All slots of a slab of that size.
fn all(size: usize) -> u32 {
    u32::MAX >> (32 - HUGE_PAGE / bytes_of(size))
}

impl Slot {
    pub(super) fn start(&self) -> NonNull<u8> {
        self.run.start()
    }
}

impl Default for Slabs {
    fn default() -> Self {
        Self::keeping(KEPT)
    }
}

impl Slabs {
    fn keeping(bound: usize) -> Self {
        Self {
            state: Mutex::default(),
            bound,
            short: Notify::new(),
        }
    }

    /// A slot of a size; its content is arbitrary.
    pub(super) fn take(&self, size: usize) -> Slot {
        let mut state = self.lock();
        if let Some(slot) = state.take(size) {
            let short = state.is_short(self.bound);
            drop(state);
            if short {
                self.short.notify_one();
            }
            return slot;
        }
        let number = state.bare();
        let run = state.slabs[index(number)].run;
        drop(state);
        // Clearing a huge page takes the kernel some time, during which others may go on.
        run.populate();
        let mut state = self.lock();
        let slot = state.populated(number, size);
        let leaving = state.surplus(self.bound);
        drop(state);
        self.empty(leaving);
        self.short.notify_one();
        slot
    }

    /// Waits until free slots have less memory than there is to be ahead of need. For the one who then prepares it.
    pub(super) async fn short(&self) {
        self.short.notified().await;
    }

    /// Gives memory to slabs until free slots have enough for what comes next. Takes the kernel some time.
    pub(super) fn prepare(&self) {
        loop {
            let mut state = self.lock();
            if !state.is_short(self.bound) {
                return;
            }
            let number = state.bare();
            let run = state.slabs[index(number)].run;
            drop(state);
            run.populate();
            self.lock().prepared(number);
        }
    }

    /// Takes a slot back.
    pub(super) fn give_back(&self, slot: Slot) {
        let leaving = self.lock().give_back(&slot, self.bound);
        self.empty(leaving);
    }

    /// Gives memory back to the system, without holding up others.
    fn empty(&self, mut leaving: Vec<Leaving>) {
        while let Some(slots) = leaving.pop() {
            slots.empty();
            leaving.extend(self.lock().emptied(&slots));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leaving {
    fn empty(&self) {
        if self.slots == all(self.size) {
            return self.run.empty();
        }
        for number in (0..32).filter(|number| self.slots >> number & 1 == 1) {
            place(self.run, self.size, number).empty();
        }
    }
}

/// Where a slot lies in the run of a slab of that size.
fn place(slab: Run, size: usize, number: u32) -> Run {
    let start = index(number) * bytes_of(size);
    slab.part(start..start + bytes_of(size))
}

fn index(number: u32) -> usize {
    usize::try_from(number).expect("usize has 32 bits")
}

impl State {
    /// A slot of a slab that has memory, where there is one.
    fn take(&mut self, size: usize) -> Option<Slot> {
        let number = match self.partly[size].last() {
            Some(number) => *number,
            None => {
                let number = self.idle.pop_back()?;
                self.cut(number, size);
                number
            }
        };
        let slab = &mut self.slabs[index(number)];
        let first = slab.free.trailing_zeros();
        slab.free &= !(1 << first);
        if slab.free == 0 {
            self.partly[size].pop();
        }
        self.kept -= bytes_of(size);
        Some(Slot {
            run: place(slab.run, size, first),
            slab: number,
            number: first,
        })
    }

    /// Makes a slab, of which nothing is in use, one of slots of a size.
    fn cut(&mut self, number: u32, size: usize) {
        let slab = &mut self.slabs[index(number)];
        (slab.size, slab.free, slab.lost) = (size, all(size), 0);
        self.partly[size].push(number);
    }

    /// The first slot of a slab that has memory now.
    fn populated(&mut self, number: u32, size: usize) -> Slot {
        self.cut(number, size);
        self.kept += HUGE_PAGE;
        self.take(size).expect("the last slab has free slots")
    }

    /// Whether free slots are a slab short of what they are to have ahead, or more.
    fn is_short(&self, bound: usize) -> bool {
        self.kept + HUGE_PAGE <= AHEAD.min(bound)
    }

    /// Puts a slab that has memory now where any size may have it.
    fn prepared(&mut self, number: u32) {
        let slab = &mut self.slabs[index(number)];
        (slab.size, slab.free, slab.lost) = (0, all(0), 0);
        self.kept += HUGE_PAGE;
        // What was in use before is in some core's cache and comes first.
        self.idle.push_front(number);
    }

    /// A slab without memory, on no list.
    fn bare(&mut self) -> u32 {
        if self.bare.is_empty() {
            let mapping = Mapping::new();
            for run in mapping.runs(HUGE_PAGE) {
                let number = u32::try_from(self.slabs.len()).expect("fewer than 8 PiB");
                self.bare.push(number);
                let (size, free, lost) = (0, 0, all(0));
                self.slabs.push(Slab {
                    run,
                    size,
                    free,
                    lost,
                });
            }
            self.mappings.push(mapping);
        }
        self.bare.pop().expect("a mapping has room for a slab")
    }

    fn give_back(&mut self, slot: &Slot, bound: usize) -> Vec<Leaving> {
        let slab = &mut self.slabs[index(slot.slab)];
        debug_assert_eq!((slab.free | slab.lost) >> slot.number & 1, 0, "freed twice");
        if slab.free == 0 {
            self.partly[slab.size].push(slot.slab);
        }
        slab.free |= 1 << slot.number;
        self.kept += bytes_of(slab.size);
        let mut leaving = self.settle(slot.slab);
        leaving.extend(self.surplus(bound));
        leaving
    }

    /// Puts a slab none of whose slots is in use where it belongs.
    fn settle(&mut self, number: u32) -> Vec<Leaving> {
        let slab = &mut self.slabs[index(number)];
        if slab.free | slab.lost != all(slab.size) {
            return Vec::new();
        }
        if slab.free == 0 {
            self.bare.push(number);
            return Vec::new();
        }
        if slab.lost != 0 {
            // Its huge page is in pieces. Without any of them it gets a new one.
            return vec![self.leave(number)];
        }
        self.unlist(number);
        self.idle.push_back(number);
        Vec::new()
    }

    /// What is to lose its memory, so that free slots have no more than `bound`.
    fn surplus(&mut self, bound: usize) -> Vec<Leaving> {
        let mut leaving = Vec::new();
        while self.kept > bound {
            let oldest = self.idle.pop_front().or_else(|| self.oldest());
            let oldest = oldest.expect("free slots have memory");
            leaving.push(self.leave(oldest));
        }
        leaving
    }

    /// The longest unused slab of the size whose free slots have most memory.
    fn oldest(&self) -> Option<u32> {
        let free = |number: &u32| self.slabs[index(*number)].free.count_ones();
        let of = |size: usize| {
            let slots: u32 = self.partly[size].iter().map(free).sum();
            index(slots) * bytes_of(size)
        };
        let most = (0..SIZES).max_by_key(|size| of(*size))?;
        self.partly[most].first().copied()
    }

    /// Takes the free slots of a slab from those that may be had.
    fn leave(&mut self, number: u32) -> Leaving {
        self.unlist(number);
        let slab = &mut self.slabs[index(number)];
        let slots = std::mem::take(&mut slab.free);
        self.kept -= index(slots.count_ones()) * bytes_of(slab.size);
        Leaving {
            slab: number,
            run: slab.run,
            size: slab.size,
            slots,
        }
    }

    fn unlist(&mut self, number: u32) {
        let partly = &mut self.partly[self.slabs[index(number)].size];
        if let Some(at) = partly.iter().rposition(|it| *it == number) {
            partly.remove(at);
        }
    }

    /// Takes slots that have no memory any more.
    fn emptied(&mut self, slots: &Leaving) -> Vec<Leaving> {
        self.slabs[index(slots.slab)].lost |= slots.slots;
        self.settle(slots.slab)
    }
}

impl fmt::Debug for Slabs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Slabs")
            .field("slabs", &state.slabs.len())
            .field("kept", &state.kept)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const MIB: usize = 1 << 20;

    /// Free and lost slots of the slab with that number.
    fn slab(slabs: &Slabs, number: usize) -> (u32, u32) {
        let slab = &slabs.lock().slabs[number];
        (slab.free, slab.lost)
    }

    #[test]
    fn slots_of_a_size_lie_side_by_side() {
        let slabs = Slabs::default();
        let taken: Vec<_> = (0..32).map(|_| slabs.take(0)).collect();
        assert!(taken.iter().all(|slot| slot.slab == taken[0].slab));
        let starts: Vec<_> = taken.iter().map(|it| it.start().addr().get()).collect();
        assert!(starts.windows(2).all(|it| it[1] - it[0] == bytes_of(0)));
        assert_eq!(slabs.lock().kept, 0);
        let other = slabs.take(4);
        assert_ne!(other.slab, taken[0].slab);
        assert_eq!(slabs.lock().kept, MIB);
        taken.into_iter().for_each(|slot| slabs.give_back(slot));
        // All of the first slab is free: another size may have it.
        let next = [slabs.take(4), slabs.take(4)];
        assert_eq!(next[0].slab, other.slab);
        assert_ne!(next[1].slab, other.slab);
        assert_eq!(slabs.lock().kept, MIB);
        assert_eq!(slabs.lock().bare.len(), 30);
    }

    #[test]
    fn whole_slabs_lose_their_memory_before_single_slots_do() {
        let slabs = Slabs::keeping(4 * MIB);
        let mut taken: Vec<_> = (0..8).map(|_| slabs.take(4)).collect();
        let first = index(taken[0].slab);
        // One slot of the first slab is free, and two whole slabs.
        for slot in taken.drain(3..).collect::<Vec<_>>() {
            slabs.give_back(slot);
        }
        let state = slabs.lock();
        assert_eq!((state.kept, state.idle.len()), (3 * MIB, 1));
        drop(state);
        assert_eq!(slab(&slabs, first), (0, 0));
        // Slots of which one of each slab is in use leave no whole slab: the oldest lose their free ones.
        let small: Vec<_> = (0..4 * 32).map(|_| slabs.take(0)).collect();
        let number = index(small[0].slab);
        let (stay, go): (Vec<_>, Vec<_>) = small.into_iter().partition(|slot| slot.number == 0);
        go.into_iter().for_each(|slot| slabs.give_back(slot));
        assert!(slabs.lock().kept <= 4 * MIB);
        assert_eq!(slab(&slabs, number), (0, u32::MAX - 1));
        // What has lost its memory is not used before all of its slab is free.
        stay.into_iter().for_each(|slot| slabs.give_back(slot));
        assert_eq!(slab(&slabs, number), (0, u32::MAX));
        assert!(
            slabs
                .lock()
                .bare
                .contains(&u32::try_from(number).expect("small"))
        );
        taken.into_iter().for_each(|slot| slabs.give_back(slot));
        let state = slabs.lock();
        assert!(state.partly.iter().all(Vec::is_empty));
        assert_eq!(state.idle.len() * HUGE_PAGE, state.kept);
        assert_eq!(state.idle.len() + state.bare.len(), state.slabs.len());
    }

    #[tokio::test]
    async fn what_is_taken_was_given_memory_ahead() {
        let slabs = Slabs::default();
        slabs.prepare();
        let prepared = |slabs: &Slabs| {
            let state = slabs.lock();
            (state.kept, state.idle.len(), state.bare.len())
        };
        assert_eq!(prepared(&slabs), (AHEAD, 4, 28));
        let taken = [4, 4, 0, 2].map(|size| slabs.take(size));
        assert_eq!(prepared(&slabs).1, 1);
        slabs.short().await;
        slabs.prepare();
        assert_eq!(prepared(&slabs).2, 27);
        taken.into_iter().for_each(|slot| slabs.give_back(slot));
        // All of it and what was given back is free, and nobody is short of it.
        assert_eq!(prepared(&slabs), (10 * MIB, 5, 27));
        slabs.give_back(slabs.take(4));
        slabs.prepare();
        assert_eq!(prepared(&slabs).1, 5);
    }

    #[tokio::test]
    async fn who_has_to_wait_for_memory_asks_for_more_ahead() {
        let slabs = Slabs::keeping(4 * MIB);
        let slot = slabs.take(4);
        slabs.short().await;
        slabs.prepare();
        let state = slabs.lock();
        assert_eq!((state.kept, state.idle.len()), (3 * MIB, 1));
        drop(state);
        slabs.give_back(slot);
        assert_eq!(slabs.lock().kept, 4 * MIB);
    }

    #[test]
    fn nobody_gets_what_another_has_and_nothing_in_use_is_lost() {
        let slabs = Slabs::keeping(2 * MIB);
        let work = |seed: u64| {
            let mut random = seed;
            let mut held: Vec<(Slot, usize, u64)> = Vec::new();
            for turn in 0..4000 {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(seed);
                let draw = usize::try_from(random >> 40).expect("24 bits");
                if draw % 64 == 0 {
                    slabs.prepare();
                } else if held.len() > 60 || draw % 3 == 0 && !held.is_empty() {
                    let (slot, size, mark) = held.swap_remove(draw % held.len());
                    assert_eq!(ends(&slot, size), (mark, mark));
                    slabs.give_back(slot);
                } else {
                    let (size, mark) = (draw % SIZES, seed << 32 | turn);
                    let slot = slabs.take(size);
                    write(&slot, size, mark);
                    held.push((slot, size, mark));
                }
            }
            held.into_iter()
                .for_each(|(slot, ..)| slabs.give_back(slot));
        };
        thread::scope(|scope| (1..5).for_each(|seed| drop(scope.spawn(move || work(seed)))));
        let state = slabs.lock();
        assert!(state.kept <= 2 * MIB && state.partly.iter().all(Vec::is_empty));
        assert_eq!(state.idle.len() * HUGE_PAGE, state.kept);
        assert_eq!(state.idle.len() + state.bare.len(), state.slabs.len());
    }

    fn ends(slot: &Slot, size: usize) -> (u64, u64) {
        (slot.run.look(0), slot.run.look(bytes_of(size) - 8))
    }

    fn write(slot: &Slot, size: usize, mark: u64) {
        slot.run.mark(0, mark);
        slot.run.mark(bytes_of(size) - 8, mark);
    }
}
