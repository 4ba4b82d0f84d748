//! What waits to be written to one disk: bounded by bytes, found by who looks for it, written in batches in order.
//!
//! Foyer drops silently what its queues do not hold. So it is handed no more than its flush buffer takes, and the rest waits
//! here, where what does not fit is refused and counted.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Kind;
use super::value::{Key, Value};

/// What one entry takes besides its bytes: two slots of a map and of a queue, and the handle of its bytes.
const PER_ENTRY: usize = 192;

/// The queue of one disk.
#[derive(Debug)]
pub(super) struct Pending {
    most_bytes: usize,
    inner: Mutex<Inner>,
    /// Something is there to be written, or nothing will be any more.
    ready: Notify,
    /// What was there has been written.
    idle: Notify,
    closing: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: HashMap<Key, Entry>,
    /// In the order in which they came; each key once.
    order: VecDeque<Key>,
    writing: HashMap<Key, Entry>,
    /// Of both.
    bytes: usize,
    is_closed: bool,
}

/// Something that is to be written.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) value: Value,
}

impl Entry {
    fn weight(&self) -> usize {
        PER_ENTRY + self.value.size()
    }

    /// Bytes of the flush buffer: the head and key of foyer's own, rounded to its pages.
    pub(super) fn size_on_disk(&self) -> usize {
        const OWN: usize = 64;
        (OWN + self.value.size()).next_multiple_of(4096)
    }
}

/// What became of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    New,
    /// In place of an earlier one, which was of this kind.
    Instead(Kind),
    Full,
}

