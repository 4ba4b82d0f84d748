//! What one disk keeps of records and small bodies: its open store, and what waits to be written to it.
//!
//! A shelf without an open store is *out*: nothing is found there and nothing is taken. Its task (`keeper`) opens the store.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::sync::{Notify, Semaphore, oneshot, watch};
use xxhash_rust::xxh3::xxh3_64;

use super::folder::Shape;
use super::pending::{Entry, Pending, Pushed};
use super::store::Store;
use super::value::{Key, Value};
use super::{Config, Kind, Means, PENDING};
use crate::telemetry::small::{Got, Put};

/// Reads of one disk at a time. A disk that hangs holds so many threads, and no more.
const READS: usize = 32;

/// One disk.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) root: PathBuf,
    pub(super) shape: Shape,
    /// Where the disk stands among others: the same at each start.
    pub(super) number: u64,
    pub(super) capacity: u64,
    pub(super) pending: Pending,
    pub(super) store: ArcSwapOption<Store>,
    pub(super) reads: Arc<Semaphore>,
    reading: Mutex<HashMap<Key, Reading>>,
    /// Somebody found that the store cannot be read.
    pub(super) doubt: Notify,
    pub(super) ended: watch::Sender<bool>,
    /// This disk's part of the gauge of pending bytes.
    told: AtomicI64,
    pub(super) means: Means,
}

/// A read that others may join; none where its task has gone.
type Reading = Shared<BoxFuture<'static, Option<Read>>>;

/// What a read found.
#[derive(Debug, Clone)]
pub(super) enum Read {
    Value(Option<Value>),
    Failed,
}

impl Shelf {
    pub(super) fn new(config: &Config, means: Means) -> Self {
        let capacity = config.capacity();
        Self {
            root: config.path.join("small"),
            shape: Shape::of(capacity),
            number: xxh3_64(config.path.as_os_str().as_encoded_bytes()),
            capacity,
            pending: Pending::new(PENDING),
            store: ArcSwapOption::empty(),
            reads: Arc::new(Semaphore::new(READS)),
            reading: Mutex::default(),
            doubt: Notify::new(),
            ended: watch::Sender::new(false),
            told: AtomicI64::new(0),
            means,
        }
    }

    /// Whether the disk keeps anything now.
    pub(super) fn is_usable(&self) -> bool {
        self.store.load().is_some()
    }

    /// Whether something may be held under this key, or is on its way. No I/O.
    pub(super) fn may_hold(&self, key: Key) -> bool {
        let is_stored = |store: &Arc<Store>| store.may_hold(key);
        self.pending.holds(key) || self.store.load().as_ref().is_some_and(is_stored)
    }

    /// What is held under this key.
    pub(super) async fn get(self: &Arc<Self>, key: Key) -> Read {
        if let Some(value) = self.pending.get(key) {
            return Read::Value(Some(value));
        }
        let store = self.store.load_full();
        let Some(store) = store.filter(|store| store.may_hold(key)) else {
            return Read::Value(None);
        };
        // A task that is gone was cancelled: the node is going down.
        self.read(key, store).await.unwrap_or(Read::Failed)
    }

    /// Reads, or joins who is reading the same.
    fn read(self: &Arc<Self>, key: Key, store: Arc<Store>) -> Reading {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = reading.get(&key) {
            return read.clone();
        }
        let (tell, told) = oneshot::channel();
        let read = told.map(Result::ok).boxed().shared();
        reading.insert(key, read.clone());
        let done = Done(Arc::clone(self), key);
        // It goes on when all who wait for it have given up: the thread that it holds is counted until it is free.
        self.means.tasks.spawn("small read", async move {
            let done = done;
            let read = done.0.read_now(key, &store).await;
            drop(done);
            // Nobody listens where all have given up.
            let _ = tell.send(read);
        });
        read
    }

    async fn read_now(&self, key: Key, store: &Store) -> Read {
        let Ok(_permit) = self.reads.acquire().await else {
            return Read::Failed;
        };
        let begun = self.means.clock.now();
        let read = store.read(key).await;
        let took = self.means.clock.now().since(begun);
        self.means.metrics.small.reads.record(took);
        match read {
            Ok(value) => Read::Value(value),
            Err(error) => {
                let error: &dyn std::error::Error = &*error;
                tracing::debug!(error, "a small read failed");
                if store.cannot_be_read() {
                    self.doubt.notify_one();
                }
                Read::Failed
            }
        }
    }

    /// Takes something to be written.
    pub(super) fn push(&self, key: Key, entry: Entry) -> Pushed {
        let pushed = self.pending.push(key, entry);
        self.gauge();
        pushed
    }

    /// Takes the mark that what is held under this key is not to be told any more.
    pub(super) fn forget(&self, key: Key, kind: Kind, digest: u128) {
        if self.may_hold(key) {
            let value = Value::nothing(kind, digest);
            if let Pushed::Instead(kind) = self.pending.push_mark(key, Entry { kind, value }) {
                self.count(kind, Put::Replaced);
            }
            self.gauge();
        }
    }

    /// Counts what became of something.
    pub(super) fn count(&self, kind: Kind, put: Put) {
        self.means.metrics.small.put(kind, put).increment();
    }

    /// Counts how a look ended.
    pub(super) fn count_got(&self, kind: Kind, got: Got) {
        self.means.metrics.small.got(kind, got).increment();
    }

    /// Brings this disk's part of the gauge of pending bytes up to date.
    pub(super) fn gauge(&self) {
        let bytes = i64::try_from(self.pending.bytes()).unwrap_or(i64::MAX);
        let before = self.told.swap(bytes, Ordering::Relaxed);
        self.means.metrics.small.pending.add(bytes - before);
    }

    /// Asks the task to write what waits, and to end.
    pub(super) fn close(&self) {
        self.pending.close();
    }

    /// Resolves when the task has ended.
    pub(super) async fn ended(&self) {
        // The sender lives in `self`.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }
}

/// Takes a read out of the table, however its task ends.
struct Done(Arc<Shelf>, Key);

impl Drop for Done {
    fn drop(&mut self) {
        let reading = self.0.reading.lock();
        reading
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.1);
    }
}
