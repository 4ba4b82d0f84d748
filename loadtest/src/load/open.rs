//! The open loop: requests begin at a rate, whether or not the server answers those before.
//!
//! Latencies count from the moment at which a request should have been sent. A closed loop that waits for a slow answer sends
//! nothing meanwhile and so leaves out just those requests that would have been slow (coordinated omission); here they arrive,
//! wait for a connection, and their wait counts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::arrivals::{Arrivals, Queue};
use super::{Client, Order, Outcome, Sent, Target, joined};

/// How to ask.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    pub(crate) arrivals: Arrivals,
    /// Most requests in flight; what arrives beyond them waits.
    pub(crate) connections: usize,
    /// How long answers are waited for after the last arrival. What has none by then counts as unfinished.
    pub(crate) drain: Duration,
    /// One body in so many is compared with what it must be; 1 checks all, 0 none. Lengths are always checked.
    pub(crate) check_one_in: usize,
}

/// Sends the requests of `order` as they arrive, and tells `sent` of each.
pub(crate) async fn run_open(target: &Target, order: &Order, plan: &Open, sent: &Sent) -> Outcome {
    let queue = Queue::begin(&plan.arrivals, plan.connections);
    let started = queue.started();
    let mut workers = JoinSet::new();
    for _ in 0..plan.connections {
        let worker = Worker {
            client: Client::new(target),
            queue: Arc::clone(&queue),
            order: order.clone(),
            check_one_in: plan.check_one_in,
            until: started + plan.arrivals.time() + plan.drain,
            sent: sent.clone(),
        };
        workers.spawn(worker.work());
    }
    joined(workers, started).await
}

struct Worker {
    client: Client,
    queue: Arc<Queue>,
    order: Order,
    check_one_in: usize,
    until: Instant,
    sent: Sent,
}

impl Worker {
    async fn work(mut self) -> Outcome {
        let mut outcome = Outcome::since(self.queue.started());
        while let Some(arrival) = self.queue.next().await {
            if Instant::now() >= self.until {
                outcome.unfinished(arrival.intended.elapsed());
                continue;
            }
            self.sent.add();
            let check = self.check_one_in > 0 && arrival.number.is_multiple_of(self.check_one_in);
            let ask = self.order.at(arrival.number);
            let answer = self
                .client
                .send_due(ask, check, arrival.intended, &mut outcome);
            // A request that is given up takes its connection with it.
            let ended = tokio::time::timeout_at(self.until.into(), answer).await;
            if ended.is_err() {
                outcome.unfinished(arrival.intended.elapsed());
            }
        }
        outcome
    }
}
