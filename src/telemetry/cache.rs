//! Metrics of the cache: fills, flights, memory, and what went past it.

use super::metrics::{Counter, Gauge};
use super::sample::{Sample, Value, Visit};
use crate::types::outcome::MemoryUse;

/// What the read path counts.
#[derive(Debug, Default)]
pub struct CacheMetrics {
    pub fills: Counter,
    pub fill_bytes: Counter,
    pub fill_retries: Counter,
    pub fills_failed: Counter,
    pub joined_flights: Counter,
    pub detours: Counter,
    pub direct_reads: Counter,
    pub read_ahead_bytes: Counter,
    pub passed_through: Counter,
    pub slowed_down: Counter,
    pub fills_running: Gauge,
    pub flights: Gauge,
    pub blocks: Gauge,
    pub records: Gauge,
    pub open_bodies: Gauge,
    /// By [`MemoryUse`].
    pub memory: [Gauge; MemoryUse::ALL.len()],
    pub memory_limit: Gauge,
}

impl Visit for CacheMetrics {
    fn visit(&self, yield_sample: &mut dyn FnMut(Sample<'_>)) {
        for (name, help, counter) in self.counters() {
            yield_sample(Sample {
                name,
                help,
                labels: &[],
                value: Value::Counter(counter.get()),
            });
        }
        for (name, help, gauge) in self.gauges() {
            yield_sample(Sample {
                name,
                help,
                labels: &[],
                value: Value::Gauge(gauge.get()),
            });
        }
        for (place, gauge) in MemoryUse::ALL.iter().zip(&self.memory) {
            yield_sample(Sample {
                name: "forebay_memory_bytes",
                help: "Accounted memory by what it is used for",
                labels: &[("use", place.as_str())],
                value: Value::Gauge(gauge.get()),
            });
        }
    }
}

type Row<'a, T> = (&'static str, &'static str, &'a T);

impl CacheMetrics {
    fn counters(&self) -> [Row<'_, Counter>; 10] {
        [
            (
                "forebay_fills_total",
                "Requests for missing bytes, each read by any number of clients",
                &self.fills,
            ),
            (
                "forebay_fill_bytes_total",
                "Bytes that fills received from origins",
                &self.fill_bytes,
            ),
            (
                "forebay_fill_retries_total",
                "Requests sent to an origin again after a failure",
                &self.fill_retries,
            ),
            (
                "forebay_fills_failed_total",
                "Fills that ended short",
                &self.fills_failed,
            ),
            (
                "forebay_flights_joined_total",
                "Reads that joined a question about an object that another read had asked",
                &self.joined_flights,
            ),
            (
                "forebay_reader_detours_total",
                "Times that a reader lost its fill and looked for the bytes anew",
                &self.detours,
            ),
            (
                "forebay_direct_reads_total",
                "Bodies whose rest was read past the cache",
                &self.direct_reads,
            ),
            (
                "forebay_disk_read_ahead_bytes_total",
                "Bytes of blocks that were read from disks because reads of a body followed one another, before anybody asked for them",
                &self.read_ahead_bytes,
            ),
            (
                "forebay_passed_through_total",
                "Reads that the origin answered past the cache",
                &self.passed_through,
            ),
            (
                "forebay_slowed_down_total",
                "Reads refused with SlowDown because memory and the bypass lane were full",
                &self.slowed_down,
            ),
        ]
    }

    fn gauges(&self) -> [Row<'_, Gauge>; 6] {
        [
            (
                "forebay_fills_running",
                "Fills that run now",
                &self.fills_running,
            ),
            (
                "forebay_flights",
                "Questions to origins about objects that are in the air now",
                &self.flights,
            ),
            (
                "forebay_blocks",
                "Blocks in the memory tier, whole or in part",
                &self.blocks,
            ),
            (
                "forebay_records",
                "Objects whose headers are held",
                &self.records,
            ),
            (
                "forebay_open_bodies",
                "Bodies that are being sent and have missed",
                &self.open_bodies,
            ),
            (
                "forebay_memory_limit_bytes",
                "The limit of all accounted memory",
                &self.memory_limit,
            ),
        ]
    }
}
