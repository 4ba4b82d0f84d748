//! One limit for all bytes: accounted buffers and the pools that they are charged to.
//!
//! `memory.limit` is cut into the *tier* (cached blocks), the records, and the *working* memory, which the pools share:
//! every pool has a floor that the others cannot take, and what is above the floors goes to whoever comes first. Bytes are
//! charged where they are allocated and released when the last reference drops. A block that the tier evicts while a slow
//! client still reads it goes back to the working account, so that the sum of both never exceeds the limit: what enters
//! the tier leaves the working memory, and what it evicts, at most as much, comes back.
//!
//! Waiting is first come, first served within a pool, and every wait has a deadline.

pub mod buffer;
mod entries;
mod heap;
mod slots;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::types::layout::PAGE;

use self::entries::Entries;

pub use buffer::{Buffer, WeakBuffer, Writer};
pub use entries::Entry;
pub use heap::Heap;

/// Who the working memory is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pool {
    /// Answers being sent: one page each, so that an admitted client always gets on.
    Entry,
    /// Bytes on their way from an origin, and evicted blocks that are still being sent.
    Fill,
    /// Bytes on their way to an origin.
    Upload,
}

impl Pool {
    /// Every pool, in the order of the metric's table.
    pub const ALL: [Self; 3] = [Self::Entry, Self::Fill, Self::Upload];

    /// The share of the working memory that is this pool's alone, in eighths.
    fn floor_eighths(self) -> u64 {
        match self {
            Self::Entry | Self::Upload => 1,
            Self::Fill => 4,
        }
    }
}

/// How much memory the node may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Bytes of cached data, records and bodies under way, together.
    pub limit: u64,
}

/// The least limit that a node works with, in bytes.
pub const LEAST_LIMIT: u64 = 64 << 20;

/// Working memory beyond this only takes room from the tier: it feeds 64 windows of the largest size.
const MOST_WORKING: u64 = 4 << 30;

/// The largest window of one body, in bytes.
const LARGEST_WINDOW: u64 = 64 << 20;

/// The node's memory account. Cheap to clone; clones are the same account.
#[derive(Debug, Clone)]
pub struct Memory {
    account: Arc<Account>,
    entries: Arc<Entries>,
}

#[derive(Debug)]
struct Account {
    limit: u64,
    working: u64,
    tier: AtomicU64,
    bodies: AtomicUsize,
    state: Mutex<State>,
    /// Whether the entry pool has outgrown its floor. Every answer asks, and hardly ever it changes.
    crowded: AtomicBool,
    slots: slots::Slots,
}

#[derive(Debug, Default)]
struct State {
    used: [u64; Pool::ALL.len()],
    waiting: [VecDeque<Waiter>; Pool::ALL.len()],
}

#[derive(Debug)]
struct Waiter {
    bytes: u64,
    granted: oneshot::Sender<Reservation>,
}

/// The working memory is used up, and stayed so until the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no memory is free")]
pub struct Exhausted;

impl Memory {
    /// An account over `config.limit` bytes.
    pub fn new(config: Config) -> Self {
        let working = (config.limit / 8 * 3).min(MOST_WORKING);
        let account = Arc::new(Account {
            limit: config.limit,
            working,
            tier: AtomicU64::new(0),
            bodies: AtomicUsize::new(0),
            state: Mutex::default(),
            crowded: AtomicBool::new(false),
            slots: slots::Slots::default(),
        });
        Self {
            entries: Arc::new(Entries::of(&account)),
            account,
        }
    }

    /// Makes memory ready ahead of those who need it until `end`, on threads that block. Without it they wait for the system
    /// to find and clear what they take.
    pub async fn prepare(self, end: impl Future<Output = ()>) {
        let mut end = std::pin::pin!(end);
        loop {
            let account = Arc::clone(&self.account);
            let prepared = tokio::task::spawn_blocking(move || account.slots.prepare());
            // That it panicked is said elsewhere. Without it nothing is wrong but what is written above.
            if prepared.await.is_err() {
                return;
            }
            tokio::select! {
                () = self.account.slots.short() => {}
                () = &mut end => return,
            }
        }
    }

