//! Metrics of the small store: records and bodies of one page, kept on disk by foyer.

use super::Histogram;
use super::metrics::{Counter, Gauge};
use super::sample::{Sample, Value, Visit};

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// What is known of an object.
    Record,
    /// A body of at most one page.
    Body,
}

impl Kind {
    /// Every kind, in the order of the metrics' tables.
    pub const ALL: [Self; 2] = [Self::Record, Self::Body];

    /// The value of the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Body => "body",
        }
    }
}

/// How a look for something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Got {
    Hit,
    /// It is not held, or no disk is usable.
    Miss,
    /// What is on the disk is not what was written.
    Damaged,
    /// The disk failed.
    Failed,
    /// The disk did not answer in time.
    Slow,
}

impl Got {
    /// Every outcome, in the order of the metric's table.
    pub const ALL: [Self; 5] = [
        Self::Hit,
        Self::Miss,
        Self::Damaged,
        Self::Failed,
        Self::Slow,
    ];

    /// The value of the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Damaged => "damaged",
            Self::Failed => "failed",
            Self::Slow => "slow",
        }
    }
}

/// What became of something that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Put {
    /// It is on its disk.
    Stored,
    /// A later offer of the same took its place before it was written.
    Replaced,
    /// Too much waits to be written.
    Full,
    /// No disk is usable.
    Out,
    /// It is larger than what is kept here.
    Large,
    /// It was handed to the disk and is not there.
    Lost,
}

impl Put {
    /// Every outcome, in the order of the metric's table.
    pub const ALL: [Self; 6] = [
        Self::Stored,
        Self::Replaced,
        Self::Full,
        Self::Out,
        Self::Large,
        Self::Lost,
    ];

    /// The value of the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Replaced => "replaced",
            Self::Full => "full",
            Self::Out => "out",
            Self::Large => "large",
            Self::Lost => "lost",
        }
    }
}

/// What the small store counts.
#[derive(Debug, Default)]
pub struct SmallMetrics {
    gets: [[Counter; Got::ALL.len()]; Kind::ALL.len()],
    puts: [[Counter; Put::ALL.len()]; Kind::ALL.len()],
    /// Time of what was looked for on a disk.
    pub reads: Histogram,
    pub set_aside: Counter,
    /// What foyer dropped because its flush buffer was full.
    pub buffer_overflows: Counter,
    /// What foyer dropped because its queue was full.
    pub channel_overflows: Counter,
    pub disks: Gauge,
    pub pending: Gauge,
}

impl SmallMetrics {
    /// The counter of looks for `kind` that ended so.
    pub fn got(&self, kind: Kind, got: Got) -> &Counter {
        &self.gets[kind as usize][got as usize]
    }

    /// The counter of offers of `kind` that ended so.
    pub fn put(&self, kind: Kind, put: Put) -> &Counter {
        &self.puts[kind as usize][put as usize]
    }

    /// Everything that foyer dropped, whatever it was.
    pub fn overflows(&self) -> u64 {
        self.buffer_overflows.get() + self.channel_overflows.get()
    }
}

impl Visit for SmallMetrics {
    fn visit(&self, yield_sample: &mut dyn FnMut(Sample<'_>)) {
        let mut counter = |name, help, labels: &[(&'static str, &str)], counter: &Counter| {
            yield_sample(Sample {
                name,
                help,
                labels,
                value: Value::Counter(counter.get()),
            });
        };
        for kind in Kind::ALL {
            for got in Got::ALL {
                counter(
                    "forebay_small_gets_total",
                    "Looks for records and small bodies on disk, by how they ended",
                    &[("kind", kind.as_str()), ("outcome", got.as_str())],
                    self.got(kind, got),
                );
            }
        }
        for kind in Kind::ALL {
            for put in Put::ALL {
                counter(
                    "forebay_small_puts_total",
                    "Records and small bodies offered to disks, by what became of them",
                    &[("kind", kind.as_str()), ("outcome", put.as_str())],
                    self.put(kind, put),
                );
            }
        }
        for (queue, overflows) in [
            ("buffer", &self.buffer_overflows),
            ("channel", &self.channel_overflows),
        ] {
            counter(
                "forebay_small_overflows_total",
                "Records and small bodies that foyer dropped because a queue of its own was full",
                &[("queue", queue)],
                overflows,
            );
        }
        counter(
            "forebay_small_set_aside_total",
            "Times that a disk's store of records and small bodies failed and was begun anew",
            &[],
            &self.set_aside,
        );
        for (name, help, value) in [
            (
                "forebay_small_disks",
                "Disks whose store of records and small bodies is usable",
                Value::Gauge(self.disks.get()),
            ),
            (
                "forebay_small_pending_bytes",
                "Bytes of records and small bodies that wait to be written",
                Value::Gauge(self.pending.get()),
            ),
            (
                "forebay_small_read_seconds",
                "Time of reads of records and small bodies from disk",
                Value::Histogram(&self.reads),
            ),
        ] {
            yield_sample(Sample {
                name,
                help,
                labels: &[],
                value,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_follow_the_order_of_the_enums() {
        for (index, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index, "{kind:?}");
        }
        for (index, got) in Got::ALL.into_iter().enumerate() {
            assert_eq!(got as usize, index, "{got:?}");
        }
        for (index, put) in Put::ALL.into_iter().enumerate() {
            assert_eq!(put as usize, index, "{put:?}");
        }
    }
}
