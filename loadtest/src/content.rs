//! What objects contain: a pure function of key, generation and offset, so that every byte can be made and checked without
//! being stored anywhere.
//!
//! A body is a row of 8-byte words, each a mix of its index with a seed made of key and generation. Within a body no two
//! words are equal, so that bytes of another place, object or generation never pass for the right ones.

use xxhash_rust::xxh3::xxh3_64_with_seed;

const WORD: usize = 8;

/// An odd number without pattern (the golden ratio's fraction): to multiply by it is a bijection.
const MIX: u64 = 0x9E37_79B9_7F4A_7C15;

/// The bytes of one generation of one object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content {
    seed: u64,
}

impl Content {
    pub(crate) fn of(key: &str, generation: u64) -> Self {
        Self {
            seed: xxh3_64_with_seed(key.as_bytes(), generation),
        }
    }

    /// Writes the bytes from `offset` on into `into`.
    pub(crate) fn fill(self, offset: u64, into: &mut [u8]) {
        let (mut index, skipped) = place(offset);
        let head = (WORD - skipped) % WORD;
        let (head, rest) = into.split_at_mut(head.min(into.len()));
        if !head.is_empty() {
            let word = self.word(index);
            head.copy_from_slice(&word[skipped..skipped + head.len()]);
            index += 1;
        }
        let mut words = rest.chunks_exact_mut(WORD);
        for chunk in &mut words {
            chunk.copy_from_slice(&self.word(index));
            index += 1;
        }
        let tail = words.into_remainder();
        tail.copy_from_slice(&self.word(index)[..tail.len()]);
    }

    /// Whether `bytes` are those from `offset` on.
    pub(crate) fn holds(self, offset: u64, bytes: &[u8]) -> bool {
        let (mut index, skipped) = place(offset);
        let head = (WORD - skipped) % WORD;
        let (head, rest) = bytes.split_at(head.min(bytes.len()));
        let mut right = true;
        if !head.is_empty() {
            right &= *head == self.word(index)[skipped..skipped + head.len()];
            index += 1;
        }
        let words = rest.chunks_exact(WORD);
        let tail = words.remainder();
        for chunk in words {
            right &= *chunk == self.word(index);
            index += 1;
        }
        right && *tail == self.word(index)[..tail.len()]
    }

    fn word(self, index: u64) -> [u8; WORD] {
        let mixed = (self.seed ^ index).wrapping_mul(MIX);
        (mixed ^ (mixed >> 29)).to_le_bytes()
    }
}

/// The word that holds a byte, and how many bytes of it lie before.
fn place(offset: u64) -> (u64, usize) {
    let skipped = offset % WORD as u64;
    (
        offset / WORD as u64,
        usize::try_from(skipped).expect("it is below 8"),
    )
}

/// The size that a key names: its first segment that is a size, as in `objects/16MiB/000017`.
pub(crate) fn size_named_by(key: &str) -> Option<u64> {
    key.split('/').find_map(|segment| parse_size(segment).ok())
}

const UNITS: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// A whole number with a unit.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let parsed = UNITS.iter().find_map(|(unit, bytes)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*bytes)
    });
    parsed.ok_or_else(|| format!("{text:?} is no size: write a whole number and a unit, as 16MiB"))
}

/// A size as [`parse_size`] reads it, in the largest unit that leaves a whole number.
pub(crate) fn size_text(bytes: u64) -> String {
    let mut units = UNITS.to_vec();
    units.sort_by_key(|(_, factor)| std::cmp::Reverse(*factor));
    let (unit, factor) = units
        .into_iter()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor))
        .unwrap_or(("B", 1));
    format!("{}{unit}", bytes / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_range_is_the_same_bytes_as_the_whole() {
        let content = Content::of("objects/1KiB/000000", 0);
        let mut whole = [0; 1024];
        content.fill(0, &mut whole);
        for first in 0..40 {
            for length in 0..40 {
                let mut part = vec![0; length];
                content.fill(first, &mut part);
                let at = usize::try_from(first).unwrap();
                assert_eq!(part, whole[at..at + length], "{first}+{length}");
                assert!(content.holds(first, &part));
            }
        }
    }

    #[test]
    fn one_wrong_bit_anywhere_is_seen() {
        let content = Content::of("k", 3);
        let mut bytes = [0; 37];
        content.fill(5, &mut bytes);
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert!(!content.holds(5, &bytes), "byte {at}");
            bytes[at] ^= 1;
        }
    }

    #[test]
    fn another_place_key_or_generation_is_not_right() {
        let mut bytes = [0; 64];
        Content::of("a", 0).fill(0, &mut bytes);
        assert!(Content::of("a", 0).holds(0, &bytes));
        assert!(!Content::of("a", 0).holds(8, &bytes));
        assert!(!Content::of("a", 1).holds(0, &bytes));
        assert!(!Content::of("b", 0).holds(0, &bytes));
    }

    #[test]
    fn sizes_are_read_and_written_alike() {
        for (text, bytes) in [("64KiB", 65_536), ("110KB", 110_000), ("7B", 7)] {
            assert_eq!(parse_size(text), Ok(bytes));
            assert_eq!(size_text(bytes), text);
        }
        assert_eq!(size_named_by("objects/16MiB/000017"), Some(16 << 20));
        assert_eq!(size_named_by("objects/large/000017"), None);
        assert!(parse_size("16").is_err());
        assert!(parse_size("-1MiB").is_err());
    }
}
