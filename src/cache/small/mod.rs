//! The small store: records, and bodies of one page, kept on the configured disks by foyer's hybrid cache.
//!
//! One store a disk, in `PATH/small/`; which disk, by a hash of the name. It promises nothing but this: what [`Small::get`]
//! gives back was put under that very name, and was neither replaced nor forgotten since in this life of the node. Whatever
//! goes wrong is a miss, counted. Nobody waits for a write: what the disks cannot follow is dropped, and counted. A store that
//! fails is set aside and begun anew, and the node goes on.

mod folder;
mod foyer_metrics;
mod keeper;
mod pending;
mod shelf;
mod store;
mod value;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::oneshot;
use xxhash_rust::xxh3::xxh3_64;

pub use crate::telemetry::small::Kind;

use crate::clock::Clock;
use crate::tasks::Tasks;
use crate::telemetry::Metrics;
use crate::telemetry::small::{Got, Put};
use crate::types::layout::PAGE;
use pending::{Entry, Pushed};
use shelf::{Read, Shelf};
use value::{Key, Value};

/// The most bytes of one thing that is kept: a page.
pub const LARGEST: usize = 64 << 10;
const _: () = assert!(LARGEST as u64 == PAGE);

/// The least capacity of one disk's store: 64 files of 1 MiB.
pub const LEAST_CAPACITY: u64 = 64 << 20;

/// What a store takes in memory for each thing that it holds, in bytes: foyer's index, as measured.
pub const INDEX_ENTRY: u64 = 128;

/// What a store takes on disk at least for each thing that it holds.
const LEAST_ON_DISK: u64 = 4096;

/// The most bytes that wait to be written to one disk.
const PENDING: usize = 8 << 20;

/// What the store of one disk takes in memory besides its index, in bytes: what waits, foyer's two flush buffers, the batch
/// that is being written, and what was read lately. Not on the account of [`crate::memory`].
pub const BUFFERS: usize = PENDING + 2 * store::FLUSH_BUFFER + store::BATCH + store::RECENT;

/// How long a look may take.
const DEADLINE: Duration = Duration::from_secs(1);

/// How long a start waits for the stores to be opened.
const OPENING: Duration = Duration::from_secs(2);

/// How long an end waits for what is queued to be written.
const CLOSING: Duration = Duration::from_secs(20);

/// A disk that records and small bodies are kept on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The disk's folder, in which the store makes one of its own.
    pub path: PathBuf,
    /// Bytes of files, of which a store has [`LEAST_CAPACITY`] at least.
    pub capacity: u64,
    /// Bytes of memory that the index may take, [`INDEX_ENTRY`] for each thing. Where the capacity could hold more things
    /// than that, less of it is used.
    pub memory: u64,
}

impl Config {
    /// Bytes of files that are used.
    fn capacity(&self) -> u64 {
        let indexed = self.memory / INDEX_ENTRY * LEAST_ON_DISK;
        self.capacity.min(indexed).max(LEAST_CAPACITY)
    }
}

/// What a store needs of the node.
#[derive(Debug, Clone)]
pub struct Means {
    pub tasks: Tasks,
    pub clock: Clock,
    pub metrics: Arc<Metrics>,
}

/// Records and small bodies on all disks.
#[derive(Debug, Default)]
pub struct Small {
    shelves: Vec<Arc<Shelf>>,
}

impl Small {
    /// No disks: nothing is held, nothing is taken.
    pub fn none() -> Arc<Self> {
        Arc::default()
    }

    /// Opens a store on each disk. What cannot be opened now, or not soon, is tried again while the node runs.
    pub async fn open(configs: Vec<Config>, means: Means) -> Arc<Self> {
        let mut shelves = Vec::new();
        let mut openings = Vec::new();
        for config in configs {
            let shelf = Arc::new(Shelf::new(&config, means.clone()));
            let (tell, opened) = oneshot::channel();
            let task = Arc::clone(&shelf).keep(tell);
            means.tasks.spawn("small store", task);
            shelves.push(shelf);
            openings.push(opened);
        }
        // What takes longer goes on meanwhile.
        let _ = tokio::time::timeout(OPENING, join_all(openings)).await;
        Arc::new(Self { shelves })
    }

