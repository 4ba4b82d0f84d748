//! Records as bytes, for a store that outlives the node. Pure.
//!
//! A record goes out with what its belief depends on: the life of the node that admitted it, the ticket that it was admitted
//! under, when its origin was asked, and the purges that were known then. [`Records::restore`](super::Records::restore) judges
//! by them. All numbers are big-endian; what does not parse to its last byte is no record.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Record;
use super::epochs::Ticket;
use super::parts::{Part, Parts};
use crate::cache::disk::Epoch;
use crate::cache::small::LARGEST;
use crate::clock::Moment;
use crate::origin::ObjectHead;
use crate::types::{CanonicalObject, ETag, OriginFingerprint, PartNumber, Subject};

/// The version of this format. Records of another one are not read.
const VERSION: u8 = 1;

/// A record, and what it was admitted under.
#[derive(Debug)]
pub(super) struct Saved {
    /// The life of the node, as it calls itself.
    pub(super) boot: u128,
    pub(super) ticket: Ticket,
    pub(super) subject: Subject,
    pub(super) record: Record,
}

/// A record as bytes. None where it is too long to be kept; of many parts those that fit are kept, as any part is a fact of
/// its own.
pub(super) fn encode(
    boot: u128,
    ticket: &Ticket,
    subject: &Subject,
    record: &Record,
) -> Option<Bytes> {
    let Record {
        head,
        checksums_known,
        fetched_at,
        epoch,
        parts,
        ..
    } = record;
    let mut to = Vec::with_capacity(1024);
    to.put_u8(VERSION);
    to.put_u128(boot);
    for number in ticket.to_numbers() {
        to.put_u64(number);
    }
    put_moment(&mut to, *fetched_at);
    to.put_u32(epoch.0);
    to.put_u8(u8::from(*checksums_known));
    to.put_u128(subject.object.origin.to_bits());
    put_text(&mut to, subject.object.key.as_str());
    put_optional(&mut to, subject.version_id.as_deref());
    to.put_u64(head.size);
    put_text(&mut to, head.etag.as_str());
    put_optional(&mut to, head.version_id.as_deref());
    to.put_u32(u32::try_from(head.headers.len()).ok()?);
    for (name, value) in &head.headers {
        put_bytes(&mut to, name.as_str().as_bytes());
        put_bytes(&mut to, value.as_bytes());
    }
    put_parts(&mut to, parts);
    (to.len() <= LARGEST).then(|| to.into())
}

/// What [`encode`] made.
pub(super) fn decode(bytes: &[u8]) -> Option<Saved> {
    let mut from = bytes;
    if take_u8(&mut from)? != VERSION {
        return None;
    }
    let boot = take_u128(&mut from)?;
    let mut number = || take_u64(&mut from);
    let ticket = Ticket::from_numbers([number()?, number()?, number()?])?;
    let fetched_at = take_moment(&mut from)?;
    let epoch = Epoch(take_u32(&mut from)?);
    let checksums_known = take_flag(&mut from)?;
    let subject = Subject {
        object: CanonicalObject {
            origin: OriginFingerprint::from_bits(take_u128(&mut from)?),
            key: take_text(&mut from)?.parse().ok()?,
        },
        version_id: take_optional(&mut from)?,
    };
    let head = ObjectHead {
        size: take_u64(&mut from)?,
        etag: ETag::new(take_text(&mut from)?),
        version_id: take_optional(&mut from)?,
        headers: take_headers(&mut from)?,
    };
    let parts = take_parts(&mut from)?;
    let record = Record {
        body: head.body_id(&subject.object)?,
        head,
        checksums_known,
        fetched_at,
        epoch,
        parts: Arc::new(parts),
    };
    from.is_empty().then_some(Saved {
        boot,
        ticket,
        subject,
        record,
    })
}

fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    // What is longer makes the whole too long to be kept.
    to.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    to.extend_from_slice(bytes);
}

fn put_text(to: &mut Vec<u8>, text: &str) {
    put_bytes(to, text.as_bytes());
}

fn put_optional(to: &mut Vec<u8>, text: Option<&str>) {
    to.put_u8(u8::from(text.is_some()));
    put_text(to, text.unwrap_or_default());
}

fn put_moment(to: &mut Vec<u8>, moment: Option<Moment>) {
    let nanoseconds = moment.map(|moment| u64::try_from(moment.0.as_nanos()).unwrap_or(u64::MAX));
    to.put_u8(u8::from(nanoseconds.is_some()));
    to.put_u64(nanoseconds.unwrap_or_default());
}

fn put_parts(to: &mut Vec<u8>, parts: &Parts) {
    let at = to.len();
    to.put_u32(0);
    let mut count: u32 = 0;
    for (number, part) in parts.all() {
        let before = to.len();
        to.put_u64(number.index() + 1);
        to.put_u64(part.range.start);
        to.put_u64(part.range.end);
        put_text(to, part.own());
        if to.len() > LARGEST {
            to.truncate(before);
            break;
        }
        count += 1;
    }
    to[at..at + 4].copy_from_slice(&count.to_be_bytes());
}

fn take_u8(from: &mut &[u8]) -> Option<u8> {
    from.try_get_u8().ok()
}

fn take_u32(from: &mut &[u8]) -> Option<u32> {
    from.try_get_u32().ok()
}

fn take_u64(from: &mut &[u8]) -> Option<u64> {
    from.try_get_u64().ok()
}

fn take_u128(from: &mut &[u8]) -> Option<u128> {
    from.try_get_u128().ok()
}

fn take_flag(from: &mut &[u8]) -> Option<bool> {
    match take_u8(from)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn take_bytes<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_u32(from)?).ok()?;
    let (taken, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(taken)
}

fn take_text<'a>(from: &mut &'a [u8]) -> Option<&'a str> {
    std::str::from_utf8(take_bytes(from)?).ok()
}

/// An optional text, itself wrapped: the outer `None` means that there is no such thing here.
fn take_optional(from: &mut &[u8]) -> Option<Option<Arc<str>>> {
    let is_some = take_flag(from)?;
    let text = take_text(from)?;
    Some(is_some.then(|| text.into()))
}

fn take_moment(from: &mut &[u8]) -> Option<Option<Moment>> {
    let is_some = take_flag(from)?;
    let nanoseconds = take_u64(from)?;
    Some(is_some.then_some(Moment(Duration::from_nanos(nanoseconds))))
}

fn take_headers(from: &mut &[u8]) -> Option<HeaderMap> {
    let count = take_u32(from)?;
    let mut headers = HeaderMap::new();
    for _ in 0..count {
        let name = HeaderName::from_bytes(take_bytes(from)?).ok()?;
        let value = HeaderValue::from_bytes(take_bytes(from)?).ok()?;
        headers.try_append(name, value).ok()?;
    }
    Some(headers)
}

fn take_parts(from: &mut &[u8]) -> Option<Parts> {
    let count = take_u32(from)?;
    let parts = Parts::default();
    for _ in 0..count {
        let number: PartNumber = take_u64(from)?.to_string().parse().ok()?;
        let range: Range<u64> = take_u64(from)?..take_u64(from)?;
        parts.learn(number, Part::restored(range, take_text(from)?)?);
    }
    Some(parts)
}

#[cfg(test)]
mod tests;
