//! Metrics of the disk tier, by disk. Which disks there are is fixed when the metrics are made.

use std::sync::Arc;

use super::Histogram;
use super::metrics::{Counter, Gauge};
use super::sample::{Sample, Value, Visit};
use crate::types::outcome::{DiskRead, DiskState, DiskWrite};

/// The most disks that are told apart.
pub const MOST_DISKS: usize = 16;

/// The classes of slots, as labels.
pub const CLASSES: [&str; 5] = ["64KiB", "128KiB", "256KiB", "512KiB", "1MiB"];

/// What the disks count.
#[derive(Debug, Default)]
pub struct DiskMetrics {
    disks: Vec<Arc<OneDisk>>,
}

impl DiskMetrics {
    /// For disks of these names, the first [`MOST_DISKS`] of them.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let named = |name| {
            Arc::new(OneDisk {
                name,
                ..OneDisk::default()
            })
        };
        Self {
            disks: names.into_iter().take(MOST_DISKS).map(named).collect(),
        }
    }

    /// What the disk of that name counts; nobody sees it where there is none.
    pub fn of(&self, name: &str) -> Arc<OneDisk> {
        let found = self.disks.iter().find(|disk| disk.name == name);
        found.map(Arc::clone).unwrap_or_default()
    }
}

/// What one disk counts.
#[derive(Debug, Default)]
pub struct OneDisk {
    name: String,
    /// By [`DiskState`]: one for the state that it is in.
    pub state: [Gauge; DiskState::ALL.len()],
    pub capacity: Gauge,
    pub allocated: Gauge,
    pub live: Gauge,
    pub pinned: Gauge,
    pub index: Gauge,
    pub queued: Gauge,
    pub segments: Gauge,
    pub recovered: Gauge,
    /// By class, as in [`CLASSES`].
    pub blocks: [Gauge; CLASSES.len()],
    reads: [Counter; DiskRead::ALL.len()],
    writes: [Counter; DiskWrite::ALL.len()],
    pub read_bytes: Counter,
    pub aio_reads: Counter,
    pub written_bytes: Counter,
    pub evictions: Counter,
    pub moves: Counter,
    pub gains: Counter,
    pub read_time: Histogram,
}

impl OneDisk {
    /// Notes the state.
    pub fn enter(&self, state: DiskState) {
        for (other, gauge) in DiskState::ALL.iter().zip(&self.state) {
            gauge.set(i64::from(*other == state));
        }
    }

    /// Reads that ended so.
    pub fn reads(&self, outcome: DiskRead) -> &Counter {
        &self.reads[outcome as usize]
    }

    /// Offers, or blocks that were offered, that ended so.
    pub fn writes(&self, outcome: DiskWrite) -> &Counter {
        &self.writes[outcome as usize]
    }
}

