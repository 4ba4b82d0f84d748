//! Asking an origin about an object, once for everybody who wants to know.
//!
//! A *metadata flight* is a request in progress whose answer becomes the object's record: a HEAD, or the GET that is the
//! first request for an unknown object, or for a part of it, and brings bytes along. Who comes while one is in the air joins it, unless a
//! write began or ended since it took off; who demands that the origin be asked on his account joins those only that took
//! off after he came. It belongs to nobody: it ends even if all who wait for it leave. A flight that fails is repeated at
//! most twice, and everybody gets its outcome.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use tokio::sync::watch;

use super::bodies::{Bodies, lock};
use super::eligibility;
use super::fill::{Fill, Run};
use super::pins::Pins;
use super::plan::{FILLS, LARGEST_FILL};
use super::source::{Source, ToldPart};
use crate::cache::disk::Epoch;
use crate::clock::{Clock, Moment};
use crate::origin::{self, Fetched, Get, ObjectHead};
use crate::records::{Part, Record, Records, Ticket};
use crate::types::layout::{SEGMENT, page_floor};
use crate::types::{Body, PartNumber, RangeSpec, Subject};

/// How often a flight is repeated after it failed.
const RETRIES: u32 = 2;

/// What to ask with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Only the headers.
    Head,
    /// The headers and the bytes that the client asked for.
    Get(Option<RangeSpec>),
    /// The headers and where a part lies, with or without its bytes.
    Part(PartNumber, Bytes),
}

/// Whether a part's bytes are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bytes {
    Wanted,
    Unwanted,
}

impl How {
    fn part(self) -> Option<PartNumber> {
        match self {
            Self::Head | Self::Get(_) => None,
            Self::Part(number, _) => Some(number),
        }
    }
}

/// What a flight is about. Who asks for a part joins who asks for that part: no other answer tells where it lies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Topic {
    subject: Subject,
    part: Option<PartNumber>,
    /// Who comes after a purge joins no flight from before it.
    floor: Epoch,
}

/// What a flight brought back.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Record(Arc<Record>),
    /// The object is there, but may not be kept: lastingly by its own nature, or because its origin could not be tried.
    NotKept {
        lastingly: bool,
    },
    Failed(Arc<origin::Error>),
}

/// A flight has landed since the caller looked at the records, with this one.
#[derive(Debug)]
pub(super) struct Landed(pub(super) Arc<Record>);

/// An outcome, and whether this caller's request was the one that was sent.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) outcome: Outcome,
    pub(super) own: bool,
}

/// The flights in the air.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    flying: Mutex<HashMap<Topic, Arc<Flight>>>,
    started: AtomicU64,
}

#[derive(Debug)]
struct Flight {
    /// How many flights had taken off with this one.
    number: u64,
    ticket: Ticket,
    outcome: watch::Sender<Option<Outcome>>,
}

/// Which flights took off before some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Departed(u64);

impl Departed {
    /// None: any flight will do.
    pub(super) const NONE: Self = Self(0);
}

impl Flights {
    /// The flights that have taken off.
    pub(super) fn departed(&self) -> Departed {
        Departed(self.started.load(Ordering::Acquire))
    }

    /// Flights in the air now.
    pub(crate) fn flying(&self) -> usize {
        lock(&self.flying).len()
    }
}

/// What a flight needs of the gateway.
#[derive(Debug, Clone)]
pub(super) struct Crew {
    pub(super) flights: Arc<Flights>,
    pub(super) bodies: Arc<Bodies>,
    pub(super) records: Arc<Records>,
    pub(super) pins: Arc<Pins>,
    pub(super) clock: Clock,
}

