//! Telemetry: metrics, logs, traces.

pub mod histogram;
pub mod metrics;
pub mod origin;
pub mod sample;

pub use histogram::Histogram;
pub use metrics::Metrics;
pub use origin::OriginMetrics;
pub use sample::{Kind, Sample, Value, Visit};