    /// Whether there are disks.
    pub fn is_some(&self) -> bool {
        !self.shelves.is_empty()
    }

    /// Whether something may be held under this name. No I/O.
    pub fn may_hold(&self, kind: Kind, digest: u128) -> bool {
        let key = Key::of(kind, digest);
        self.shelf(key).is_some_and(|shelf| shelf.may_hold(key))
    }

    /// What was put under this name. Takes a second at most; any failure is a miss.
    pub async fn get(&self, kind: Kind, digest: u128) -> Option<Bytes> {
        let key = Key::of(kind, digest);
        let shelf = self.shelf(key)?;
        let (got, bytes) = match tokio::time::timeout(DEADLINE, shelf.get(key)).await {
            Ok(Read::Value(None)) => (Got::Miss, None),
            Ok(Read::Value(Some(value))) => match value.bytes(kind, digest) {
                Ok(Some(bytes)) => (Got::Hit, Some(bytes)),
                Ok(None) => (Got::Miss, None),
                Err(value::Damaged) => (Got::Damaged, None),
            },
            Ok(Read::Failed) => (Got::Failed, None),
            Err(_) => (Got::Slow, None),
        };
        shelf.count_got(kind, got);
        bytes
    }

    /// Offers something to be kept, in place of what was kept under this name. Never waits.
    pub fn put(&self, kind: Kind, digest: u128, bytes: Bytes) {
        let key = Key::of(kind, digest);
        let Some(shelf) = self.shelf(key) else {
            if let Some(shelf) = self.shelves.first() {
                shelf.count(kind, Put::Out);
            }
            return;
        };
        if bytes.len() > LARGEST {
            shelf.count(kind, Put::Large);
            return self.forget(kind, digest);
        }
        let value = Value::new(kind, digest, bytes);
        match shelf.push(key, Entry { kind, value }) {
            Pushed::New => {}
            Pushed::Instead(kind) => shelf.count(kind, Put::Replaced),
            Pushed::Full => {
                shelf.count(kind, Put::Full);
                // What was held before must not come back for it.
                self.forget(kind, digest);
            }
        }
    }

    /// What is held under this name is not told any more. Never waits.
    pub fn forget(&self, kind: Kind, digest: u128) {
        let key = Key::of(kind, digest);
        // On whichever disk: which one is responsible changes with those that are usable.
        for shelf in &self.shelves {
            shelf.forget(key, kind, digest);
        }
    }

    /// Resolves when all that was put has been written or dropped.
    pub async fn settle(&self) {
        join_all(self.shelves.iter().map(|shelf| shelf.pending.settle())).await;
    }

    /// Writes what is queued and closes the stores; nothing is held or taken from then on.
    pub async fn close(&self) {
        self.shelves.iter().for_each(|shelf| shelf.close());
        let ended = join_all(self.shelves.iter().map(|shelf| shelf.ended()));
        if tokio::time::timeout(CLOSING, ended).await.is_err() {
            tracing::warn!("small objects were still being written when the node ended");
        }
    }

    /// The usable disk that this name belongs to: the one with the highest score, weighted by capacity, so that a disk that
    /// comes or goes moves nothing between the others.
    fn shelf(&self, key: Key) -> Option<&Arc<Shelf>> {
        let usable = self.shelves.iter().filter(|shelf| shelf.is_usable());
        usable.max_by(|one, other| score(key, one).total_cmp(&score(key, other)))
    }
}

/// Rendezvous hashing: `capacity / -ln(u)` of a hash `u` in (0, 1).
fn score(key: Key, shelf: &Shelf) -> f64 {
    let mut bytes = [0; 24];
    bytes[..16].copy_from_slice(&key.0.to_be_bytes());
    bytes[16..].copy_from_slice(&shelf.number.to_be_bytes());
    let high = u32::try_from(xxh3_64(&bytes) >> 32).expect("32 bits are left");
    let unit = (f64::from(high) + 0.5) / (f64::from(u32::MAX) + 1.0);
    let mebibytes = u32::try_from(shelf.capacity >> 20).unwrap_or(u32::MAX);
    f64::from(mebibytes) / -unit.ln()
}
