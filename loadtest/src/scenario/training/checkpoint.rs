//! Checkpoints, written while loaders read: a new object at each interval, the first one at once.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::load::{Ask, Client, Outcome, Verb};
use crate::origin::Set;

/// Writes checkpoints and knows how many there are.
pub(super) struct Writer {
    client: Client,
    /// Its objects are numbered by the writes.
    set: Set,
    every: Duration,
    pub(super) written: usize,
}

impl Writer {
    pub(super) fn new(client: Client, size: u64, every: Duration) -> Self {
        Self {
            client,
            set: Set::new("checkpoints", size, 0),
            every,
            written: 0,
        }
    }

    /// Writes until told that it is over; a write that has begun is ended.
    pub(super) async fn write_until(&mut self, mut over: oneshot::Receiver<()>) -> Outcome {
        let mut outcome = Outcome::since(Instant::now());
        let mut due = tokio::time::interval(self.every);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = due.tick() => {}
                _ = &mut over => return outcome,
            }
            let write = Ask {
                verb: Verb::Put,
                ..self.checkpoint(self.written)
            };
            self.client.send(&write, false, &mut outcome).await;
            self.written += 1;
        }
    }

    /// Reads the last one as a job that is resumed does, and compares it.
    pub(super) async fn restore(&mut self) -> Outcome {
        let mut outcome = Outcome::since(Instant::now());
        let last = self.checkpoint(self.written.saturating_sub(1));
        self.client.send(&last, true, &mut outcome).await;
        outcome
    }

    fn checkpoint(&self, number: usize) -> Ask {
        Ask {
            generation: 1,
            ..Ask::whole(&self.set.key(number), self.set.size)
        }
    }
}