impl Pending {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            inner: Mutex::default(),
            ready: Notify::new(),
            idle: Notify::new(),
            closing: Notify::new(),
        }
    }

    /// Takes an entry where there is room.
    pub(super) fn push(&self, key: Key, entry: Entry) -> Pushed {
        let mut inner = self.inner();
        let old = inner.waiting.get(&key).map_or(0, Entry::weight);
        if inner.bytes - old + entry.weight() > self.most_bytes {
            return Pushed::Full;
        }
        self.insert(&mut inner, key, entry)
    }

    /// Takes an entry that is as good as empty, whether there is room or not: there are no more of them than keys that are
    /// held.
    pub(super) fn push_mark(&self, key: Key, entry: Entry) -> Pushed {
        self.insert(&mut self.inner(), key, entry)
    }

    fn insert(&self, inner: &mut Inner, key: Key, entry: Entry) -> Pushed {
        inner.bytes += entry.weight();
        let pushed = match inner.waiting.insert(key, entry) {
            Some(old) => {
                inner.bytes -= old.weight();
                Pushed::Instead(old.kind)
            }
            None => {
                inner.order.push_back(key);
                Pushed::New
            }
        };
        self.ready.notify_one();
        pushed
    }

    /// What is on its way to the disk under this key.
    pub(super) fn get(&self, key: Key) -> Option<Value> {
        let inner = self.inner();
        let entry = inner.waiting.get(&key).or_else(|| inner.writing.get(&key));
        entry.map(|entry| entry.value.clone())
    }

    /// Whether something is on its way under this key.
    pub(super) fn holds(&self, key: Key) -> bool {
        let inner = self.inner();
        inner.waiting.contains_key(&key) || inner.writing.contains_key(&key)
    }

    /// Bytes that wait or are being written.
    pub(super) fn bytes(&self) -> usize {
        self.inner().bytes
    }

    /// The next entries to be written, of at most `most` bytes on disk together, but at least one. They count as being
    /// written until [`Self::written`] is called. None once all are written and the queue is closed.
    pub(super) async fn next(&self, most: usize) -> Option<Vec<(Key, Entry)>> {
        loop {
            {
                let mut inner = self.inner();
                if !inner.order.is_empty() {
                    return Some(inner.take(most));
                }
                if inner.is_closed {
                    return None;
                }
            }
            // One permit is kept for an entry that comes in between.
            self.ready.notified().await;
        }
    }

    /// The entries that were given last are done with.
    pub(super) fn written(&self) {
        let mut inner = self.inner();
        let done: usize = inner.writing.values().map(Entry::weight).sum();
        inner.bytes -= done;
        inner.writing.clear();
        if inner.order.is_empty() {
            self.idle.notify_waiters();
        }
    }

    /// Nothing more will come.
    pub(super) fn close(&self) {
        self.inner().is_closed = true;
        self.ready.notify_one();
        self.closing.notify_waiters();
    }

    /// Resolves when nothing more will come.
    pub(super) async fn closed(&self) {
        let mut closing = std::pin::pin!(self.closing.notified());
        closing.as_mut().enable();
        if !self.inner().is_closed {
            closing.await;
        }
    }

    /// Resolves when nothing waits or is being written.
    pub(super) async fn settle(&self) {
        loop {
            let mut idle = std::pin::pin!(self.idle.notified());
            idle.as_mut().enable();
            {
                let inner = self.inner();
                if inner.order.is_empty() && inner.writing.is_empty() {
                    return;
                }
            }
            idle.await;
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half-way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn take(&mut self, most: usize) -> Vec<(Key, Entry)> {
        let mut taken = Vec::new();
        let mut size = 0;
        while let Some(key) = self.order.front().copied() {
            let entry = &self.waiting[&key];
            size += entry.size_on_disk();
            if size > most && !taken.is_empty() {
                break;
            }
            self.order.pop_front();
            if let Some(entry) = self.waiting.remove(&key) {
                taken.push((key, entry.clone()));
                self.writing.insert(key, entry);
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn entry(digest: u128, length: usize) -> (Key, Entry) {
        let kind = Kind::Record;
        let value = Value::new(kind, digest, Bytes::from(vec![1; length]));
        (Key::of(kind, digest), Entry { kind, value })
    }

    fn push(pending: &Pending, digest: u128, length: usize) -> Pushed {
        let (key, entry) = entry(digest, length);
        pending.push(key, entry)
    }

    #[tokio::test]
    async fn entries_are_found_until_they_are_written_and_come_in_order() {
        let pending = Pending::new(1 << 20);
        for digest in 0..5 {
            assert_eq!(push(&pending, digest, 1000), Pushed::New);
        }
        let batch = pending.next(3 * 4096).await.expect("entries");
        let keys: Vec<Key> = batch.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, [0, 1, 2].map(|digest| entry(digest, 0).0));
        assert!((0..5).all(|digest| pending.holds(entry(digest, 0).0)));
        pending.written();
        assert!(!pending.holds(entry(0, 0).0) && pending.holds(entry(3, 0).0));
        pending.close();
        assert_eq!(pending.next(1).await.map(|batch| batch.len()), Some(1));
        pending.written();
        assert_eq!(pending.next(1).await.map(|batch| batch.len()), Some(1));
        pending.written();
        assert!(pending.next(1).await.is_none());
        assert_eq!(pending.bytes(), 0);
        pending.settle().await;
    }

    #[tokio::test]
    async fn what_comes_later_is_found_while_the_earlier_is_written() {
        let pending = Pending::new(1 << 20);
        push(&pending, 1, 10);
        let _batch = pending.next(4096).await;
        assert_eq!(push(&pending, 1, 20), Pushed::New);
        assert_eq!(push(&pending, 1, 30), Pushed::Instead(Kind::Record));
        let found = pending.get(entry(1, 0).0).expect("an entry");
        assert_eq!(found, entry(1, 30).1.value);
        pending.written();
        assert_eq!(pending.bytes(), entry(1, 30).1.weight());
    }

    #[test]
    fn what_does_not_fit_is_refused_but_for_marks() {
        let pending = Pending::new(3000);
        assert_eq!(push(&pending, 1, 2000), Pushed::New);
        assert_eq!(push(&pending, 2, 2000), Pushed::Full);
        assert_eq!(push(&pending, 1, 2500), Pushed::Instead(Kind::Record));
        let (key, mark) = entry(2, 0);
        assert_eq!(push(&pending, 3, 500), Pushed::Full);
        assert_eq!(pending.push_mark(key, mark), Pushed::New);
    }
}
