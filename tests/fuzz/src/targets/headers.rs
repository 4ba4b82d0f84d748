//! Which headers are handed on: some of those that came, as they came; none of the connection, the signature or the coding.
//!
//! Input: headers.

use forebay::s3::fuzzing::meaningful;
use http::{HeaderMap, HeaderValue};

use super::{Target, text};
use crate::input::headers;

pub(super) const TARGET: Target = Target {
    name: "headers",
    seeds: &[
        "host: h\nconnection: close, content-type\ncontent-type: text/plain\nx-amz-date: d\nx-amz-meta-a: 1\nx-amz-meta-a: 2",
        "content-encoding: aws-chunked, gzip\ncontent-encoding: AWS-Chunked\nrange: bytes=0-\nif-match: *",
        "x-minio-force-delete: true\ntransfer-encoding: chunked\ncontent-length: 5\nexpect: 100-continue\nte: trailers",
    ],
    run,
};

/// Of the connection (RFC 9110, section 7.6.1), of the signature, or of another protocol.
const NEVER: [&str; 14] = [
    "authorization",
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
];

fn run(data: &[u8]) {
    let Some(headers) = text(data).and_then(headers) else {
        return;
    };
    let kept = meaningful(&headers);
    for name in kept.keys() {
        assert!(!NEVER.contains(&name.as_str()), "{name}");
        let values: Vec<_> = kept.get_all(name).iter().collect();
        let came: Vec<_> = headers.get_all(name).iter().collect();
        if name != "content-encoding" || !came.iter().any(|value| codings(value).any(is_ours)) {
            assert_eq!(values, came, "{name}");
        } else {
            assert!(!values.iter().any(|value| codings(value).any(is_ours)));
        }
    }
    let others = |map: &HeaderMap| -> Vec<String> {
        let values = map.get_all("content-encoding").iter();
        let others = values.flat_map(|value| codings(value).collect::<Vec<_>>());
        others
            .filter(|coding| !coding.is_empty() && !is_ours(coding.clone()))
            .collect()
    };
    if !connection(&headers).contains("content-encoding") {
        assert_eq!(others(&kept), others(&headers));
    }
    for name in headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-amz-meta-"))
    {
        assert!(kept.contains_key(name), "{name}");
    }
    assert_eq!(meaningful(&kept), kept);
}

fn codings(value: &HeaderValue) -> impl Iterator<Item = String> {
    let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
    let codings: Vec<String> = text
        .split(',')
        .map(|coding| coding.trim().to_owned())
        .collect();
    codings.into_iter()
}

fn is_ours(coding: String) -> bool {
    coding.eq_ignore_ascii_case("aws-chunked")
}

/// What `Connection` names, and what stands between the names.
fn connection(headers: &HeaderMap) -> String {
    let values = headers.get_all("connection").iter();
    let texts = values.map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
    texts.collect()
}
