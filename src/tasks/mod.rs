//! Every task has a name, an owner and an end. The only caller of `tokio::spawn`.
//!
//! Shutting down: whoever accepts work stops accepting, then [`Tasks::drain`] waits for what runs until a deadline and
//! cancels the rest.

mod cores;
mod threads;

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tracing::{Instrument, Span};

pub use cores::{Cores, Seat};
pub use threads::Threads;

/// A set of named tasks with a common end. Cheap to clone; clones are the same set.
#[derive(Debug, Clone)]
pub struct Tasks {
    inner: Arc<Inner>,
    /// Where they run; nothing where that is where they are spawned.
    threads: Option<Handle>,
}

#[derive(Debug)]
struct Inner {
    running: Mutex<JoinSet<()>>,
    stopping: watch::Sender<bool>,
}

impl Default for Tasks {
    fn default() -> Self {
        let running = Mutex::new(JoinSet::new());
        Self {
            inner: Arc::new(Inner {
                running,
                stopping: watch::Sender::new(false),
            }),
            threads: None,
        }
    }
}

impl Tasks {
    /// The same set; what is spawned here runs on `threads`.
    #[must_use]
    pub fn on(&self, threads: &Threads) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            threads: Some(threads.handle().clone()),
        }
    }

    /// The same set; what is spawned here runs on the core of `seat`, for as long as that has a thread.
    #[must_use]
    pub fn at(&self, seat: &Seat) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            threads: Some(seat.handle().clone()),
        }
    }

    /// Runs `task` until it ends, or until the set is drained past its deadline.
    pub fn spawn(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> AbortHandle {
        let mut running = self
            .inner
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Ended tasks are reaped here, so that the set holds no more than what runs.
        while running.try_join_next().is_some() {}
        // Part of the trace of whoever spawns it; what the node does on its own is in no trace.
        let span = if Span::current().is_none() {
            Span::none()
        } else {
            tracing::debug_span!("task", otel.name = name)
        };
        let task = task.instrument(span);
        match &self.threads {
            Some(threads) => running.spawn_on(task, threads),
            None => running.spawn(task),
        }
    }

    /// Resolves once the set is asked to stop; for tasks that would otherwise go on for ever.
    pub async fn stopping(&self) {
        let mut stopping = self.inner.stopping.subscribe();
        // The sender lives in `self`, so that this only fails when nobody is left to be told.
        let _ = stopping.wait_for(|stop| *stop).await;
    }

    /// Whether the set was asked to stop.
    pub fn is_stopping(&self) -> bool {
        *self.inner.stopping.borrow()
    }

    /// Asks every task to stop, without waiting.
    pub fn stop(&self) {
        self.inner.stopping.send_replace(true);
    }

    /// Asks every task to stop, waits up to `patience` for them, then cancels the rest. Returns how many were cancelled.
    pub async fn drain(&self, patience: Duration) -> usize {
        self.stop();
        let mut running = JoinSet::new();
        let all_ended = async {
            loop {
                // Those that run may have spawned others since: an accepted connection, the rest of a fill.
                running = self.take();
                if running.is_empty() {
                    return;
                }
                while running.join_next().await.is_some() {}
            }
        };
        if tokio::time::timeout(patience, all_ended).await.is_ok() {
            return 0;
        }
        let mut late = self.take();
        let left = running.len() + late.len();
        running.shutdown().await;
        late.shutdown().await;
        left
    }

    fn take(&self) -> JoinSet<()> {
        let running = self.inner.running.lock();
        std::mem::take(&mut *running.unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn draining_waits_for_those_that_stop_and_cancels_those_that_do_not() {
        let tasks = Tasks::default();
        let polite = tasks.clone();
        tasks.spawn("polite", async move { polite.stopping().await });
        tasks.spawn("stubborn", std::future::pending());
        assert_eq!(tasks.drain(Duration::from_secs(5)).await, 1);
        assert!(tasks.is_stopping());
    }

    #[tokio::test]
    async fn tasks_on_other_threads_give_way_and_are_drained_with_the_rest() {
        let nice = || rustix::process::nice(0).expect("it is told");
        let own = nice();
        let threads = Threads::giving_way("others", 5).unwrap();
        let tasks = Tasks::default();
        let others = tasks.on(&threads);
        let (tell, told) = tokio::sync::oneshot::channel();
        others.spawn("there", async move {
            let name = std::thread::current().name().map(str::to_owned);
            // Whoever is to get it waits below.
            let _ = tell.send((name, nice()));
        });
        let (name, there) = told.await.unwrap();
        assert_eq!(name.as_deref(), Some("others"));
        assert_eq!((there, nice()), ((own + 5).min(19), own));
        let polite = others.clone();
        others.spawn("polite", async move { polite.stopping().await });
        others.spawn("stubborn", std::future::pending());
        assert_eq!(tasks.drain(Duration::from_millis(50)).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn draining_waits_for_what_is_spawned_meanwhile() {
        let tasks = Tasks::default();
        let (accepting, ended) = (tasks.clone(), Arc::new(Mutex::new(false)));
        let tell_ended = Arc::clone(&ended);
        tasks.spawn("accepting", async move {
            accepting.stopping().await;
            accepting.spawn("accepted", async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                *tell_ended.lock().unwrap() = true;
            });
        });
        assert_eq!(tasks.drain(Duration::from_secs(5)).await, 0);
        assert!(*ended.lock().unwrap());
    }
}
