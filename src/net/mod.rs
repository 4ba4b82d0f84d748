//! The network's edge: accepts connections, plain or TLS, and speaks HTTP/1.1 on them.
//!
//! [`serve`] turns a listener and a handler of requests into tasks, each of which ends when the [`Tasks`] that own it
//! are asked to stop. Every resource that a client could hold is bounded by [`Limits`]. It knows nothing of S3, of who
//! may do what, or of how long a handler may take.

mod connection;
mod linger;
mod stall;
pub mod tls;
mod turns;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use hyper::{Request, Response};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::warn;

use self::turns::Lane;
use crate::per_core::PerCore;
use crate::tasks::{Cores, Tasks};
use crate::telemetry::Metrics;
use crate::types::Body;

pub use linger::RequestBody;
pub use tls::{Tls, TlsFiles};

/// How long accepting pauses when the process is out of file descriptors or the like: connections that end meanwhile
/// may give some back, and a loop without a pause would burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What clients may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Bytes of a request's line and headers; longer ones are answered 431.
    pub header_bytes: usize,
    /// How long a connection may be silent between requests, and within the headers of one.
    pub idle: Duration,
    /// How long a client may take no byte of an answer.
    pub stall: Duration,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// The first answer after about this time (plus or minus a tenth) says that the connection ends with it, so that load
    /// balancers spread clients anew.
    pub age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            header_bytes: 64 << 10,
            idle: Duration::from_secs(60),
            stall: Duration::from_secs(60),
            handshake: Duration::from_secs(10),
            age: Duration::from_secs(600),
        }
    }
}

/// A bound socket and the terms on which it is served.
pub struct Listener {
    pub socket: TcpListener,
    /// Plain HTTP where there is none.
    pub tls: Option<Tls>,
    pub limits: Limits,
    pub metrics: Arc<Metrics>,
    /// Where connections are served, each on one core from its first byte to its last; none for where they are accepted.
    pub cores: Option<Arc<Cores>>,
}

/// Serves `listener` until `tasks` are asked to stop: then it accepts no more, and open connections end with the
/// request that they are serving.
///
/// `handler` is called once a request's headers are in. The answer's body is dropped when the client is found to be gone;
/// until it is written to, a client that has gone looks like one that has only ended its side and waits for the answer.
pub fn serve<H, F>(listener: Listener, tasks: &Tasks, handler: H)
where
    H: Fn(Request<RequestBody>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let lanes = lanes(listener.cores.as_deref(), tasks);
    tasks.spawn(
        "net.accept",
        accept(listener, tasks.clone(), lanes, handler),
    );
}

/// For the connections of each core, and for those of none.
fn lanes(cores: Option<&Cores>, tasks: &Tasks) -> Arc<PerCore<Lane>> {
    let mut seats = cores.into_iter().flat_map(Cores::seats);
    Arc::new(PerCore::new(|| {
        let stopping = tasks.clone();
        let (lane, give) = Lane::new(async move { stopping.stopping().await });
        let tasks = seats.next().map_or(tasks.clone(), |seat| tasks.at(&seat));
        tasks.spawn("net.turns", give);
        lane
    }))
}

async fn accept<H, F>(listener: Listener, tasks: Tasks, lanes: Arc<PerCore<Lane>>, handler: H)
where
    H: Fn(Request<RequestBody>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let Listener {
        socket,
        tls,
        limits,
        metrics,
        cores,
    } = listener;
    let permits = Arc::new(Semaphore::new(limits.connections));
    loop {
        // Dropping any of the three loses nothing: a connection that is not accepted stays with the kernel.
        let next = tokio::select! {
            biased;
            () = tasks.stopping() => return,
            next = next(&socket, &permits, &metrics) => next,
        };
        match next {
            Ok((stream, peer, permit)) => {
                let seat = cores.as_ref().map(|cores| cores.seat());
                let tasks = seat.as_ref().map_or(tasks.clone(), |seat| tasks.at(seat));
                let terms = connection::Terms {
                    tls: tls.clone(),
                    limits,
                    metrics: Arc::clone(&metrics),
                    tasks: tasks.clone(),
                    lanes: Arc::clone(&lanes),
                };
                let handler = handler.clone();
                tasks.spawn("net.connection", async move {
                    connection::run(stream, peer, terms, handler).await;
                    drop((permit, seat));
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The next connection, with the permit that counts it.
async fn next(
    socket: &TcpListener,
    permits: &Arc<Semaphore>,
    metrics: &Metrics,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permits = Arc::clone(permits);
    if permits.available_permits() == 0 {
        metrics.net.full.increment();
    }
    let permit = permits
        .acquire_owned()
        .await
        .expect("nobody closes the semaphore");
    let (stream, peer) = socket.accept().await?;
    metrics.net.accepted.increment();
    // It is waited for where it is served.
    Ok((stream.into_std()?, peer, permit))
}

/// Whether only the connection that was about to be accepted is lost.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

#[cfg(test)]
mod tests;
