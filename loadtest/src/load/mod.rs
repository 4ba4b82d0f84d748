//! The load generator: signed requests over connections that are kept, bodies checked, latencies counted; from N clients of which
//! each waits for its answer ([`run`]), or at a rate ([`run_open`]).

mod arrivals;
mod ask;
mod chunked;
mod client;
mod connection;
mod open;
mod orders;
mod outcome;
mod series;
mod sign;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

pub(crate) use arrivals::{Arrivals, Queue};
pub(crate) use ask::{Ask, Verb};
pub(crate) use chunked::{CHUNK, ChunkedUpload};
pub(crate) use client::Client;
pub(crate) use connection::{Connection, get_text};
pub(crate) use open::{Open, run_open};
pub(crate) use orders::{Order, mix, ranges, shuffled, whole, zipf};
pub(crate) use outcome::Outcome;
pub(crate) use series::Series;
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
/// are those of a load that adapts to the server, not of one that arrives at a rate; see [`Outcome::corrected`].
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

/// How many requests a run has sent so far, for those who watch it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Sent(Arc<AtomicU64>);

impl Sent {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Sends `asks` in their order, whichever client is free next.
pub(crate) async fn run(target: &Target, asks: &Arc<[Ask]>, plan: Plan) -> Outcome {
    run_closed(target, &Order::in_turn(asks), plan, &Sent::default()).await
}

/// Sends the requests of `order`, whichever client is free next, and tells `sent` of each.
pub(crate) async fn run_closed(target: &Target, order: &Order, plan: Plan, sent: &Sent) -> Outcome {
    let cursor = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..plan.clients {
        let client = Closed {
            client: Client::new(target),
            order: order.clone(),
            cursor: Arc::clone(&cursor),
            plan,
            started,
            sent: sent.clone(),
        };
        clients.spawn(client.work());
    }
    joined(clients, started).await
}

/// What all clients of a run brought together.
async fn joined(mut clients: JoinSet<Outcome>, started: Instant) -> Outcome {
    let mut outcome = Outcome::since(started);
    while let Some(part) = clients.join_next().await {
        match part {
            Ok(part) => outcome.add(&part),
            Err(error) => outcome.failed(&format!("a client ended: {error}")),
        }
    }
    outcome.elapsed = started.elapsed();
    outcome
}

/// One client of a closed loop.
struct Closed {
    client: Client,
    order: Order,
    cursor: Arc<AtomicUsize>,
    plan: Plan,
    started: Instant,
    sent: Sent,
}

impl Closed {
    async fn work(mut self) -> Outcome {
        let mut outcome = Outcome::since(self.started);
        let one_in = self.plan.check_one_in;
        loop {
            let run = self.cursor.fetch_add(1, Ordering::Relaxed);
            for number in self.order.run(run) {
                let over = match self.plan.end {
                    End::Once => number >= self.order.len(),
                    End::After(time) => self.order.len() == 0 || self.started.elapsed() >= time,
                };
                if over {
                    return outcome;
                }
                self.sent.add();
                let check = one_in > 0 && number.is_multiple_of(one_in);
                let ask = self.order.at(number);
                self.client.send(ask, check, &mut outcome).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
