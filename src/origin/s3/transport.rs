//! Sends one request: its place among the connections, its deadlines, its metrics.
//!
//! A read waits for its answer's head for a fixed time. A write is timed by whose turn it is (see `outgoing`): the
//! origin has to keep taking bytes, and once it has them all it may take long to answer. Nothing is ever sent twice but
//! a read without a body whose pooled connection was closed under it.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response};
use http_body::Body as _;
use hyper_util::client::legacy::Error as ClientError;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::client::Client;
use super::config::Config;
use super::incoming::{Incoming, Slot};
use super::outgoing::{Outgoing, Progress};
use crate::telemetry::Metrics;
use crate::telemetry::origin::{AnswerClass, RequestKind};
use crate::types::{Body, body};

/// How long an origin that has the whole request may take to begin its answer to a write: completing a multipart upload
/// of 10,000 parts or copying 5 GiB takes minutes.
const WRITE_ANSWER: Duration = Duration::from_secs(15 * 60);

/// The way to one origin.
#[derive(Debug)]
pub(super) struct Transport {
    client: Client,
    slots: Arc<Semaphore>,
    waits: Waits,
    metrics: Arc<Metrics>,
}

/// The deadlines.
#[derive(Debug, Clone, Copy)]
struct Waits {
    queue: Duration,
    head: Duration,
    stall: Duration,
}

/// No answer came.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("no connection to the origin came free within {0:?}")]
    Busy(Duration),
    #[error("the origin did not answer within {0:?}")]
    Slow(Duration),
    #[error("the origin took no more of the request for {0:?}")]
    Stuck(Duration),
    #[error("the request to the origin failed")]
    Failed(#[source] ClientError),
}

impl Transport {
    pub(super) fn new(client: Client, config: &Config, metrics: Arc<Metrics>) -> Self {
        Self {
            client,
            slots: Arc::new(Semaphore::new(config.connections.get())),
            waits: Waits {
                queue: config.queue,
                head: config.head_timeout,
                stall: config.stall,
            },
            metrics,
        }
    }

    /// Sends a request to the origin. Its slot lives until the answer's body has ended or is dropped.
    pub(super) async fn send(
        &self,
        kind: RequestKind,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, SendError> {
        let slot = self.slot(kind).await?;
        let started = Instant::now();
        let answer = match kind.is_read() {
            true => self.read(Some(kind), request, self.waits.head).await,
            false => self.write(kind, request).await,
        };
        let status = answer.as_ref().ok().map(Response::status);
        let class = AnswerClass::of(status);
        self.metrics.origin.requests(kind, class).increment();
        if status.is_some() {
            let first_byte = self.metrics.origin.first_byte(kind);
            first_byte.record(started.elapsed());
        }
        // The answer to a write may trickle for as long as the write takes: S3 sends its head early and then spaces.
        let stall = match kind.is_read() {
            true => self.waits.stall,
            false => WRITE_ANSWER,
        };
        Ok(answer?.map(|body| Incoming::new(body, stall, Some(slot))))
    }

    /// Sends a request of a credential source: outside of the origin's slots and metrics, since origin requests wait for
    /// it.
    pub(super) async fn send_aside(
        &self,
        request: Request<Body>,
        head: Option<Duration>,
    ) -> Result<Response<Incoming>, SendError> {
        let answer = self.read(None, request, head.unwrap_or(self.waits.head));
        let stall = self.waits.stall;
        Ok(answer.await?.map(|body| Incoming::new(body, stall, None)))
    }

    async fn slot(&self, kind: RequestKind) -> Result<Slot, SendError> {
        let slots = self.slots.clone();
        let permit = match slots.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let _waiting = Waiting::new(&self.metrics);
                timeout(self.waits.queue, slots.acquire_owned())
                    .await
                    .map_err(|_| SendError::Busy(self.waits.queue))?
                    .expect("the semaphore is never closed")
            }
        };
        Ok(Slot::new(self.metrics.clone(), kind, permit))
    }

    async fn read(
        &self,
        kind: Option<RequestKind>,
        request: Request<Body>,
        head: Duration,
    ) -> Result<Response<hyper::body::Incoming>, SendError> {
        let count = kind.map(|kind| (self.metrics.clone(), kind));
        let once = |request: Request<Body>| {
            let (parts, body) = request.into_parts();
            let (body, _) = Outgoing::new(body, count.clone());
            self.client.request(Request::from_parts(parts, body))
        };
        let exchange = async {
            let again = repeatable(&request);
            match (once(request).await, again) {
                (Err(error), Some(parts)) if is_lost_connection(&error) => {
                    once(Request::from_parts(parts, body::empty())).await
                }
                (answer, _) => answer,
            }
        };
        timeout(head, exchange)
            .await
            .map_err(|_| SendError::Slow(head))?
            .map_err(SendError::Failed)
    }

    async fn write(
        &self,
        kind: RequestKind,
        request: Request<Body>,
    ) -> Result<Response<hyper::body::Incoming>, SendError> {
        let (parts, body) = request.into_parts();
        let (body, mut progress) = Outgoing::new(body, Some((self.metrics.clone(), kind)));
        let answer = self.client.request(Request::from_parts(parts, body));
        tokio::pin!(answer);
        let mut sent = false;
        loop {
            let turn = *progress.borrow_and_update();
            let late = async {
                match (sent, turn) {
                    (true, _) => {
                        tokio::time::sleep(WRITE_ANSWER).await;
                        SendError::Slow(WRITE_ANSWER)
                    }
                    (false, Progress::Origin) => {
                        tokio::time::sleep(self.waits.head).await;
                        SendError::Stuck(self.waits.head)
                    }
                    // The client's slowness is bounded by the door that reads from it.
                    (false, Progress::Client) => std::future::pending().await,
                }
            };
            // Cancelling a turn loses nothing: the answer is pinned outside, the progress is a value.
            tokio::select! {
                answer = &mut answer => return answer.map_err(SendError::Failed),
                changed = progress.changed(), if !sent => sent = changed.is_err(),
                late = late => return Err(late),
            }
        }
    }
}

/// Counts a waiting request for as long as it waits, cancelled or not.
struct Waiting<'a>(&'a Metrics);

impl<'a> Waiting<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.origin.waiting.add(1);
        Self(metrics)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.origin.waiting.add(-1);
    }
}

/// What it takes to send a request again, where it is an idempotent one without a body.
fn repeatable(request: &Request<Body>) -> Option<Parts> {
    let again = request.method().is_safe() && request.body().is_end_stream();
    again.then(|| {
        let mut parts = Request::new(()).into_parts().0;
        parts.method = request.method().clone();
        parts.uri = request.uri().clone();
        parts.headers = request.headers().clone();
        parts
    })
}

/// Whether the connection was closed before an answer began: what happens when a store closes an idle connection at the
/// moment when a request takes it out of the pool.
fn is_lost_connection(error: &ClientError) -> bool {
    if error.is_connect() {
        return false;
    }
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<hyper::Error>()
            && (error.is_incomplete_message() || error.is_canceled())
        {
            return true;
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            return matches!(
                error.kind(),
                io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe
            );
        }
        source = cause.source();
    }
    false
}
