//! CRC32C (Castagnoli), seeded: the bytes that name what is summed go in first, so that the right bytes in the wrong place do
//! not pass.

use crc_fast::{CrcAlgorithm, Digest};

use super::BlockId;

/// The sum of a page: of its real bytes, a short last page's padding left out.
pub(super) fn page(block: BlockId, page: u32, bytes: &[u8]) -> u32 {
    let mut seed = [0; 24];
    seed[..16].copy_from_slice(&block.body.0.to_le_bytes());
    seed[16..20].copy_from_slice(&block.index.to_le_bytes());
    seed[20..].copy_from_slice(&page.to_le_bytes());
    seeded(&seed, bytes)
}

/// The sum of `bytes` after `seed`.
pub(super) fn seeded(seed: &[u8], bytes: &[u8]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(seed);
    digest.update(bytes);
    u32::try_from(digest.finalize()).expect("a sum of 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::BodyDigest;

    #[test]
    fn the_sum_is_crc32c() {
        // The check value of the catalogue of CRCs.
        assert_eq!(seeded(b"1234", b"56789"), 0xe306_9283);
    }

    #[test]
    fn the_same_bytes_elsewhere_have_another_sum() {
        let block = BlockId {
            body: BodyDigest(1),
            index: 2,
        };
        let others = [
            (BlockId { index: 3, ..block }, 4),
            (
                BlockId {
                    body: BodyDigest(2),
                    ..block
                },
                4,
            ),
            (block, 5),
        ];
        for (other, number) in others {
            assert_ne!(page(block, 4, b"page"), page(other, number, b"page"));
        }
    }
}
