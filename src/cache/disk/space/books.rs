//! Which slot is free, reserved or holds which block; what that adds up to.
//!
//! Nothing here chooses. A slot goes from free to reserved ([`Books::reserve`]), from there to held ([`Books::publish`]) or
//! back to free ([`Books::release`]); a held one becomes free ([`Books::release`]) or reserved again ([`Books::evict`]).
//! Segments come as a whole ([`Books::add`]) and go as a whole ([`Books::detach`]).

use super::super::BlockId;
use super::class::{Class, slots_in};
use super::index::{self, Index};
use super::segment::Segment;
use super::segments::Segments;
use super::slot::{Contents, Slot, SlotNumber, State};
use super::usage::{Sign, Usage};

#[derive(Debug)]
pub(super) struct Books {
    segment_bytes: u64,
    segments: Segments,
    index: Index,
    usage: [Usage; Class::ALL.len()],
    /// Segments of each class with a free slot.
    open: [Vec<u32>; Class::ALL.len()],
    /// Segments with free slots only.
    empty: u32,
    /// The first generation of the next segment's slots.
    generation: u16,
}

impl Books {
    pub(super) fn new(segment_bytes: u64) -> Self {
        Self {
            segment_bytes,
            segments: Segments::default(),
            index: Index::new(),
            usage: Default::default(),
            open: Default::default(),
            empty: 0,
            generation: 0,
        }
    }

    pub(super) fn usage(&self, class: Class) -> Usage {
        self.usage[class.rank()]
    }

    pub(super) const fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    /// Blocks held.
    pub(super) fn blocks(&self) -> usize {
        self.index.len()
    }

    pub(super) fn bytes(&self) -> usize {
        let lists = self.open.iter().map(|list| list.capacity() * 4);
        lists.sum::<usize>() + self.segments.bytes() + self.index.bytes()
    }

    pub(super) const fn segments(&self) -> &Segments {
        &self.segments
    }

    /// The slot, if it holds a block.
    pub(super) fn held(&self, number: SlotNumber) -> Option<&Slot> {
        self.segments.held(number)
    }

    pub(super) fn held_mut(&mut self, number: SlotNumber) -> Option<&mut Slot> {
        let segment = self.segments.get_mut(number.segment())?;
        segment.get_mut(number.slot()).filter(|slot| slot.is_held())
    }

    pub(super) fn find(&self, block: &BlockId) -> Option<SlotNumber> {
        self.index.find(index::hash(block), |number| {
            self.held(number).is_some_and(|slot| slot.block() == *block)
        })
    }

    /// Reserves a free slot.
    pub(super) fn reserve(&mut self, class: Class) -> Option<SlotNumber> {
        let number = *self.open[class.rank()].last()?;
        let segment = self.segments.get_mut(number)?;
        let was_empty = segment.is_empty();
        let slot = segment.take()?;
        let has_more = segment.free > 0;
        self.usage[class.rank()].reserved += 1;
        self.empty -= u32::from(was_empty);
        if !has_more {
            self.open[class.rank()].pop();
        }
        Some(SlotNumber::new(number, slot))
    }

    /// A reserved slot holds a block from now on. Gives back the slot that held the block until now, which is free, or
    /// `number` itself, freed, where the other holds the better contents.
    pub(super) fn publish(
        &mut self,
        number: SlotNumber,
        block: BlockId,
        contents: &Contents,
    ) -> Option<SlotNumber> {
        if self.segments.slot(number)?.state != State::Reserved {
            debug_assert!(false, "{number:?} was not reserved");
            return None;
        }
        let other = self.find(&block);
        if let Some(other) = other {
            let held = self.held(other).map(Slot::contents)?;
            if held.better_than(contents) {
                self.release(number);
                return Some(number);
            }
            self.release(other);
        }
        let segment = self.segments.get_mut(number.segment())?;
        segment.reserved -= 1;
        let class = segment.class;
        segment.get_mut(number.slot())?.hold(block, contents);
        self.usage[class.rank()].reserved -= 1;
        self.account(number, Sign::Plus);
        let segments = &self.segments;
        let rehash = |number| hash_of(segments, number);
        self.index.insert(index::hash(&block), number, rehash);
        other
    }

