//! Ids of requests: unique in practice, short, and without meaning.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use crate::per_core::PerCore;

/// How many requests a core answers before it uses ids of the next one: more than it ever will.
const RANGE_BITS: u32 = 48;

/// Makes ids that differ from each other, and from those of other nodes and other runs.
#[derive(Debug)]
pub(super) struct RequestIds {
    /// The node's own, and random in each process: the standard library seeds its hashers from the system.
    seed: u64,
    /// Each core counts in a range of its own.
    next: PerCore<AtomicU64>,
}

/// The second id of a request (`x-amz-id-2`, `HostId`), which SDKs expect beside the first: Base64 of 128 bits.
pub(super) struct HostId([u8; 24]);

impl RequestIds {
    pub(super) fn new(node: &str) -> Self {
        let mut ranges = (0..).step_by(1 << RANGE_BITS);
        Self {
            seed: RandomState::new().hash_one(node),
            next: PerCore::new(|| AtomicU64::new(ranges.next().unwrap_or_default())),
        }
    }

    /// The next id: 16 hexadecimal digits, as S3's are.
    pub(super) fn next(&self) -> Arc<str> {
        let number = self.next.own().fetch_add(1, Ordering::Relaxed);
        let id = xxh3_64_with_seed(&number.to_be_bytes(), self.seed);
        let mut digits = [0; 16];
        hex::encode_to_slice(id.to_be_bytes(), &mut digits).expect("8 bytes make 16 digits");
        digits.make_ascii_uppercase();
        std::str::from_utf8(&digits)
            .expect("digits are text")
            .into()
    }

    /// The second id of a request.
    pub(super) fn host_id(&self, request_id: &str) -> HostId {
        let id = xxh3_128_with_seed(request_id.as_bytes(), self.seed);
        let mut text = [0; 24];
        STANDARD
            .encode_slice(id.to_be_bytes(), &mut text)
            .expect("16 bytes make 24 characters");
        HostId(text)
    }
}

impl HostId {
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("Base64 is text")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_count_in_ranges_of_their_own() {
        let ids = RequestIds::new("node");
        let mut starts: Vec<_> = ids
            .next
            .iter()
            .map(|own| own.load(Ordering::Relaxed))
            .collect();
        starts.dedup();
        assert!(starts.len() > 1 && starts.is_sorted());
        assert!(
            starts
                .windows(2)
                .all(|two| two[1] - two[0] == 1 << RANGE_BITS)
        );
        assert_ne!(ids.next(), ids.next());
    }
}
