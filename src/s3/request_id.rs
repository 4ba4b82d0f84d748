//! Ids of requests: unique in practice, short, and without meaning.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

/// Makes ids that differ from each other, and from those of other nodes and other runs.
#[derive(Debug)]
pub(super) struct RequestIds {
    /// Random in each process: the standard library seeds its hashers from the system.
    seed: u64,
    next: AtomicU64,
    node: String,
}

impl RequestIds {
    pub(super) fn new(node: &str) -> Self {
        Self {
            seed: RandomState::new().hash_one(node),
            next: AtomicU64::new(0),
            node: node.to_owned(),
        }
    }

    /// The next id: 16 hexadecimal digits, as S3's are.
    pub(super) fn next(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = xxh3_64_with_seed(&number.to_be_bytes(), self.seed);
        hex::encode_upper(id.to_be_bytes())
    }

    /// The second id of a request (`x-amz-id-2`, `HostId`), which SDKs expect beside the first.
    pub(super) fn host_id(&self, request_id: &str) -> String {
        let text = format!("{}/{request_id}", self.node);
        STANDARD.encode(xxh3_128_with_seed(text.as_bytes(), self.seed).to_be_bytes())
    }
}
