//! GetObject and HeadObject, through the cache.
//!
//! In order: what only the origin may answer is passed through; the record is looked up and, where it is unknown, stale or
//! in doubt, the origin is asked (`know`, `describe`); conditions and range are judged by the record, and where they fail the
//! origin says so itself; a reader is set on the bytes, and the head is sent when the first of them is there.
//!
//! Most reads are hits in memory that need none of the waiting (`at_once`): they are answered without a future. That of
//! everything else is boxed, because the futures around it are moved several times, whatever they turn out to be for.

mod asked;
mod at_once;
mod bodies;
mod conditions;
mod describe;
mod eligibility;
mod fill;
mod from_disk;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod head;
mod know;
mod loads;
mod not_kept;
mod not_modified;
mod pass_through;
mod pins;
mod plan;
mod reader;
mod recall;
pub mod request;
mod source;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, Either, FutureExt as _, Ready, TryFutureExt as _, ready};
use http::StatusCode;
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use asked::{Asked, Unanswered};
pub(crate) use bodies::Bodies;
use conditions::{Cause, Verdict};
use describe::Departed;
pub(crate) use describe::Flights;
use fill::Failure;
use know::{AtHand, Known};
pub(crate) use not_kept::NotKept;
pub(crate) use not_modified::NotModified;
pub(crate) use pins::Pins;
use reader::{Origin as First, Reader};
pub use request::{Conditions, Demand, Read, ReadMethod};
use source::{Aim, Source as From};

use super::forward::in_clients_names;
use super::{Answer, Context, Error, Gateway};
use crate::memory::Entry;
use crate::origin;
use crate::records::Record;
use crate::routes::Route;
use crate::types::{Body, BoxError, Source, Subject};

/// Answers past the cache at a time when memory is full; beyond it clients are told to slow down.
pub(crate) const BYPASS_LANE: usize = 64;

/// How often a read begins anew because its version vanished before the first byte.
const ATTEMPTS: u32 = 3;

/// A read that has been answered, or that has to wait.
pub type Reading<'a> = Either<Ready<Result<Answer, Error>>, BoxFuture<'a, Result<Answer, Error>>>;

/// One pass over a read.
enum Attempt {
    Done(Answer),
    /// The version vanished: look again.
    Again,
    /// The record says something that only the origin may say: ask it.
    Confirm,
    /// The origin must answer this itself.
    PassThrough,
    /// The origin must answer this itself: how it says that an object is unchanged is not known yet.
    Learn(Cause, Arc<Record>),
    /// No memory for the first byte.
    Overload,
}

