//! The records of this node, and its writes: the protocol put to work.
//!
//! A record is stored with the ticket of its request and believed while that ticket is current, so that a write needs to find
//! and delete nothing. Reading takes no lock but that of a cache's shard; storing and writing take one lock for a few
//! microseconds, which is never held across an await.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::cache::disk::Epoch;
use crate::cache::shards::{Shard, Shards};
use crate::clock::Clock;
use crate::types::{BodyId, CanonicalObject, Subject};

use super::epochs::{Epochs, SLOTS, Ticket};
use super::protocol::{Effects, Machine};
use super::{Config, Record, saved};

/// Bytes of a shard of records at least: some hundred of them, so that it chooses well whom it evicts.
const LEAST_SHARD: u64 = 512 << 10;

/// Everything that the node knows about objects. The only member of its cluster.
pub struct Records {
    clock: Clock,
    /// Tells this life of the node from every other.
    boot: u128,
    epochs: Arc<Epochs>,
    known: Shards<Subject, Known>,
    protocol: Mutex<Protocol>,
}

/// A record and until when it may be believed.
#[derive(Debug, Clone)]
struct Known {
    record: Arc<Record>,
    ticket: Ticket,
}

#[derive(Debug)]
struct Protocol {
    machine: Machine,
    /// Who is to be woken when a write gets on: its `begin` first, its `end` later.
    waiting: HashMap<u64, oneshot::Sender<()>>,
}

/// What is known about an object.
#[derive(Debug, Clone)]
pub struct Lookup {
    /// As the origin last described it, however old that is.
    pub record: Option<Arc<Record>>,
    /// The record must not answer before the origin has confirmed it in this very request: a write to the object has begun
    /// since, or may have. Its age is not judged here.
    pub confirm: bool,
    /// A write to the object is open: nothing that the origin answers now can be stored.
    pub write_open: bool,
    /// The epoch of this lookup, for a request that is sent to the origin because of it.
    pub ticket: Ticket,
}

impl Records {
    /// No records. Believes what it stores for ever, as there is no other member that could write.
    pub fn new(config: Config, clock: Clock) -> Arc<Self> {
        let epochs = Arc::new(Epochs::new(SLOTS));
        let weight = |_: &Subject, known: &Known| known.record.weight();
        let machine = Machine::alone(Arc::clone(&epochs));
        Arc::new(Self {
            boot: boot(&clock),
            clock,
            epochs,
            known: Shards::new("records", config.capacity, LEAST_SHARD, weight),
            protocol: Mutex::new(Protocol {
                machine,
                waiting: HashMap::new(),
            }),
        })
    }

    /// What is known about an object, or one version of it, now.
    pub fn lookup(&self, subject: &Subject) -> Lookup {
        // The epoch before the record: what is stored or begun in between makes it old, not new.
        let key = subject.object.hash64();
        let ticket = self.epochs.ticket(key);
        let known = self.known.of(key).get(subject);
        let known = known.map(|entry| entry.value().clone());
        let is_current = |known: &Known| {
            known.ticket == ticket && self.epochs.is_current(&known.ticket, || self.clock.now())
        };
        Lookup {
            confirm: !known.as_ref().is_some_and(is_current),
            record: known.map(|known| known.record),
            write_open: self.epochs.is_open(key),
            ticket,
        }
    }

    /// The epoch of an object now. To be taken *before* the request is sent whose answer shall be admitted under it.
    pub fn ticket(&self, object: &CanonicalObject) -> Ticket {
        self.epochs.ticket(object.hash64())
    }

    /// Whether no write to the ticket's object began or ended since, and none is open: whether the answer to a request that
    /// was sent under it may serve a reader who comes now.
    pub fn is_current(&self, ticket: &Ticket) -> bool {
        self.epochs.is_current(ticket, || self.clock.now())
    }

    /// Stores what the origin answered about `subject` to a request that was sent under `ticket`. A write to an object's key
    /// is one to all its versions, so that all of them have its epoch.
    ///
    /// # Errors
    /// Gives the record back where it may serve the request that asked, and no other: a write has begun or ended since, or
    /// the answer to a later request is already there.
    pub fn admit(
        &self,
        ticket: &Ticket,
        subject: &Subject,
        record: Record,
    ) -> Result<Arc<Record>, Arc<Record>> {
        let record = Arc::new(record);
        let is_about_it = *record.body.object() == subject.object;
        if !is_about_it || !self.epochs.covers(ticket, subject.object.hash64()) {
            return Err(record);
        }
        // Under the lock of the writes: once `begin` has returned nothing is stored under an epoch before it.
        let _writes = self.protocol();
        let overtaken = self.known(subject).get(subject).is_some_and(|entry| {
            let there = entry.value();
            let asked = |record: &Record| (record.epoch, record.fetched_at);
            there.ticket == *ticket && asked(&there.record) > asked(&record)
        });
        if overtaken || !self.is_current(ticket) {
            return Err(record);
        }
        let known = Known {
            record: Arc::clone(&record),
            ticket: *ticket,
        };
        self.known(subject).insert(subject.clone(), known);
        Ok(record)
    }