impl Crew {
    /// Asks the origin about what `source` reads, or joins who is asking, if not by a flight that had `departed`.
    ///
    /// # Errors
    /// None is in the air, and `since` finds a record that the caller has not seen. A flight lands once its record is stored,
    /// where it has one, so that no answer is asked for again that could be kept.
    pub(super) async fn describe(
        &self,
        source: &Arc<Source>,
        how: How,
        departed: Departed,
        since: impl FnOnce() -> Option<Arc<Record>>,
    ) -> Result<Described, Landed> {
        let topic = Topic {
            subject: source.aim.subject.clone(),
            part: how.part(),
            floor: source.aim.purges.0,
        };
        let (mut outcome, own) = {
            let mut flying = lock(&self.flights.flying);
            let may_join = |flight: &&Arc<Flight>| {
                flight.number > departed.0 && self.records.is_current(&flight.ticket)
            };
            match flying.get(&topic).filter(may_join) {
                Some(flight) => (flight.outcome.subscribe(), false),
                None => {
                    if let Some(record) = since() {
                        return Err(Landed(record));
                    }
                    let flight = Arc::new(Flight {
                        number: self.flights.started.fetch_add(1, Ordering::AcqRel) + 1,
                        ticket: self.records.ticket(&topic.subject.object),
                        outcome: watch::Sender::new(None),
                    });
                    let outcome = flight.outcome.subscribe();
                    flying.insert(topic.clone(), Arc::clone(&flight));
                    let (crew, source) = (self.clone(), Arc::clone(source));
                    let tasks = source.tasks.clone();
                    let flight = Aloft {
                        flights: Arc::clone(&self.flights),
                        topic,
                        flight,
                    };
                    let flight = crew.fly(flight, source, how);
                    tasks.spawn("metadata flight", flight);
                    (outcome, true)
                }
            }
        };
        if !own {
            source.metrics.cache.joined_flights.increment();
        }
        let landed = outcome
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|outcome| outcome.clone());
        let cancelled = || origin::Error::Unreachable("the node is shutting down".into());
        let outcome = landed.unwrap_or_else(|| Outcome::Failed(Arc::new(cancelled())));
        Ok(Described { outcome, own })
    }

    async fn fly(self, aloft: Aloft, source: Arc<Source>, how: How) {
        let ticket = &aloft.flight.ticket;
        let mut failed = 0;
        let outcome = loop {
            match self.ask(ticket, &source, how).await {
                Ok(outcome) => break outcome,
                // Read past the cache, it is the client's to make sense of: `bytes 0--1/0` is what some stores say of an
                // empty object.
                Err(origin::Error::Nonsense(what)) => {
                    tracing::debug!(what, "an answer that is not kept");
                    break Outcome::NotKept { lastingly: false };
                }
                Err(error) if error.is_retryable() && failed < RETRIES => {
                    failed += 1;
                    source.pause_before_retry(failed, &error).await;
                }
                Err(error) => break Outcome::Failed(Arc::new(error)),
            }
        };
        aloft.land(outcome);
    }

    async fn ask(
        &self,
        ticket: &Ticket,
        source: &Arc<Source>,
        how: How,
    ) -> Result<Outcome, origin::Error> {
        let fetched_at = self.clock.now();
        let origin = &source.aim.route.origin.origin;
        // An error is not kept: it does not wait for the trial.
        let pinned = self.pins.hold(source).map(Ok);
        let (told, pinned) = match how {
            How::Head => {
                let (head, pinned) = futures::try_join!(origin.head(source.head()), pinned)?;
                (Some(Told::of(head, true)), pinned)
            }
            How::Get(range) => {
                let get = first_get(source, range);
                let checksums_known = get.checksums;
                let (fetched, pinned) = futures::try_join!(origin.get(get), pinned)?;
                let Fetched { head, range, body } = fetched;
                let bytes = Some((range, body));
                let told = Told::of(head, checksums_known);
                (Some(Told { bytes, ..told }), pinned)
            }
            How::Part(number, bytes) => {
                let ask = source.part(number, bytes == Bytes::Wanted);
                let (told, pinned) = futures::try_join!(ask, pinned)?;
                let told = told.map(|ToldPart { head, part, body }| {
                    let bytes = (bytes == Bytes::Wanted).then(|| (part.range.clone(), body));
                    let told = Told::of(head, false);
                    let part = Some((number, part));
                    Told {
                        bytes,
                        part,
                        ..told
                    }
                });
                (told, pinned)
            }
        };
        let Some(told) = told.filter(|told| eligibility::is_about(&told.head, &source.aim.subject))
        else {
            return Ok(Outcome::NotKept { lastingly: false });
        };
        let lastingly = !eligibility::may_keep(&told.head, source.aim.keeping);
        if !pinned || lastingly {
            return Ok(Outcome::NotKept { lastingly });
        }
        Ok(Outcome::Record(self.keep(ticket, source, told, fetched_at)))
    }

    /// Makes a record of what was told, and a fill of the bytes that came with it.
    fn keep(
        &self,
        ticket: &Ticket,
        source: &Arc<Source>,
        told: Told,
        fetched_at: Moment,
    ) -> Arc<Record> {
        let Told {
            head,
            checksums_known,
            part,
            bytes,
        } = told;
        let body = head
            .body_id(&source.aim.subject.object)
            .expect("an object that may be kept has a strong ETag");
        let lookup = self.records.lookup(&source.aim.subject);
        let before = lookup
            .record
            .filter(|before| before.body == body && source.aim.counts(before));
        // A record that only grew younger is on the disks already, as far as it can be of use there.
        let is_saved = part.is_none()
            && !lookup.confirm
            && before.as_ref().is_some_and(|before| {
                let counts = before.fetched_at.is_some();
                let is_same = before.head.headers == head.headers;
                counts && is_same && before.checksums_known == checksums_known
            });
        let parts = before
            .map(|before| Arc::clone(&before.parts))
            .unwrap_or_default();
        if let Some((number, part)) = part {
            parts.learn(number, part);
        }
        let record = Record {
            body,
            head,
            checksums_known,
            fetched_at: Some(fetched_at),
            epoch: source.aim.purges.1,
            parts,
        };
        // First: whoever knew the record, and found neither bytes nor a fill, would ask for them once more.
        if let Some((range, body)) = bytes {
            self.adopt(&record, source, range, body);
        }
        match self.records.admit(ticket, &source.aim.subject, record) {
            Ok(record) => {
                if !(is_saved && source.saved()) {
                    source.save(ticket, &record);
                }
                record
            }
            Err(record) => record,
        }
    }

    /// Makes a fill of the bytes that came with the first answer.
    ///
    /// A body of up to a segment is read on to its end: it is one request, and breaking it off would waste what is already
    /// on its way. Of a larger one only the first part is taken; the rest comes in parallel.
    fn adopt(&self, record: &Record, source: &Arc<Source>, range: Range<u64>, answer: Body) {
        let body = self.bodies.of(&record.body, source.aim.purges.0);
        let held = source
            .tiers
            .memory
            .missing(&source.wanted(&body), range.clone());
        if held.is_none() {
            return;
        }
        let end = if range.end - range.start <= SEGMENT {
            range.end
        } else {
            range.start + LARGEST_FILL
        };
        let fill = Fill::new(range.start..end);
        lock(&body.fills).push(Arc::clone(&fill));
        lock(&body.history).widen(range, record.body.size(), FILLS);
        source.metrics.cache.fills.increment();
        let run = Run {
            fill,
            body,
            source: Arc::clone(source),
            adopted: true,
        };
        source.tasks.spawn("fill", run.run(Some(answer)));
    }
}

