//! A histogram of durations with fixed buckets: recording is two relaxed atomic additions and no allocation.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the buckets in microseconds, inclusive, after Prometheus' habit; one more bucket takes the rest.
///
/// From below a memory hit (about 100 us) to beyond the longest wait for an origin, about 2.2x apart.
pub const BOUNDS_MICROS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 10_000_000, 60_000_000,
];

/// Durations, counted by size.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS_MICROS.len() + 1],
    sum_micros: AtomicU64,
}

/// A histogram's values at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// For each bound the durations up to it, those of the smaller bounds included.
    pub cumulative: [u64; BOUNDS_MICROS.len()],
    /// All durations.
    pub count: u64,
    /// Their sum in seconds.
    pub sum_seconds: f64,
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Counts all that `other` has counted.
    pub fn add(&self, other: &Self) {
        for (own, other) in self.buckets.iter().zip(&other.buckets) {
            own.fetch_add(other.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        let sum = other.sum_micros.load(Ordering::Relaxed);
        self.sum_micros.fetch_add(sum, Ordering::Relaxed);
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.buckets
            .iter()
            .all(|bucket| bucket.load(Ordering::Relaxed) == 0)
    }

    /// The values now. Recording goes on meanwhile, so that the sum may be a duration ahead of the count.
    pub fn snapshot(&self) -> Snapshot {
        let mut cumulative = [0; BOUNDS_MICROS.len()];
        let mut count = 0;
        for (total, bucket) in cumulative.iter_mut().zip(&self.buckets) {
            count += bucket.load(Ordering::Relaxed);
            *total = count;
        }
        count += self.buckets[BOUNDS_MICROS.len()].load(Ordering::Relaxed);
        let sum = Duration::from_micros(self.sum_micros.load(Ordering::Relaxed));
        Snapshot {
            cumulative,
            count,
            sum_seconds: sum.as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_the_bucket_of_the_next_bound() {
        let histogram = Histogram::default();
        assert!(histogram.is_empty());
        for micros in [100, 101, 60_000_001] {
            histogram.record(Duration::from_micros(micros));
        }
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.cumulative[..3], [1, 2, 2]);
        assert_eq!(snapshot.cumulative[15], 2);
        assert_eq!(snapshot.count, 3);
        assert!((snapshot.sum_seconds - 60.000_202).abs() < 1e-9);
    }
}
