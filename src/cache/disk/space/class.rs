//! The sizes of slots, and how many of one size a segment file holds.

use crate::types::layout::PAGE;

/// Bytes at the head of a segment file before its slot table.
pub const HEADER: u64 = 4 << 10;
/// Bytes of an entry of the slot table.
pub const ENTRY: u64 = 256;
/// The most bytes of a segment file.
pub const MOST_SEGMENT: u64 = 1 << 30;

/// How many pages a slot holds. A segment has slots of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    K64,
    K128,
    K256,
    K512,
    M1,
}

impl Class {
    /// All, the smallest first.
    pub const ALL: [Self; 5] = [Self::K64, Self::K128, Self::K256, Self::K512, Self::M1];

    /// The pages that a slot holds.
    pub const fn pages(self) -> u32 {
        match self {
            Self::K64 => 1,
            Self::K128 => 2,
            Self::K256 => 4,
            Self::K512 => 8,
            Self::M1 => 16,
        }
    }

    /// The bytes that a slot takes.
    pub const fn bytes(self) -> u64 {
        PAGE * self.pages() as u64
    }

    /// The class as a metric's label and in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::K64 => "64k",
            Self::K128 => "128k",
            Self::K256 => "256k",
            Self::K512 => "512k",
            Self::M1 => "1m",
        }
    }

    /// The smallest class that holds so many pages of a block.
    pub fn for_pages(pages: u32) -> Self {
        let fits = |class: &Self| pages <= class.pages();
        Self::ALL.into_iter().find(fits).unwrap_or(Self::M1)
    }

    /// Where the class stands in [`Self::ALL`].
    pub(super) const fn rank(self) -> usize {
        match self {
            Self::K64 => 0,
            Self::K128 => 1,
            Self::K256 => 2,
            Self::K512 => 3,
            Self::M1 => 4,
        }
    }
}

/// Where the slots begin in a segment file of so many: after header and table, aligned as pages are.
pub const fn data_start(slots: u32) -> u64 {
    (HEADER + ENTRY * slots as u64).next_multiple_of(PAGE)
}

/// The slots of a class that a segment file of `segment_bytes` holds.
pub fn slots_in(segment_bytes: u64, class: Class) -> u32 {
    let room = segment_bytes.min(MOST_SEGMENT).saturating_sub(HEADER);
    let most = room / (class.bytes() + ENTRY);
    let mut slots = u32::try_from(most).expect("a segment holds at most 2^14 slots");
    while slots > 0 && data_start(slots) + u64::from(slots) * class.bytes() > segment_bytes {
        slots -= 1;
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_the_pages_that_it_is_chosen_for() {
        for pages in 1..=16 {
            let class = Class::for_pages(pages);
            assert!(class.pages() >= pages);
            assert!(class.pages() < 2 * pages, "no larger one than needed");
        }
        for (rank, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class.rank(), rank);
        }
    }

    #[test]
    fn slots_and_their_table_fill_a_segment_and_do_not_overlap() {
        for megabytes in [16, 32, 64, 128, 256, 512, 1024] {
            let bytes = megabytes << 20;
            for class in Class::ALL {
                let slots = slots_in(bytes, class);
                let end = |slots| data_start(slots) + u64::from(slots) * class.bytes();
                assert!(end(slots) <= bytes && end(slots + 1) > bytes);
                assert!(HEADER + u64::from(slots) * ENTRY <= data_start(slots));
                assert!(slots < 1 << 14);
            }
        }
        assert_eq!(slots_in(1 << 30, Class::M1), 1023);
        assert_eq!(slots_in(0, Class::K64), 0);
    }
}
