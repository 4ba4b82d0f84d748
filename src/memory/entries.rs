//! The entry pool, page by page: every answer takes one, so that cores keep some at hand and do not wait for the account.
//!
//! What is at hand is charged to the pool, and lies within its floor, which nobody else could have. Before the pool outgrows
//! its floor an answer gets what other cores have at hand; beyond it pages go straight back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Account, Exhausted, Pool};
use crate::per_core::PerCore;
use crate::types::layout::PAGE;

/// How many pages a core takes at a time. It keeps up to twice as many.
const BATCH: u64 = 8;

/// The pages at hand, of all cores.
#[derive(Debug)]
pub(super) struct Entries(PerCore<Arc<Bank>>);

/// The pages that one core has at hand.
#[derive(Debug)]
#[repr(align(128))]
struct Bank {
    account: Arc<Account>,
    pages: AtomicU64,
}

/// A page of the entry pool, given back when dropped.
#[derive(Debug)]
pub struct Entry(Arc<Bank>);

impl Entries {
    pub(super) fn of(account: &Arc<Account>) -> Self {
        Self(PerCore::new(|| {
            Arc::new(Bank {
                account: Arc::clone(account),
                pages: AtomicU64::new(0),
            })
        }))
    }

    /// Bytes at hand.
    pub(super) fn at_hand(&self) -> u64 {
        let pages = self.0.iter().map(|bank| bank.pages.load(Ordering::Relaxed));
        pages.sum::<u64>() * PAGE
    }

    pub(super) fn enter(&self) -> Result<Entry, Exhausted> {
        let own = self.0.own();
        if own.take() || own.fetch() {
            return Ok(Entry(Arc::clone(own)));
        }
        // What others could have is not touched while a core has pages that it does not need.
        for bank in self.0.iter() {
            bank.give_back(u64::MAX);
        }
        if own.fetch_one() {
            Ok(Entry(Arc::clone(own)))
        } else {
            Err(Exhausted)
        }
    }
}

impl Bank {
    /// Takes a page from those at hand.
    fn take(&self) -> bool {
        let less = |pages: u64| pages.checked_sub(1);
        self.pages
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }

    /// Takes a page from what is left of the pool's floor, and some more to have at hand.
    fn fetch(&self) -> bool {
        let mut state = self.account.lock();
        let used = state.used[Pool::Entry as usize];
        let left = self.account.floor(Pool::Entry).saturating_sub(used) / PAGE;
        let pages = left.min(BATCH);
        if pages > 0 {
            state.used[Pool::Entry as usize] += pages * PAGE;
            self.pages.fetch_add(pages - 1, Ordering::Relaxed);
        }
        pages > 0
    }

    /// Takes a page from wherever the pool may have one.
    fn fetch_one(&self) -> bool {
        let mut state = self.account.lock();
        let fits = self.account.fits(&state, Pool::Entry, PAGE);
        if fits {
            state.used[Pool::Entry as usize] += PAGE;
            self.account.see_whether_crowded(&state);
        }
        fits
    }

    /// Takes a page back, to have it at hand.
    fn give(&self) {
        let at_hand = self.pages.fetch_add(1, Ordering::Relaxed) + 1;
        if self.account.crowded.load(Ordering::Relaxed) {
            self.give_back(at_hand);
        } else if at_hand > 2 * BATCH {
            self.give_back(BATCH);
        }
    }

    /// Gives so many of the pages at hand back to the account, or all that there are.
    fn give_back(&self, most: u64) {
        if self.pages.load(Ordering::Relaxed) == 0 {
            return;
        }
        let less = |pages: u64| Some(pages.saturating_sub(most));
        let before = self
            .pages
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        let pages = before.map_or(0, |before| before.min(most));
        if pages > 0 {
            self.account.release(Pool::Entry, pages * PAGE);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.0.give();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Config, LEAST_LIMIT, Memory};

    fn charged(memory: &Memory) -> u64 {
        memory.account.lock().used[Pool::Entry as usize]
    }

    #[test]
    fn a_core_goes_to_the_account_once_for_many_answers() {
        let memory = Memory::new(Config { limit: 1 << 30 });
        let mut held: Vec<_> = (0..BATCH).map(|_| memory.enter().unwrap()).collect();
        assert_eq!(charged(&memory), BATCH * PAGE);
        assert_eq!(memory.used(Pool::Entry), BATCH * PAGE);
        held.push(memory.enter().unwrap());
        assert_eq!(charged(&memory), 2 * BATCH * PAGE);
        assert_eq!(memory.used(Pool::Entry), (BATCH + 1) * PAGE);
        drop(held);
        assert_eq!(memory.used(Pool::Entry), 0);
        assert_eq!(charged(&memory), 2 * BATCH * PAGE, "they are at hand");
        let more: Vec<_> = (0..3 * BATCH).map(|_| memory.enter().unwrap()).collect();
        drop(more);
        assert_eq!(
            charged(&memory),
            2 * BATCH * PAGE,
            "no more than twice a batch"
        );
    }

    #[test]
    fn beyond_its_floor_the_pool_has_only_what_answers_hold() {
        let memory = Memory::new(Config { limit: LEAST_LIMIT });
        let floor = memory.account.floor(Pool::Entry);
        let mut held: Vec<_> = (0..floor / PAGE + 10)
            .map(|_| memory.enter().unwrap())
            .collect();
        assert_eq!(charged(&memory), floor + 10 * PAGE);
        held.truncate(held.len() - 4);
        assert_eq!(charged(&memory), floor + 6 * PAGE);
        let others = memory.account.working / 8 * 6 - 6 * PAGE;
        let _fill = memory.try_reserve(Pool::Fill, others).expect("it is free");
        assert!(memory.enter().is_err());
        drop(held);
        assert_eq!(memory.used(Pool::Entry), 0);
        assert!(charged(&memory) <= floor);
    }

    #[test]
    fn the_floor_is_used_up_before_the_pool_goes_beyond_it() {
        let memory = Memory::new(Config { limit: LEAST_LIMIT });
        let floor = memory.account.floor(Pool::Entry) / PAGE;
        let other = memory.entries.0.iter().next().expect("there is a core");
        assert!(other.fetch());
        let rest = floor - BATCH;
        let _held: Vec<_> = (0..rest + 5).map(|_| memory.enter().unwrap()).collect();
        assert_eq!(memory.used(Pool::Entry), (1 + rest + 5) * PAGE);
        assert!(charged(&memory) <= floor * PAGE);
        assert_eq!(other.pages.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn who_would_be_refused_gets_what_other_cores_have_at_hand() {
        let memory = Memory::new(Config { limit: LEAST_LIMIT });
        let other = memory
            .entries
            .0
            .iter()
            .next()
            .expect("a machine has a core");
        assert!(other.fetch());
        let all = memory.account.floor(Pool::Entry) - BATCH * PAGE;
        let _held = memory.try_reserve(Pool::Entry, all).expect("it is free");
        let shared = memory.account.working / 8 * 6;
        let _fill = memory.try_reserve(Pool::Fill, shared).expect("it is free");
        assert_eq!(other.pages.load(Ordering::Relaxed), BATCH - 1);
        let _entry = memory
            .enter()
            .expect("the other core has more than it needs");
        assert_eq!(
            memory.account.lock().used[Pool::Entry as usize],
            all + 2 * PAGE
        );
        assert_eq!(other.pages.load(Ordering::Relaxed), 0);
    }
}
