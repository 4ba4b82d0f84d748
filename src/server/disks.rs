//! The disks of a node: their folders are made and each is shared out between blocks and small things; at the end both are
//! closed. What cannot be had when the node starts is left for later.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::disk::medium::Real;
use crate::cache::disk::{self, Disks, Tuning};
use crate::cache::small::{self, Small};
use crate::clock::Clock;
use crate::config::Config;
use crate::tasks::Tasks;
use crate::telemetry::Metrics;

/// How long the folders may take to be looked at and made: a file system that hangs must not hold the node up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The part of a disk that records and small bodies get: enough for 8 million of them a TiB, each of which spares a question
/// to the origin.
const SMALL_PART: u64 = 32;

/// The part of `memory.limit` that the indices of records and small bodies may take besides it, all disks together.
const SMALL_INDEX_PART: u64 = 64;

/// What is kept on the configured disks.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) blocks: Arc<Disks>,
    pub(super) small: Arc<Small>,
}

impl Opened {
    /// Writes what waits, and gives the folders up.
    pub(super) async fn close(&self) {
        tokio::join!(self.blocks.close(), self.small.close());
    }
}

/// The configured disks. Folders that are missing are made; what cannot be had now is tried again while the node runs.
pub(super) async fn open(
    config: &Config,
    metrics: &Arc<Metrics>,
    clock: &Clock,
    background: &Tasks,
) -> Opened {
    if config.disks.is_empty() {
        return Opened {
            blocks: Disks::none(),
            small: Small::none(),
        };
    }
    let paths: Vec<_> = config.disks.iter().map(|disk| disk.path.clone()).collect();
    let made = tokio::task::spawn_blocking(move || paths.iter().for_each(|path| make(path)));
    if tokio::time::timeout(PATIENCE, made).await.is_err() {
        tracing::warn!("the folder of a disk cannot be looked at in time");
    }
    let limit = config.memory.limit.0;
    let (blocks, small) = shares(&config.disks, limit).into_iter().unzip();
    let means = disk::Means {
        medium: Arc::new(Real),
        tasks: background.clone(),
        clock: clock.clone(),
        metrics: Arc::clone(metrics),
        memory_limit: limit,
        tuning: Tuning::default(),
    };
    let small_means = small::Means {
        tasks: background.clone(),
        clock: clock.clone(),
        metrics: Arc::clone(metrics),
    };
    Opened {
        blocks: Disks::open(blocks, means),
        small: Small::open(small, small_means).await,
    }
}

/// What blocks, and what records and small bodies, get of each disk.
fn shares(disks: &[disk::Config], memory_limit: u64) -> Vec<(disk::Config, small::Config)> {
    let memory = memory_limit / SMALL_INDEX_PART / (disks.len() as u64).max(1);
    let share = |disk: &disk::Config| {
        let small = (disk.capacity / SMALL_PART).max(small::LEAST_CAPACITY);
        let blocks = disk::Config {
            path: disk.path.clone(),
            capacity: disk.capacity - small,
        };
        let small = small::Config {
            path: disk.path.clone(),
            capacity: small,
            memory,
        };
        (blocks, small)
    };
    disks.iter().map(share).collect()
}

/// Makes a disk's folder where there is none. Where that fails the disk says so when it is opened.
fn make(path: &Path) {
    if !path.exists() && std::fs::create_dir_all(path).is_ok() {
        tracing::info!(path = %path.display(), "made the folder of a disk");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_a_disk_make_its_capacity() {
        let disk = |capacity| disk::Config {
            path: "/disk".into(),
            capacity,
        };
        for (capacity, small) in [(512 << 20, 64 << 20), (1 << 40, 1 << 35)] {
            let disks = [disk(capacity), disk(capacity)];
            for (blocks, records) in shares(&disks, 4 << 30) {
                assert_eq!(blocks.capacity + records.capacity, capacity);
                assert_eq!((records.capacity, records.memory), (small, 32 << 20));
            }
        }
    }
}
