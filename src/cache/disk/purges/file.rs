//! The list of purges as a file: a head, the rules, and a CRC32C over both.

use crc_fast::CrcAlgorithm;

use super::{Epoch, MOST_RULES, Purges};
use crate::types::OriginFingerprint;
use crate::types::names::MAX_KEY_BYTES;

/// The file's first bytes; the last two are the version of its format.
pub(super) const MAGIC: [u8; 8] = *b"FBPURG\x00\x01";
/// Bytes of a rule before its prefix.
const RULE: usize = 4 + 16 + 2;

/// A file is no list of purges: what its disk holds may have been purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    #[error("the list of purges is of another format")]
    Format,
    #[error("the list of purges is damaged")]
    Checksum,
    #[error("the list of purges contradicts itself")]
    Contents,
}

impl Purges {
    /// The list as a file.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.latest.0.to_le_bytes());
        bytes.extend_from_slice(&self.everything.0.to_le_bytes());
        let rules = u32::try_from(self.rules).expect("rules are few");
        bytes.extend_from_slice(&rules.to_le_bytes());
        for (origin, prefix, epoch) in self.sorted() {
            bytes.extend_from_slice(&epoch.0.to_le_bytes());
            bytes.extend_from_slice(&origin.to_bits().to_le_bytes());
            let length = u16::try_from(prefix.len()).expect("a rule is a key and a byte at most");
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(prefix);
        }
        let crc = checksum(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The list of a file.
    ///
    /// # Errors
    /// [`Damaged`]: it was not written by [`Self::encode`], or is not what was written.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(Damaged::Format)?;
        let (rest, crc) = rest.split_last_chunk().ok_or(Damaged::Checksum)?;
        if checksum(&bytes[..bytes.len() - crc.len()]) != u32::from_le_bytes(*crc) {
            return Err(Damaged::Checksum);
        }
        Self::decode_rules(rest).ok_or(Damaged::Contents)
    }

    fn decode_rules(mut rest: &[u8]) -> Option<Self> {
        let mut purges = Self {
            latest: Epoch(u32::from_le_bytes(take(&mut rest)?)),
            everything: Epoch(u32::from_le_bytes(take(&mut rest)?)),
            ..Self::default()
        };
        let rules = usize::try_from(u32::from_le_bytes(take(&mut rest)?)).ok()?;
        if rules > MOST_RULES || rules > rest.len() / RULE || purges.everything > purges.latest {
            return None;
        }
        for _ in 0..rules {
            let epoch = Epoch(u32::from_le_bytes(take(&mut rest)?));
            let origin = OriginFingerprint::from_bits(u128::from_le_bytes(take(&mut rest)?));
            let length = usize::from(u16::from_le_bytes(take(&mut rest)?));
            let (prefix, after) = rest.split_at_checked(length)?;
            if length > MAX_KEY_BYTES + 1 || epoch > purges.latest {
                return None;
            }
            rest = after;
            purges.insert(origin, prefix, epoch);
        }
        rest.is_empty().then_some(purges)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let crc = crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes);
    u32::try_from(crc).expect("a CRC32C has 32 bits")
}
