//! GetObject and HeadObject, through the cache.
//!
//! In order: what only the origin may answer is passed through; the record is looked up and, where it is unknown, stale or
//! in doubt, the origin is asked (`describe`); conditions and range are judged by the record, but no error is answered
//! from a record that was not confirmed in this request; a reader is set on the bytes, and the head is sent when the first of
//! them is there.

mod bodies;
mod conditions;
mod describe;
mod eligibility;
mod fill;
mod head;
mod not_kept;
mod pass_through;
mod pins;
mod plan;
mod reader;
pub mod request;
mod source;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use http::StatusCode;
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::sync::Semaphore;

pub(crate) use bodies::Bodies;
use conditions::Verdict;
pub(crate) use describe::Flights;
use describe::{Crew, Departed, Described, How, Outcome};
use fill::Failure;
pub(crate) use not_kept::NotKept;
pub(crate) use pins::Pins;
use reader::{Origin as First, Reader};
pub use request::{Conditions, Demand, Read, ReadMethod};
use source::Source as From;

use super::forward::in_clients_names;
use super::{Answer, Context, Error, Gateway};
use crate::memory::{Pool, Reservation};
use crate::origin;
use crate::records::Record;
use crate::routes::Route;
use crate::types::layout::PAGE;
use crate::types::range::Parsed;
use crate::types::{CanonicalObject, RangeSpec, Source};

/// Answers past the cache at a time when memory is full; beyond it clients are told to slow down.
pub(crate) const BYPASS_LANE: usize = 64;

/// How often a read begins anew because its version vanished before the first byte.
const ATTEMPTS: u32 = 3;

/// One pass over a read.
enum Attempt {
    Done(Answer),
    /// The version vanished: look again.
    Again,
    /// The record says something that only the origin may say: ask it.
    Confirm,
    /// The origin must answer this itself.
    PassThrough,
    /// No memory for the first byte.
    Overload,
}

/// A record that may answer, and how it came to be trusted.
struct Known {
    record: Arc<Record>,
    source: Source,
    /// Whether the origin was asked in this request.
    confirmed: bool,
    /// Whether the first bytes are already on their way on account of this request.
    own_fill: bool,
}

impl Gateway {
    /// Answers a read of an object or of its headers.
    ///
    /// # Errors
    /// Before the first byte only; later the body ends in an error.
    pub async fn read(&self, _context: &Context, read: Read) -> Result<Answer, Error> {
        let route = self
            .routes
            .load()
            .find(&read.bucket)
            .ok_or_else(|| Error::NoSuchBucket(read.bucket.clone()))?;
        let answer = self.read_behind(Arc::clone(&route), read).await;
        answer.map_err(|error| in_clients_names(&route, error))
    }

    async fn read_behind(&self, route: Arc<Route>, read: Read) -> Result<Answer, Error> {
        let key = route.origin_key(&read.key)?;
        let object = CanonicalObject {
            origin: route.fingerprint,
            key: key.clone(),
        };
        let source = Arc::new(From {
            route,
            key,
            records: Arc::clone(&self.records),
            tier: Arc::clone(&self.tier),
            memory: self.memory.clone(),
            metrics: Arc::clone(&self.metrics),
            tasks: self.tasks.clone(),
        });
        if !eligibility::may_answer(&read)
            || self.pins.refused(&object.origin)
            || self.not_kept.contains(&object)
        {
            return pass_through::pass_through(&source, &read, None).await;
        }
        let Ok(entry) = self.memory.try_reserve(Pool::Entry, PAGE) else {
            return self.bypass_lane(&source, &read).await;
        };
        let mut entry = Some(entry);
        // What is asked of the origin from here on is asked on this read's account.
        let departed = self.flights.departed();
        let mut confirm = (read.freshness == Demand::Revalidate).then_some(departed);
        for _ in 0..ATTEMPTS {
            match self
                .attempt(&source, &object, &read, confirm, &mut entry)
                .await?
            {
                Attempt::Done(answer) => return Ok(answer),
                Attempt::Again | Attempt::Confirm => confirm = Some(departed),
                Attempt::PassThrough => break,
                Attempt::Overload => return self.bypass_lane(&source, &read).await,
            }
        }
        pass_through::pass_through(&source, &read, None).await
    }

    /// Past the cache while there is room in the lane; else the client is told to come back.
    async fn bypass_lane(&self, source: &From, read: &Read) -> Result<Answer, Error> {
        match Arc::clone(&self.bypass_lane).try_acquire_owned() {
            Ok(lane) => pass_through::pass_through(source, read, Some(lane)).await,
            Err(_) => {
                self.metrics.cache.slowed_down.increment();
                Err(Error::SlowDown)
            }
        }
    }

