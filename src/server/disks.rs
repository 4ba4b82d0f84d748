//! The disks of a node as it starts: their folders are made, and what cannot be had now is left for later.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::disk::medium::Real;
use crate::cache::disk::{Disks, Means, Tuning};
use crate::clock::Clock;
use crate::config::Config;
use crate::tasks::Tasks;
use crate::telemetry::Metrics;

/// How long the folders may take to be looked at and made: a file system that hangs must not hold the node up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The configured disks. Folders that are missing are made; what cannot be had now is tried again while the node runs.
pub(super) async fn open(
    config: &Config,
    metrics: &Arc<Metrics>,
    clock: &Clock,
    background: &Tasks,
) -> Arc<Disks> {
    if config.disks.is_empty() {
        return Disks::none();
    }
    let paths: Vec<_> = config.disks.iter().map(|disk| disk.path.clone()).collect();
    let made = tokio::task::spawn_blocking(move || paths.iter().for_each(|path| make(path)));
    if tokio::time::timeout(PATIENCE, made).await.is_err() {
        tracing::warn!("the folder of a disk cannot be looked at in time");
    }
    let means = Means {
        medium: Arc::new(Real),
        tasks: background.clone(),
        clock: clock.clone(),
        metrics: Arc::clone(metrics),
        memory_limit: config.memory.limit.0,
        tuning: Tuning::default(),
    };
    Disks::open(config.disks.clone(), means)
}

/// Makes a disk's folder where there is none. Where that fails the disk says so when it is opened.
fn make(path: &Path) {
    if !path.exists() && std::fs::create_dir_all(path).is_ok() {
        tracing::info!(path = %path.display(), "made the folder of a disk");
    }
}
