//! One foyer hybrid cache over one folder, tuned so that what it is given is on the disk when it says so.
//!
//! Measured of foyer 0.22: what does not fit its flush buffer or queue is dropped without a word, deletes do not outlive a
//! restart, a failed write is told to nobody, and after some tens of them a lock of its own is poisoned. So a batch is never
//! larger than the buffer, the next one waits for it, and afterwards every key of it must be in foyer's index, where it is
//! entered only once it has been written. The first batch of which that is not true is the last one.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use foyer::{
    BlockEngineConfig, DeviceBuilder, FifoConfig, FsDeviceBuilder, HybridCache, HybridCacheBuilder,
    HybridCachePolicy, PsyncIoEngineConfig, RecoverMode,
};
use futures::FutureExt;

use super::folder::{self, Shape};
use super::foyer_metrics::Registry;
use super::pending::Entry;
use super::value::{Key, Value};
use crate::telemetry::Metrics;
use crate::types::BoxError;

/// Foyer's flush buffer, of which there are two: 512 records of up to 4 KiB on disk.
pub(super) const FLUSH_BUFFER: usize = 2 << 20;

/// The most of one batch in the flush buffer.
pub(super) const BATCH: usize = FLUSH_BUFFER - (64 << 10);

/// The memory part of the cache: it spares the second of two reads that follow one another, nothing else, since the tiers in
/// memory are above this one.
pub(super) const RECENT: usize = 1 << 20;

/// How long a batch may take to be written.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many reads in a row may fail.
const MOST_FAILURES: u32 = 3;

/// An open store.
#[derive(Debug)]
pub(super) struct Store {
    cache: HybridCache<Key, Value>,
    path: PathBuf,
    metrics: Arc<Metrics>,
    /// Reads that failed in a row.
    failures: AtomicU32,
}

/// Why a store is given up.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0} entries that were written are not there")]
    Missing(usize),
    #[error("a write took more than {} s", PATIENCE.as_secs())]
    Slow,
    #[error("a write panicked")]
    Panicked,
    #[error("reads failed")]
    Reads,
}

impl Store {
    /// Opens the store in `path`, which is a folder of this shape or an empty one, and reads its index.
    pub(super) async fn open(
        path: PathBuf,
        shape: Shape,
        metrics: Arc<Metrics>,
    ) -> Result<Self, BoxError> {
        let cache = cache(&path, shape, &metrics).await?;
        let folder = path.clone();
        // The files are there now. Their room is taken before anything is written.
        tokio::task::spawn_blocking(move || folder::complete(&folder, shape)).await??;
        Ok(Self {
            cache,
            path,
            metrics,
            failures: AtomicU32::new(0),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether something may be held under this key. No I/O.
    pub(super) fn may_hold(&self, key: Key) -> bool {
        self.cache.contains(&key)
    }

    /// What is held under this key.
    ///
    /// # Errors
    /// The read failed.
    pub(super) async fn read(&self, key: Key) -> Result<Option<Value>, BoxError> {
        match self.cache.get(&key).await {
            Ok(found) => {
                self.failures.store(0, Ordering::Relaxed);
                Ok(found.map(|entry| entry.value().clone()))
            }
            Err(error) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                Err(error.into())
            }
        }
    }

    /// Whether reads fail, one after the other.
    pub(super) fn cannot_be_read(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= MOST_FAILURES
    }

    /// Writes a batch, and gives back how many of its entries foyer dropped.
    ///
    /// # Errors
    /// The store is not to be used any more.
    pub(super) async fn write(&self, batch: &[(Key, Entry)]) -> Result<usize, Failure> {
        let dropped_before = self.metrics.small.overflows();
        let write = async {
            for (key, entry) in batch {
                self.cache.insert(*key, entry.value.clone());
            }
            self.cache.storage().wait().await;
        };
        match tokio::time::timeout(PATIENCE, AssertUnwindSafe(write).catch_unwind()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Failure::Panicked),
            Err(_) => return Err(Failure::Slow),
        }
        let is_missing = |(key, _): &&(Key, Entry)| !self.cache.storage().may_contains(key);
        let missing = batch.iter().filter(is_missing).count();
        let dropped = self.metrics.small.overflows() - dropped_before;
        match u64::try_from(missing) {
            Ok(count) if count <= dropped => Ok(missing),
            _ => Err(Failure::Missing(missing)),
        }
    }

    /// Ends what foyer is doing.
    pub(super) async fn close(&self) {
        let close = AssertUnwindSafe(self.cache.close()).catch_unwind();
        match tokio::time::timeout(PATIENCE, close).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(error, "a small store did not close well");
            }
            Ok(Err(_)) | Err(_) => tracing::debug!("a small store did not close"),
        }
    }
}

async fn cache(
    path: &Path,
    shape: Shape,
    metrics: &Arc<Metrics>,
) -> Result<HybridCache<Key, Value>, BoxError> {
    let folder = path.to_owned();
    let direct = tokio::task::spawn_blocking(move || folder::takes_direct(&folder)).await??;
    if !direct {
        tracing::warn!(path = %path.display(), "the file system does not take direct I/O: small objects go through the page cache");
    }
    let device = FsDeviceBuilder::new(path)
        .with_capacity(usize::try_from(shape.capacity())?)
        .with_direct(direct)
        .build()?;
    let engine = BlockEngineConfig::new(device)
        .with_block_size(usize::try_from(shape.file_bytes)?)
        .with_buffer_pool_size(FLUSH_BUFFER)
        // A batch always fits, so that nothing is refused at the queue.
        .with_submit_queue_size_threshold(2 * FLUSH_BUFFER);
    let cache = HybridCacheBuilder::new()
        .with_name("small")
        .with_policy(HybridCachePolicy::WriteOnInsertion)
        .with_flush_on_close(false)
        .with_metrics_registry(Box::new(Registry(Arc::clone(metrics))))
        // Its hasher has no seed, so that what was written is found after a restart.
        .memory(RECENT)
        .with_shards(4)
        .with_eviction_config(FifoConfig::default())
        .with_weighter(|_: &Key, value: &Value| value.size())
        .storage()
        .with_io_engine_config(PsyncIoEngineConfig::new())
        .with_engine_config(engine)
        .with_recover_mode(RecoverMode::Quiet)
        .build()
        .await?;
    Ok(cache)
}
