//! The record that a read is answered from: the one at hand where it may speak, else what the origin says.

use std::sync::Arc;

use http::StatusCode;

use super::asked::single;
use super::describe::{Bytes, Crew, Departed, Described, How, Landed, Outcome};
use super::eligibility;
use super::request::{Conditions, Read, ReadMethod};
use super::source::{Aim, Source as From};
use super::{Attempt, Error};
use crate::gateway::Gateway;
use crate::origin;
use crate::records::Record;
use crate::types::{Source, Subject};

/// A record that may answer, and how it came to be trusted.
pub(super) struct Known {
    pub(super) record: Arc<Record>,
    pub(super) source: Source,
    /// Whether the origin was asked in this request.
    pub(super) confirmed: bool,
    /// Whether the first bytes are already on their way on account of this request.
    pub(super) own_fill: bool,
}

impl Gateway {
    /// The record to answer from: the one `at_hand`, where it will do. With `confirm`, what the origin says after this read
    /// has come.
    pub(super) async fn know(
        &self,
        source: &Arc<From>,
        read: &Read,
        at_hand: AtHand,
        confirm: Option<Departed>,
    ) -> Result<Result<Known, Attempt>, Error> {
        let mut at_hand = match at_hand {
            AtHand::Nothing if source.recall().await => self.at_hand(&source.aim),
            at_hand => at_hand,
        };
        let has_part = |record: &Record| {
            let part = read.part_number.map(|number| record.parts.get(number));
            part.is_none_or(|part| part.is_some())
        };
        let crew = self.crew();
        let (old, how, Described { outcome, own }) = loop {
            let old = match at_hand {
                AtHand::Trusted(record) if confirm.is_none() && has_part(&record) => {
                    return Ok(serve(&source.aim, record, Source::Memory, false, false));
                }
                AtHand::Trusted(record) | AtHand::Doubtful(record) => Some(record),
                AtHand::Nothing => None,
            };
            let how = self.how(source, read, old.as_deref());
            let is_old = |now: &Arc<Record>| old.as_ref().is_some_and(|old| Arc::ptr_eq(old, now));
            let since = || match self.at_hand(&source.aim) {
                AtHand::Trusted(now) | AtHand::Doubtful(now) => Some(now).filter(|it| !is_old(it)),
                AtHand::Nothing => None,
            };
            let flight = crew.describe(source, how, confirm.unwrap_or(Departed::NONE), since);
            match Box::pin(flight).await {
                Ok(described) => break (old, how, described),
                Err(Landed(_)) => at_hand = self.at_hand(&source.aim),
            }
        };
        let record = match outcome {
            Outcome::Record(record) => record,
            Outcome::NotKept { lastingly } => {
                if lastingly {
                    self.not_kept.insert(&source.aim.subject);
                }
                return Ok(Err(Attempt::PassThrough));
            }
            Outcome::Failed(error) => {
                return refused(&error, read, own || confirm.is_some()).map(Err);
            }
        };
        let told = match (old, how, own) {
            (Some(old), How::Head, _) if old.body == record.body => Source::Revalidated,
            (_, _, true) => Source::Origin,
            (_, _, false) => Source::Coalesced,
        };
        let brings_bytes = matches!(how, How::Get(_) | How::Part(_, Bytes::Wanted));
        // A flight that departed before this read came tells what was so then.
        let confirmed = own || confirm.is_some();
        let own_fill = own && brings_bytes;
        Ok(serve(&source.aim, record, told, confirmed, own_fill))
    }

    /// What is known without asking. The current object's record speaks for its version too.
    pub(super) fn at_hand(&self, aim: &Aim) -> AtHand {
        let subject = &aim.subject;
        let lookup = |subject: &Subject| {
            let lookup = self.records.lookup(subject);
            let believed = !lookup.confirm && !lookup.write_open;
            let (freshness, now) = (aim.keeping.freshness, || self.clock.now());
            match lookup.record.filter(|record| aim.counts(record)) {
                Some(record) if believed && record.is_fresh(freshness, now) => {
                    AtHand::Trusted(record)
                }
                Some(record) => AtHand::Doubtful(record),
                None => AtHand::Nothing,
            }
        };
        let own = lookup(subject);
        if matches!(own, AtHand::Trusted(_)) || subject.version_id.is_none() {
            return own;
        }
        match lookup(&Subject::from(subject.object.clone())) {
            AtHand::Trusted(record)
                if record.body.version_id() == subject.version_id.as_deref() =>
            {
                AtHand::Trusted(record)
            }
            AtHand::Trusted(_) | AtHand::Doubtful(_) | AtHand::Nothing => own,
        }
    }

