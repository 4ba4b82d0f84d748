//! Where an object is: what the node knows of it, and which of its bytes lie in which tier. For operators; asks no origin and
//! reads of disks no more than a record and a small body.

mod runs;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::Gateway;
use crate::cache::Wanted;
use crate::cache::disk::Epoch;
use crate::cache::small::Kind;
use crate::routes::{Route, UnusableKey};
use crate::types::layout::{BLOCK, PAGE};
use crate::types::{BodyId, BucketName, ObjectKey, Subject};
use runs::{Held, Runs};

/// Blocks that are looked at before other work gets its turn: some microseconds each.
const AT_A_TIME: u32 = 1024;

/// Nothing stands behind the name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unroutable {
    #[error("nothing stands behind bucket {0}")]
    NoSuchBucket(BucketName),
    #[error(transparent)]
    UnusableKey(#[from] UnusableKey),
}

/// What is known and held of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// As clients name it.
    pub bucket: String,
    pub key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// As the configuration names it.
    pub origin: String,
    pub origin_bucket: String,
    pub origin_key: String,
    /// Whether its blocks stay on the disks when others ask for room.
    pub pinned: bool,
    /// What the origin last said of it; none where nothing is known, and then nothing is found in any tier.
    pub record: Option<Known>,
    pub totals: Totals,
    /// Blocks of which something is held, those alike together.
    pub blocks: Vec<Run>,
    /// What is on its way from the origin or a disk.
    pub fills: Vec<Span>,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Known {
    pub etag: String,
    pub size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// Since the origin was asked; none where that was in an earlier life of the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u64>,
    /// Whether it may answer without the origin being asked.
    pub fresh: bool,
}

/// Over all blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    /// Of the whole body, as the two below.
    pub blocks: u64,
    pub pages: u64,
    pub bytes: u64,
    pub memory_pages: u64,
    pub memory_bytes: u64,
    pub disk_pages: u64,
    pub disk_bytes: u64,
}

/// Blocks that follow one another and of which the same is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// As in `0-99`; a block is 1 MiB.
    pub blocks: String,
    /// The pages of each that are in memory, as in `0-3,5`; a page is 64 KiB.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub memory: String,
    /// The pages of each that are on a disk.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub disk: String,
    /// That disk's folder; none for a body of up to a page, which is kept with the records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Bytes `from..to` of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span {
    pub from: u64,
    pub to: u64,
}

impl Gateway {
    /// Where the object is that clients know as `key` in `bucket`, or one of its versions.
    ///
    /// # Errors
    /// [`Unroutable`].
    pub async fn place(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        version_id: Option<&str>,
    ) -> Result<Place, Unroutable> {
        let route = self.route(bucket)?;
        let subject = Subject {
            object: route.canonical(key)?,
            version_id: version_id.map(Into::into),
        };
        let floor = self.tiers.purges(&subject.object).0;
        let mut place = Place {
            bucket: bucket.to_string(),
            key: key.to_string(),
            version_id: version_id.map(str::to_owned),
            origin: route.origin.name.to_string(),
            origin_bucket: route.origin_bucket.to_string(),
            origin_key: subject.object.key.to_string(),
            pinned: route.rule(key).keeping.pinned,
            record: None,
            totals: Totals::default(),
            blocks: Vec::new(),
            fills: Vec::new(),
        };
        self.recall(&subject, floor).await;
        if let Some((record, body)) = self.known(&route, key, &subject, floor) {
            place.record = Some(record);
            self.look(&mut place, &body, floor).await;
        }
        Ok(place)
    }

    /// The route of a bucket.
    pub(super) fn route(&self, bucket: &BucketName) -> Result<Arc<Route>, Unroutable> {
        let route = self.routes.load().find(bucket);
        route.ok_or_else(|| Unroutable::NoSuchBucket(bucket.clone()))
    }

    /// Takes in what the disks know of the subject and of the object's current state, as a read of it would.
    async fn recall(&self, subject: &Subject, floor: Epoch) {
        let small = &self.tiers.small;
        for subject in [subject, &Subject::from(subject.object.clone())] {
            let digest = subject.digest();
            let is_unknown = self.records.lookup(subject).record.is_none();
            if is_unknown
                && small.may_hold(Kind::Record, digest)
                && let Some(bytes) = small.get(Kind::Record, digest).await
            {
                self.records.restore(subject, &bytes, floor);
            }
        }
    }

    /// The record that a read would be answered from or would confirm. The current object's speaks for its version too.
    fn known(
        &self,
        route: &Route,
        key: &ObjectKey,
        subject: &Subject,
        floor: Epoch,
    ) -> Option<(Known, BodyId)> {
        let lookup = |subject: &Subject| {
            let lookup = self.records.lookup(subject);
            let record = lookup.record?;
            (record.epoch >= floor).then_some((record, !lookup.confirm && !lookup.write_open))
        };
        let current = || {
            lookup(&Subject::from(subject.object.clone()))
                .filter(|(record, _)| record.body.version_id() == subject.version_id.as_deref())
        };
        let (record, believed) = lookup(subject).or_else(current)?;
        let (freshness, now) = (route.rule(key).keeping.freshness, self.clock.now());
        let known = Known {
            etag: record.body.etag().to_string(),
            size: record.body.size(),
            version_id: record.body.version_id().map(str::to_owned),
            age_seconds: record.fetched_at.map(|then| now.since(then).as_secs()),
            fresh: believed && record.is_fresh(freshness, || now),
        };
        Some((known, record.body.clone()))
    }

    /// Looks for every block of a body.
    async fn look(&self, place: &mut Place, body: &BodyId, floor: Epoch) {
        let (size, digest) = (body.size(), body.digest());
        let wanted = Wanted {
            body: digest,
            size,
            floor,
        };
        let mut runs = Runs::default();
        let blocks = u32::try_from(size.div_ceil(BLOCK)).expect("no S3 object has 2^32 blocks");
        for index in 0..blocks {
            if index % AT_A_TIME == AT_A_TIME - 1 {
                tokio::task::yield_now().await;
            }
            let found = self.tiers.place(&wanted, index).await;
            let held = Held {
                memory: found.memory,
                disk: found.disk,
                path: found.path.map(Path::to_owned),
            };
            place.totals.add(&held, index, size);
            runs.add(index, held);
        }
        place.totals.blocks = u64::from(blocks);
        place.totals.pages = size.div_ceil(PAGE);
        place.totals.bytes = size;
        place.blocks = runs.end();
        let spans = self.bodies.running(digest, floor);
        place.fills = spans.into_iter().map(Span::from).collect();
    }
}

impl From<Range<u64>> for Span {
    fn from(range: Range<u64>) -> Self {
        Self {
            from: range.start,
            to: range.end,
        }
    }
}
