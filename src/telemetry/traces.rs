//! Traces over OTLP, made only where an endpoint is configured.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, Uri};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tokio::runtime::Handle;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::Error;

/// How long the collector has to take a batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// The provider that sends spans to the collector at `endpoint` (its base, as in `http://collector:4318`).
///
/// # Errors
/// Where the endpoint is not plain HTTP: collectors are reached over the pod's or the host's own network.
pub(super) fn provider(endpoint: &Uri, node: &str) -> Result<SdkTracerProvider, Error> {
    if endpoint.scheme() != Some(&http::uri::Scheme::HTTP) {
        return Err(Error::OtlpEndpoint(endpoint.clone()));
    }
    let base = endpoint.to_string();
    let exporter = OtlpExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", base.trim_end_matches('/')))
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|error| Error::Traces(error.into()))?;
    let resource = Resource::builder()
        .with_service_name("forebay")
        .with_attribute(opentelemetry::KeyValue::new(
            "service.instance.id",
            node.to_owned(),
        ))
        .with_attribute(opentelemetry::KeyValue::new(
            "service.version",
            env!("CARGO_PKG_VERSION"),
        ))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_resource(resource)
        .with_batch_exporter(OnRuntime {
            exporter,
            runtime: Handle::current(),
        })
        .build())
}

/// Makes the caller's trace, where its headers carry one (W3C `traceparent`), the parent of `span`. Costs nothing where no
/// header is there.
pub fn continue_trace(span: &tracing::Span, headers: &HeaderMap) {
    if span.is_disabled() || !headers.contains_key("traceparent") {
        return;
    }
    let context = TraceContextPropagator::new().extract(&Headers(headers));
    // Fails only where no trace layer is installed: then there is no trace to continue.
    let _ = span.set_parent(context);
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// Polls an exporter inside the runtime: batches are exported from a thread of the SDK's own, and the HTTP client needs
/// Tokio's timers and sockets.
#[derive(Debug)]
struct OnRuntime<E> {
    exporter: E,
    runtime: Handle,
}

impl<E: SpanExporter> SpanExporter for OnRuntime<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let export = pin!(self.exporter.export(batch));
        Inside {
            future: export,
            runtime: &self.runtime,
        }
        .await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

struct Inside<'a, F> {
    future: Pin<&'a mut F>,
    runtime: &'a Handle,
}

impl<F: Future> Future for Inside<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _entered = self.runtime.enter();
        self.future.as_mut().poll(cx)
    }
}
