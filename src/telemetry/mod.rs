//! Telemetry: metrics, logs, traces.

pub mod cache;
pub mod metrics;

pub use metrics::Metrics;
