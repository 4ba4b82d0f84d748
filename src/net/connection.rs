//! One connection: TLS handshake, HTTP/1.1 until it ends, retires or the node stops.

use std::convert::Infallible;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::net::{self, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::stall::StallGuard;
use super::turns::{Lane, Turns};
use super::{Limits, RequestBody, Tls};
use crate::per_core::PerCore;
use crate::tasks::Tasks;
use crate::telemetry::Metrics;
use crate::types::Body;

/// The most that hyper buffers of a connection in either direction: enough for a `writev` of four 64 KiB pages, little
/// enough that 10,000 uploads hold no more than 2.5 GiB of buffers at worst (hyper grows to it only under steady load).
const BUFFER_BYTES: usize = 256 << 10;

/// On which terms a connection is served.
pub(super) struct Terms {
    pub(super) tls: Option<Tls>,
    pub(super) limits: Limits,
    pub(super) metrics: Arc<Metrics>,
    pub(super) tasks: Tasks,
    pub(super) lanes: Arc<PerCore<Lane>>,
}

/// Counts a connection for as long as it lives, also when its task is cancelled.
struct Open(Arc<Metrics>);

impl Open {
    fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.net.open.add(1);
        Self(Arc::clone(metrics))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.net.open.add(-1);
    }
}

/// Serves `stream` to its end. Failures are the client's affair: they are counted, and logged for debugging only.
pub(super) async fn run<H, F>(stream: net::TcpStream, peer: SocketAddr, terms: Terms, handler: H)
where
    H: Fn(Request<RequestBody>, SocketAddr) -> F,
    F: Future<Output = Response<Body>>,
{
    let _open = Open::new(&terms.metrics);
    let stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => {
            warn!(%peer, %error, "a connection cannot be served: {error}");
            return;
        }
    };
    // Answers are written whole or in pages: waiting for more to send only adds latency.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%peer, %error, "cannot set TCP_NODELAY");
    }
    let stream = StallGuard::new(stream, terms.limits.stall, Arc::clone(&terms.metrics));
    let Some(tls) = &terms.tls else {
        return speak(stream, peer, &terms, handler).await;
    };
    match tokio::time::timeout(terms.limits.handshake, tls.accept(stream)).await {
        Ok(Ok(stream)) => speak(stream, peer, &terms, handler).await,
        Ok(Err(error)) => {
            terms.metrics.net.handshake_failures.increment();
            debug!(%peer, %error, "the TLS handshake failed");
        }
        Err(_) => {
            terms.metrics.net.handshake_failures.increment();
            debug!(%peer, "the TLS handshake took too long");
        }
    }
}

async fn speak<I, H, F>(io: I, peer: SocketAddr, terms: &Terms, handler: H)
where
    I: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request<RequestBody>, SocketAddr) -> F,
    F: Future<Output = Response<Body>>,
{
    let retires = Instant::now() + jittered(terms.limits.age);
    // Each request counts a reference to it. It is made here, so that it lies among what this connection's core has.
    let tasks = Arc::new(terms.tasks.clone());
    let service = service_fn(|request: Request<Incoming>| {
        let (head, body) = request.into_parts();
        let body = RequestBody::new(body, &head.headers, &tasks);
        let answer = handler(Request::from_parts(head, body), peer);
        async move {
            let mut answer = answer.await;
            // The client is told before it sends its next request: one that is on its way while the connection ends is lost,
            // and is not always sent again.
            if Instant::now() >= retires {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(header::CONNECTION, close);
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let io = TokioIo::new(Turns::new(io, terms.lanes.own().clone()));
    let connection = builder(&terms.limits).serve_connection(io, service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = terms.tasks.stopping() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%peer, error = &error as &dyn std::error::Error, "the connection broke");
    }
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // A client may end its side once it has said all that it wants to say; it still hears the answer.
        .half_close(true)
        .header_read_timeout(limits.idle)
        .max_header_size(limits.header_bytes)
        .max_buf_size(BUFFER_BYTES.max(limits.header_bytes));
    builder
}

/// `age` plus or minus up to a tenth, so that connections made together do not end together.
fn jittered(age: Duration) -> Duration {
    // A fresh `RandomState` is the standard library's source of randomness.
    let random = u32::try_from(RandomState::new().hash_one(()) % 2_001).expect("below 2,001");
    age * (9_000 + random) / 10_000
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_may_be_silent_between_requests_and_within_headers_for_so_long() {
        const HELLO: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";
        let limits = Limits::default();
        let terms = Terms {
            tls: None,
            limits,
            metrics: Arc::default(),
            tasks: Tasks::default(),
            lanes: Arc::new(PerCore::new(|| Lane::new(std::future::pending()).0)),
        };
        let (mut client, server) = tokio::io::duplex(4096);
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let answer = |_, _| async { Response::new(crate::types::body::full("said")) };
        let serving = speak(server, peer, &terms, answer);
        let asking = async {
            for _ in 0..3 {
                tokio::time::sleep(limits.idle - Duration::from_secs(1)).await;
                client.write_all(HELLO).await.expect("it is open");
                let mut said = Vec::new();
                while !said.ends_with(b"said") {
                    said.push(client.read_u8().await.expect("an answer"));
                }
            }
            let (half, _) = HELLO.split_at(HELLO.len() / 2);
            tokio::time::sleep(limits.idle / 2).await;
            client.write_all(half).await.expect("it is open");
            let started = Instant::now();
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).await.expect("it ends");
            // Since the last answer.
            assert_eq!(started.elapsed(), limits.idle / 2);
            assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"));
        };
        tokio::join!(serving, asking);
    }

    #[test]
    fn ages_differ_by_a_tenth_at_most() {
        let age = Duration::from_secs(600);
        let ages: Vec<_> = (0..100).map(|_| jittered(age)).collect();
        assert!(ages.iter().all(|it| (540..=660).contains(&it.as_secs())));
        assert!(ages.iter().any(|it| *it != ages[0]));
    }
}
