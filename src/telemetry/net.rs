//! What the listeners count.

use super::metrics::{Counter, Gauge};
use super::sample::{Sample, Value, Visit};

/// Connections of all listeners.
#[derive(Debug, Default)]
pub struct NetMetrics {
    pub open: Gauge,
    pub accepted: Counter,
    pub full: Counter,
    pub handshake_failures: Counter,
    pub stalled: Counter,
}

impl Visit for NetMetrics {
    fn visit(&self, yield_sample: &mut dyn FnMut(Sample<'_>)) {
        let mut one = |name, help, value| {
            yield_sample(Sample {
                name,
                help,
                labels: &[],
                value,
            });
        };
        one(
            "forebay_connections",
            "Open connections of clients",
            Value::Gauge(self.open.get()),
        );
        one(
            "forebay_connections_accepted_total",
            "Connections accepted",
            Value::Counter(self.accepted.get()),
        );
        one(
            "forebay_connections_full_total",
            "Times that accepting waited because the limit of connections was reached",
            Value::Counter(self.full.get()),
        );
        one(
            "forebay_connections_handshake_failures_total",
            "TLS handshakes that failed or took too long",
            Value::Counter(self.handshake_failures.get()),
        );
        one(
            "forebay_connections_stalled_total",
            "Connections dropped because the client took no byte for too long",
            Value::Counter(self.stalled.get()),
        );
    }
}
