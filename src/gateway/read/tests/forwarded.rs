//! What the origin in memory answers to requests in S3's own shape.

use std::ops::Range;

use http::{HeaderMap, Response, StatusCode};

use super::origin::{FakeOrigin, Object};
use crate::origin::Error;
use crate::types::range::Parsed;
use crate::types::{Body, RangeSpec, body};

/// A refusal as an answer.
pub(super) fn answered(error: Error) -> Result<Response<Body>, Error> {
    let Error::Refused(refusal) = error else {
        return Err(error);
    };
    let mut response = Response::new(body::full(refusal.body));
    *response.status_mut() = refusal.status;
    Ok(response)
}

/// An answer of this status that says who gave it.
fn own_answer(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(body::full("the origin's own words"));
    *response.status_mut() = status;
    response
}

impl FakeOrigin {
    /// The answer to a forwarded read of an object.
    pub(super) fn select(
        &self,
        object: &Object,
        asked: &HeaderMap,
        part: Option<u64>,
        bytes: bool,
    ) -> Response<Body> {
        let text = |name: &str| asked.get(name).and_then(|value| value.to_str().ok());
        if text("if-match").is_some_and(|tag| tag != object.etag) {
            return own_answer(StatusCode::PRECONDITION_FAILED);
        }
        let modified = object.headers.get("last-modified");
        let same_date = modified.is_some() && asked.get("if-modified-since") == modified;
        if same_date || text("if-none-match") == Some(&object.etag) {
            let mut response = own_answer(StatusCode::NOT_MODIFIED);
            *response.body_mut() = body::empty();
            let etag = object.etag.parse().expect("a header");
            response.headers_mut().insert("etag", etag);
            return response;
        }
        let size = object.bytes.len() as u64;
        let range = match (part, text("range").map(RangeSpec::parse)) {
            (Some(part), _) => match place(&object.parts, size, part) {
                Some(range) => Some(range),
                None => return own_answer(StatusCode::RANGE_NOT_SATISFIABLE),
            },
            (None, Some(Parsed::Single(range))) => match range.resolve(size) {
                Ok(range) => Some(range),
                Err(_) => return own_answer(StatusCode::RANGE_NOT_SATISFIABLE),
            },
            (None, Some(Parsed::Ignored | Parsed::Several) | None) => None,
        };
        let mut response = Response::new(body::empty());
        *response.headers_mut() = Self::head_of(object).headers;
        let (start, end) = range
            .clone()
            .map_or((0, size), |range| (range.start, range.end));
        let mut insert = |name: &'static str, value: String| {
            let value = value.parse().expect("a header");
            response.headers_mut().insert(name, value);
        };
        insert("content-length", (end - start).to_string());
        if let Some(part) = part.filter(|_| !object.parts.is_empty()) {
            insert("x-amz-mp-parts-count", object.parts.len().to_string());
            if text("x-amz-checksum-mode").is_some() {
                insert("x-amz-checksum-crc32", format!("of-part-{part}"));
            }
        }
        if range.is_some() {
            if bytes || !self.hides_ranges() {
                insert("content-range", format!("bytes {start}-{}/{size}", end - 1));
            }
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        if bytes {
            let index = |offset: u64| usize::try_from(offset).expect("small");
            let bytes = object.bytes.slice(index(start)..index(end));
            *response.body_mut() = self.body(bytes, None);
        }
        response
    }
}

/// Where a part lies. A body that came as a whole is its own first part.
fn place(sizes: &[u64], size: u64, number: u64) -> Option<Range<u64>> {
    if sizes.is_empty() {
        return (number == 1).then_some(0..size);
    }
    let index = usize::try_from(number - 1).expect("small");
    let start = sizes.get(..index)?.iter().sum();
    Some(start..start + sizes.get(index)?)
}
