//! Logs and traces of the process: where events and spans go.
//!
//! Everything goes to stderr, which leaves stdout to what commands answer.

use std::io::IsTerminal;

use http::Uri;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::filter::{EnvFilter, FilterFn};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::util::SubscriberInitExt;

use super::batches::{Batches, Last};
use super::{Error, access, traces};
use crate::types::BoxError;

/// What is logged by default: s3s logs every refused request as an error, which is the access log's business; foyer logs
/// every failed read and write of its own, which is told once where its store is set aside.
pub const DEFAULT_FILTER: &str = "info,s3s=off,hyper=warn,foyer=off";

/// The shape of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
    /// For people who watch a node on their own machine: short lines for requests, everything else from WARN up.
    Dev,
}

/// Where logs and traces go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Base address of a collector that takes OTLP over HTTP; no traces where there is none.
    pub otlp_endpoint: Option<Uri>,
    pub log: Format,
    /// Directives of `tracing_subscriber::EnvFilter`.
    pub filter: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            log: Format::Json,
            filter: DEFAULT_FILTER.to_owned(),
        }
    }
}

/// The process's logs and traces. Traces that wait to be sent are lost unless [`Telemetry::flush`] is called.
#[derive(Debug, Default)]
#[must_use]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    /// Waits for the last lines, whoever flushes or not.
    _last: Last,
}

impl Telemetry {
    /// Installs the process's subscriber; `node` is named in traces. To be called once, in a Tokio runtime.
    ///
    /// # Errors
    /// Where the filter or the endpoint is invalid, or a subscriber is installed already.
    pub fn install(config: &Config, node: &str) -> Result<Self, Error> {
        let batches = Batches::start().map_err(Error::Thread)?;
        let traces = match &config.otlp_endpoint {
            Some(endpoint) => Some(traces::provider(endpoint, node)?),
            None => None,
        };
        let layer = traces.as_ref().map(|provider| {
            let tracer = provider.tracer("forebay");
            // Spans of our own code only: those of libraries would be most of what is sent.
            tracing_opentelemetry::layer()
                .with_tracer(tracer)
                .with_filter(FilterFn::new(|it| it.target().starts_with("forebay")))
        });
        tracing_subscriber::registry()
            .with(log_layer(config, &batches)?)
            .with(layer)
            .try_init()
            .map_err(|error| Error::Subscriber(error.into()))?;
        Ok(Self {
            traces,
            _last: Last(batches),
        })
    }

    /// Writes and sends what waits, and stops. Blocks, so that it belongs on a blocking thread.
    pub fn flush(self) {
        if let Some(Err(error)) = self.traces.map(|provider| provider.shutdown()) {
            tracing::warn!(error = &error as &dyn std::error::Error, "lost traces");
        }
    }
}

/// Whether `filter` can be used.
///
/// # Errors
/// What is wrong with it, for people.
pub fn check_filter(filter: &str) -> Result<(), BoxError> {
    EnvFilter::try_new(filter)
        .map(|_| ())
        .map_err(BoxError::from)
}

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

fn log_layer(config: &Config, batches: &Batches) -> Result<BoxedLayer, Error> {
    let filter = EnvFilter::try_new(&config.filter).map_err(|error| Error::Filter(error.into()))?;
    let ansi = std::io::stderr().is_terminal();
    let layer = match config.log {
        Format::Json => {
            let others = tracing_subscriber::fmt::format()
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false);
            tracing_subscriber::fmt::layer()
                .event_format(access::json::Lines::beside(others))
                .fmt_fields(JsonFields::new())
                .with_writer(batches.clone())
                .boxed()
        }
        Format::Text => text(ansi),
        Format::Dev => {
            let access = tracing_subscriber::fmt::layer()
                .event_format(access::people::Lines)
                .with_writer(std::io::stderr)
                .with_filter(FilterFn::new(|it| it.target() == access::TARGET));
            let others = text(ansi).with_filter(FilterFn::new(|it| {
                it.target() != access::TARGET && *it.level() <= tracing::Level::WARN
            }));
            access.and_then(others).boxed()
        }
    };
    Ok(layer.with_filter(filter).boxed())
}

fn text<S>(ansi: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    tracing_subscriber::fmt::layer()
        .with_ansi(ansi)
        .with_writer(std::io::stderr)
        .boxed()
}
