//! The books of one disk: which block lies in which slot, and which has to go when another comes. Pure: no I/O, no clock.
//!
//! - [`class`] and [`segment`]: a segment file has slots of one size; which of them are free.
//! - `books`: the slots of all segments, the `index` from blocks to them, and what it adds up to. 44 bytes a slot, and 6 to 12
//!   in the index.
//! - `access`: when blocks are accessed, counted in accesses instead of seconds; `ghosts`: what is known of those that are not
//!   held, up to 8 bytes for each slot. So a block costs at most 64 bytes of memory, once the disk is full.
//! - `clock` proposes who might go, `admission` judges whether the newcomer is worth it, `replace` puts both together and
//!   moves segments between the classes.
//!
//! A writer's way: [`Space::missed`] for each offer; [`Space::place`] until it gives a slot or refuses; data and entry to the
//! disk; [`Space::publish`], or [`Space::free`] where writing failed. A reader's way: [`Space::find`], [`Space::slot`] (a
//! copy, generation included), the read, the same slot once more: still the same block and generation? then [`Space::touch`].

mod access;
mod admission;
mod books;
pub mod class;
mod clock;
mod ghosts;
mod index;
mod replace;
mod segment;
mod segments;
pub mod slot;
#[cfg(test)]
mod tests;
mod usage;

use self::access::Accesses;
use self::books::Books;
pub use self::class::Class;
use self::clock::Clock;
pub use self::slot::{Contents, Positions, Slot, SlotNumber};
pub use self::usage::Usage;
use super::BlockId;

/// Where a block goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A free slot, now reserved: not found and not evicted until it is published or freed.
    Slot(SlotNumber),
    /// The slot of a block that is no longer found, now reserved.
    Instead(SlotNumber),
    /// Make the segment file of this number, [`Space::add_segment`], and ask again; or [`Space::limit`], if it cannot be made.
    NewSegment(u32),
    /// Make the segment file of this number anew, for the class asked for, [`Space::add_segment`], and ask again. None of its
    /// blocks is found any more.
    Recycle(u32),
    Refused(Reason),
}

/// Why a block is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// What would have to go is worth more.
    Colder,
    /// Nothing may go: all is pinned, being written or not recovered yet.
    Full,
}

impl Reason {
    /// All, for metrics.
    pub const ALL: [Self; 2] = [Self::Colder, Self::Full];

    /// The reason as a metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Colder => "colder",
            Self::Full => "full",
        }
    }
}

/// The books.
#[derive(Debug)]
pub struct Space {
    most_segments: u32,
    books: Books,
    accesses: Accesses,
    clocks: [Clock; Class::ALL.len()],
    /// The segment that is looked at next when a class needs one of another's.
    survey: u32,
}

impl Space {
    /// An empty disk of up to `most_segments` files of `segment_bytes`.
    pub fn new(segment_bytes: u64, most_segments: u32) -> Self {
        Self {
            most_segments: most_segments.min(SlotNumber::MOST_SEGMENTS),
            books: Books::new(segment_bytes),
            accesses: Accesses::new(),
            clocks: Default::default(),
            survey: 0,
        }
    }

    /// The slot that holds a block, whole or in part.
    pub fn find(&self, block: BlockId) -> Option<SlotNumber> {
        self.books.find(&block)
    }

    /// What a slot holds; none where it is free or reserved.
    pub fn slot(&self, number: SlotNumber) -> Option<&Slot> {
        self.books.held(number)
    }

    /// The class of a slot.
    pub fn class(&self, number: SlotNumber) -> Option<Class> {
        self.books
            .segments()
            .get(number.segment())
            .map(|it| it.class)
    }

    /// A block was asked for that is not held, or not all that was asked for. Once for each offer, before [`Self::place`].
    pub fn missed(&mut self, block: BlockId) {
        match self.find(block) {
            Some(number) => self.touch(number),
            None => self.accesses.miss(index::hash(&block)),
        }
    }

    /// A slot's block was read.
    pub fn touch(&mut self, number: SlotNumber) {
        if let Some(slot) = self.books.held_mut(number) {
            self.accesses.hit(slot);
        }
    }

    /// Where a block of that class may be written.
    ///
    /// The block may be held already: it outgrew its slot. That slot is neither evicted nor recycled by this call, but freed
    /// when the new one is published.
    pub fn place(&mut self, class: Class, block: BlockId, pinned: bool) -> Place {
        if let Some(slot) = self.books.reserve(class) {
            return Place::Slot(slot);
        }
        if let Some(number) = self.books.empty_segment() {
            self.detach(number);
            return Place::Recycle(number);
        }
        if self.books.segments().files() < self.most_segments {
            return Place::NewSegment(self.books.segments().unused());
        }
        self.replace(class, block, pinned)
    }

