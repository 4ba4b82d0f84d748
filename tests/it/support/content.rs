//! Bytes that are a function of a seed and of their place, so that large objects need no storage and every byte can be
//! checked.

use std::ops::Range;

use bytes::Bytes;

/// The bytes of `range` of the content that `seed` names.
pub fn bytes(seed: u64, range: Range<u64>) -> Bytes {
    let words = range.start / 8..range.end.div_ceil(8);
    let all: Vec<u8> = words.clone().flat_map(|index| word(seed, index).to_le_bytes()).collect();
    let skip = usize::try_from(range.start - words.start * 8).expect("less than a word");
    let length = usize::try_from(range.end - range.start).expect("a test's size");
    Bytes::from(all).slice(skip..skip + length)
}

/// Where `got`, which begins at `start`, first differs from the content; none where it is right.
pub fn differs(seed: u64, start: u64, got: &[u8]) -> Option<u64> {
    let expected = bytes(seed, start..start + got.len() as u64);
    let index = expected.iter().zip(got).position(|(expected, got)| expected != got)?;
    Some(start + index as u64)
}

fn word(seed: u64, index: u64) -> u64 {
    (index ^ seed.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17)
}
