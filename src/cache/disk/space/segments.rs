//! The segments of a disk by their numbers.

use super::segment::Segment;
use super::slot::{Slot, SlotNumber};

/// What is under a number.
#[derive(Debug)]
enum Numbered {
    /// No file.
    Unused,
    /// A file whose slots are not known yet, or are not to be used while it is made anew.
    Unknown,
    Known(Segment),
}

#[derive(Debug, Default)]
pub(super) struct Segments {
    numbered: Vec<Numbered>,
    files: u32,
}

impl Segments {
    /// Numbers that have a file, known or not.
    pub(super) const fn files(&self) -> u32 {
        self.files
    }

    /// One more than the highest number that ever had a file.
    pub(super) fn end(&self) -> u32 {
        u32::try_from(self.numbered.len()).expect("numbers have 18 bits")
    }

    pub(super) fn get(&self, number: u32) -> Option<&Segment> {
        match self.numbered.get(place(number))? {
            Numbered::Known(segment) => Some(segment),
            Numbered::Unused | Numbered::Unknown => None,
        }
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Segment> {
        match self.numbered.get_mut(place(number))? {
            Numbered::Known(segment) => Some(segment),
            Numbered::Unused | Numbered::Unknown => None,
        }
    }

    pub(super) fn slot(&self, number: SlotNumber) -> Option<&Slot> {
        self.get(number.segment())?.get(number.slot())
    }

    /// The slot, if it holds a block.
    pub(super) fn held(&self, number: SlotNumber) -> Option<&Slot> {
        self.slot(number).filter(|slot| slot.is_held())
    }

    /// Those whose slots are known, with their numbers.
    pub(super) fn known(&self) -> impl Iterator<Item = (u32, &Segment)> {
        let numbers = (0..).zip(&self.numbered);
        numbers.filter_map(|(number, it)| match it {
            Numbered::Known(segment) => Some((number, segment)),
            Numbered::Unused | Numbered::Unknown => None,
        })
    }

    /// The lowest number without a file.
    pub(super) fn unused(&self) -> u32 {
        let mut numbers = (0..).zip(&self.numbered);
        let unused = numbers.find(|(_, it)| matches!(it, Numbered::Unused));
        unused.map_or(self.end(), |(number, _)| number)
    }

    /// A number has a file, or has it no longer. What was known of its slots is not any more.
    pub(super) fn set_file(&mut self, number: u32, exists: bool) {
        let place = place(number);
        while self.numbered.len() <= place {
            self.numbered.push(Numbered::Unused);
        }
        let before = u32::from(!matches!(self.numbered[place], Numbered::Unused));
        self.files = self.files - before + u32::from(exists);
        self.numbered[place] = if exists {
            Numbered::Unknown
        } else {
            Numbered::Unused
        };
    }

    /// The slots of a number that has a file.
    pub(super) fn set_known(&mut self, number: u32, segment: Segment) {
        self.set_file(number, true);
        self.numbered[place(number)] = Numbered::Known(segment);
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        let slots = self.known().map(|(_, it)| size_of_val(it.slots()));
        slots.sum::<usize>() + self.numbered.capacity() * size_of::<Numbered>()
    }
}

fn place(number: u32) -> usize {
    usize::try_from(number).expect("numbers have 18 bits")
}
