//! The head of an answer that is made from a record. Pure.

use std::ops::Range;

use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, ETAG, EXPIRES, HeaderName, HeaderValue,
    LAST_MODIFIED,
};
use http::{HeaderMap, Response, StatusCode};

use crate::records::Record;
use crate::types::{Body, body};

/// Headers that a 304 carries: what a cache needs to go on with its copy.
const ON_NOT_MODIFIED: [HeaderName; 4] = [ETAG, LAST_MODIFIED, CACHE_CONTROL, EXPIRES];

/// The head of a 200, or of a 206 where there is a range. `checksums`: whether the client asked for them.
pub(super) fn found(
    record: &Record,
    range: Option<&Range<u64>>,
    checksums: bool,
) -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.headers_mut() = record.head.headers.clone();
    // The checksum of the whole object beside a part of it makes SDKs reject the part.
    if range.is_some() || !checksums {
        remove_checksums(response.headers_mut());
    }
    let size = record.body.size();
    let length = match range {
        Some(range) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let value = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            let value = HeaderValue::try_from(value).expect("digits are a header's value");
            response.headers_mut().insert(CONTENT_RANGE, value);
            range.end - range.start
        }
        None => size,
    };
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

/// A 304.
pub(super) fn not_modified(record: &Record) -> Response<Body> {
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    let version = HeaderName::from_static("x-amz-version-id");
    for name in ON_NOT_MODIFIED.into_iter().chain([version]) {
        for value in record.head.headers.get_all(&name) {
            response.headers_mut().append(&name, value.clone());
        }
    }
    response
}

fn remove_checksums(headers: &mut HeaderMap) {
    let named = |name: &&HeaderName| name.as_str().starts_with("x-amz-checksum-");
    let checksums: Vec<_> = headers.keys().filter(named).cloned().collect();
    for name in checksums {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;
    use crate::origin::ObjectHead;
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
            fetched_at: Moment::default(),
        }
    }

    #[test]
    fn checksums_are_for_whole_answers_that_ask_for_them() {
        let checksum = |range: Option<&Range<u64>>, asked| {
            found(&record(), range, asked)
                .headers()
                .contains_key("x-amz-checksum-crc32")
        };
        assert!(checksum(None, true));
        assert!(!checksum(None, false));
        assert!(!checksum(Some(&(0..100)), true));
    }

    #[test]
    fn a_part_says_which_one_it_is() {
        let response = found(&record(), Some(&(10..20)), false);
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(response.headers()[CONTENT_RANGE], "bytes 10-19/100");
        assert_eq!(response.headers()[CONTENT_LENGTH], "10");
        assert_eq!(response.headers().get_all("x-amz-meta-a").iter().count(), 2);
    }

    #[test]
    fn a_304_has_the_tag_and_no_length() {
        let response = not_modified(&record());
        assert_eq!(response.headers()[ETAG], "\"e\"");
        assert!(!response.headers().contains_key(CONTENT_LENGTH));
    }
}
