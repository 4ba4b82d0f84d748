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
mod tests;