    /// The limit in bytes.
    pub fn limit(&self) -> u64 {
        self.account.limit
    }

    /// Bytes for the records.
    pub fn records_capacity(&self) -> u64 {
        self.account.limit / 32
    }

    /// Bytes for cached blocks: what the working memory and the records leave.
    pub fn tier_capacity(&self) -> u64 {
        self.account.limit - self.account.working - self.records_capacity()
    }

    /// Bytes of cached blocks.
    pub fn tier(&self) -> u64 {
        self.account.tier.load(Ordering::Relaxed)
    }

    /// Bytes charged to a pool.
    pub fn used(&self, pool: Pool) -> u64 {
        let charged = self.account.lock().used[pool as usize];
        match pool {
            // What cores keep at hand is nobody's yet.
            Pool::Entry => charged.saturating_sub(self.entries.at_hand()),
            Pool::Fill | Pool::Upload => charged,
        }
    }

    /// A page of the entry pool, for an answer.
    ///
    /// # Errors
    /// [`Exhausted`] where none is free.
    pub fn enter(&self) -> Result<Entry, Exhausted> {
        self.entries.enter()
    }

    /// Takes `bytes` from a pool if they are free and nobody waits for them.
    ///
    /// # Errors
    /// [`Exhausted`] where they are not.
    pub fn try_reserve(&self, pool: Pool, bytes: u64) -> Result<Reservation, Exhausted> {
        let mut state = self.account.lock();
        if !state.waiting[pool as usize].is_empty() || !self.account.fits(&state, pool, bytes) {
            return Err(Exhausted);
        }
        state.used[pool as usize] += bytes;
        Ok(Reservation {
            account: Arc::clone(&self.account),
            pool,
            bytes,
        })
    }

    /// Takes `bytes` from a pool, waiting up to `patience` for them. Dropping the future gives up the place in the queue.
    ///
    /// # Errors
    /// [`Exhausted`] at the deadline.
    pub async fn reserve(
        &self,
        pool: Pool,
        bytes: u64,
        patience: Duration,
    ) -> Result<Reservation, Exhausted> {
        let granted = {
            let mut state = self.account.lock();
            if state.waiting[pool as usize].is_empty() && self.account.fits(&state, pool, bytes) {
                state.used[pool as usize] += bytes;
                return Ok(Reservation {
                    account: Arc::clone(&self.account),
                    pool,
                    bytes,
                });
            }
            let (sender, granted) = oneshot::channel();
            state.waiting[pool as usize].push_back(Waiter {
                bytes,
                granted: sender,
            });
            granted
        };
        let mut place = Place {
            account: &self.account,
            granted,
        };
        match tokio::time::timeout(patience, &mut place.granted).await {
            Ok(Ok(reservation)) => Ok(reservation),
            Ok(Err(_)) | Err(_) => Err(Exhausted),
        }
    }

    /// How far ahead of its client one body may be filled, in bytes: its fair share of the working memory, in whole pages,
    /// from one page to 64 MiB.
    pub fn window(&self) -> u64 {
        let bodies = self.account.bodies.load(Ordering::Relaxed).max(1) as u64;
        let share = self.account.working / 4 * 3 / bodies;
        share.clamp(PAGE, LARGEST_WINDOW) / PAGE * PAGE
    }

    /// Counts a body among those that share the windows, until the guard is dropped.
    pub fn open_body(&self) -> OpenBody {
        self.account.bodies.fetch_add(1, Ordering::Relaxed);
        OpenBody(Arc::clone(&self.account))
    }

    /// Bodies that share the windows now.
    pub fn open_bodies(&self) -> usize {
        self.account.bodies.load(Ordering::Relaxed)
    }
}

impl Account {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn floor(&self, pool: Pool) -> u64 {
        self.working / 8 * pool.floor_eighths()
    }

