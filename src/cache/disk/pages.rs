//! Sets of a block's pages.

use std::ops::Range;

use crate::types::layout::PAGE;

/// Pages of a block: bit 0 is its first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pages(pub u16);

impl Pages {
    /// The whole pages of a block of `block_length` bytes that lie in `range` of it; the last page may be short.
    pub fn within(range: Range<u32>, block_length: u32) -> Self {
        let mut pages = Self::default();
        for page in 0..16 {
            let bytes = bytes_of(page, block_length);
            if !bytes.is_empty() && range.start <= bytes.start && bytes.end <= range.end {
                pages = pages.with(page);
            }
        }
        pages
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
    pub fn iter(self) -> impl Iterator<Item = u32> {
        (0..16).filter(move |page| self.contains(*page))
    }
}

/// The pages that a range of a block touches.
pub(super) fn touched(range: &Range<u32>) -> Pages {
    let bytes = |page| bytes_of(page, u32::MAX);
    let touches = |page: &u32| bytes(*page).start < range.end && range.start < bytes(*page).end;
    (0..16).filter(touches).fold(Pages::default(), Pages::with)
}

/// The bytes of a page in a block of that length; none where the block ends before it.
pub(super) fn bytes_of(page: u32, block_length: u32) -> Range<u32> {
    let page_bytes = u32::try_from(PAGE).expect("a page has 2^16 bytes");
    let start = (page * page_bytes).min(block_length);
    start..(start + page_bytes).min(block_length)
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
}
