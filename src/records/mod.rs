//! What the node knows about objects, and until when it may say so.
//!
//! A [`Record`] is the headers of an object, or of one of its versions, and the identity of its body, as its origin last gave
//! them. Whether a record may
//! answer is decided by its age (freshness, the caller's business) and by *epochs* (read-your-writes, [`protocol`]): every
//! write raises the epoch of its key before it goes to the origin and after the origin has answered, in every member of the
//! cluster; an origin's answer becomes a record only if no write began or ended since its request was sent, and none is open.
//!
//! Records outlive the node as bytes ([`Records::save`], [`Records::restore`]), wherever those are kept. One of an earlier life
//! of the node has no age, and is believed only under a rule that asks for none.
//!
//! This module does no I/O: the protocol is a pure state machine whose messages are values.

pub mod epochs;
mod faults;
pub mod lease;
mod message;
pub mod parts;
pub mod protocol;
mod saved;
mod store;
mod writes;

#[cfg(test)]
mod model;

use std::sync::Arc;

use crate::cache::disk::Epoch;
use crate::clock::Moment;
use crate::origin::ObjectHead;
use crate::routes::Freshness;
use crate::types::BodyId;

pub use epochs::Ticket;
pub use parts::{Part, Parts};
pub use store::{Lookup, Records, Write};

/// What the records may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Memory for records in bytes, weighed by their headers and keys.
    pub capacity: u64,
}

/// An object as its origin last described it.
#[derive(Debug)]
pub struct Record {
    pub body: BodyId,
    pub head: ObjectHead,
    /// Whether the origin was asked for checksums, so that their absence means that there are none.
    pub checksums_known: bool,
    /// When the request was sent whose answer this is; none where that was in an earlier life of the node.
    pub fetched_at: Option<Moment>,
    /// The purges that were known when that request was sent: what is older than a purge of the object counts no more.
    pub epoch: Epoch,
    /// The body's parts, shared by all records of the body.
    pub parts: Arc<Parts>,
}

impl Record {
    /// Whether the record may answer without the origin being asked.
    pub fn is_fresh(&self, freshness: Freshness, now: impl FnOnce() -> Moment) -> bool {
        match freshness {
            Freshness::Immutable => true,
            Freshness::MaxAge(age) => (self.fetched_at).is_some_and(|then| now().since(then) < age),
            Freshness::Always => false,
        }
    }

    /// About how much memory the record takes, in bytes.
    fn weight(&self) -> usize {
        // The structs, the hash map's slots and the allocations of each header (http's `Bucket` and a `Bytes`).
        const FIXED: usize = 512;
        const PER_HEADER: usize = 128;
        let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            PER_HEADER + name.as_str().len() + value.len()
        };
        let headers: usize = self.head.headers.iter().map(text).sum();
        FIXED + self.body.object().key.as_str().len() + headers + self.parts.weight()
    }
}
