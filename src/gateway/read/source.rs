//! Where the bytes of one object come from: its origin, and the tier and memory that fills go through.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::fill::Failure;
use crate::cache;
use crate::memory::Memory;
use crate::origin::{self, Fetched, Get, Head};
use crate::records::Records;
use crate::routes::Route;
use crate::tasks::Tasks;
use crate::telemetry::Metrics;
use crate::types::{Body, BodyId, ObjectKey, RangeSpec};

/// The first pause before a failed request is sent again; the second is four times as long.
const PAUSE: Duration = Duration::from_millis(50);

/// An object's origin and the node's means to fill from it.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) route: Arc<Route>,
    /// The key at the origin.
    pub(super) key: ObjectKey,
    pub(super) records: Arc<Records>,
    pub(super) tier: Arc<cache::memory::Tier>,
    pub(super) memory: Memory,
    pub(super) metrics: Arc<Metrics>,
    pub(super) tasks: Tasks,
}

impl Source {
    /// A read of the whole object.
    pub(super) fn get(&self) -> Get {
        Get::of(self.route.origin_bucket.clone(), self.key.clone())
    }

    /// A look at the object.
    pub(super) fn head(&self) -> Head {
        Head::of(self.route.origin_bucket.clone(), self.key.clone())
    }

    /// Asks the origin for `range` of exactly this body.
    ///
    /// # Errors
    /// The origin's, or [`origin::Error::Refused`] with 412 where the origin answered with another version.
    pub(super) async fn open(
        &self,
        body: &BodyId,
        range: Range<u64>,
    ) -> Result<Body, origin::Error> {
        let get = Get {
            version_id: body.version_id().map(Into::into),
            range: Some(RangeSpec::from(range.clone())),
            pin: Some(body.etag().clone()),
            ..self.get()
        };
        let Fetched {
            head,
            range: got,
            body: answer,
        } = self.route.origin.origin.get(get).await?;
        if head.etag != *body.etag() || head.size != body.size() {
            return Err(origin::Error::other_version());
        }
        if got != range {
            return Err(origin::Error::Nonsense(
                "its range is not the one that was asked for",
            ));
        }
        Ok(answer)
    }

    /// Counts bytes that a fill received.
    pub(super) fn received(&self, bytes: u64) {
        self.metrics.cache.fill_bytes.add(bytes);
    }

    /// Counts and logs a fill that ended short; of a version that is gone the record goes too.
    pub(super) fn fill_failed(&self, body: &BodyId, failure: &Failure) {
        self.metrics.cache.fills_failed.increment();
        match failure {
            Failure::Deserted => {}
            Failure::Gone => {
                self.records.forget(&body.object, body);
                tracing::debug!(key = %body.object.key, "a body vanished at the origin before it was filled");
            }
            Failure::NoMemory | Failure::Origin(_) => {
                let error = failure as &dyn std::error::Error;
                tracing::warn!(origin = %self.route.origin.name, bucket = %self.route.origin_bucket, error, "a fill failed");
            }
        }
    }

    /// Waits before a request is sent again.
    pub(super) async fn pause_before_retry(&self, failed: u32, error: &origin::Error) {
        self.metrics.cache.fill_retries.increment();
        tracing::debug!(origin = %self.route.origin.name, error = error as &dyn std::error::Error, "asking again");
        tokio::time::sleep(PAUSE * 4u32.pow(failed.saturating_sub(1))).await;
    }
}
