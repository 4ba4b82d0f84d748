//! The head of an answer that is made from a record. Pure.

use std::ops::Range;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::asked::Asked;
use crate::records::Record;
use crate::types::{Body, body};

/// How many headers an answer has besides its object's own: the length, and the five that the door puts on each.
const ADDED: usize = 6;

/// The head of a 200, or of a 206 where not the whole is asked for. `checksums`: whether the client asked for them.
pub(super) fn found(record: &Record, asked: &Asked, checksums: bool) -> Response<Body> {
    let mut response = Response::new(body::empty());
    // The checksum of the whole object beside a part of it makes SDKs reject the part.
    let checksums_too = *asked == Asked::Whole && checksums;
    let headers = response.headers_mut();
    headers.reserve(record.head.headers.len() + ADDED);
    for (name, value) in &record.head.headers {
        if checksums_too || !is_checksum(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    let size = record.body.size();
    let range = asked.bytes(size);
    if *asked != Asked::Whole {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let value = content_range(&range, size);
        response.headers_mut().insert(CONTENT_RANGE, value);
    }
    if let Asked::Part(part) = asked {
        response.headers_mut().extend(part.headers(checksums));
    }
    let length = range.end - range.start;
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

/// `bytes FIRST-LAST/SIZE`. The standard library's formatting took 1,300 instructions of each ranged hit.
fn content_range(range: &Range<u64>, size: u64) -> HeaderValue {
    let mut text = Vec::with_capacity(64);
    let parts = [("bytes ", range.start), ("-", range.end - 1), ("/", size)];
    for (before, number) in parts {
        text.extend_from_slice(before.as_bytes());
        text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }
    HeaderValue::from_maybe_shared(Bytes::from(text)).expect("digits are a header's value")
}

fn is_checksum(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-amz-checksum-")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::HeaderMap;

    use super::*;
    use crate::cache::disk::Epoch;
    use crate::clock::Moment;
    use crate::origin::ObjectHead;
    use crate::records::Part;
    use crate::types::{CanonicalObject, ETag, OriginFingerprint};

    fn record() -> Record {
        let bucket = "train".parse().expect("a bucket name");
        let origin = OriginFingerprint::new("s3", "", "", &bucket);
        let object = CanonicalObject {
            origin,
            key: "k".parse().expect("a key"),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("etag", "\"e\""),
            ("x-amz-checksum-crc32", "AAAAAA=="),
            ("x-amz-checksum-type", "FULL_OBJECT"),
            ("x-amz-meta-a", "1"),
            ("x-amz-meta-a", "2"),
        ] {
            headers.append(name, value.parse().expect("a header"));
        }
        let head = ObjectHead {
            size: 100,
            etag: ETag::new("\"e\""),
            version_id: None,
            headers,
        };
        let body = head.body_id(&object).expect("a strong tag");
        Record {
            body,
            head,
            checksums_known: true,
            fetched_at: Some(Moment::default()),
            epoch: Epoch::default(),
            parts: Arc::default(),
        }
    }

    #[test]
    fn checksums_are_for_whole_answers_that_ask_for_them() {
        let checksum = |asked: &Asked, checksums| {
            found(&record(), asked, checksums)
                .headers()
                .contains_key("x-amz-checksum-crc32")
        };
        assert!(checksum(&Asked::Whole, true));
        assert!(!checksum(&Asked::Whole, false));
        assert!(!checksum(&Asked::Range(0..100), true));
    }

    #[test]
    fn a_range_says_which_one_it_is() {
        let response = found(&record(), &Asked::Range(10..20), false);
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(response.headers()[CONTENT_RANGE], "bytes 10-19/100");
        assert_eq!(response.headers()[CONTENT_LENGTH], "10");
        assert_eq!(response.headers().get_all("x-amz-meta-a").iter().count(), 2);
    }

    #[test]
    fn a_part_has_its_own_checksum_and_the_count_of_parts() {
        let own = [
            ("x-amz-checksum-crc32", "BBBBBB=="),
            ("x-amz-mp-parts-count", "3"),
        ];
        let own = own.map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        let part = Part::new(40..80, &HeaderMap::from_iter(own)).expect("a part");
        let response = found(&record(), &Asked::Part(part.clone()), true);
        let headers = response.headers();
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(headers[CONTENT_RANGE], "bytes 40-79/100");
        assert_eq!(headers["x-amz-mp-parts-count"], "3");
        let checksums: Vec<_> = headers.get_all("x-amz-checksum-crc32").iter().collect();
        assert_eq!(checksums, ["BBBBBB=="]);
        assert!(!headers.contains_key("x-amz-checksum-type"));
        let response = found(&record(), &Asked::Part(part), false);
        assert!(!response.headers().contains_key("x-amz-checksum-crc32"));
    }
}