    /// What to ask the origin with. A part's bytes are asked for along with its place, unless they seem to be here.
    fn how(&self, source: &From, read: &Read, old: Option<&Record>) -> How {
        let headers_will_do =
            read.method == ReadMethod::Head || read.conditions.may_spare_the_body();
        let Some(number) = read.part_number else {
            return if old.is_some() || headers_will_do {
                How::Head
            } else {
                How::Get(single(read))
            };
        };
        if old.is_some_and(|old| old.parts.get(number).is_some()) {
            return How::Head;
        }
        let is_held = old.is_some_and(|old| {
            let guess = old.parts.guess(number);
            guess.is_some_and(|range| {
                let range = range.start..range.end.min(old.body.size());
                let wanted = source.wanted(&self.bodies.of(&old.body, source.aim.purges.0));
                !range.is_empty() && source.tiers.hold(&wanted, range)
            })
        });
        let bytes = if headers_will_do || is_held {
            Bytes::Unwanted
        } else {
            Bytes::Wanted
        };
        How::Part(number, bytes)
    }

    /// The same record with its checksums, which are asked for now.
    pub(super) async fn with_checksums(
        &self,
        source: &Arc<From>,
        read: &Read,
        record: &Record,
    ) -> Result<Result<Arc<Record>, Attempt>, Error> {
        let crew = self.crew();
        let since = || match self.at_hand(&source.aim) {
            AtHand::Trusted(now) => Some(now).filter(|it| it.checksums_known),
            AtHand::Doubtful(_) | AtHand::Nothing => None,
        };
        let flight = crew.describe(source, How::Head, Departed::NONE, since);
        let outcome = match flight.await {
            Ok(described) => described.outcome,
            Err(Landed(record)) => Outcome::Record(record),
        };
        match outcome {
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

/// What is known of a subject.
pub(super) enum AtHand {
    /// Fresh, and no write has been heard of since.
    Trusted(Arc<Record>),
    Doubtful(Arc<Record>),
    Nothing,
}

/// The record as one that answers, where it may be told to who asks here.
pub(super) fn serve(
    aim: &Aim,
    record: Arc<Record>,
    told: Source,
    confirmed: bool,
    own_fill: bool,
) -> Result<Known, Attempt> {
    if !eligibility::may_serve(&record.head, aim.keeping, &aim.route.terms) {
        return Err(Attempt::PassThrough);
    }
    Ok(Known {
        record,
        source: told,
        confirmed,
        own_fill,
    })
}

/// What becomes of a read whose object the origin would not describe.
///
/// An error that a flight from before this read brought back has to be confirmed; those who joined that flight share the
/// next one. A flight knows neither a read's conditions nor, where it was a HEAD or another's, its range; of a GET the error
/// has a document besides. Where that may matter the origin is asked in the read's own words.
fn refused(error: &Arc<origin::Error>, read: &Read, confirmed: bool) -> Result<Attempt, Error> {
    if let origin::Error::Refused(refusal) = &**error
        && refusal.status.is_client_error()
    {
        let is_plain = read.conditions == Conditions::default() && read.part_number.is_none();
        let out_of_range = refusal.status == StatusCode::RANGE_NOT_SATISFIABLE;
        let its_own = read.method == ReadMethod::Get && (refusal.body.is_empty() || out_of_range);
        if !confirmed {
            return Ok(Attempt::Confirm);
        }
        if its_own || !is_plain {
            return Ok(Attempt::PassThrough);
        }
    }
    Err(Error::Origin(origin::Error::shared(error)))
}
