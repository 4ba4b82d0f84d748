//! The cache's units: how the bytes of a body are cut up.
//!
//! A *page* is the unit of validity, a *block* the unit of caching, a *segment* the unit of placement. All three are
//! constants of the cache format: nodes (and disks) that disagree about them do not share data.

/// Bytes in a page, the unit of validity: 64 KiB.
pub const PAGE: u64 = 64 << 10;
/// Bytes in a block, the unit of caching: 1 MiB.
pub const BLOCK: u64 = 1 << 20;
/// Bytes in a segment, the unit of placement: 64 MiB.
pub const SEGMENT: u64 = 64 << 20;

/// The start of the page that holds `offset`.
pub const fn page_floor(offset: u64) -> u64 {
    offset - offset % PAGE
}

/// The end of the last page that a range ending at `end` (exclusive) touches, or `size` where the body ends first.
pub const fn page_ceil(end: u64, size: u64) -> u64 {
    let up = end.next_multiple_of(PAGE);
    if up < size { up } else { size }
}

/// The index of the block that holds `offset`.
///
/// S3 objects are at most 5 TiB (50 TiB announced), so a block index always fits.
pub fn block_of(offset: u64) -> u32 {
    u32::try_from(offset / BLOCK).expect("no S3 object has 2^32 blocks of 1 MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_blocks_cover_a_body_that_is_not_a_multiple_of_either() {
        let size = BLOCK + 5;
        assert_eq!(page_floor(PAGE + 1), PAGE);
        assert_eq!(page_ceil(1, size), PAGE);
        assert_eq!(page_ceil(size, size), size);
        assert_eq!(block_of(BLOCK), 1);
    }
}