impl Visit for DiskMetrics {
    fn visit(&self, yield_sample: &mut dyn FnMut(Sample<'_>)) {
        for (name, help, gauge) in GAUGES {
            self.each(yield_sample, name, help, &|disk| {
                Value::Gauge(gauge(disk).get())
            });
        }
        for (name, help, counter) in COUNTERS {
            self.each(yield_sample, name, help, &|disk| {
                Value::Counter(counter(disk).get())
            });
        }
        self.by_label(yield_sample);
        self.each(
            yield_sample,
            "forebay_disk_read_seconds",
            "Time of a read from a disk, its wait for a turn included",
            &|disk| Value::Histogram(&disk.read_time),
        );
    }
}

type Row<T> = (&'static str, &'static str, fn(&OneDisk) -> &T);

const GAUGES: [Row<Gauge>; 8] = [
    (
        "forebay_disk_capacity_bytes",
        "Bytes of files that the node may keep on a disk",
        |disk| &disk.capacity,
    ),
    (
        "forebay_disk_allocated_bytes",
        "Bytes of the segments on a disk",
        |disk| &disk.allocated,
    ),
    (
        "forebay_disk_live_bytes",
        "Bytes of the pages that are held on a disk",
        |disk| &disk.live,
    ),
    (
        "forebay_disk_pinned_bytes",
        "Bytes of the slots on a disk whose blocks a rule pins",
        |disk| &disk.pinned,
    ),
    (
        "forebay_disk_index_bytes",
        "Memory that the index of a disk takes",
        |disk| &disk.index,
    ),
    (
        "forebay_disk_queue_bytes",
        "Memory of the bytes that wait for being written to a disk",
        |disk| &disk.queued,
    ),
    (
        "forebay_disk_segments",
        "Segments on a disk, those that are not recovered yet included",
        |disk| &disk.segments,
    ),
    (
        "forebay_disk_segments_recovered",
        "Segments on a disk whose blocks are known",
        |disk| &disk.recovered,
    ),
];

const COUNTERS: [Row<Counter>; 6] = [
    (
        "forebay_disk_read_bytes_total",
        "Bytes read from a disk for clients",
        |disk| &disk.read_bytes,
    ),
    (
        "forebay_disk_aio_reads_total",
        "Reads from a disk that were made asynchronously, without a thread",
        |disk| &disk.aio_reads,
    ),
    (
        "forebay_disk_written_bytes_total",
        "Bytes of pages written to a disk, those copied between slots included",
        |disk| &disk.written_bytes,
    ),
    (
        "forebay_disk_evictions_total",
        "Blocks that went from a disk to make room",
        |disk| &disk.evictions,
    ),
    (
        "forebay_disk_moves_total",
        "Blocks on a disk that outgrew their slot and were copied to a larger one",
        |disk| &disk.moves,
    ),
    (
        "forebay_disk_gains_total",
        "Times that a block on a disk gained pages in its slot",
        |disk| &disk.gains,
    ),
];

impl DiskMetrics {
    fn each(
        &self,
        yield_sample: &mut dyn FnMut(Sample<'_>),
        name: &'static str,
        help: &'static str,
        value: &dyn for<'a> Fn(&'a OneDisk) -> Value<'a>,
    ) {
        for disk in &self.disks {
            yield_sample(Sample {
                name,
                help,
                labels: &[("disk", &disk.name)],
                value: value(disk),
            });
        }
    }

    fn by_label(&self, yield_sample: &mut dyn FnMut(Sample<'_>)) {
        let mut row = |name, help, disk: &OneDisk, label, value| {
            yield_sample(Sample {
                name,
                help,
                labels: &[("disk", &disk.name), label],
                value,
            });
        };
        for disk in &self.disks {
            for (state, gauge) in DiskState::ALL.iter().zip(&disk.state) {
                row(
                    "forebay_disk_state",
                    "Whether a disk is in that state: 1 for the one that it is in",
                    disk,
                    ("state", state.as_str()),
                    Value::Gauge(gauge.get()),
                );
            }
        }
        for disk in &self.disks {
            for (class, gauge) in CLASSES.iter().zip(&disk.blocks) {
                row(
                    "forebay_disk_blocks",
                    "Blocks on a disk, whole or in part, by the size of their slot",
                    disk,
                    ("class", class),
                    Value::Gauge(gauge.get()),
                );
            }
        }
        for disk in &self.disks {
            for outcome in DiskRead::ALL {
                row(
                    "forebay_disk_reads_total",
                    "Reads from a disk, by how they ended",
                    disk,
                    ("outcome", outcome.as_str()),
                    Value::Counter(disk.reads(outcome).get()),
                );
            }
        }
        for disk in &self.disks {
            for outcome in DiskWrite::ALL {
                row(
                    "forebay_disk_offers_total",
                    "Offers of bytes to a disk, those of one block that waited together counted once, by what became of them",
                    disk,
                    ("outcome", outcome.as_str()),
                    Value::Counter(disk.writes(outcome).get()),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_in_one_state_and_counts_under_its_own_name() {
        let metrics = DiskMetrics::new(["/a".to_owned(), "/b".to_owned()]);
        metrics.of("/a").enter(DiskState::ReadOnly);
        metrics.of("/b").enter(DiskState::Out);
        metrics.of("/b").enter(DiskState::Serving);
        metrics.of("/b").reads(DiskRead::Slow).increment();
        metrics.of("/c").enter(DiskState::Serving);
        let mut found = Vec::new();
        metrics.visit(&mut |sample| {
            if !sample.value.is_zero() {
                let labels = sample.labels.iter().map(|(_, it)| (*it).to_owned());
                found.push(labels.collect::<Vec<_>>().join(" "));
            }
        });
        assert_eq!(found, ["/a read-only", "/b serving", "/b slow"]);
    }

    #[test]
    fn there_are_no_more_than_sixteen_disks() {
        let metrics = DiskMetrics::new((0..20).map(|number| format!("/{number}")));
        assert_eq!(metrics.disks.len(), MOST_DISKS);
        metrics.of("/19").evictions.increment();
    }
}
