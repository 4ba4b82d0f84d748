//! Which bytes of a known object a read asks for. Pure.

use std::ops::Range;

use super::request::Read;
use crate::records::{Part, Record};
use crate::types::RangeSpec;
use crate::types::range::Parsed;

/// What a read gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    Whole,
    Range(Range<u64>),
    Part(Part),
}

/// Why a record does not say what a read gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// The body has no such bytes.
    OutOfRange,
    /// Where the part lies has not been learnt.
    UnknownPart,
    /// Stores differ in what they make of the request.
    Unsure,
}

impl Asked {
    /// What `read` asks of the object that `record` describes.
    pub(super) fn of(read: &Read, record: &Record) -> Result<Self, Unanswered> {
        if let Some(number) = read.part_number {
            let part = record.parts.get(number);
            return part.map(Self::Part).ok_or(Unanswered::UnknownPart);
        }
        let Some(range) = single(read) else {
            return Ok(Self::Whole);
        };
        // Many stores know no `If-Range`: the answer is the same where it holds. What a range of an empty body is each store
        // has its own mind about.
        let head = &record.head;
        let counts = read.conditions.range_counts(&head.etag, &head.headers);
        if !counts || record.body.size() == 0 {
            return Err(Unanswered::Unsure);
        }
        let range = range.resolve(record.body.size());
        range.map(Self::Range).map_err(|_| Unanswered::OutOfRange)
    }

    /// The bytes of a body of `size`.
    pub(super) fn bytes(&self, size: u64) -> Range<u64> {
        match self {
            Self::Whole => 0..size,
            Self::Range(range) => range.clone(),
            Self::Part(part) => part.range.clone(),
        }
    }
}

/// The one range that the read asks for.
pub(super) fn single(read: &Read) -> Option<RangeSpec> {
    match read.range? {
        Parsed::Single(range) => Some(range),
        Parsed::Ignored | Parsed::Several => None,
    }
}
