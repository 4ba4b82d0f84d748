//! Telemetry: metrics, logs, traces.

pub mod histogram;
pub mod metrics;
pub mod s3;
pub mod sample;

pub use histogram::Histogram;
pub use metrics::Metrics;
pub use sample::{Kind, Sample, Value, Visit};
