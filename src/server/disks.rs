//! The disks of a node as it starts: their folders are made, and what cannot be had now is left for later.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::disk::medium::Real;
use crate::cache::disk::{self, Disks, Means, Tuning};
use crate::cache::small::{self, Small};
use crate::clock::Clock;
use crate::config::Config;
use crate::tasks::{Cores, Tasks};
use crate::telemetry::Metrics;

/// How long the folders may take to be looked at and made: a file system that hangs must not hold the node up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The share of a disk that records and small bodies have. The records of objects of 1 MiB take a thousandth of what they
/// describe; the rest is for bodies of a page and less.
const SMALL_SHARE: u64 = 16;

/// The share of the node's memory that the index of records and small bodies on all disks may take, besides it: 128 bytes for
/// each. Were there more objects than that, those of a loop would lose their records shortly before they are due.
const SMALL_MEMORY_SHARE: u64 = 16;

/// What a node keeps on its disks.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) disks: Arc<Disks>,
    pub(super) small: Arc<Small>,
}

impl Kept {
    /// Writes what waits, and gives the disks up.
    pub(super) async fn close(&self) {
        tokio::join!(self.disks.close(), self.small.close());
    }
}

/// The configured disks. Folders that are missing are made; what cannot be had now is tried again while the node runs.
pub(super) async fn open(
    config: &Config,
    metrics: &Arc<Metrics>,
    clock: &Clock,
    (background, cores): (&Tasks, Option<&Arc<Cores>>),
) -> Kept {
    if config.disks.is_empty() {
        return Kept {
            disks: Disks::none(),
            small: Small::none(),
        };
    }
    let paths: Vec<_> = config.disks.iter().map(|disk| disk.path.clone()).collect();
    let made = tokio::task::spawn_blocking(move || paths.iter().for_each(|path| make(path)));
    if tokio::time::timeout(PATIENCE, made).await.is_err() {
        tracing::warn!("the folder of a disk cannot be looked at in time");
    }
    let means = Means {
        medium: Arc::new(Real),
        tasks: background.clone(),
        cores: cores.cloned(),
        clock: clock.clone(),
        metrics: Arc::clone(metrics),
        memory_limit: config.memory.limit.0,
        tuning: Tuning::default(),
    };
    let (mut blocks, mut records) = (Vec::new(), Vec::new());
    let memory = config.memory.limit.0 / SMALL_MEMORY_SHARE / config.disks.len() as u64;
    for disk in &config.disks {
        let share = (disk.capacity / SMALL_SHARE).max(small::LEAST_CAPACITY);
        records.push(small::Config {
            path: disk.path.clone(),
            capacity: share,
            memory,
        });
        blocks.push(disk::Config {
            path: disk.path.clone(),
            capacity: disk.capacity - share,
        });
    }
    let disks = Disks::open(blocks, means);
    let means = small::Means {
        tasks: background.clone(),
        clock: clock.clone(),
        metrics: Arc::clone(metrics),
    };
    let small = Small::open(records, means).await;
    Kept { disks, small }
}

/// Makes a disk's folder where there is none. Where that fails the disk says so when it is opened.
fn make(path: &Path) {
    if !path.exists() && std::fs::create_dir_all(path).is_ok() {
        tracing::info!(path = %path.display(), "made the folder of a disk");
    }
}
