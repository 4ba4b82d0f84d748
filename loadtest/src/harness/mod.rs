//! What a scenario runs: nodes of Forebay with made configurations, their metrics, other caches and `fio` beside them.

mod certificate;
mod config;
mod cores;
mod disk;
mod elsewhere;
mod fio;
mod metrics;
mod nginx;
mod node;
mod rival;
mod server;
mod varnish;

pub(crate) use config::{Freshness, NodeConfig};
pub(crate) use cores::{Moved, start_on, steps, usable};
pub(crate) use disk::{DiskFigures, told};
pub(crate) use elsewhere::Elsewhere;
pub(crate) use fio::{Engine, Fio, Speed};
pub(crate) use metrics::Metrics;
pub(crate) use node::{Node, Stop};
pub(crate) use server::{Kind, Server, Wanted};
