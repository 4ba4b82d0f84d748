//! The task that writes to one disk, and the queue before it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Offer;
use super::device::Disk;
use super::late::Late;
use super::queue::{Added, Next, Pending, Queue};
use super::write::Stamp;
use crate::types::outcome::DiskWrite;

/// About how much is written in one go: enough that blocks share their writes of slot tables.
const BATCH: usize = 8 << 20;

/// What waits for the writer.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    /// There is something to do.
    wake: Notify,
    /// There is nothing to do any more.
    settled: Notify,
    /// How many wait for that: then nothing waits for more of its block.
    hurrying: AtomicUsize,
    closed: AtomicBool,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    late: Late,
    writing: bool,
}

impl Inbox {
    pub(super) fn new(most: usize, patience: Duration) -> Self {
        Self {
            state: Mutex::new(State {
                queue: Queue::new(most, patience),
                late: Late::default(),
                writing: false,
            }),
            wake: Notify::new(),
            settled: Notify::new(),
            hurrying: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an offer, or says why not.
    pub(super) fn put(&self, offer: &Offer) -> Result<Added, DiskWrite> {
        if self.closed.load(Ordering::Acquire) {
            return Err(DiskWrite::Closed);
        }
        let mut state = self.lock();
        let added = state.queue.add(offer, Instant::now());
        if added == Err(DiskWrite::QueueFull) {
            state.late.remember(offer);
        }
        drop(state);
        if added.is_ok() {
            self.wake.notify_one();
        }
        added
    }

    /// Bytes of memory that wait.
    pub(super) fn weight(&self) -> usize {
        self.lock().queue.weight()
    }

    /// Takes no more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Waits until all that was put is written or dropped.
    pub(super) async fn settle(&self) {
        let _hurry = Hurry::new(self);
        loop {
            let settled = self.settled.notified();
            tokio::pin!(settled);
            // From here on it is heard.
            settled.as_mut().enable();
            {
                let state = self.lock();
                if state.queue.is_empty() && !state.writing {
                    return;
                }
            }
            self.wake.notify_one();
            settled.await;
        }
    }

    fn next(&self, all: bool) -> Next {
        let mut state = self.lock();
        let now = Instant::now();
        let mut next = state.queue.next(now, BATCH, all);
        if matches!(next, Next::Idle) && !self.is_closed() && state.refill(now) {
            next = state.queue.next(now, BATCH, all);
        }
        state.writing = matches!(next, Next::Write(_));
        if state.queue.is_empty() && !state.writing {
            self.settled.notify_waiters();
        }
        next
    }

    /// Whether the disk is being written.
    pub(super) fn is_writing(&self) -> bool {
        self.lock().writing
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn is_hurried(&self) -> bool {
        self.is_closed() || self.hurrying.load(Ordering::Acquire) > 0
    }
}

impl State {
    /// Takes offers that came too soon. Says whether there were any.
    fn refill(&mut self, now: Instant) -> bool {
        // Half a batch leaves room for what comes meanwhile.
        while self.queue.weight() < BATCH / 2 {
            let Some(offer) = self.late.take() else {
                break;
            };
            // Whatever is wrong with it now is so for good.
            let _ = self.queue.add(&offer, now);
        }
        !self.queue.is_empty()
    }
}

/// Whoever waits for the inbox to be empty.
struct Hurry<'a>(&'a Inbox);

impl<'a> Hurry<'a> {
    fn new(inbox: &'a Inbox) -> Self {
        inbox.hurrying.fetch_add(1, Ordering::AcqRel);
        Self(inbox)
    }
}

impl Drop for Hurry<'_> {
    fn drop(&mut self) {
        self.0.hurrying.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Writes what comes in, until the inbox is closed and empty.
pub(super) async fn run(disk: Arc<Disk>) {
    let inbox = &disk.inbox;
    loop {
        let until = match inbox.next(inbox.is_hurried()) {
            Next::Write(batch) => {
                write(&disk, batch).await;
                continue;
            }
            Next::Idle if inbox.is_closed() => return,
            Next::Idle => None,
            Next::Wait(until) => Some(until),
        };
        tokio::select! {
            () = inbox.wake.notified() => {}
            () = sleep_until(until) => {}
            () = disk.means.tasks.stopping(), if !inbox.is_closed() => inbox.close(),
        }
    }
}

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

async fn write(disk: &Arc<Disk>, batch: Vec<Pending>) {
    let opened = match disk.writable() {
        Ok(opened) => opened,
        Err(why) => {
            disk.metrics.writes(why).add(batch.len() as u64);
            return;
        }
    };
    let stamp = Stamp::new(disk.means.clock.wall());
    let written = tokio::task::spawn_blocking(move || opened.write(batch, stamp)).await;
    match written {
        Ok(Ok(())) => {}
        Ok(Err(error)) => disk.write_failed(&error),
        Err(error) => disk.write_failed(&std::io::Error::other(error)),
    }
}