    /// A record that was admitted under `ticket`, as bytes that [`Self::restore`] reads, in this life or a later one. None
    /// where it is too long to be kept.
    pub fn save(&self, ticket: &Ticket, subject: &Subject, record: &Record) -> Option<Bytes> {
        saved::encode(self.boot, ticket, subject, record)
    }

    /// Takes in a record that was [saved](Self::save), where nothing is known of `subject`, it is about that, and the origin
    /// was asked at `floor` or later. Returns whether it did.
    ///
    /// One of this life is believed as if it had never left, if its ticket is still current. One of an earlier life is
    /// believed only if no write to its object was heard of in this one; its age is not known.
    pub fn restore(&self, subject: &Subject, bytes: &[u8], floor: Epoch) -> bool {
        let Some(saved) = saved::decode(bytes) else {
            return false;
        };
        if saved.subject != *subject || saved.record.epoch < floor {
            return false;
        }
        let key = subject.object.hash64();
        let (ticket, fetched_at) = match saved.boot == self.boot {
            true => (saved.ticket, saved.record.fetched_at),
            false => (self.epochs.first_ticket(key), None),
        };
        let _writes = self.protocol();
        if !self.epochs.covers(&ticket, key) || self.known(subject).contains(subject) {
            return false;
        }
        let record = Record {
            fetched_at,
            ..saved.record
        };
        let record = Arc::new(record);
        self.known(subject)
            .insert(subject.clone(), Known { record, ticket });
        true
    }

    /// Objects and versions with a record.
    pub fn count(&self) -> u64 {
        self.known.entries() as u64
    }

    /// Drops the record of `subject` if it still names `body`, which the origin no longer has. Returns whether none that names
    /// another body is there.
    pub fn forget(&self, subject: &Subject, body: &BodyId) -> bool {
        let _writes = self.protocol();
        let names_it = |record: &Record| record.body == *body;
        let forgets =
            (self.known(subject).get(subject)).is_none_or(|entry| names_it(&entry.value().record));
        if forgets {
            self.known(subject).remove(subject);
        }
        forgets
    }

    /// Begins a write to `objects`, whichever of their versions it names. Once this returns no record of theirs is believed, in any member, until the write ends.
    pub async fn begin(self: &Arc<Self>, objects: &[CanonicalObject]) -> Write {
        let mut keys: Vec<u64> = objects.iter().map(CanonicalObject::hash64).collect();
        keys.sort_unstable();
        keys.dedup();
        let (write, ready) = {
            let mut protocol = self.protocol();
            let mut effects = Effects::default();
            let number = protocol
                .machine
                .begin(keys.into(), self.clock.now(), &mut effects);
            let write = Write {
                records: Arc::clone(self),
                number: Some(number),
            };
            (write, protocol.wait(number, effects))
        };
        // Dropping this future here drops the write, which ends it.
        ready.done().await;
        write
    }

    fn end(&self, write: u64) -> Waiting {
        let mut protocol = self.protocol();
        let mut effects = Effects::default();
        protocol.machine.end(write, self.clock.now(), &mut effects);
        protocol.wait(write, effects)
    }

    fn known(&self, subject: &Subject) -> &Shard<Subject, Known> {
        self.known.of(subject.object.hash64())
    }

    fn protocol(&self) -> MutexGuard<'_, Protocol> {
        // The machine has no state between two statements that a panic could leave half done: it does not panic.
        self.protocol.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records")
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

/// A number that no other life of any node has.
fn boot(clock: &Clock) -> u128 {
    let at = clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    // The standard library seeds it from the system's source of randomness.
    let random = RandomState::new().hash_one(at);
    (at.as_nanos() << 64) | u128::from(random)
}

/// Resolves when a write gets on.
struct Waiting(oneshot::Receiver<()>);

impl Waiting {
    async fn done(self) {
        // An error means that the node is going down, where nobody is left to wait for.
        let _ = self.0.await;
    }
}

impl Protocol {
    /// Does what an event of `write` brought about, and gives what resolves when that write gets on. The only member of a
    /// cluster has nobody to send to.
    fn wait(&mut self, write: u64, effects: Effects) -> Waiting {
        let (wake, waiting) = oneshot::channel();
        self.waiting.insert(write, wake);
        for write in effects.ready.into_iter().chain(effects.ended) {
            if let Some(wake) = self.waiting.remove(&write) {
                // Nobody listens where the write was dropped.
                let _ = wake.send(());
            }
        }
        Waiting(waiting)
    }
}

/// A write that is open. Dropping it means that its outcome is unknown: it ends at once, and the next read asks the origin.
#[must_use = "a write that is dropped has ended"]
#[derive(Debug)]
pub struct Write {
    records: Arc<Records>,
    number: Option<u64>,
}

impl Write {
    /// The origin has answered. Once this returns every member knows: a client that is answered now reads its write
    /// everywhere.
    pub async fn end(mut self) {
        if let Some(number) = self.number.take() {
            let ended = self.records.end(number);
            ended.done().await;
        }
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if let Some(number) = self.number.take() {
            // Nobody waits for the others: those who have not heard hold the write open until they do.
            drop(self.records.end(number));
        }
    }
}

#[cfg(test)]
mod tests;