    /// Whether `bytes` more fit: into the pool's floor, or into what all pools share above their floors. A request for more
    /// than the pool can ever hold fits when the pool is empty, so that it does not wait for ever.
    fn fits(&self, state: &State, pool: Pool, bytes: u64) -> bool {
        let used = state.used[pool as usize];
        if used == 0 || used + bytes <= self.floor(pool) {
            return true;
        }
        let floors: u64 = Pool::ALL.iter().map(|pool| self.floor(*pool)).sum();
        let above = |pool: &Pool| state.used[*pool as usize].saturating_sub(self.floor(*pool));
        let shared: u64 = Pool::ALL.iter().map(above).sum();
        let more = (used + bytes).saturating_sub(self.floor(pool).max(used));
        shared + more <= self.working - floors
    }

    fn see_whether_crowded(&self, state: &State) {
        let used = state.used[Pool::Entry as usize];
        let crowded = used > self.floor(Pool::Entry);
        self.crowded.store(crowded, Ordering::Relaxed);
    }

    fn release(self: &Arc<Self>, pool: Pool, bytes: u64) {
        let mut state = self.lock();
        state.used[pool as usize] -= bytes;
        if pool == Pool::Entry {
            self.see_whether_crowded(&state);
        }
        self.grant(state);
    }

    /// Serves those at the front of the queues, as far as there is room.
    fn grant(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let mut granted = Vec::new();
        for pool in Pool::ALL {
            while let Some(waiter) = state.waiting[pool as usize].pop_front() {
                let bytes = waiter.bytes;
                if waiter.granted.is_closed() {
                    continue;
                }
                if !self.fits(&state, pool, bytes) {
                    state.waiting[pool as usize].push_front(waiter);
                    break;
                }
                state.used[pool as usize] += bytes;
                let account = Arc::clone(self);
                let reservation = Reservation {
                    account,
                    pool,
                    bytes,
                };
                granted.push((waiter.granted, reservation));
            }
        }
        drop(state);
        // Outside of the lock: a receiver that is gone drops its reservation here, which releases it again.
        for (receiver, reservation) in granted {
            drop(receiver.send(reservation));
        }
    }

    fn force(&self, pool: Pool, bytes: u64) {
        self.lock().used[pool as usize] += bytes;
    }
}

/// A place in a queue. Whoever gives it up may have kept those behind from what is free already.
struct Place<'a> {
    account: &'a Arc<Account>,
    granted: oneshot::Receiver<Reservation>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.granted.close();
        self.account.grant(self.account.lock());
    }
}

/// Bytes of a pool, given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    account: Arc<Account>,
    pool: Pool,
    bytes: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.account.release(self.pool, self.bytes);
    }
}

/// See [`Memory::open_body`].
#[derive(Debug)]
pub struct OpenBody(Arc<Account>);

impl Drop for OpenBody {
    fn drop(&mut self) {
        self.0.bodies.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A buffer's place in the accounts: in the working memory or in the tier.
#[derive(Debug)]
struct Charge {
    account: Arc<Account>,
    pool: Pool,
    bytes: u64,
    in_tier: AtomicBool,
}

impl Charge {
    /// Takes over what the reservation holds; the charge's own drop gives it back.
    fn new(mut reservation: Reservation) -> Self {
        Self {
            account: Arc::clone(&reservation.account),
            pool: reservation.pool,
            bytes: std::mem::take(&mut reservation.bytes),
            in_tier: AtomicBool::new(false),
        }
    }

    fn enter_tier(&self) {
        if !self.in_tier.swap(true, Ordering::AcqRel) {
            self.account.tier.fetch_add(self.bytes, Ordering::Relaxed);
            self.account.release(self.pool, self.bytes);
        }
    }

    fn leave_tier(&self) {
        if self.in_tier.swap(false, Ordering::AcqRel) {
            self.account.force(self.pool, self.bytes);
            self.account.tier.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if *self.in_tier.get_mut() {
            self.account.tier.fetch_sub(self.bytes, Ordering::Relaxed);
        } else {
            self.account.release(self.pool, self.bytes);
        }
    }
}
