//! `/status`: the node at a glance, as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use serde::Serialize;

use super::{Phase, State};
use crate::telemetry::{Value, Visit};

#[derive(Debug, Serialize)]
pub(super) struct Status {
    node: String,
    version: &'static str,
    phase: &'static str,
    draining: bool,
    uptime_seconds: u64,
    /// Everything that goes up and down (connections, memory pools, cache sizes, flights), by metric.
    gauges: BTreeMap<&'static str, Vec<Series>>,
    /// What was counted since the node started, over all labels, by metric.
    totals: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
struct Series {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'static str, String>,
    value: i64,
}

pub(super) async fn status(Shared(state): Shared<Arc<State>>) -> Json<Status> {
    let phase = state.readiness.phase();
    let uptime = state.clock.now().since(state.started);
    let mut status = Status {
        node: state.config.node.clone(),
        version: env!("CARGO_PKG_VERSION"),
        phase: phase.as_str(),
        draining: phase == Phase::Draining,
        uptime_seconds: uptime.as_secs(),
        gauges: BTreeMap::new(),
        totals: BTreeMap::new(),
    };
    state.metrics.visit(&mut |sample| match sample.value {
        Value::Gauge(value) => {
            let label = |(name, value): &(&'static str, &str)| (*name, (*value).to_owned());
            let labels = sample.labels.iter().map(label).collect();
            let series = status.gauges.entry(sample.name).or_default();
            series.push(Series { labels, value });
        }
        Value::Counter(value) => *status.totals.entry(sample.name).or_default() += value,
        Value::Histogram(_) => {}
    });
    Json(status)
}
