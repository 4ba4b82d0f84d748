//! Where the bytes of one object come from: its origin, and the tier and memory that fills go through.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};

use super::bodies::BodyState;
use super::fill::Failure;
use crate::cache::disk::Epoch;
use crate::cache::{self, Tiers, Wanted};
use crate::gateway::forward::accept;
use crate::memory::{Buffer, Memory};
use crate::origin::answer::{describe, part_placed};
use crate::origin::{self, Call, Fetched, Get, Head, ObjectHead, Payload};
use crate::records::parts::{Part, without_parts_own};
use crate::records::{Record, Records};
use crate::routes::{Keeping, Route};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;
use crate::types::{Body, BodyId, ObjectKey, OperationName, PartNumber, RangeSpec, Subject};

/// The first pause before a failed request is sent again; the second is four times as long.
const PAUSE: Duration = Duration::from_millis(50);

/// What a read is aimed at.
#[derive(Debug, Clone)]
pub(super) struct Aim {
    pub(super) route: Arc<Route>,
    /// What is read, under the origin's names.
    pub(super) subject: Subject,
    /// How the object is kept.
    pub(super) keeping: Keeping,
    /// Before which purge nothing of the object counts, and the latest purge when the read came.
    pub(super) purges: (Epoch, Epoch),
}

/// An object's origin and the node's means to fill from it.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) aim: Aim,
    pub(super) records: Arc<Records>,
    pub(super) tiers: Arc<Tiers>,
    pub(super) memory: Memory,
    pub(super) metrics: Arc<Metrics>,
    pub(super) tasks: Tasks,
}

/// What an origin says of a part.
pub(super) struct ToldPart {
    /// The whole object's description, without what is the part's.
    pub(super) head: ObjectHead,
    pub(super) part: Part,
    pub(super) body: Body,
}

impl Aim {
    /// Whether no purge has come since a record of this object was asked for.
    pub(super) fn counts(&self, record: &Record) -> bool {
        record.epoch >= self.purges.0
    }

    /// What the tiers are asked for a body of this object.
    pub(super) fn wanted(&self, body: &BodyId) -> Wanted {
        Wanted {
            body: body.digest(),
            size: body.size(),
            floor: self.purges.0,
        }
    }
}

impl Source {
    /// A read of all of it.
    pub(super) fn get(&self) -> Get {
        Get {
            version_id: self.aim.subject.version_id.clone(),
            requester_pays: self.aim.route.terms.requester_pays,
            ..Get::of(self.aim.route.origin_bucket.clone(), self.key().clone())
        }
    }

    /// A look at it.
    pub(super) fn head(&self) -> Head {
        Head {
            version_id: self.aim.subject.version_id.clone(),
            checksums: true,
            requester_pays: self.aim.route.terms.requester_pays,
            ..Head::of(self.aim.route.origin_bucket.clone(), self.key().clone())
        }
    }

    /// The key at the origin.
    pub(super) fn key(&self) -> &ObjectKey {
        &self.aim.subject.object.key
    }

    /// Asks the origin for a part, with its bytes or only where it lies. None where the answer does not say so in a way
    /// that can be kept.
    ///
    /// # Errors
    /// The origin's.
    pub(super) async fn part(
        &self,
        number: PartNumber,
        bytes: bool,
    ) -> Result<Option<ToldPart>, origin::Error> {
        let (operation, method) = match bytes {
            true => (OperationName::GetObject, Method::GET),
            false => (OperationName::HeadObject, Method::HEAD),
        };
        let version = self.aim.subject.version_id.as_deref();
        let version = version.map(|id| ("versionId".to_owned(), id.to_owned()));
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-checksum-mode", HeaderValue::from_static("ENABLED"));
        if self.aim.route.terms.requester_pays {
            headers.insert("x-amz-request-payer", HeaderValue::from_static("requester"));
        }
        let call = Call {
            operation,
            method,
            bucket: Some(self.aim.route.origin_bucket.clone()),
            key: Some(self.key().clone()),
            query: [("partNumber".to_owned(), number.to_string())]
                .into_iter()
                .chain(version)
                .collect(),
            headers,
            payload: Payload::Whole(Bytes::new()),
        };
        let answer = accept(self.aim.route.origin.origin.call(call).await?).await?;
        let (answer, body) = answer.into_parts();
        Ok(
            part_placed(answer.status, &answer.headers).and_then(|(range, size)| {
                Some(ToldPart {
                    part: Part::new(range, &answer.headers)?,
                    head: describe(without_parts_own(answer.headers), size),
                    body,
                })
            }),
        )
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
            version_id: (self.aim.subject.version_id.clone())
                .or_else(|| body.version_id().map(Into::into)),
            range: Some(RangeSpec::from(range.clone())),
            pin: Some(body.etag().clone()),
            ..self.get()
        };
        let Fetched {
            head,
            range: got,
            body: answer,
        } = self.aim.route.origin.origin.get(get).await?;
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

    /// What the tiers are asked for a body of this object.
    pub(super) fn wanted(&self, body: &BodyState) -> Wanted {
        self.aim.wanted(&body.id)
    }

    /// Gives bytes that came from the origin to the tiers. They begin at `start` and lie inside one block.
    pub(super) fn keep(&self, body: &BodyState, start: u64, buffer: Buffer) {
        self.tiers.fetched(cache::Fetched {
            wanted: self.wanted(body),
            start,
            buffer,
            epoch: self.aim.purges.1,
            pinned: self.aim.keeping.pinned,
        });
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
                self.forget(body);
                tracing::debug!(key = %body.object().key, "a body vanished at the origin before it was filled");
            }
            Failure::NoMemory | Failure::Origin(_) => {
                let error = failure as &dyn std::error::Error;
                tracing::warn!(origin = %self.aim.route.origin.name, bucket = %self.aim.route.origin_bucket, error, "a fill failed");
            }
        }
    }

    /// Waits before a request is sent again.
    pub(super) async fn pause_before_retry(&self, failed: u32, error: &origin::Error) {
        self.metrics.cache.fill_retries.increment();
        tracing::debug!(origin = %self.aim.route.origin.name, error = error as &dyn std::error::Error, "asking again");
        tokio::time::sleep(PAUSE * 4u32.pow(failed.saturating_sub(1))).await;
    }
}