    async fn attempt(
        &self,
        source: &Arc<From>,
        object: &CanonicalObject,
        read: &Read,
        confirm: Option<Departed>,
        entry: &mut Option<Reservation>,
    ) -> Result<Attempt, Error> {
        let known = match self.know(source, object, read, confirm).await? {
            Ok(known) => known,
            Err(attempt) => return Ok(attempt),
        };
        let record = &known.record;
        if read
            .version_id
            .as_ref()
            .is_some_and(|id| record.body.version_id() != Some(id))
        {
            return Ok(Attempt::PassThrough);
        }
        match read
            .conditions
            .judge(&record.head.etag, &record.head.headers)
        {
            Verdict::Proceed => {}
            Verdict::NotModified => {
                let response = head::not_modified(record);
                return Ok(Attempt::Done(Answer {
                    response,
                    source: known.source,
                }));
            }
            Verdict::Failed(condition) if known.confirmed => {
                return Err(Error::PreconditionFailed { condition });
            }
            Verdict::Failed(_) => return Ok(Attempt::Confirm),
        }
        let range = match asked_range(read, record) {
            Ok(range) => range,
            Err(size) if known.confirmed => return Err(Error::RangeNotSatisfiable { size }),
            Err(_) => return Ok(Attempt::Confirm),
        };
        match read.method {
            ReadMethod::Head => self.head(source, object, read, known, range).await,
            ReadMethod::Get => self.get(source, object, read, known, range, entry).await,
        }
    }

    /// The record to answer from: the one at hand where it may speak, else what the origin says. With `confirm`, what it
    /// says after this read has come.
    async fn know(
        &self,
        source: &Arc<From>,
        object: &CanonicalObject,
        read: &Read,
        confirm: Option<Departed>,
    ) -> Result<Result<Known, Attempt>, Error> {
        let lookup = self.records.lookup(object);
        let freshness = source.route.rule(&read.key).freshness;
        let trusted = confirm.is_none() && !lookup.confirm && !lookup.write_open;
        let old = match lookup.record {
            Some(record) if trusted && record.is_fresh(freshness, self.clock.now()) => {
                let source = Source::Memory;
                return Ok(Ok(Known {
                    record,
                    source,
                    confirmed: false,
                    own_fill: false,
                }));
            }
            old => old,
        };
        let headers_will_do =
            read.method == ReadMethod::Head || read.conditions.may_spare_the_body();
        let how = if old.is_some() || headers_will_do {
            How::Head
        } else {
            How::Get(single(read))
        };
        let Described { outcome, own } = self
            .crew()
            .describe(object, source, how, confirm.unwrap_or(Departed::NONE))
            .await;
        let record = match outcome {
            Outcome::Record(record) => record,
            Outcome::NotKept { lastingly } => {
                if lastingly {
                    self.not_kept.insert(object);
                }
                return Ok(Err(Attempt::PassThrough));
            }
            Outcome::Failed(error) => {
                return refused(&error, read, own || confirm.is_some()).map(Err);
            }
        };
        let source = match (old, how, own) {
            (Some(old), _, _) if old.body == record.body => Source::Revalidated,
            (_, _, true) => Source::Origin,
            (_, _, false) => Source::Coalesced,
        };
        let own_fill = own && how != How::Head;
        Ok(Ok(Known {
            record,
            source,
            // A flight that departed before this read came tells what was so then.
            confirmed: own || confirm.is_some(),
            own_fill,
        }))
    }

    async fn head(
        &self,
        source: &Arc<From>,
        object: &CanonicalObject,
        read: &Read,
        known: Known,
        range: Option<Range<u64>>,
    ) -> Result<Attempt, Error> {
        let record = if read.checksum_mode && !known.record.checksums_known {
            match self
                .with_checksums(source, object, read, &known.record)
                .await?
            {
                Ok(record) => record,
                Err(attempt) => return Ok(attempt),
            }
        } else {
            known.record
        };
        let response = head::found(&record, range.as_ref(), read.checksum_mode);
        Ok(Attempt::Done(Answer {
            response,
            source: known.source,
        }))
    }

