//! Purging: what the node holds of an object, or of all whose keys begin alike, does not count any more.
//!
//! The purge is a rule over the origin's keys, so that it reaches every name of a bucket, and every tier. Reads that came
//! before it go on; who comes after it joins nothing that was asked for before.

use std::io;

use super::Gateway;
use super::place::Unroutable;
use crate::cache::disk::Epoch;
use crate::cache::disk::purges::Covered;
use crate::types::{BucketName, ObjectKey};

/// What to purge of a bucket, as clients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purge {
    /// Every key that begins so; all of the bucket where it is empty.
    Prefix(String),
    /// This key.
    Key(ObjectKey),
}

/// A purge that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purged {
    /// Its number.
    pub epoch: Epoch,
    /// Whether it holds when the node starts again: there are disks, and each of them has it. Where there are none there
    /// is nothing that it would have to hold for.
    pub durable: bool,
}

/// A purge that cannot be relied on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Unroutable(#[from] Unroutable),
    /// It holds until the node stops.
    #[error("it holds until the node stops, but could not be written to every disk: {0}")]
    NotDurable(#[from] io::Error),
}

impl Gateway {
    /// Purges. Once this returns the next read of what is covered fetches headers and bytes from the origin.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn purge(&self, bucket: &BucketName, purge: &Purge) -> Result<Purged, Error> {
        let route = self.route(bucket)?;
        let covered = match purge {
            Purge::Prefix(prefix) => {
                Covered::Prefix(route.origin_prefix(prefix).map_err(Unroutable::from)?)
            }
            Purge::Key(key) => Covered::Key(route.origin_key(key).map_err(Unroutable::from)?),
        };
        let disks = &self.tiers.disks;
        let epoch = disks.purge(route.fingerprint, covered).await?;
        tracing::info!(%bucket, purge = ?purge, epoch = epoch.0, "purged");
        Ok(Purged {
            epoch,
            durable: !disks.is_empty(),
        })
    }
}
