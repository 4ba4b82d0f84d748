//! The load generator: signed requests from N clients over connections that are kept, bodies checked, latencies counted.

mod ask;
mod chunked;
mod client;
mod connection;
mod orders;
mod outcome;
mod sign;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

pub(crate) use ask::{Ask, Verb};
pub(crate) use chunked::ChunkedUpload;
pub(crate) use client::Client;
pub(crate) use connection::{Connection, get_text};
pub(crate) use orders::{ranges, shuffled, whole, zipf};
pub(crate) use outcome::Outcome;
pub(crate) use sign::Credentials;
pub(crate) use tls::Tls;

/// Whom to ask.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) bucket: String,
    pub(crate) region: String,
    /// Nothing where requests go out unsigned.
    pub(crate) credentials: Option<Credentials>,
    /// Nothing where they go in the clear.
    pub(crate) tls: Option<Tls>,
}

/// How to ask. A closed loop: each client sends its next request when it has the answer to the one before, so that latencies
/// are those of a load that adapts to the server, not of one that arrives at a rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) clients: usize,
    /// One body in so many is compared with what it must be; 1 checks all, 0 none. Lengths are always checked.
    pub(crate) check_one_in: usize,
    pub(crate) end: End,
}

/// When a run ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// When everything has been asked for once.
    Once,
    /// After this time; the row of requests is begun anew where it ends sooner.
    After(Duration),
}

/// Sends `asks` in their order, whichever client is free next.
pub(crate) async fn run(target: &Target, asks: &Arc<[Ask]>, plan: Plan) -> Outcome {
    let cursor = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..plan.clients {
        let (client, asks) = (Client::new(target), Arc::clone(asks));
        clients.spawn(drive(client, asks, Arc::clone(&cursor), plan, started));
    }
    let mut outcome = Outcome::default();
    while let Some(part) = clients.join_next().await {
        match part {
            Ok(part) => outcome.add(&part),
            Err(error) => outcome.failed(&format!("a client ended: {error}")),
        }
    }
    outcome.elapsed = started.elapsed();
    outcome
}

async fn drive(
    mut client: Client,
    asks: Arc<[Ask]>,
    cursor: Arc<AtomicUsize>,
    plan: Plan,
    started: Instant,
) -> Outcome {
    let mut outcome = Outcome::default();
    loop {
        let number = cursor.fetch_add(1, Ordering::Relaxed);
        let over = match plan.end {
            End::Once => number >= asks.len(),
            End::After(time) => asks.is_empty() || started.elapsed() >= time,
        };
        if over {
            return outcome;
        }
        let check = plan.check_one_in > 0 && number.is_multiple_of(plan.check_one_in);
        let ask = &asks[number % asks.len()];
        client.send(ask, check, &mut outcome).await;
    }
}

#[cfg(test)]
mod tests;
