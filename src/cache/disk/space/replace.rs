//! Who goes when the disk is full: a block of the same class, or a whole segment of another class.

use super::admission::{Candidate, Resident};
use super::class::Class;
use super::clock::Clock;
use super::segment::Segment;
use super::slot::{Contents, Slot, SlotNumber, State};
use super::{Place, Reason, Space, clock, index};
use crate::cache::disk::BlockId;

/// Slots with a block that the hand passes for each block that asks for a place, and slots of any kind at most.
const STEP: usize = 8;
const LONGEST_STEP: usize = 256;
/// Slots of a segment that stand for all of it.
const SAMPLES: usize = 16;
/// Segments of other classes that are looked at for each block: where the class has slots, and where it has none.
const SURVEYED: u32 = 1;
const SURVEYED_AT_FIRST: u32 = 8;

/// Whom a block that asks for a place may replace.
struct Asking {
    block: BlockId,
    candidate: Candidate,
    /// Whether pinned blocks are in question too: for a pinned one, when they take all that they may.
    among_pinned: bool,
}

impl Space {
    pub(super) fn replace(&mut self, class: Class, block: BlockId, pinned: bool) -> Place {
        let asking = self.asking(class, block, pinned);
        let victim = self.victim(class, &asking);
        if let Some(number) = self.colder_segment(class, &asking, victim) {
            self.detach(number);
            return Place::Recycle(number);
        }
        match victim {
            None => Place::Refused(Reason::Full),
            Some((slot, resident)) if asking.candidate.beats(resident) => {
                self.books.evict(slot);
                Place::Instead(slot)
            }
            Some(_) => Place::Refused(Reason::Colder),
        }
    }

    /// `contents` without the pin where pinned blocks take all that they may.
    pub(super) fn within_pinned_share(&self, slot: SlotNumber, contents: Contents) -> Contents {
        let class = self.class(slot);
        let had = self.slot(slot).is_some_and(|it| it.contents().pinned);
        let pinned = contents.pinned && (had || class.is_some_and(|it| self.has_pinned_room(it)));
        Contents { pinned, ..contents }
    }

    /// Whether one more pinned slot keeps within four fifths of the disk.
    fn has_pinned_room(&self, class: Class) -> bool {
        let bytes = |class: Class| self.usage(class).pinned * class.bytes();
        let taken: u64 = Class::ALL.map(bytes).iter().sum();
        let most = self.books.segment_bytes() * u64::from(self.most_segments) / 5 * 4;
        taken + class.bytes() <= most
    }

    fn asking(&self, class: Class, block: BlockId, pinned: bool) -> Asking {
        let hash = index::hash(&block);
        let may_be_pinned = pinned && self.has_pinned_room(class);
        let ghost = self.accesses.ghost(hash);
        let draw = (hash ^ u64::from(self.accesses.now())).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Asking {
            block,
            candidate: Candidate {
                count: ghost.count,
                rest: ghost.rest,
                lucky: draw >> 60 == 0,
                pinned: may_be_pinned,
            },
            among_pinned: pinned && !may_be_pinned,
        }
    }

    /// The block of the class that is worth the least among those that its hand has met. The hand moves on only where the one
    /// that asks beats none of them.
    fn victim(&mut self, class: Class, asking: &Asking) -> Option<(SlotNumber, Resident)> {
        let mut clock = std::mem::take(&mut self.clocks[class.rank()]);
        let mut worst = self.worst_met(&mut clock, asking);
        if !worst.is_some_and(|(_, resident)| asking.candidate.beats(resident)) {
            self.meet(&mut clock, asking);
            worst = self.worst_met(&mut clock, asking);
        }
        self.clocks[class.rank()] = clock;
        worst
    }

