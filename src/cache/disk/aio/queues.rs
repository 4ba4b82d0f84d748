//! The queues of one disk: one for each core that answers clients, which hears of its own reads, and one for all other threads.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::Aio;
use crate::per_core;

/// See the module.
#[derive(Debug)]
pub(in super::super) struct Queues {
    /// By the cores' numbers; those of the last are missing where the system allows no more.
    cores: Vec<Arc<Aio>>,
    others: Arc<Aio>,
}

impl Queues {
    /// Queues for so many cores, or for as many as the system allows.
    ///
    /// # Errors
    /// As the system says, where it allows none at all.
    pub(in super::super) fn new(cores: usize) -> io::Result<Self> {
        let others = Aio::new()?;
        let cores = (0..cores).map_while(|_| Aio::new().ok()).collect();
        Ok(Self { cores, others })
    }

    /// The one whose answers are heard where the caller runs, if there is one.
    pub(in super::super) fn mine(&self) -> &Aio {
        let core = per_core::current().and_then(|core| self.cores.get(core));
        core.unwrap_or(&self.others)
    }

    pub(in super::super) fn of_cores(&self) -> &[Arc<Aio>] {
        &self.cores
    }

    pub(in super::super) fn of_others(&self) -> &Arc<Aio> {
        &self.others
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Aio>> {
        self.cores.iter().chain([&self.others])
    }
}

/// Tells those who have waited for longer than `patience`, or up to a quarter more, that their read is late; until `end` and until
/// nothing is under way any more.
pub(in super::super) async fn watch(
    queues: Arc<Queues>,
    patience: Duration,
    end: impl Future<Output = ()>,
) {
    let mut looks = interval((patience / 4).max(Duration::from_millis(1)));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut end = pin!(end);
    let mut ending = false;
    while !(ending && queues.all().all(|queue| queue.is_idle())) {
        tokio::select! {
            _ = looks.tick() => for queue in queues.all() {
                // What has arrived while whoever hears of it was kept from its core is not late.
                queue.reap();
                queue.give_up(patience);
            },
            () = &mut end, if !ending => {
                ending = true;
                queues.all().for_each(|queue| queue.close());
            }
        }
    }
}
