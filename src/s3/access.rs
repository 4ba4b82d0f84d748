//! The access line, the audit line, the counters and the span of each request.
//!
//! A request is told once, when its answer's body has ended or was dropped: the body is wrapped, and the wrapper tells.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use tracing::{Span, field};

use crate::clock::{Clock, Moment};
use crate::telemetry::Metrics;
use crate::telemetry::s3::{Answered, S3Counts};
use crate::types::{Body, BoxError, Operation, OperationName, Principal, Source, Target};

/// What is known of a request while it is served.
pub(super) struct Entry {
    clock: Clock,
    counts: Arc<S3Counts>,
    started: Moment,
    pub(super) request_id: Arc<str>,
    client: SocketAddr,
    method: http::Method,
    principal: Option<Arc<Principal>>,
    operation: Option<OperationName>,
    target: Target,
    status: StatusCode,
    source: Source,
    error_code: Option<String>,
    /// The request's span, which ends with its answer's body; disabled where no traces are made.
    pub(super) span: Span,
}

impl Entry {
    pub(super) fn new(
        clock: &Clock,
        metrics: &Metrics,
        request_id: Arc<str>,
        client: SocketAddr,
        method: http::Method,
    ) -> Self {
        let span = tracing::debug_span!(
            parent: None,
            "request",
            otel.kind = "server",
            request_id = &*request_id,
            http.request.method = method.as_str(),
            http.response.status_code = field::Empty,
            operation = field::Empty,
            bucket = field::Empty,
            cache = field::Empty,
        );
        Self {
            clock: clock.clone(),
            counts: metrics.s3.own(),
            started: clock.now(),
            request_id,
            client,
            method,
            principal: None,
            operation: None,
            target: Target::Service,
            status: StatusCode::OK,
            source: Source::Bypass,
            error_code: None,
            span,
        }
    }

    pub(super) fn caller(&mut self, principal: &Arc<Principal>) {
        self.principal = Some(Arc::clone(principal));
    }

    pub(super) fn target(&mut self, target: &Target) {
        self.target = target.clone();
        if let Target::Bucket(bucket) | Target::Object(bucket, _) = target {
            self.span.record("bucket", bucket.as_str());
        }
    }

    pub(super) fn operation(&mut self, operation: &Operation) {
        self.operation = Some(operation.name);
        self.span.record("operation", operation.name.as_str());
    }

    /// The target as a path.
    pub(super) fn target_path(&self) -> impl fmt::Display {
        fmt::from_fn(|f| match &self.target {
            Target::Service => f.write_str("/"),
            Target::Bucket(bucket) => write!(f, "/{bucket}"),
            Target::Object(bucket, key) => write!(f, "/{bucket}/{key}"),
        })
    }

    pub(super) fn failed(&mut self, code: &str) {
        self.error_code = Some(code.to_owned());
    }

    /// Wraps the body of the answer, so that the request is told when it has ended.
    pub(super) fn watch(mut self, status: StatusCode, source: Source, body: Body) -> Body {
        self.status = status;
        self.source = source;
        self.span
            .record("http.response.status_code", status.as_u16())
            .record("cache", source.as_str());
        BodyExt::boxed_unsync(Watched {
            body,
            told: Some(Tally {
                entry: self,
                bytes: 0,
                first_byte: None,
            }),
        })
    }

    fn elapsed(&self) -> Duration {
        self.clock.now().since(self.started)
    }

    fn tell(&self, bytes: u64, first_byte: Option<Duration>, complete: bool) {
        let duration = self.elapsed();
        let first_byte = first_byte.unwrap_or(duration);
        self.counts.count(Answered {
            operation: self.operation,
            source: self.source,
            status: self.status,
            bytes,
            first_byte,
            duration,
        });
        let (bucket, key) = match &self.target {
            Target::Service => (None, None),
            Target::Bucket(bucket) => (Some(bucket.as_str()), None),
            Target::Object(bucket, key) => (Some(bucket.as_str()), Some(key.as_str())),
        };
        tracing::info!(
            target: "forebay::access",
            request_id = &*self.request_id,
            client = %self.client,
            principal = self.principal.as_ref().map(|principal| &*principal.name),
            tenant = self.principal.as_ref().map(|principal| &*principal.tenant.0),
            method = self.method.as_str(),
            operation = self.operation.map_or("unknown", OperationName::as_str),
            bucket,
            key,
            status = self.status.as_u16(),
            bytes,
            cache = self.source.as_str(),
            ttfb_ms = millis(first_byte),
            duration_ms = millis(duration),
            error_code = self.error_code.as_deref(),
            complete,
            "request"
        );
    }
}

/// Tells that a caller was let through or refused.
pub(super) fn audit(
    entry: &Entry,
    principal: &Principal,
    operation: &Operation,
    denied: Option<&str>,
) {
    let (request_id, name) = (&*entry.request_id, &*principal.name);
    let (operation, target) = (operation.name.as_str(), entry.target_path());
    match denied {
        Some(action) => tracing::info!(
            target: "forebay::audit",
            request_id, principal = name, operation, %target, action, "denied"
        ),
        None => tracing::debug!(
            target: "forebay::audit",
            request_id, principal = name, operation, %target, "allowed"
        ),
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

struct Tally {
    entry: Entry,
    bytes: u64,
    first_byte: Option<Duration>,
}

struct Watched {
    body: Body,
    /// Taken when the request is told.
    told: Option<Tally>,
}

impl Watched {
    fn finish(&mut self, complete: bool) {
        if let Some(tally) = self.told.take() {
            tally.entry.tell(tally.bytes, tally.first_byte, complete);
        }
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let entered = this.told.as_ref().map(|tally| tally.entry.span.enter());
        let frame = std::task::ready!(Pin::new(&mut this.body).poll_frame(context));
        drop(entered);
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(data), Some(tally)) = (frame.data_ref(), &mut self.told) {
                    let entry = &tally.entry;
                    tally.first_byte.get_or_insert_with(|| entry.elapsed());
                    tally.bytes += data.len() as u64;
                }
            }
            Some(Err(_)) => self.finish(false),
            None => self.finish(true),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // hyper drops a body whose announced length it has sent, or that it has no use for (HEAD), without polling its end.
        let ended = self.body.is_end_stream() || self.body.size_hint().exact() == Some(0);
        self.finish(ended);
    }
}