    /// Replaces what a slot holds of its block.
    pub(super) fn refill(&mut self, number: SlotNumber, contents: &Contents) {
        self.account(number, Sign::Minus);
        if let Some(slot) = self.held_mut(number) {
            slot.fill(contents);
        }
        self.account(number, Sign::Plus);
    }

    /// The block is no longer found; its slot is reserved.
    pub(super) fn evict(&mut self, number: SlotNumber) {
        let Some(hash) = self.held(number).map(|it| index::hash(&it.block())) else {
            return;
        };
        self.account(number, Sign::Minus);
        self.index.remove(hash, number);
        let Some(segment) = self.segments.get_mut(number.segment()) else {
            return;
        };
        segment.reserved += 1;
        let class = segment.class;
        if let Some(slot) = segment.get_mut(number.slot()) {
            slot.leave(State::Reserved);
        }
        self.usage[class.rank()].reserved += 1;
    }

    /// Frees a slot that is held or reserved.
    pub(super) fn release(&mut self, number: SlotNumber) {
        self.evict(number);
        if self.segments.slot(number).map(|slot| slot.state) != Some(State::Reserved) {
            return;
        }
        let Some(segment) = self.segments.get_mut(number.segment()) else {
            return;
        };
        segment.give(number.slot());
        let (class, first, empty) = (segment.class, segment.free == 1, segment.is_empty());
        self.usage[class.rank()].reserved -= 1;
        self.empty += u32::from(empty);
        if first {
            self.open[class.rank()].push(number.segment());
        }
    }

    /// A segment with no block in it, of whatever class.
    pub(super) fn empty_segment(&self) -> Option<u32> {
        if self.empty == 0 {
            return None;
        }
        let mut known = self.segments.known();
        known.find_map(|(number, segment)| segment.is_empty().then_some(number))
    }

    /// A file of that number exists, or does so no longer; none of its slots is known.
    pub(super) fn set_file(&mut self, number: u32, exists: bool) {
        self.detach(number);
        self.segments.set_file(number, exists);
    }

    /// The segment has slots of `class`, all free but for those in `taken`, which are reserved.
    pub(super) fn add(&mut self, number: u32, class: Class, taken: &[u32]) {
        self.detach(number);
        let slots = slots_in(self.segment_bytes, class);
        let segment = Segment::new(class, slots, self.generation, taken);
        // Far from those of the number's last life: a slot is not taken for what it was then.
        self.generation = self.generation.wrapping_add(257);
        self.usage[class.rank()].segment(&segment, Sign::Plus);
        self.empty += u32::from(segment.is_empty());
        if segment.free > 0 {
            self.open[class.rank()].push(number);
        }
        self.segments.set_known(number, segment);
    }

    /// None of the segment's blocks is found any more, none of its slots is used. Its file stays counted.
    pub(super) fn detach(&mut self, number: u32) {
        let Some(segment) = self.segments.get(number) else {
            return;
        };
        for slot in 0..segment.count() {
            self.evict(SlotNumber::new(number, slot));
        }
        let segment = self.segments.get(number).expect("it was just there");
        let rank = segment.class.rank();
        self.usage[rank].segment(segment, Sign::Minus);
        self.empty -= u32::from(segment.is_empty());
        self.open[rank].retain(|open| *open != number);
        self.segments.set_file(number, true);
        let segments = &self.segments;
        self.index.shrink(|number| hash_of(segments, number));
    }

    /// Counts a held slot in, or out.
    fn account(&mut self, number: SlotNumber, sign: Sign) {
        let Some(segment) = self.segments.get_mut(number.segment()) else {
            return;
        };
        let Some(slot) = segment.get(number.slot()).filter(|slot| slot.is_held()) else {
            return;
        };
        self.usage[segment.class.rank()].slot(slot, sign);
        let pinned = u32::from(slot.state == State::Pinned);
        match sign {
            Sign::Plus => segment.pinned += pinned,
            Sign::Minus => segment.pinned -= pinned,
        }
    }
}

/// The hash of a slot's block.
fn hash_of(segments: &Segments, number: SlotNumber) -> u64 {
    let slot = segments.held(number);
    slot.map_or(0, |slot| index::hash(&slot.block()))
}
