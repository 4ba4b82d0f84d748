//! Where the next victim of a class is looked for: a hand that goes round over the slots of its segments, and a few slots
//! that it has met and that are worth the least.

use super::slot::SlotNumber;

/// Slots that are remembered: enough that a hand amid what is hot still has something cold to offer.
pub(super) const REMEMBERED: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Clock {
    /// The class's segments.
    segments: Vec<u32>,
    /// The segment under the hand, by its place in `segments`, and the slot.
    hand: (usize, u32),
    /// Slots met, the worst first. May have been freed or evicted since.
    pub(super) met: Vec<SlotNumber>,
}

impl Clock {
    pub(super) fn add(&mut self, segment: u32) {
        self.segments.push(segment);
    }

    pub(super) fn remove(&mut self, segment: u32) {
        self.met.retain(|slot| slot.segment() != segment);
        if let Some(place) = self.segments.iter().position(|it| *it == segment) {
            self.segments.remove(place);
            let (at, _) = self.hand;
            if at > place {
                self.hand.0 -= 1;
            } else if at == place {
                self.hand.1 = 0;
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.segments.capacity() * size_of::<u32>() + self.met.capacity() * size_of::<SlotNumber>()
    }

    /// The slot under the hand, which moves on. `slots` tells how many slots a segment has.
    pub(super) fn next(&mut self, slots: impl Fn(u32) -> u32) -> Option<SlotNumber> {
        let (at, slot) = self.hand;
        let at = if at < self.segments.len() { at } else { 0 };
        let segment = *self.segments.get(at)?;
        self.hand = if slot + 1 < slots(segment) {
            (at, slot + 1)
        } else {
            (at + 1, 0)
        };
        Some(SlotNumber::new(segment, slot))
    }
}