/// A flight in the air. However its task ends, it lands: all who joined it wait for that.
struct Aloft {
    flights: Arc<Flights>,
    topic: Topic,
    flight: Arc<Flight>,
}

/// What an origin's answer tells, whatever was asked.
struct Told {
    head: ObjectHead,
    checksums_known: bool,
    part: Option<(PartNumber, Part)>,
    bytes: Option<(Range<u64>, Body)>,
}

impl Told {
    fn of(head: ObjectHead, checksums_known: bool) -> Self {
        Self {
            head,
            checksums_known,
            part: None,
            bytes: None,
        }
    }
}

impl Aloft {
    fn land(&self, outcome: Outcome) {
        let mut flying = lock(&self.flights.flying);
        let is_this = |current: &Arc<Flight>| Arc::ptr_eq(current, &self.flight);
        if flying.get(&self.topic).is_some_and(is_this) {
            flying.remove(&self.topic);
        }
        drop(flying);
        self.flight.outcome.send_replace(Some(outcome));
    }
}

impl Drop for Aloft {
    /// Of a task that was cancelled, or that panicked.
    fn drop(&mut self) {
        if self.flight.outcome.borrow().is_none() {
            let cancelled = origin::Error::Unreachable("the request was cancelled".into());
            self.land(Outcome::Failed(Arc::new(cancelled)));
        }
    }
}

/// The first request for an unknown object: the client's own range, widened to whole pages so that what comes can be used
/// again; the whole body with its checksums where there is no range.
fn first_get(source: &Source, range: Option<RangeSpec>) -> Get {
    let widened = range.map(|range| match range {
        RangeSpec::Closed { first, last } => {
            let last = (last / crate::types::layout::PAGE)
                .saturating_add(1)
                .saturating_mul(crate::types::layout::PAGE)
                - 1;
            RangeSpec::Closed {
                first: page_floor(first),
                last,
            }
        }
        RangeSpec::Open { first } => RangeSpec::Open {
            first: page_floor(first),
        },
        RangeSpec::Suffix { length } => RangeSpec::Suffix { length },
    });
    Get {
        range: widened,
        checksums: range.is_none(),
        ..source.get()
    }
}
