//! What a metric tells when it is asked: the seam between the structs that count and the exporters that publish.
//!
//! A part of [`crate::telemetry::Metrics`] implements [`Visit`] and yields *every* series that it has, those at zero
//! included: the catalogue (`docs/METRICS.md`) is made from what is yielded, the exporter leaves idle series out.

use super::histogram::Histogram;

/// What kind of metric a series belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts durations into buckets; its name ends in `_seconds`.
    Histogram,
}

impl Kind {
    /// The kind's name in Prometheus' text format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The value of a series now.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    Counter(u64),
    Gauge(i64),
    Histogram(&'a Histogram),
}

impl Value<'_> {
    /// The kind of metric that has such values.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Counter(_) => Kind::Counter,
            Self::Gauge(_) => Kind::Gauge,
            Self::Histogram(_) => Kind::Histogram,
        }
    }

    /// Whether nothing was counted yet.
    pub fn is_zero(&self) -> bool {
        match self {
            Self::Counter(value) => *value == 0,
            Self::Gauge(value) => *value == 0,
            Self::Histogram(histogram) => histogram.is_empty(),
        }
    }
}

/// One series: a metric's name, its labels, and its value now.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Whole, with prefix and unit, as in `forebay_origin_bytes_total`.
    pub name: &'static str,
    /// One sentence without a full stop.
    pub help: &'static str,
    /// The same label names, in the same order, in every series of a metric; values from bounded sets only.
    pub labels: &'a [(&'static str, &'a str)],
    pub value: Value<'a>,
}

/// Something that counts.
pub trait Visit {
    /// Yields every series, those at zero included. All series of one metric follow one another.
    fn visit(&self, yield_sample: &mut dyn FnMut(Sample<'_>));
}
