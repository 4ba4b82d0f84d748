//! Purging: what the node holds of an object, or of all whose keys begin alike, does not count any more.
//!
//! The purge is a rule over the origin's keys, so that it reaches every name of a bucket, and every tier. Reads that came
//! before it go on; who comes after it joins nothing that was asked for before.

use std::io;

use super::Gateway;
use super::place::Unroutable;
use crate::cache::disk::Epoch;
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
    /// Whether it holds when the node starts again: there are disks, and one of them at least has it, which tells the
    /// others. Where there are none there is nothing that it would have to hold for.
    pub durable: bool,
}

/// A purge that cannot be relied on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Unroutable(#[from] Unroutable),
    /// It holds until the node stops.
    #[error("it holds until the node stops, but could be written to no disk: {0}")]
    NotDurable(#[from] io::Error),
}

impl Gateway {
    /// Purges. Once this returns the next read of what is covered fetches headers and bytes from the origin.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn purge(&self, bucket: &BucketName, purge: &Purge) -> Result<Purged, Error> {
        let route = self.route(bucket)?;
        let (disks, origin) = (&self.tiers.disks, route.fingerprint);
        let epoch = match purge {
            Purge::Prefix(prefix) => {
                let prefix = route.origin_prefix(prefix).map_err(Unroutable::from)?;
                disks.purge(origin, &prefix).await?
            }
            Purge::Key(key) => {
                let key = route.origin_key(key).map_err(Unroutable::from)?;
                disks.purge_key(origin, &key).await?
            }
        };
        tracing::info!(%bucket, purge = ?purge, epoch = epoch.0, "purged");
        Ok(Purged {
            epoch,
            durable: !disks.is_empty(),
        })
    }
}
