//! Sets of a block's pages.

use std::ops::Range;

use crate::types::layout::PAGE;

/// Bytes of a page, as offsets in a block are.
const PAGE_BYTES: u32 = 64 << 10;

const _: () = assert!(PAGE_BYTES as u64 == PAGE);

/// Pages of a block: bit 0 is its first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pages(pub u16);

impl Pages {
    /// The whole pages of a block of `block_length` bytes that lie in `range` of it; the last page may be short.
    pub fn within(range: Range<u32>, block_length: u32) -> Self {
        let end = match range.end < block_length {
            true => range.end / PAGE_BYTES,
            false => block_length.div_ceil(PAGE_BYTES),
        };
        Self::run_of(range.start.div_ceil(PAGE_BYTES)..end)
    }

    /// Those whose numbers are in `range`, of a block's 16.
    fn run_of(range: Range<u32>) -> Self {
        let below = |page: u32| (1 << page.min(u16::BITS)) - 1;
        let set: u32 = below(range.end) & !below(range.start);
        Self(u16::try_from(set).expect("there are 16 pages"))
    }

    /// All pages of a block of that length.
    pub fn all(block_length: u32) -> Self {
        Self::within(0..block_length, block_length)
    }

    /// Whether `page` is one of them.
    pub fn contains(self, page: u32) -> bool {
        self.0 >> page & 1 == 1
    }

    /// These and `page`.
    #[must_use]
    pub fn with(self, page: u32) -> Self {
        Self(self.0 | 1 << page)
    }

    /// Those of either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those of both.
    #[must_use]
    pub fn shared(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are not in `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of `other` are among them.
    pub fn covers(self, other: Self) -> bool {
        other.without(self).is_empty()
    }

    /// How many there are.
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, from the first on.
    pub fn iter(mut self) -> impl Iterator<Item = u32> {
        std::iter::from_fn(move || {
            let page = self.0.trailing_zeros();
            // Without its lowest bit.
            self.0 &= self.0.checked_sub(1)?;
            Some(page)
        })
    }
}

/// The pages that a range of a block touches.
pub(super) fn touched(range: &Range<u32>) -> Pages {
    match range.is_empty() {
        true => Pages::default(),
        false => Pages::run_of(range.start / PAGE_BYTES..range.end.div_ceil(PAGE_BYTES)),
    }
}

/// The bytes of a page in a block of that length; none where the block ends before it.
pub(super) fn bytes_of(page: u32, block_length: u32) -> Range<u32> {
    let start = (page * PAGE_BYTES).min(block_length);
    start..(start + PAGE_BYTES).min(block_length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_last_page_is_whole() {
        let length = (2 << 16) + 5;
        assert_eq!(Pages::all(length), Pages(0b111));
        assert_eq!(Pages::within(1..length, length), Pages(0b110));
        assert_eq!(Pages::within(0..length - 1, length), Pages(0b011));
        assert_eq!(bytes_of(2, length), 2 << 16..length);
        assert!(bytes_of(3, length).is_empty());
        assert_eq!(Pages::all(1 << 20), Pages(u16::MAX));
    }

    /// Page by page, for all ranges that begin and end near where a page does.
    #[test]
    fn ranges_touch_and_hold_the_pages_that_they_say() {
        let near = |page: u32| [0, 1, PAGE_BYTES - 1].map(|more| page * PAGE_BYTES + more);
        let places: Vec<u32> = (0..16).flat_map(near).chain([16 * PAGE_BYTES]).collect();
        for (start, end) in places
            .iter()
            .flat_map(|start| places.iter().map(|end| (*start, *end)))
        {
            let range = start..end;
            let touches = |page: &u32| {
                let bytes = bytes_of(*page, u32::MAX);
                !range.is_empty() && bytes.start < range.end && range.start < bytes.end
            };
            let touched_ones: Vec<u32> = (0..16).filter(touches).collect();
            assert_eq!(touched(&range).iter().collect::<Vec<_>>(), touched_ones);
            for length in [1, PAGE_BYTES, 3 * PAGE_BYTES + 5, 16 * PAGE_BYTES] {
                let is_held = |page: &u32| {
                    let bytes = bytes_of(*page, length);
                    !bytes.is_empty() && range.start <= bytes.start && bytes.end <= range.end
                };
                let held: Vec<u32> = (0..16).filter(is_held).collect();
                let within = Pages::within(range.clone(), length);
                assert_eq!(
                    within.iter().collect::<Vec<_>>(),
                    held,
                    "{range:?} of {length}"
                );
            }
        }
    }
}