    /// Keeps of the slots that were met the few that are worth the least, in order.
    fn worst_met(&self, clock: &mut Clock, asking: &Asking) -> Option<(SlotNumber, Resident)> {
        let judged = |number: &SlotNumber| Some((*number, self.in_question(*number, asking)?));
        let mut met: Vec<_> = clock.met.iter().filter_map(judged).collect();
        met.sort_by_key(|(_, resident)| resident.worth());
        met.truncate(clock::REMEMBERED);
        clock.met = met.iter().map(|(number, _)| *number).collect();
        met.first().copied()
    }

    /// Moves the hand on past a few slots that may go.
    fn meet(&self, clock: &mut Clock, asking: &Asking) {
        let slots = |segment| self.books.segments().get(segment).map_or(0, Segment::count);
        let (mut passed, mut found) = (0, 0);
        while passed < LONGEST_STEP && found < STEP {
            let Some(number) = clock.next(slots) else {
                return;
            };
            passed += 1;
            if self.in_question(number, asking).is_some() && !clock.met.contains(&number) {
                clock.met.push(number);
                found += 1;
            }
        }
    }

    /// What is known of a slot's block, if it may go for the one that asks.
    fn in_question(&self, number: SlotNumber, asking: &Asking) -> Option<Resident> {
        let slot = self.books.held(number)?;
        let may_go = slot.state != State::Pinned || asking.among_pinned;
        (may_go && slot.block() != asking.block).then(|| self.resident(slot))
    }

    fn resident(&self, slot: &Slot) -> Resident {
        Resident {
            idle: self.accesses.idle(slot),
            rest: self.accesses.rest(slot),
        }
    }

    /// A segment of another class that the class has more use for: one of which three in four blocks could go for the one
    /// that asks, and which rests twice as long as `victim`. A class without a block of its own takes the one that rests
    /// longest among a few.
    fn colder_segment(
        &mut self,
        class: Class,
        asking: &Asking,
        victim: Option<(SlotNumber, Resident)>,
    ) -> Option<u32> {
        let first = self.clocks[class.rank()].is_empty();
        let surveyed = if first { SURVEYED_AT_FIRST } else { SURVEYED };
        let mut coldest = None;
        for number in self.next_of_others(class, asking, surveyed) {
            let segment = self.books.segments().get(number)?;
            let (idle, beaten) = self.sample(segment, asking);
            let colder = match victim {
                _ if first => true,
                None => beaten,
                Some((_, resident)) => beaten && idle > 2 * u32::from(resident.idle),
            };
            if colder && coldest.is_none_or(|(most, _)| idle > most) {
                coldest = Some((idle, number));
            }
        }
        coldest.map(|(_, number)| number)
    }

    /// The next few segments of other classes of which all blocks may go.
    fn next_of_others(&mut self, class: Class, asking: &Asking, few: u32) -> Vec<u32> {
        let own = self.find(asking.block).map(SlotNumber::segment);
        let all = self.books.segments().end();
        let mut found = Vec::new();
        for step in 0..all.min(64) {
            let number = (self.survey + step) % all;
            let may_go = self.books.segments().get(number).is_some_and(|it| {
                it.class != class && it.pinned == 0 && it.reserved == 0 && Some(number) != own
            });
            if may_go {
                found.push(number);
            }
            if found.len() == few as usize {
                break;
            }
        }
        self.survey = found.last().map_or(self.survey + 64, |last| last + 1) % all.max(1);
        found
    }

    /// How long the blocks of a segment rest on average, and whether three in four of its slots could go.
    fn sample(&self, segment: &Segment, asking: &Asking) -> (u32, bool) {
        let step = segment.slots().len().div_ceil(SAMPLES).max(1);
        let (mut slots, mut beaten, mut held, mut idle) = (0, 0, 0, 0);
        for slot in segment.slots().iter().step_by(step) {
            slots += 1;
            if !slot.is_held() {
                beaten += 1;
                continue;
            }
            let resident = self.resident(slot);
            held += 1;
            idle += u32::from(resident.idle);
            beaten += u32::from(asking.candidate.beats(resident));
        }
        (idle / u32::max(held, 1), 4 * beaten >= 3 * slots)
    }
}
