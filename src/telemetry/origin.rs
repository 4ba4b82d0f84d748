//! What the node counts about the origins behind it.

use super::Histogram;
use super::metrics::{Counter, Gauge};
use super::sample::{Sample, Value, Visit};

/// The kinds of requests that go to origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// A typed read of a body.
    Get,
    /// A typed read of headers.
    Head,
    /// A forwarded read.
    CallRead,
    /// A forwarded request that may change something.
    CallWrite,
}

impl RequestKind {
    /// Every kind, in the order of the tables.
    pub const ALL: [Self; 4] = [Self::Get, Self::Head, Self::CallRead, Self::CallWrite];

    /// The kind's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Head => "head",
            Self::CallRead => "call-read",
            Self::CallWrite => "call-write",
        }
    }

    /// Whether the request changes nothing at the origin.
    pub fn is_read(self) -> bool {
        !matches!(self, Self::CallWrite)
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerClass {
    Success,
    Redirection,
    ClientError,
    ServerError,
    /// No answer came.
    Unanswered,
}

impl AnswerClass {
    /// Every class, in the order of the tables.
    pub const ALL: [Self; 5] = [
        Self::Success,
        Self::Redirection,
        Self::ClientError,
        Self::ServerError,
        Self::Unanswered,
    ];

    /// The class of an answer's status, or of none.
    pub fn of(status: Option<http::StatusCode>) -> Self {
        match status.map(|status| status.as_u16()) {
            None => Self::Unanswered,
            Some(..=299) => Self::Success,
            Some(300..=399) => Self::Redirection,
            Some(400..=499) => Self::ClientError,
            Some(500..) => Self::ServerError,
        }
    }

    /// The class's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
            Self::Unanswered => "none",
        }
    }
}

/// The metrics of all origins together.
#[derive(Debug, Default)]
pub struct OriginMetrics {
    requests: [[Counter; AnswerClass::ALL.len()]; RequestKind::ALL.len()],
    received: [Counter; RequestKind::ALL.len()],
    sent: [Counter; RequestKind::ALL.len()],
    first_byte: [Histogram; RequestKind::ALL.len()],
    /// Requests that hold a connection, until their answer's body has ended.
    pub in_flight: Gauge,
    /// Requests that wait for a connection.
    pub waiting: Gauge,
}

impl OriginMetrics {
    /// Requests of `kind` that ended in `class`.
    pub fn requests(&self, kind: RequestKind, class: AnswerClass) -> &Counter {
        &self.requests[kind as usize][class as usize]
    }

    /// Bytes of bodies received.
    pub fn received(&self, kind: RequestKind) -> &Counter {
        &self.received[kind as usize]
    }

    /// Bytes of bodies sent.
    pub fn sent(&self, kind: RequestKind) -> &Counter {
        &self.sent[kind as usize]
    }

    /// Time from the request to its answer's head.
    pub fn first_byte(&self, kind: RequestKind) -> &Histogram {
        &self.first_byte[kind as usize]
    }
}

impl Visit for OriginMetrics {
    fn visit(&self, yield_sample: &mut dyn FnMut(Sample<'_>)) {
        for kind in RequestKind::ALL {
            for class in AnswerClass::ALL {
                yield_sample(Sample {
                    name: "forebay_origin_requests_total",
                    help: "Requests sent to origins",
                    labels: &[("kind", kind.as_str()), ("answer", class.as_str())],
                    value: Value::Counter(self.requests(kind, class).get()),
                });
            }
        }
        let mut by_kind = |name, help, value: &dyn Fn(RequestKind) -> u64| {
            for kind in RequestKind::ALL {
                yield_sample(Sample {
                    name,
                    help,
                    labels: &[("kind", kind.as_str())],
                    value: Value::Counter(value(kind)),
                });
            }
        };
        by_kind(
            "forebay_origin_received_bytes_total",
            "Bytes of bodies received from origins",
            &|kind| self.received(kind).get(),
        );
        by_kind(
            "forebay_origin_sent_bytes_total",
            "Bytes of bodies sent to origins",
            &|kind| self.sent(kind).get(),
        );
        for kind in RequestKind::ALL {
            yield_sample(Sample {
                name: "forebay_origin_first_byte_seconds",
                help: "Time from a request to an origin to the head of its answer",
                labels: &[("kind", kind.as_str())],
                value: Value::Histogram(self.first_byte(kind)),
            });
        }
        for (name, help, gauge) in [
            (
                "forebay_origin_in_flight",
                "Requests to origins in progress, bodies included",
                &self.in_flight,
            ),
            (
                "forebay_origin_waiting",
                "Requests that wait for a connection to an origin",
                &self.waiting,
            ),
        ] {
            yield_sample(Sample {
                name,
                help,
                labels: &[],
                value: Value::Gauge(gauge.get()),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_yielded_with_its_value() {
        let metrics = OriginMetrics::default();
        metrics
            .requests(RequestKind::Head, AnswerClass::ClientError)
            .increment();
        let mut found = Vec::new();
        let mut series = 0;
        metrics.visit(&mut |sample| {
            series += 1;
            if !sample.value.is_zero() {
                let labels: Vec<_> = sample
                    .labels
                    .iter()
                    .map(|(_, value)| value.to_string())
                    .collect();
                found.push((sample.name, labels));
            }
        });
        let labels = vec!["head".to_owned(), "4xx".to_owned()];
        assert_eq!(found, [("forebay_origin_requests_total", labels)]);
        assert_eq!(series, 4 * 5 + 4 + 4 + 4 + 2);
    }
}
