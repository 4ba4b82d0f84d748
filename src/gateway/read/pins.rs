//! Whether an origin holds a read to its version.
//!
//! Everything rests on `If-Match`: an origin that ignores it would mix versions in one body. So a bucket is not cached
//! until its origin has answered 412 to a one-byte read with an impossible tag. It is asked once, beside the first read.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use http::StatusCode;
use tokio::sync::OnceCell;

use super::bodies::lock;
use super::source::Source;
use crate::origin::Get;
use crate::types::{ETag, OriginFingerprint, RangeSpec};

/// A tag that no object has.
const IMPOSSIBLE: &str = "\"forebay-no-such-version\"";

/// The most buckets that are known; a wildcard route has as many as callers can name. Beyond, each is tried again.
const MOST_BUCKETS: usize = 10_000;

/// What is known of the origins' buckets.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    known: Mutex<HashMap<OriginFingerprint, Arc<OnceCell<bool>>>>,
    /// Whether there is one that ignores pins: every read asks, and hardly any origin does.
    any_refused: AtomicBool,
}

impl Pins {
    /// Whether reads of the source's bucket can be pinned. Asks the origin where that is not known; an answer that tells
    /// nothing (no such object, no connection) counts as no for this once.
    pub(super) async fn hold(&self, source: &Source) -> bool {
        let cell = {
            let mut known = lock(&self.known);
            if known.len() >= MOST_BUCKETS {
                known.clear();
            }
            Arc::clone(known.entry(source.aim.route.fingerprint).or_default())
        };
        let holds = cell.get_or_try_init(|| ask(source)).await;
        if let Ok(false) = holds {
            self.any_refused.store(true, Ordering::Release);
        }
        holds.copied().unwrap_or(false)
    }
}

impl Pins {
    /// Whether the bucket's origin is known to ignore `If-Match`.
    pub(super) fn refused(&self, bucket: &OriginFingerprint) -> bool {
        self.any_refused.load(Ordering::Acquire)
            && lock(&self.known)
                .get(bucket)
                .is_some_and(|cell| cell.get() == Some(&false))
    }
}

/// Nothing was learnt.
struct Unknown;

async fn ask(source: &Source) -> Result<bool, Unknown> {
    let get = Get {
        // An id is a pin of its own: what a store makes of a tag beside it says nothing.
        version_id: None,
        range: Some(RangeSpec::Closed { first: 0, last: 0 }),
        pin: Some(ETag::new(IMPOSSIBLE)),
        ..source.get()
    };
    match source.aim.route.origin.origin.get(get).await {
        Ok(_) => {
            let (origin, bucket) = (
                &source.aim.route.origin.name,
                &source.aim.route.origin_bucket,
            );
            tracing::warn!(%origin, %bucket, "{origin} ignores If-Match on {bucket}: nothing of it is cached");
            Ok(false)
        }
        Err(error) if error.status() == Some(StatusCode::PRECONDITION_FAILED) => Ok(true),
        Err(_) => Err(Unknown),
    }
}
