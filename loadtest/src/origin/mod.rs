//! A synthetic origin: as much of S3 as a gateway in front of it asks for, over HTTP/1.1.
//!
//! Objects are stored nowhere: a key names its size and its content is a function of key, generation and offset
//! ([`crate::content`]). Every well-named key exists until it is deleted; a write raises its generation. What the origin is slow
//! or wrong at is data ([`Terms`]), and everything that it is asked is counted ([`Counted`]). Signatures are not verified.

mod answer;
mod body;
mod control;
mod counters;
mod list;
mod objects;
mod terms;
mod upload;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::Context;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(crate) use counters::Counted;
pub(crate) use objects::{Objects, Set};
pub(crate) use terms::Terms;

/// A running origin; it ends when it is dropped.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    tasks: JoinSet<()>,
}

/// What all requests share.
struct State {
    objects: Objects,
    counters: counters::Counters,
    terms: terms::Kept,
    /// One more than there are connections: each holds it.
    connections: Arc<()>,
}

/// When the connection may send its next byte, where bandwidth is bounded.
type Pace = Arc<Mutex<Instant>>;

impl Origin {
    /// Listens at `address`, and lists `sets`.
    pub(crate) async fn start(
        address: SocketAddr,
        sets: Vec<Set>,
        terms: Terms,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("the origin cannot listen at {address}"))?;
        let state = Arc::new(State {
            objects: Objects::new(sets),
            counters: counters::Counters::default(),
            terms: terms::Kept::new(terms),
            connections: Arc::default(),
        });
        let mut tasks = JoinSet::new();
        let address = listener.local_addr()?;
        tasks.spawn(accept(listener, Arc::clone(&state)));
        Ok(Self {
            address,
            state,
            tasks,
        })
    }

    /// On a free port of this machine.
    pub(crate) async fn local(sets: Vec<Set>) -> anyhow::Result<Self> {
        Self::start(([127, 0, 0, 1], 0).into(), sets, Terms::default()).await
    }

    pub(crate) fn counted(&self) -> Counted {
        self.state.counters.read()
    }

    /// Tells how many connections are open.
    pub(crate) fn connections(&self) -> impl Fn() -> u64 + Send + 'static {
        let connections = Arc::downgrade(&self.state.connections);
        move || connections.strong_count().saturating_sub(1) as u64
    }

    #[cfg(test)]
    pub(crate) fn set_terms(&self, terms: Terms) {
        self.state.terms.set(terms);
    }

    /// Serves until the process ends.
    pub(crate) async fn serve(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // What fails is that one connection, or for want of descriptors every one until some close.
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, Arc::clone(&state)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    // Without it a short answer waits for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let _open = Arc::clone(&state.connections);
    let pace: Pace = Arc::new(Mutex::new(Instant::now()));
    let service = service_fn(move |request| {
        let (state, pace) = (Arc::clone(&state), Arc::clone(&pace));
        async move { Ok::<_, Infallible>(answer::answer(&state, pace, request).await) }
    });
    // A client that goes away is none of the origin's business.
    let _ = http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

#[cfg(test)]
mod tests;
