//! What the disks work with, and what of it only tests change.

use std::sync::Arc;
use std::time::Duration;

use super::medium::Medium;
use crate::clock::Clock;
use crate::tasks::{Cores, Tasks};
use crate::telemetry::Metrics;

/// What the disks work with.
#[derive(Debug)]
pub struct Means {
    /// The file systems.
    pub medium: Arc<dyn Medium>,
    pub tasks: Tasks,
    /// The threads that answer clients, if those are others than where the tasks run.
    pub cores: Option<Arc<Cores>>,
    pub clock: Clock,
    pub metrics: Arc<Metrics>,
    /// The node's memory, of which the disks take shares for slot tables and for what waits to be written.
    pub memory_limit: u64,
    pub tuning: Tuning,
}

/// Times and sizes that only tests change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// How long a read may take: a disk that is slower is no help to who waits.
    pub read_deadline: Duration,
    /// How long a block that lacks pages waits for them before it is written: the next fill of a sequential read is there by
    /// then.
    pub gather: Duration,
    /// Between two looks at a disk, and between two tries of one that is out.
    pub probe_every: Duration,
    /// The size of new segments; none for what suits the capacity.
    pub segment_bytes: Option<u64>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            read_deadline: Duration::from_secs(2),
            gather: Duration::from_millis(200),
            probe_every: Duration::from_secs(5),
            segment_bytes: None,
        }
    }
}
