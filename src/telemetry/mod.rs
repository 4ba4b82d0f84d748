//! Telemetry: metrics, logs, traces.

pub mod metrics;

pub use metrics::Metrics;
