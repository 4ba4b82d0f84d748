//! What foyer counts and we tell: how often its own queues were full. Its other metrics are not kept.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use mixtrics::metrics::{
    BoxedCounter, BoxedCounterVec, BoxedGaugeVec, BoxedHistogramVec, CounterOps, CounterVecOps,
    RegistryOps,
};
use mixtrics::registry::noop::NoopMetricsRegistry;

use crate::telemetry::Metrics;

/// The metric of foyer's queues, with labels `name` and `op`.
const QUEUES: &str = "foyer_storage_inner_op_total";

/// A registry for one of foyer's caches that hands its overflows on.
pub(super) struct Registry(pub(super) Arc<Metrics>);

struct Queues(Arc<Metrics>);

struct Overflows {
    metrics: Arc<Metrics>,
    queue: Queue,
}

#[derive(Debug, Clone, Copy)]
enum Queue {
    Buffer,
    Channel,
}

impl CounterOps for Overflows {
    fn increase(&self, by: u64) {
        let counters = &self.metrics.small;
        match self.queue {
            Queue::Buffer => counters.buffer_overflows.add(by),
            Queue::Channel => counters.channel_overflows.add(by),
        }
    }
}

impl CounterVecOps for Queues {
    fn counter(&self, labels: &[Cow<'static, str>]) -> BoxedCounter {
        let queue = match labels.last().map(AsRef::as_ref) {
            Some("buffer_overflow") => Queue::Buffer,
            Some("channel_overflow") => Queue::Channel,
            _ => return Box::new(NoopMetricsRegistry),
        };
        let metrics = Arc::clone(&self.0);
        Box::new(Overflows { metrics, queue })
    }
}

impl RegistryOps for Registry {
    fn register_counter_vec(
        &self,
        name: Cow<'static, str>,
        description: Cow<'static, str>,
        labels: &'static [&'static str],
    ) -> BoxedCounterVec {
        match name.as_ref() {
            QUEUES => Box::new(Queues(Arc::clone(&self.0))),
            _ => NoopMetricsRegistry.register_counter_vec(name, description, labels),
        }
    }

    fn register_gauge_vec(
        &self,
        name: Cow<'static, str>,
        description: Cow<'static, str>,
        labels: &'static [&'static str],
    ) -> BoxedGaugeVec {
        NoopMetricsRegistry.register_gauge_vec(name, description, labels)
    }

    fn register_histogram_vec(
        &self,
        name: Cow<'static, str>,
        description: Cow<'static, str>,
        labels: &'static [&'static str],
    ) -> BoxedHistogramVec {
        NoopMetricsRegistry.register_histogram_vec(name, description, labels)
    }

    fn register_histogram_vec_with_buckets(
        &self,
        name: Cow<'static, str>,
        description: Cow<'static, str>,
        labels: &'static [&'static str],
        buckets: Vec<f64>,
    ) -> BoxedHistogramVec {
        NoopMetricsRegistry.register_histogram_vec_with_buckets(name, description, labels, buckets)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Registry")
    }
}

impl fmt::Debug for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queues")
    }
}

impl fmt::Debug for Overflows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overflows")
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}
