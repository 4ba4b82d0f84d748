//! Asking an origin about an object, once for everybody who wants to know.
//!
//! A *metadata flight* is a request in progress whose answer becomes the object's record: a HEAD, or the GET that is the
//! first request for an unknown object and brings its first bytes along. Who comes while one is in the air joins it, unless a
//! write began or ended since it took off. It belongs to nobody: it ends even if all who wait for it leave. A flight
//! that fails is repeated at most twice, and everybody gets its outcome.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::bodies::{Bodies, lock};
use super::eligibility;
use super::fill::{Fill, Run};
use super::pins::Pins;
use super::plan::LARGEST_FILL;
use super::source::Source;
use crate::clock::Clock;
use crate::origin::{self, Fetched, Get, Head, ObjectHead};
use crate::records::{Record, Records, Ticket};
use crate::types::layout::{SEGMENT, page_floor};
use crate::types::{CanonicalObject, RangeSpec};

/// How often a flight is repeated after it failed.
const RETRIES: u32 = 2;

/// What to ask with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Only the headers.
    Head,
    /// The headers and the bytes that the client asked for.
    Get(Option<RangeSpec>),
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

/// An outcome, and whether this caller's request was the one that was sent.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) outcome: Outcome,
    pub(super) own: bool,
}

/// The flights in the air.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    flying: Mutex<HashMap<CanonicalObject, Arc<Flight>>>,
}

#[derive(Debug)]
struct Flight {
    ticket: Ticket,
    outcome: watch::Sender<Option<Outcome>>,
}

impl Flights {
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
    /// Asks the origin about `object`, or joins who is asking.
    pub(super) async fn describe(
        &self,
        object: &CanonicalObject,
        source: &Arc<Source>,
        how: How,
    ) -> Described {
        let (mut outcome, own) = {
            let mut flying = lock(&self.flights.flying);
            match flying
                .get(object)
                .filter(|flight| self.records.is_current(&flight.ticket))
            {
                Some(flight) => (flight.outcome.subscribe(), false),
                None => {
                    let ticket = self.records.ticket(object);
                    let flight = Arc::new(Flight {
                        ticket,
                        outcome: watch::Sender::new(None),
                    });
                    let outcome = flight.outcome.subscribe();
                    flying.insert(object.clone(), Arc::clone(&flight));
                    let (crew, source, object) = (self.clone(), Arc::clone(source), object.clone());
                    let tasks = source.tasks.clone();
                    tasks.spawn("metadata flight", async move {
                        crew.fly(flight, object, source, how).await
                    });
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
        Described { outcome, own }
    }

    async fn fly(
        self,
        flight: Arc<Flight>,
        object: CanonicalObject,
        source: Arc<Source>,
        how: How,
    ) {
        let mut failed = 0;
        let outcome = loop {
            match self.ask(&flight.ticket, &object, &source, how).await {
                Ok(outcome) => break outcome,
                Err(error) if error.is_retryable() && failed < RETRIES => {
                    failed += 1;
                    source.pause_before_retry(failed, &error).await;
                }
                Err(error) => break Outcome::Failed(Arc::new(error)),
            }
        };
        let mut flying = lock(&self.flights.flying);
        if flying
            .get(&object)
            .is_some_and(|current| Arc::ptr_eq(current, &flight))
        {
            flying.remove(&object);
        }
        drop(flying);
        flight.outcome.send_replace(Some(outcome));
    }

    async fn ask(
        &self,
        ticket: &Ticket,
        object: &CanonicalObject,
        source: &Arc<Source>,
        how: How,
    ) -> Result<Outcome, origin::Error> {
        let fetched_at = self.clock.now();
        let record = |head: ObjectHead, checksums_known| {
            let body = head
                .body_id(object)
                .expect("an object that may be kept has a strong ETag");
            let record = Record {
                body,
                head,
                checksums_known,
                fetched_at,
            };
            match self.records.admit(ticket, record) {
                Ok(record) | Err(record) => record,
            }
        };
        match how {
            How::Head => {
                let (bucket, key) = (source.route.origin_bucket.clone(), source.key.clone());
                let ask = source.route.origin.origin.head(Head {
                    bucket,
                    key,
                    checksums: true,
                });
                let (head, pinned) = futures::join!(ask, self.pins.hold(source));
                let head = head?;
                let lastingly = !eligibility::may_keep(&head);
                if !pinned || lastingly {
                    return Ok(Outcome::NotKept { lastingly });
                }
                Ok(Outcome::Record(record(head, true)))
            }
            How::Get(range) => {
                let get = first_get(source, range);
                let checksums = get.checksums;
                let (fetched, pinned) =
                    futures::join!(source.route.origin.origin.get(get), self.pins.hold(source));
                let fetched = fetched?;
                let lastingly = !eligibility::may_keep(&fetched.head);
                if !pinned || lastingly {
                    return Ok(Outcome::NotKept { lastingly });
                }
                let record = record(fetched.head.clone(), checksums);
                self.adopt(&record, source, fetched);
                Ok(Outcome::Record(record))
            }
        }
    }

    /// Makes a fill of the bytes that came with the first answer.
    ///
    /// A body of up to a segment is read on to its end: it is one request, and breaking it off would waste what is already
    /// on its way. Of a larger one only the first part is taken; the rest comes in parallel.
    fn adopt(&self, record: &Record, source: &Arc<Source>, fetched: Fetched) {
        let Fetched {
            range,
            body: answer,
            ..
        } = fetched;
        if range.is_empty() {
            return;
        }
        let end = if range.end - range.start <= SEGMENT {
            range.end
        } else {
            range.start + LARGEST_FILL
        };
        let body = self.bodies.of(&record.body);
        let fill = Fill::new(range.start..end);
        lock(&body.fills).push(Arc::clone(&fill));
        lock(&body.history).widen(range, record.body.size());
        source.metrics.cache.fills.increment();
        let run = Run {
            fill,
            body,
            source: Arc::clone(source),
        };
        source.tasks.spawn("fill", run.run(Some(answer)));
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
    let (bucket, key) = (source.route.origin_bucket.clone(), source.key.clone());
    Get {
        bucket,
        key,
        range: widened,
        pin: None,
        checksums: range.is_none(),
    }
}
