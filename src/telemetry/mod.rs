//! Telemetry: metrics, logs, traces.
//!
//! [`Metrics`] is built once and passed to whoever counts; [`Exporter`] renders it for Prometheus. [`Telemetry`] installs
//! the process's log and, where a collector is configured, its traces. Nothing here decides what is worth telling.

pub mod access;
mod batches;
pub mod cache;
pub mod catalogue;
pub mod disk;
pub mod export;
pub mod histogram;
pub mod logs;
pub mod metrics;
pub mod net;
pub mod origin;
pub mod s3;
pub mod sample;
pub mod small;
pub mod traces;

pub use catalogue::catalogue;
pub use disk::DiskMetrics;
pub use export::Exporter;
pub use histogram::Histogram;
pub use logs::{Config, Format, Telemetry};
pub use metrics::Metrics;
pub use origin::OriginMetrics;
pub use sample::{Kind, Sample, Value, Visit};

use crate::types::BoxError;

/// Telemetry cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the metrics cannot be exported")]
    Metrics(#[source] BoxError),
    #[error("the log filter is invalid")]
    Filter(#[source] BoxError),
    #[error("{0} is no address of an OTLP collector; write one as in http://collector:4318")]
    OtlpEndpoint(http::Uri),
    #[error("traces cannot be exported")]
    Traces(#[source] BoxError),
    #[error("the process has a log subscriber already")]
    Subscriber(#[source] BoxError),
    #[error("no thread can be started for the log")]
    Thread(#[source] std::io::Error),
}
