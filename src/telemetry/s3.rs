//! What the public S3 door counts: requests, bytes and latency by where the answer came from.
//!
//! Fixed tables indexed by the enums' own order, so that counting is one atomic addition and no label is ever looked up.

use std::sync::Arc;
use std::time::Duration;

use super::histogram::Histogram;
use super::metrics::Counter;
use super::sample::{Sample, Value, Visit};
use crate::per_core::PerCore;
use crate::types::{OperationName, Source};

const OPERATIONS: usize = OperationName::ALL.len();
const SOURCES: usize = Source::ALL.len();
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// The label of a request that was refused before its operation was known.
const UNKNOWN: &str = "unknown";

type ByClass = [Counter; CLASSES.len()];

/// The door's metrics.
#[derive(Debug, Default)]
pub struct S3Metrics(PerCore<Arc<S3Counts>>);

/// What one core counts of it.
#[derive(Debug)]
#[repr(align(128))]
pub struct S3Counts {
    /// One row per operation, the last for requests whose operation was never known.
    requests: Vec<[ByClass; SOURCES]>,
    response_bytes: [Counter; SOURCES],
    first_byte: [Histogram; SOURCES],
    duration: [Histogram; SOURCES],
}

impl Default for S3Counts {
    fn default() -> Self {
        Self {
            requests: std::iter::repeat_with(Default::default)
                .take(OPERATIONS + 1)
                .collect(),
            response_bytes: Default::default(),
            first_byte: Default::default(),
            duration: Default::default(),
        }
    }
}

/// One answered request, when its body has ended or was dropped.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    pub operation: Option<OperationName>,
    pub source: Source,
    pub status: http::StatusCode,
    /// Bytes of the body that were handed to the connection.
    pub bytes: u64,
    pub first_byte: Duration,
    pub duration: Duration,
}

impl S3Counts {
    /// Counts a request.
    pub fn count(&self, answered: Answered) {
        let operation = answered.operation.map_or(OPERATIONS, |name| name as usize);
        let source = answered.source as usize;
        let class = usize::from(answered.status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        self.requests[operation][source][class].increment();
        self.response_bytes[source].add(answered.bytes);
        self.first_byte[source].record(answered.first_byte);
        self.duration[source].record(answered.duration);
    }
}

impl S3Metrics {
    /// Where a request that comes on this core is to be counted.
    pub fn own(&self) -> Arc<S3Counts> {
        Arc::clone(self.0.own())
    }

    /// The requests counted so far, of every operation, source and status.
    pub fn requests(&self) -> u64 {
        let tables = self.0.iter().flat_map(|counts| &counts.requests);
        tables.flatten().flatten().map(Counter::get).sum()
    }

    fn sum(&self, counter: impl Fn(&S3Counts) -> &Counter) -> u64 {
        self.0.iter().map(|counts| counter(counts).get()).sum()
    }

    fn merge(&self, histogram: impl Fn(&S3Counts) -> &Histogram) -> Histogram {
        let merged = Histogram::default();
        for counts in self.0.iter() {
            merged.add(histogram(counts));
        }
        merged
    }
}

impl Visit for S3Metrics {
    fn visit(&self, yield_sample: &mut dyn FnMut(Sample<'_>)) {
        let names = OperationName::ALL.iter().map(|name| name.as_str());
        for (row, operation) in names.chain([UNKNOWN]).enumerate() {
            for source in Source::ALL {
                for (column, class) in CLASSES.iter().enumerate() {
                    let value = self.sum(|counts| &counts.requests[row][source as usize][column]);
                    yield_sample(Sample {
                        name: "forebay_s3_requests_total",
                        help: "Requests answered, by operation, source of the answer and class of the status",
                        labels: &[
                            ("operation", operation),
                            ("source", source.as_str()),
                            ("status", class),
                        ],
                        value: Value::Counter(value),
                    });
                }
            }
        }
        let mut by_source = |name, help, source: Source, value: Value<'_>| {
            yield_sample(Sample {
                name,
                help,
                labels: &[("source", source.as_str())],
                value,
            });
        };
        for source in Source::ALL {
            let bytes = self.sum(|counts| &counts.response_bytes[source as usize]);
            by_source(
                "forebay_s3_response_bytes_total",
                "Bytes of answers' bodies, by source of the answer",
                source,
                Value::Counter(bytes),
            );
        }
        for source in Source::ALL {
            let histogram = self.merge(|counts| &counts.first_byte[source as usize]);
            by_source(
                "forebay_s3_first_byte_seconds",
                "Time from a request's head to the first byte of its answer's body",
                source,
                Value::Histogram(&histogram),
            );
        }
        for source in Source::ALL {
            let histogram = self.merge(|counts| &counts.duration[source as usize]);
            by_source(
                "forebay_s3_request_duration_seconds",
                "Time from a request's head to the end of its answer's body",
                source,
                Value::Histogram(&histogram),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_follow_the_order_of_the_enums() {
        for (index, name) in OperationName::ALL.iter().enumerate() {
            assert_eq!(*name as usize, index, "{name:?}");
        }
        for (index, source) in Source::ALL.into_iter().enumerate() {
            assert_eq!(source as usize, index, "{source:?}");
        }
    }

    #[test]
    fn a_request_is_counted_under_its_labels() {
        let metrics = S3Metrics::default();
        let answered = Answered {
            operation: Some(OperationName::GetObject),
            source: Source::Memory,
            status: http::StatusCode::PARTIAL_CONTENT,
            bytes: 7,
            first_byte: Duration::from_millis(1),
            duration: Duration::from_millis(2),
        };
        // On this thread and on a core.
        metrics.own().count(answered);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                crate::per_core::settle(0);
                metrics.own().count(answered);
            });
        });
        let mut seen = Vec::new();
        metrics.visit(&mut |sample| {
            if !sample.value.is_zero() {
                let labels: Vec<_> = sample.labels.iter().map(|(_, value)| *value).collect();
                seen.push(format!("{} {}", sample.name, labels.join(" ")));
                match sample.value {
                    Value::Counter(value) => assert!([2, 14].contains(&value)),
                    Value::Histogram(histogram) => assert_eq!(histogram.snapshot().count, 2),
                    Value::Gauge(value) => unreachable!("no gauge: {value}"),
                }
            }
        });
        assert_eq!(metrics.requests(), 2);
        assert_eq!(
            seen,
            [
                "forebay_s3_requests_total GetObject memory 2xx",
                "forebay_s3_response_bytes_total memory",
                "forebay_s3_first_byte_seconds memory",
                "forebay_s3_request_duration_seconds memory",
            ]
        );
    }
}