    async fn get(
        &self,
        source: &Arc<From>,
        object: &CanonicalObject,
        read: &Read,
        known: Known,
        range: Option<Range<u64>>,
        entry: &mut Option<Reservation>,
    ) -> Result<Attempt, Error> {
        let Known {
            mut record,
            source: told,
            own_fill,
            ..
        } = known;
        let bytes = range.clone().unwrap_or(0..record.body.size());
        let mut reader = Reader::new(Arc::clone(source), self.bodies.of(&record.body), bytes);
        if own_fill {
            reader.started_the_fill();
        }
        let wants_checksums = read.checksum_mode && range.is_none() && !record.checksums_known;
        let (first, checksums) = futures::join!(reader.next(), async {
            if wants_checksums {
                Some(self.with_checksums(source, object, read, &record).await)
            } else {
                None
            }
        });
        match checksums.transpose()? {
            Some(Ok(with_checksums)) => record = with_checksums,
            Some(Err(attempt)) => return Ok(attempt),
            None => {}
        }
        let first = match first {
            Ok(first) => first,
            Err(Failure::Gone) => return Ok(Attempt::Again),
            Err(Failure::NoMemory | Failure::Deserted) => return Ok(Attempt::Overload),
            Err(Failure::Origin(error)) => {
                return Err(Error::Origin(origin::Error::shared(&error)));
            }
        };
        let told = match reader.first() {
            First::Own => Source::Origin,
            First::Joined => Source::Coalesced,
            First::Tier => told,
        };
        let mut response = head::found(&record, range.as_ref(), read.checksum_mode);
        if let Some(first) = first {
            let body = reader::Answer::new(first, reader);
            debug_assert_eq!(
                body.size_hint().exact(),
                range.map_or(Some(record.body.size()), |r| Some(r.end - r.start))
            );
            let entry = entry.take();
            *response.body_mut() = body
                .map_frame(move |frame| {
                    let _held_until_the_body_ends = &entry;
                    frame
                })
                .boxed_unsync();
        }
        Ok(Attempt::Done(Answer {
            response,
            source: told,
        }))
    }

    /// The same record with its checksums, which are asked for now.
    async fn with_checksums(
        &self,
        source: &Arc<From>,
        object: &CanonicalObject,
        read: &Read,
        record: &Record,
    ) -> Result<Result<Arc<Record>, Attempt>, Error> {
        match self
            .crew()
            .describe(object, source, How::Head, Departed::NONE)
            .await
            .outcome
        {
            // Joined flights may be reads of a range, which tell no checksums either: the answer then has none, as if
            // the client had not asked.
            Outcome::Record(new) if new.body == record.body => Ok(Ok(new)),
            Outcome::Record(_) => Ok(Err(Attempt::Again)),
            Outcome::NotKept { .. } => Ok(Err(Attempt::PassThrough)),
            Outcome::Failed(error) => refused(&error, read, true).map(Err),
        }
    }

    fn crew(&self) -> Crew {
        Crew {
            flights: Arc::clone(&self.flights),
            bodies: Arc::clone(&self.bodies),
            records: Arc::clone(&self.records),
            pins: Arc::clone(&self.pins),
            clock: self.clock.clone(),
        }
    }
}

/// The lane for answers past the cache.
pub(crate) fn bypass_lane() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(BYPASS_LANE))
}

/// What becomes of a read whose object the origin would not describe.
///
/// An error that a flight from before this read brought back has to be confirmed; those who joined that flight share the
/// next one. The error of a GET has a document, which a HEAD does not bring, and which names the client's own range where
/// that is what is wrong.
fn refused(error: &Arc<origin::Error>, read: &Read, confirmed: bool) -> Result<Attempt, Error> {
    if let origin::Error::Refused(refusal) = &**error
        && refusal.status.is_client_error()
    {
        let its_own =
            refusal.body.is_empty() || refusal.status == StatusCode::RANGE_NOT_SATISFIABLE;
        if !confirmed {
            return Ok(Attempt::Confirm);
        }
        if its_own && read.method == ReadMethod::Get {
            return Ok(Attempt::PassThrough);
        }
    }
    Err(Error::Origin(origin::Error::shared(error)))
}

fn single(read: &Read) -> Option<RangeSpec> {
    match read.range? {
        Parsed::Single(range) => Some(range),
        Parsed::Ignored | Parsed::Several => None,
    }
}

/// The bytes that the read asks for; none for the whole body, the body's size where it has no such bytes.
fn asked_range(read: &Read, record: &Record) -> Result<Option<Range<u64>>, u64> {
    let Some(range) = single(read) else {
        return Ok(None);
    };
    if !read
        .conditions
        .range_counts(&record.head.etag, &record.head.headers)
    {
        return Ok(None);
    }
    let size = record.body.size();
    range.resolve(size).map(Some).map_err(|_| size)
}
