//! `/metrics`: the node's metrics in Prometheus' text format.
//!
//! Counters and gauges are observable OpenTelemetry instruments, which read our atomics when they are asked. Histograms
//! join the same registry by themselves, since OpenTelemetry has no observable ones and recording through its own would cost
//! a look-up of attributes per request.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Registry, TextEncoder};

use super::catalogue::{self, Entry};
use super::histogram::{BOUNDS_MICROS, Snapshot};
use super::sample::{Kind, Sample, Value, Visit};
use super::{Error, Metrics};

/// Renders the metrics.
#[derive(Debug)]
pub struct Exporter {
    registry: Registry,
    /// Owns the instruments.
    _provider: SdkMeterProvider,
}

impl Exporter {
    /// Registers every metric of the catalogue.
    ///
    /// # Errors
    /// Where two metrics have one name or a name is invalid.
    pub fn new(metrics: &Arc<Metrics>) -> Result<Self, Error> {
        let registry = Registry::new();
        let reader = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_units()
            .without_counter_suffixes()
            .without_target_info()
            .scope_info_enabled(false)
            .build()
            .map_err(|error| Error::Metrics(error.into()))?;
        let provider = SdkMeterProvider::builder()
            .with_resource(Resource::builder().with_service_name("forebay").build())
            .with_reader(reader)
            .build();
        let meter = provider.meter("forebay");
        let mut histograms = Histograms {
            metrics: Arc::clone(metrics),
            descriptions: Vec::new(),
        };
        for entry in catalogue::catalogue() {
            match entry.kind {
                Kind::Counter => observe_counter(&meter, &entry, Arc::clone(metrics)),
                Kind::Gauge => observe_gauge(&meter, &entry, Arc::clone(metrics)),
                Kind::Histogram => histograms.describe(&entry)?,
            }
        }
        if !histograms.descriptions.is_empty() {
            registry
                .register(Box::new(histograms))
                .map_err(|error| Error::Metrics(error.into()))?;
        }
        Ok(Self {
            registry,
            _provider: provider,
        })
    }

    /// The metrics now.
    ///
    /// # Errors
    /// Where a metric cannot be written, which would be a metric without a name.
    pub fn text(&self) -> Result<String, Error> {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .map_err(|error| Error::Metrics(error.into()))
    }
}

fn observe_counter(meter: &Meter, entry: &Entry, metrics: Arc<Metrics>) {
    let name = entry.name;
    meter
        .u64_observable_counter(name)
        .with_description(entry.help)
        .with_callback(move |observer| {
            each_series(&metrics, name, &mut |sample| {
                if let Value::Counter(value) = sample.value {
                    observer.observe(value, &attributes(sample));
                }
            });
        })
        .build();
}

fn observe_gauge(meter: &Meter, entry: &Entry, metrics: Arc<Metrics>) {
    let name = entry.name;
    meter
        .i64_observable_gauge(name)
        .with_description(entry.help)
        .with_callback(move |observer| {
            each_series(&metrics, name, &mut |sample| {
                if let Value::Gauge(value) = sample.value {
                    observer.observe(value, &attributes(sample));
                }
            });
        })
        .build();
}

fn attributes(sample: &Sample<'_>) -> Vec<KeyValue> {
    let label = |(name, value): &(&'static str, &str)| KeyValue::new(*name, (*value).to_owned());
    sample.labels.iter().map(label).collect()
}

/// Yields the series of one metric: all of a gauge; of the others the first, so that the metric is there, and those that
/// have counted something.
fn each_series(metrics: &Metrics, name: &str, with: &mut dyn FnMut(&Sample<'_>)) {
    let mut first = true;
    metrics.visit(&mut |sample| {
        if sample.name != name {
            return;
        }
        if first || sample.value.kind() == Kind::Gauge || !sample.value.is_zero() {
            with(&sample);
        }
        first = false;
    });
}

/// The histograms as a part of the registry.
struct Histograms {
    metrics: Arc<Metrics>,
    descriptions: Vec<Desc>,
}

impl Histograms {
    fn describe(&mut self, entry: &Entry) -> Result<(), Error> {
        let labels = entry.labels.iter().map(|&label| label.to_owned()).collect();
        let description = Desc::new(
            entry.name.to_owned(),
            entry.help.to_owned(),
            labels,
            std::collections::HashMap::new(),
        )
        .map_err(|error| Error::Metrics(error.into()))?;
        self.descriptions.push(description);
        Ok(())
    }

    fn family(&self, description: &Desc) -> MetricFamily {
        let mut series = Vec::new();
        each_series(&self.metrics, &description.fq_name, &mut |sample| {
            if let Value::Histogram(histogram) = sample.value {
                let mut metric = Metric::from_label(label_pairs(sample));
                metric.set_histogram(histogram_of(&histogram.snapshot()));
                series.push(metric);
            }
        });
        let mut family = MetricFamily::default();
        family.set_name(description.fq_name.clone());
        family.set_help(description.help.clone());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(series);
        family
    }
}

impl Collector for Histograms {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.descriptions
            .iter()
            .map(|description| self.family(description))
            .collect()
    }
}

fn label_pairs(sample: &Sample<'_>) -> Vec<LabelPair> {
    let pair = |(name, value): &(&'static str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    sample.labels.iter().map(pair).collect()
}

fn histogram_of(snapshot: &Snapshot) -> Histogram {
    let bucket = |(bound, total): (&u64, &u64)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(std::time::Duration::from_micros(*bound).as_secs_f64());
        bucket.set_cumulative_count(*total);
        bucket
    };
    let mut histogram = Histogram::default();
    histogram.set_sample_count(snapshot.count);
    histogram.set_sample_sum(snapshot.sum_seconds);
    histogram.set_bucket(
        BOUNDS_MICROS
            .iter()
            .zip(&snapshot.cumulative)
            .map(bucket)
            .collect(),
    );
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_the_catalogue_is_exported_once_under_its_own_name() {
        let metrics = Arc::new(Metrics::with_disks(["/disk".to_owned()]));
        metrics.net.accepted.add(7);
        let text = Exporter::new(&metrics).unwrap().text().unwrap();
        for entry in catalogue::catalogue() {
            let kind = format!("# TYPE {} {}\n", entry.name, entry.kind.as_str());
            assert_eq!(text.matches(&kind).count(), 1, "{kind}{text}");
            let help = format!("# HELP {} {}\n", entry.name, entry.help);
            assert!(text.contains(&help), "{help}{text}");
        }
        assert!(
            text.contains("\nforebay_connections_accepted_total 7\n"),
            "{text}"
        );
    }

    #[test]
    fn the_text_is_lines_of_name_labels_and_number() {
        let text = Exporter::new(&Arc::default()).unwrap().text().unwrap();
        assert!(text.ends_with('\n'));
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(series.starts_with("forebay_"), "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }

    #[test]
    fn a_histogram_has_cumulative_buckets_in_seconds() {
        let counted = super::super::Histogram::default();
        counted.record(std::time::Duration::from_millis(1));
        counted.record(std::time::Duration::from_secs(100));
        let mut family = MetricFamily::default();
        let mut metric = Metric::default();
        metric.set_histogram(histogram_of(&counted.snapshot()));
        family.set_name("t_seconds".to_owned());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(vec![metric]);
        let text = TextEncoder::new().encode_to_string(&[family]).unwrap();
        for line in [
            "t_seconds_bucket{le=\"0.0005\"} 0",
            "t_seconds_bucket{le=\"0.001\"} 1",
            "t_seconds_bucket{le=\"+Inf\"} 2",
            "t_seconds_sum 100.001",
            "t_seconds_count 2",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
    }
}
