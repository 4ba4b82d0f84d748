//! The node's metrics: one struct, built once and passed in.
//!
//! A field's doc comment is its help text. Counting on the hot path is one atomic addition; the Prometheus and OTLP
//! exporters read the values when they are asked.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::cache::CacheMetrics;
use super::disk::DiskMetrics;
use super::net::NetMetrics;
use super::origin::OriginMetrics;
use super::s3::S3Metrics;
use super::sample::{Sample, Visit};
use super::small::SmallMetrics;

/// A value that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `by`.
    pub fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A value that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Adds `by`, which may be negative.
    pub fn add(&self, by: i64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// Replaces the value, for what is known elsewhere and copied here when somebody asks.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Every metric of the node.
#[derive(Debug, Default)]
pub struct Metrics {
    /// What the read path counts.
    pub cache: CacheMetrics,
    /// What the disks count.
    pub disk: DiskMetrics,
    /// What the listeners count.
    pub net: NetMetrics,
    /// What the origins are asked and what they answer.
    pub origin: OriginMetrics,
    /// What the public S3 door counts.
    pub s3: S3Metrics,
    /// What the store of records and small bodies counts.
    pub small: SmallMetrics,
}

impl Metrics {
    /// For a node with disks of these names.
    pub fn with_disks(names: impl IntoIterator<Item = String>) -> Self {
        Self {
            disk: DiskMetrics::new(names),
            ..Self::default()
        }
    }
}

impl Visit for Metrics {
    fn visit(&self, yield_sample: &mut dyn FnMut(Sample<'_>)) {
        self.cache.visit(yield_sample);
        self.disk.visit(yield_sample);
        self.net.visit(yield_sample);
        self.origin.visit(yield_sample);
        self.s3.visit(yield_sample);
        self.small.visit(yield_sample);
    }
}