impl Gateway {
    /// Answers a read of an object or of its headers: what memory has, in this very call.
    ///
    /// # Errors
    /// Before the first byte only; later the body ends in an error.
    pub fn read(&self, _context: &Context, read: Read) -> Reading<'_> {
        let Some(route) = self.routes.load().find(&read.bucket) else {
            return Either::Left(ready(Err(Error::NoSuchBucket(read.bucket))));
        };
        match self.read_behind(Arc::clone(&route), read) {
            Either::Left(answer) => {
                let answer = answer.into_inner();
                Either::Left(ready(
                    answer.map_err(|error| in_clients_names(&route, error)),
                ))
            }
            Either::Right(answer) => {
                let named = move |error| in_clients_names(&route, error);
                Either::Right(answer.map_err(named).boxed())
            }
        }
    }

    fn read_behind(&self, route: Arc<Route>, read: Read) -> Reading<'_> {
        let aim = match self.aim(route, &read) {
            Ok(aim) => aim,
            Err(error) => return Either::Left(ready(Err(error))),
        };
        if !eligibility::may_answer(&read, &aim.route.terms)
            || self.pins.refused(&aim.route.fingerprint)
            || self.not_kept.contains(&aim.subject)
        {
            let source = self.source(aim);
            let past = async move { pass_through(&source, &read, None).await };
            return Either::Right(past.boxed());
        }
        let Ok(entry) = self.memory.enter() else {
            let source = self.source(aim);
            let past = async move { self.bypass_lane(&source, &read).await };
            return Either::Right(past.boxed());
        };
        let mut entry = Some(entry);
        // What is asked of the origin from here on is asked on this read's account.
        let departed = self.flights.departed();
        let at_hand = self.at_hand(&aim);
        match self.at_once(&aim, &read, &at_hand, &mut entry) {
            Some(answer) => Either::Left(ready(Ok(answer))),
            None => Either::Right(self.in_time(aim, read, at_hand, departed, entry).boxed()),
        }
    }

    /// What `read` is aimed at, by the rules and purges of now.
    fn aim(&self, route: Arc<Route>, read: &Read) -> Result<Aim, Error> {
        let object = route.canonical(&read.key)?;
        Ok(Aim {
            purges: self.tiers.purges(&object),
            keeping: route.rule(&read.key).keeping,
            route,
            subject: Subject {
                object,
                version_id: read.version_id.as_deref().map(Arc::from),
            },
        })
    }

    fn source(&self, aim: Aim) -> From {
        From {
            aim,
            records: Arc::clone(&self.records),
            tiers: Arc::clone(&self.tiers),
            memory: self.memory.clone(),
            metrics: Arc::clone(&self.metrics),
            tasks: self.fills.clone(),
        }
    }

    /// The answer to a read that something has to be waited for. `departed` is as of when it came.
    async fn in_time(
        &self,
        aim: Aim,
        read: Read,
        mut at_hand: AtHand,
        departed: Departed,
        mut entry: Option<Entry>,
    ) -> Result<Answer, Error> {
        let source = Arc::new(self.source(aim));
        let mut confirm = (read.freshness == Demand::Revalidate).then_some(departed);
        for _ in 0..ATTEMPTS {
            let attempt = self.attempt(&source, &read, at_hand, confirm, &mut entry);
            match attempt.await? {
                Attempt::Done(answer) => return Ok(answer),
                Attempt::Again | Attempt::Confirm => confirm = Some(departed),
                Attempt::PassThrough => break,
                Attempt::Learn(cause, record) => {
                    return self.learn(&source, &read, cause, &record).await;
                }
                Attempt::Overload => return self.bypass_lane(&source, &read).await,
            }
            at_hand = self.at_hand(&source.aim);
        }
        pass_through(&source, &read, None).await
    }

    /// Past the cache while there is room in the lane; else the client is told to come back.
    async fn bypass_lane(&self, source: &From, read: &Read) -> Result<Answer, Error> {
        let lane: Result<OwnedSemaphorePermit, _> =
            Arc::clone(&self.bypass_lane).try_acquire_owned();
        match lane {
            Ok(lane) => pass_through(source, read, Some(lane)).await,
            Err(_) => {
                self.metrics.cache.slowed_down.increment();
                Err(Error::SlowDown)
            }
        }
    }

    /// Passes a read through whose object has not changed, and learns from the answer how its origin says so.
    async fn learn(
        &self,
        source: &From,
        read: &Read,
        cause: Cause,
        record: &Record,
    ) -> Result<Answer, Error> {
        let asked_at = self.not_modified.now();
        let answer = pass_through(source, read, None).await?;
        // The answer may be about a later state of the object than the record.
        let lookup = self.records.lookup(&source.aim.subject);
        let is_current = lookup.record.is_some_and(|now| std::ptr::eq(&*now, record));
        let undoubted = is_current && !lookup.confirm && !lookup.write_open;
        if undoubted && answer.response.status() == StatusCode::NOT_MODIFIED {
            let (object, told) = (&record.head.headers, answer.response.headers());
            let subject = &source.aim.subject;
            self.not_modified
                .learn(asked_at, subject, cause, object, told);
        }
        Ok(answer)
    }

    async fn attempt(
        &self,
        source: &Arc<From>,
        read: &Read,
        at_hand: AtHand,
        confirm: Option<Departed>,
        entry: &mut Option<Entry>,
    ) -> Result<Attempt, Error> {
        let known = match self.know(source, read, at_hand, confirm).await? {
            Ok(known) => known,
            Err(attempt) => return Ok(attempt),
        };
        match (self.judge(&source.aim, read, &known), read.method) {
            (Err(attempt), _) => Ok(attempt),
            (Ok(asked), ReadMethod::Head) => self.head(source, read, known, &asked).await,
            (Ok(asked), ReadMethod::Get) => self.get(source, read, known, &asked, entry).await,
        }
    }

    /// What `read` gets of an object that is known, or what becomes of it where that is not its bytes or headers.
    fn judge(&self, aim: &Aim, read: &Read, known: &Known) -> Result<Asked, Attempt> {
        // What the origin has just confirmed to be an error, it words itself.
        let error = if known.confirmed {
            Attempt::PassThrough
        } else {
            Attempt::Confirm
        };
        // Before the conditions, as some stores do: a range that is none may be an error whatever they say.
        let asked = match Asked::of(read, &known.record) {
            Ok(asked) => asked,
            Err(Unanswered::OutOfRange) => return Err(error),
            Err(Unanswered::UnknownPart) => return Err(Attempt::Again),
            Err(Unanswered::Unsure) => return Err(Attempt::PassThrough),
        };
        // Most reads have none, and need no time of day.
        if read.conditions == Conditions::default() {
            return Ok(asked);
        }
        let head = &known.record.head;
        let now = self.clock.wall();
        match read.conditions.judge(&head.etag, &head.headers, now) {
            Verdict::Proceed => Ok(asked),
            Verdict::NotModified(cause) => {
                let subject = &aim.subject;
                let answer = self.not_modified.answer(subject, cause, &head.headers);
                Err(match answer {
                    Some(response) => Attempt::Done(Answer {
                        response,
                        source: known.source,
                    }),
                    None => Attempt::Learn(cause, Arc::clone(&known.record)),
                })
            }
            Verdict::Failed => Err(error),
            Verdict::Unsure => Err(Attempt::PassThrough),
        }
    }

    async fn head(
        &self,
        source: &Arc<From>,
        read: &Read,
        known: Known,
        asked: &Asked,
    ) -> Result<Attempt, Error> {
        let wants_checksums = read.checksum_mode && *asked == Asked::Whole;
        let record = if wants_checksums && !known.record.checksums_known {
            match Box::pin(self.with_checksums(source, read, &known.record)).await? {
                Ok(record) => record,
                Err(attempt) => return Ok(attempt),
            }
        } else {
            known.record
        };
        Ok(Attempt::Done(Answer {
            response: head::found(&record, asked, read.checksum_mode),
            source: known.source,
        }))
    }

    async fn get(
        &self,
        source: &Arc<From>,
        read: &Read,
        known: Known,
        asked: &Asked,
        entry: &mut Option<Entry>,
    ) -> Result<Attempt, Error> {
        let Known {
            mut record,
            source: told,
            own_fill,
            ..
        } = known;
        let bytes = asked.bytes(record.body.size());
        let length = bytes.end - bytes.start;
        let mut reader = Reader::new(
            Arc::clone(source),
            self.bodies.of(&record.body, source.aim.purges.0),
            bytes,
        );
        if own_fill {
            reader.started_the_fill();
        }
        let wants_checksums =
            read.checksum_mode && *asked == Asked::Whole && !record.checksums_known;
        let (first, checksums) = futures::join!(reader.next(), async {
            if wants_checksums {
                Some(Box::pin(self.with_checksums(source, read, &record)).await)
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
            First::Disk => Source::Disk,
            First::Memory => told,
        };
        let mut response = head::found(&record, asked, read.checksum_mode);
        if let Some(first) = first {
            let body = reader::Answer::new(first, reader);
            debug_assert_eq!(body.size_hint().exact(), Some(length));
            *response.body_mut() = with_entry(body, entry.take());
        }
        Ok(Attempt::Done(Answer {
            response,
            source: told,
        }))
    }
}

/// A body that holds its read's place in memory until it ends.
fn with_entry<B>(body: B, entry: Option<Entry>) -> Body
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let held = body.map_frame(move |frame| {
        let _held_until_the_body_ends = &entry;
        frame
    });
    held.map_err(Into::into).boxed_unsync()
}

/// Has the origin answer.
fn pass_through<'a>(
    source: &'a From,
    read: &'a Read,
    lane: Option<OwnedSemaphorePermit>,
) -> BoxFuture<'a, Result<Answer, Error>> {
    Box::pin(pass_through::pass_through(source, read, lane))
}

/// The lane for answers past the cache.
pub(crate) fn bypass_lane() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(BYPASS_LANE))
}