    /// A block was written into a slot that [`Self::place`] gave: it is found from now on.
    ///
    /// Gives back the slot that has become free by it: the one that held the block until now, or `number` itself, where the
    /// other is of a later epoch, or has more pages.
    ///
    /// Pinned blocks may take 80 % of the disk; one beyond that is held as any other.
    pub fn publish(
        &mut self,
        number: SlotNumber,
        block: BlockId,
        contents: Contents,
    ) -> Option<SlotNumber> {
        let contents = self.within_pinned_share(number, contents);
        let freed = self.enter(number, block, &contents);
        self.accesses.set_blocks(self.books.blocks());
        freed
    }

    /// A held block's slot now has these contents, written in place. False, and nothing is changed, where the slot has had
    /// another life since that `generation`: the pages are lost.
    pub fn gain(&mut self, number: SlotNumber, generation: u16, contents: Contents) -> bool {
        let same = |slot: &Slot| slot.generation() == generation;
        if !self.books.held(number).is_some_and(same) {
            return false;
        }
        let contents = self.within_pinned_share(number, contents);
        self.books.refill(number, &contents);
        true
    }

    /// A slot's block is no longer found, or what was to be written into it was not.
    pub fn free(&mut self, number: SlotNumber) {
        self.books.release(number);
        self.accesses.set_blocks(self.books.blocks());
    }

    /// A file of that number exists. It counts, and its slots are not used until [`Self::add_segment`] or
    /// [`Self::restore`].
    pub fn announce(&mut self, number: u32) {
        self.detach(number);
        self.books.set_file(number, true);
    }

    /// The segment file was made, for slots of that class: all are free.
    pub fn add_segment(&mut self, number: u32, class: Class) {
        self.restore(number, class, &[]);
    }

    /// The segment file was read: it has slots of that class, which hold what its table says, or are free.
    ///
    /// Gives back the slots that are free for holding the same block as another one that is worth more, on this segment or
    /// elsewhere.
    pub fn restore(
        &mut self,
        number: u32,
        class: Class,
        table: &[(u32, BlockId, Contents)],
    ) -> Vec<SlotNumber> {
        self.detach(number);
        let taken: Vec<u32> = table.iter().map(|(slot, ..)| *slot).collect();
        self.books.add(number, class, &taken);
        self.clocks[class.rank()].add(number);
        let published = table.iter().filter_map(|(slot, block, contents)| {
            let number = SlotNumber::new(number, *slot);
            let contents = self.within_pinned_share(number, *contents);
            let freed = self.enter(number, *block, &contents);
            if let Some(slot) = self.books.held_mut(number) {
                self.accesses.found(slot);
            }
            freed
        });
        let freed = published.collect();
        let slots = Class::ALL.map(|class| self.usage(class).slots);
        let slots = usize::try_from(slots.iter().sum::<u64>()).unwrap_or(usize::MAX);
        self.accesses.set_slots(slots);
        self.accesses.set_blocks(self.books.blocks());
        freed
    }

    /// The segment has no file any more.
    pub fn forget(&mut self, number: u32) {
        self.detach(number);
        self.books.set_file(number, false);
    }

    /// No more files than `most_segments`, or than there are, if those are more.
    pub fn limit(&mut self, most_segments: u32) {
        self.most_segments = most_segments.min(SlotNumber::MOST_SEGMENTS);
    }

    /// Segments that have a file, whether or not their slots are known.
    pub fn files(&self) -> u32 {
        self.books.segments().files()
    }

    /// The segments whose slots are known: number, class, free slots.
    pub fn segments(&self) -> impl Iterator<Item = (u32, Class, u32)> {
        let known = self.books.segments().known();
        known.map(|(number, segment)| (number, segment.class, segment.free))
    }

    /// What the slots of a class hold.
    pub fn usage(&self, class: Class) -> Usage {
        self.books.usage(class)
    }

    /// Blocks held.
    pub fn blocks(&self) -> usize {
        self.books.blocks()
    }

    /// Bytes of bodies held.
    pub fn live_bytes(&self) -> u64 {
        let classes = Class::ALL.map(|class| self.usage(class).live_bytes);
        classes.iter().sum()
    }

    /// Bytes of memory that the books take.
    pub fn index_bytes(&self) -> usize {
        let clocks = self.clocks.iter().map(Clock::bytes);
        size_of::<Self>() + self.books.bytes() + self.accesses.bytes() + clocks.sum::<usize>()
    }

    fn enter(
        &mut self,
        number: SlotNumber,
        block: BlockId,
        contents: &Contents,
    ) -> Option<SlotNumber> {
        let before = self.books.find(&block);
        let before = before.and_then(|number| self.books.held(number)).copied();
        let freed = self.books.publish(number, block, contents);
        if let Some(slot) = self.books.held_mut(number) {
            self.accesses.enter(index::hash(&block), slot, before);
        }
        freed
    }

    fn detach(&mut self, number: u32) {
        if let Some(segment) = self.books.segments().get(number) {
            self.clocks[segment.class.rank()].remove(number);
            self.books.detach(number);
            self.accesses.set_blocks(self.books.blocks());
        }
    }
}
