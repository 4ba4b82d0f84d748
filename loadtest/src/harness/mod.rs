//! What a scenario runs: nodes of Forebay with made configurations, their metrics, and `fio` beside them.

mod config;
mod disk;
mod fio;
mod metrics;
mod node;

pub(crate) use config::{Freshness, NodeConfig};
pub(crate) use disk::{DiskFigures, told};
pub(crate) use fio::{Engine, Fio, Speed};
pub(crate) use metrics::Metrics;
pub(crate) use node::{Node, Stop};
