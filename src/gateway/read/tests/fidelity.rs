//! Answers from the cache beside the origin's own to the same request: status, every header, body.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;

use super::super::{Read, ReadMethod};
use super::origin::pattern;
use super::{World, default_world, get, part, range, version};
use crate::origin::{Call, Origin as _, Payload};
use crate::types::layout::PAGE;
use crate::types::{OperationName, Source};

/// Before the clock's own time.
const DATE: &str = "Thu, 01 Jan 1970 00:00:07 GMT";

/// What an object's answer may carry, odd values among them.
const HEADERS: [(&str, &[u8]); 24] = [
    ("last-modified", DATE.as_bytes()),
    ("accept-ranges", b"bytes"),
    ("cache-control", b"max-age=5, private"),
    ("content-disposition", b"attachment; filename=\"\xfc.txt\""),
    ("content-encoding", b"aws-chunked,gzip"),
    ("content-language", b"de, en"),
    ("content-type", b"text/plain;charset=utf-8"),
    ("expires", b"in a while"),
    (
        "x-amz-expiration",
        b"expiry-date=\"Fri, 23 Dec 2031 00:00:00 GMT\", rule-id=\"r\"",
    ),
    ("x-amz-meta-twice", b"one"),
    ("x-amz-meta-twice", b"two"),
    ("x-amz-meta-latin", b"\xfc"),
    ("x-amz-meta-utf8", "\u{1f511} ключ".as_bytes()),
    ("x-amz-meta-empty", b""),
    ("x-amz-missing-meta", b"2"),
    ("x-amz-object-lock-legal-hold", b"ON"),
    ("x-amz-object-lock-mode", b"GOVERNANCE"),
    (
        "x-amz-object-lock-retain-until-date",
        b"2031-12-23T00:00:00Z",
    ),
    ("x-amz-replication-status", b"COMPLETED"),
    ("x-amz-server-side-encryption", b"AES256"),
    ("x-amz-storage-class", b"GLACIER_IR"),
    ("x-amz-tagging-count", b"3"),
    ("x-amz-website-redirect-location", b"/other"),
    ("x-of-another-store", b"kept"),
];

fn world(key: &str, bytes: Bytes) -> World {
    let world = default_world();
    let mut headers = HeaderMap::new();
    for (name, value) in HEADERS {
        let value = HeaderValue::from_bytes(value).expect("a value");
        headers.append(HeaderName::from_static(name), value);
    }
    world.origin.put_with(key, bytes, "v1", "", headers);
    world.clock.advance(Duration::from_secs(9));
    world
}

/// The status, the headers in order, and the body.
type Told = (StatusCode, Vec<(String, Vec<u8>)>, Bytes);

async fn told(response: http::Response<crate::types::Body>) -> Told {
    let (head, body) = response.into_parts();
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), value.as_bytes().to_vec())
    };
    let mut headers: Vec<_> = head.headers.iter().map(pair).collect();
    // Values of one name keep their order.
    headers.sort_by(|one, other| one.0.cmp(&other.0));
    let body = body.collect().await.expect("a body").to_bytes();
    (head.status, headers, body)
}

async fn from_the_origin(world: &World, read: &Read) -> Told {
    let (operation, method) = match read.method {
        ReadMethod::Get => (OperationName::GetObject, Method::GET),
        ReadMethod::Head => (OperationName::HeadObject, Method::HEAD),
    };
    let call = Call {
        operation,
        method,
        bucket: Some(read.bucket.clone()),
        key: Some(read.key.clone()),
        query: read.query.clone(),
        headers: read.headers.clone(),
        payload: Payload::Whole(Bytes::new()),
    };
    told(world.origin.call(call).await.expect("an answer")).await
}

/// Reads thrice, and finds the origin's own answer each time, in the end without asking for it.
async fn reads_as_at_the_origin(world: &World, read: Read) {
    let expected = from_the_origin(world, &read).await;
    let mut sources = Vec::new();
    for _ in 0..3 {
        let answer = world.answer(read.clone()).await.expect("an answer");
        sources.push(answer.source);
        assert_eq!(
            told(answer.response).await,
            expected,
            "{read:?} {sources:?}"
        );
    }
    assert_eq!(sources[2], Source::Memory, "{read:?}");
}

fn bodiless(read: Read) -> Read {
    Read {
        method: ReadMethod::Head,
        ..read
    }
}

fn unless(read: Read, name: &'static str, value: &str) -> Read {
    let mut read = read;
    read.headers.insert(name, value.parse().expect("a header"));
    let text = Some(value.to_owned());
    match name {
        "if-none-match" => read.conditions.if_none_match = text,
        "if-modified-since" => {
            read.conditions.if_modified_since = httpdate::parse_http_date(value).ok();
        }
        _ => read.conditions.if_match = text,
    }
    read
}

#[tokio::test]
async fn an_answer_from_the_cache_has_every_header_of_the_origins() {
    let size = 3 * PAGE + 7;
    for first in [
        get("k"),
        bodiless(get("k")),
        range("k", "bytes=100-199"),
        part("k", "2"),
    ] {
        let world = world("k", pattern(size, 1));
        world.origin.set_parts("k", &[PAGE + 1, size - PAGE - 1]);
        // Whichever request made the record.
        world.answer(first).await.expect("an answer");
        for read in [
            get("k"),
            range("k", "bytes=7-70000"),
            range("k", "bytes=-9"),
            range("k", "bytes=100000-999999999"),
            part("k", "1"),
            part("k", "2"),
            unless(get("k"), "if-none-match", "\"v1\""),
            unless(get("k"), "if-none-match", "\"v2\""),
            unless(get("k"), "if-modified-since", DATE),
            unless(range("k", "bytes=7-70000"), "if-match", "\"v1\""),
        ] {
            reads_as_at_the_origin(&world, bodiless(read.clone())).await;
            reads_as_at_the_origin(&world, read).await;
        }
    }
}

#[tokio::test]
async fn empty_objects_and_folders_are_objects() {
    for key in ["empty", "dir/", "a//b"] {
        let world = world(key, Bytes::new());
        for read in [get(key), bodiless(get(key))] {
            reads_as_at_the_origin(&world, read).await;
        }
        for beyond in [range(key, "bytes=0-"), range(key, "bytes=-5")] {
            let answer = world.answer(beyond).await;
            assert!(
                matches!(&answer, Err(crate::gateway::Error::Origin(error))
                    if error.status() == Some(StatusCode::RANGE_NOT_SATISFIABLE)),
                "{answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_version_has_the_headers_that_it_has_at_the_origin() {
    let world = world("k", pattern(PAGE, 1));
    world.origin.put_version("k", pattern(2 * PAGE, 2), "v2");
    for id in ["v2", "null"] {
        for read in [version("k", id), bodiless(version("k", id))] {
            reads_as_at_the_origin(&world, read).await;
        }
    }
}
