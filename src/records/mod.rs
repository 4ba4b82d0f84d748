//! What the node knows about objects, and until when it may say so.
//!
//! A [`Record`] is an object's headers and the identity of its body, as its origin last gave them. Whether a record may
//! answer is decided by its age (freshness, the caller's business) and by *epochs* (read-your-writes, [`protocol`]): every
//! write raises the epoch of its key before it goes to the origin and after the origin has answered, in every member of the
//! cluster; an origin's answer becomes a record only if no write began or ended since its request was sent, and none is open.
//!
//! This module does no I/O: the protocol is a pure state machine whose messages are values.

pub mod protocol;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::{Clock, Moment};
use crate::origin::ObjectHead;
use crate::routes::Freshness;
use crate::types::{BodyId, CanonicalObject};

/// An object as its origin last described it.
#[derive(Debug)]
pub struct Record {
    pub body: BodyId,
    pub head: ObjectHead,
    /// Whether the origin was asked for checksums, so that their absence means that there are none.
    pub checksums_known: bool,
    /// When the request was sent whose answer this is.
    pub fetched_at: Moment,
}

impl Record {
    /// Whether the record may answer without the origin being asked.
    pub fn is_fresh(&self, freshness: Freshness, now: Moment) -> bool {
        match freshness {
            Freshness::Immutable => true,
            Freshness::MaxAge(age) => now.since(self.fetched_at) < age,
            Freshness::Always => false,
        }
    }
}

/// How much the table of records may hold.
#[derive(Debug, Clone)]
pub struct Config {
    /// Bytes.
    pub capacity: u64,
}

/// What is known, and the epochs that say until when.
#[derive(Debug, Default)]
pub struct Records {
    epochs: Mutex<HashMap<u64, (u64, u64)>>,
}

/// An epoch as it was.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    key: u64,
    epoch: u64,
}

/// A write in progress.
#[derive(Debug)]
pub struct Write {
    records: Arc<Records>,
    keys: Vec<u64>,
}

impl Records {
    /// One member's records.
    pub fn new(_config: Config, _clock: Clock) -> Arc<Self> {
        Arc::default()
    }

    /// The epoch now.
    pub fn ticket(&self, object: &CanonicalObject) -> Ticket {
        let key = object.hash64();
        let (epoch, _) = self.entry(key);
        Ticket { key, epoch }
    }

    /// Whether no write began or ended since, and none is open.
    pub fn is_current(&self, ticket: &Ticket) -> bool {
        self.entry(ticket.key) == (ticket.epoch, 0)
    }

    /// Opens a write.
    pub async fn begin(self: &Arc<Self>, objects: &[CanonicalObject]) -> Write {
        let keys: Vec<u64> = objects.iter().map(CanonicalObject::hash64).collect();
        let mut epochs = self.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &keys {
            let entry = epochs.entry(*key).or_default();
            *entry = (entry.0 + 1, entry.1 + 1);
        }
        Write {
            records: Arc::clone(self),
            keys,
        }
    }

    fn entry(&self, key: u64) -> (u64, u64) {
        let epochs = self.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        epochs.get(&key).copied().unwrap_or_default()
    }
}

impl Write {
    /// The origin has answered, or never will.
    pub async fn end(self) {}
}

impl Drop for Write {
    fn drop(&mut self) {
        let mut epochs = self
            .records
            .epochs
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for key in &self.keys {
            let entry = epochs.entry(*key).or_default();
            *entry = (entry.0 + 1, entry.1.saturating_sub(1));
        }
    }
}
