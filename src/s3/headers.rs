//! Which of a client's headers are handed on: what means something to S3, and nothing of the transport or the signature.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};

use super::error::Refusal;
use super::query::Query;
use crate::types::{Extra, Family, OperationName};

/// What is handed on besides `x-amz-*`. Nothing else is: other stores' own headers may do what no right was asked for
/// (MinIO's `x-minio-force-delete` deletes every key that begins alike).
static KEPT: [HeaderName; 13] = [
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    HeaderName::from_static("content-md5"),
    header::CONTENT_TYPE,
    header::EXPIRES,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
];
/// Headers of the signature and of the client.
const DROPPED: [&str; 6] = [
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    // Of answers only; MinIO takes a write that says so for the copy of another store's object.
    "x-amz-replication-status",
    "x-amz-security-token",
    "x-amz-user-agent",
];
/// Only copies have a source.
const COPY_SOURCE: &str = "x-amz-copy-source";

/// Headers that make an archive of the body, whose files become objects of any key.
static REFUSED: [HeaderName; 1] = [HeaderName::from_static("x-amz-meta-snowball-auto-extract")];
/// Who proves to have a device at hand does so for the deletion of versions, and to switch that proof off.
const MFA: &str = "x-amz-mfa";
/// ACLs that give nothing away.
const HARMLESS_ACLS: [&str; 2] = ["private", "bucket-owner-full-control"];

/// The headers to hand on.
pub(super) fn meaningful(headers: &HeaderMap) -> HeaderMap {
    let named = connection_options(headers);
    // Most reads have none, so that it takes no room at first.
    let mut kept = HeaderMap::new();
    for (name, value) in headers {
        let text = name.as_str();
        let meaningful = || text.starts_with("x-amz-") || KEPT.contains(name);
        let dropped = || DROPPED.contains(&text) || named.iter().any(|other| other == text);
        if meaningful() && !dropped() {
            kept.append(name.clone(), value.clone());
        }
    }
    if kept.contains_key(header::CONTENT_ENCODING) {
        drop_aws_chunked(&mut kept);
    }
    kept
}

/// Makes headers of the `x-amz-*` parameters of a query, which S3 takes for headers; presigned URLs carry them so. From then
/// on rights are checked for them as for any header.
///
/// # Errors
/// InvalidArgument where the header is there too, or the value cannot be one.
pub(super) fn hoist(query: &mut Query, headers: &mut HeaderMap) -> Result<(), Refusal> {
    let is_header = |name: &str| {
        let start = name.get(..6);
        start.is_some_and(|start| start.eq_ignore_ascii_case("x-amz-"))
    };
    for (name, value) in query.take(is_header) {
        let refused =
            || Refusal::argument(name.clone(), value.clone(), "The parameter is not valid.");
        let header: HeaderName = name.to_ascii_lowercase().parse().map_err(|_| refused())?;
        let parsed = HeaderValue::from_str(&value).map_err(|_| refused())?;
        if headers.insert(header, parsed).is_some() {
            return Err(refused());
        }
    }
    Ok(())
}

/// Takes out the headers of a copy, which no other operation has.
pub(super) fn drop_copy_source(headers: &mut HeaderMap) {
    let names: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with(COPY_SOURCE))
        .cloned()
        .collect();
    for name in &names {
        headers.remove(name);
    }
}

/// Whether a header asks for nothing that takes a right of its own, whatever its name.
pub(super) fn is_harmless(name: &HeaderName, value: &HeaderValue) -> bool {
    name == "x-amz-acl" && HARMLESS_ACLS.iter().any(|known| value == known)
}

/// Takes out the headers that ask for something which S3 does not take with that operation: no right was asked for them.
pub(super) fn drop_idle(operation: OperationName, headers: &mut HeaderMap) {
    let family = operation.spec().family;
    let takes_mfa = matches!(family, Family::Delete | Family::DeleteMany)
        || operation == OperationName::PutBucketVersioning;
    let is_idle = |name: &&HeaderName| {
        let extra = Extra::of_header(name.as_str());
        let idle = extra.is_some_and(|extra| !extra.belongs_to(operation));
        idle || (*name == MFA && !takes_mfa)
    };
    let idle: Vec<HeaderName> = headers.keys().filter(is_idle).cloned().collect();
    for name in &idle {
        headers.remove(name);
    }
}

/// Refuses headers whose effect no right covers.
///
/// # Errors
/// NotImplemented, naming the header.
pub(super) fn refuse_boundless(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.keys().find(|name| REFUSED.contains(name)) {
        Some(name) => Err(Refusal::not_implemented(&format!("The header {name}"))),
        None => Ok(()),
    }
}

/// Headers that `Connection` names: they end at this hop (RFC 9110, section 7.6.1).
fn connection_options(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::CONNECTION).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(','));
    names
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.starts_with("x-amz-"))
        .collect()
}

/// Takes `aws-chunked` out of `Content-Encoding`: what is handed on is decoded. Every other coding stays as it came.
fn drop_aws_chunked(headers: &mut HeaderMap) {
    let values = headers.get_all(header::CONTENT_ENCODING).iter();
    let left: Vec<HeaderValue> = values.filter_map(without_aws_chunked).collect();
    headers.remove(header::CONTENT_ENCODING);
    for value in left {
        headers.append(header::CONTENT_ENCODING, value);
    }
}

/// The value without `aws-chunked`; none where nothing is left of it.
fn without_aws_chunked(value: &HeaderValue) -> Option<HeaderValue> {
    let is_ours = |coding: &&str| coding.eq_ignore_ascii_case("aws-chunked");
    let text = String::from_utf8_lossy(value.as_bytes());
    let codings = || text.split(',').map(str::trim);
    if !codings().any(|coding| is_ours(&coding)) {
        return Some(value.clone());
    }
    let left: Vec<&str> = codings()
        .filter(|coding| !coding.is_empty() && !is_ours(coding))
        .collect();
    let left = HeaderValue::from_str(&left.join(","));
    left.ok().filter(|left| !left.is_empty())
}

/// Every header that something is decided about here.
#[cfg(test)]
pub(super) fn documented() -> Vec<String> {
    let kept = KEPT.iter().map(|name| name.to_string());
    let refused = REFUSED.iter().map(|name| name.to_string());
    let others = DROPPED.into_iter().chain([MFA, COPY_SOURCE]);
    let others = others.map(str::to_owned);
    kept.chain(refused).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let parse = |(name, value): &(&'static str, &'static str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        pairs.iter().map(parse).collect()
    }

    #[test]
    fn what_means_something_to_s3_is_kept() {
        let kept = meaningful(&headers(&[
            ("host", "h"),
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("authorization", "a"),
            ("x-amz-date", "d"),
            ("amz-sdk-request", "r"),
            ("x-minio-force-delete", "true"),
            ("x-forwarded-for", "f"),
            ("content-encoding", "aws-chunked,gzip"),
            ("content-type", "text/plain"),
            ("x-amz-meta-a", "1"),
            ("x-amz-checksum-crc32", "c"),
            ("if-none-match", "*"),
            ("range", "bytes=0-"),
        ]));
        let mut names: Vec<&str> = kept.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "content-encoding",
                "content-type",
                "if-none-match",
                "range",
                "x-amz-checksum-crc32",
                "x-amz-meta-a"
            ]
        );
        assert_eq!(kept["content-encoding"], "gzip");
        let only = meaningful(&headers(&[("content-encoding", "aws-chunked")]));
        assert!(only.is_empty());
        let others = meaningful(&headers(&[("content-encoding", "gzip, br")]));
        assert_eq!(others["content-encoding"], "gzip, br");
    }

    #[test]
    fn every_coding_but_aws_chunked_stays_as_it_came() {
        let left = |values: &[&str]| {
            let mut map = HeaderMap::new();
            for value in values {
                let value = HeaderValue::from_str(value).expect("a value");
                map.append("content-encoding", value);
            }
            let left = meaningful(&map);
            let left = left.get_all("content-encoding").iter();
            let text = |value: &HeaderValue| value.to_str().expect("text").to_owned();
            left.map(text).collect::<Vec<_>>()
        };
        assert_eq!(left(&["gzip, br"]), ["gzip, br"]);
        assert_eq!(left(&["AWS-Chunked, gzip", "br"]), ["gzip", "br"]);
        assert_eq!(left(&["gzip", "aws-chunked"]), ["gzip"]);
    }

    #[test]
    fn parameters_that_are_headers_become_headers() {
        let mut query = Query::parse("X-Amz-Copy-Source=%2Fa%2Fb&versionId=1").expect("a query");
        let mut map = HeaderMap::new();
        hoist(&mut query, &mut map).expect("no conflict");
        assert_eq!(map["x-amz-copy-source"], "/a/b");
        assert!(!query.has("X-Amz-Copy-Source") && query.has("versionId"));
        let mut again = Query::parse("x-amz-copy-source=c").expect("a query");
        assert!(hoist(&mut again, &mut map).is_err());
    }

    #[test]
    fn only_a_copy_keeps_its_source() {
        let mut map = headers(&[
            ("x-amz-copy-source", "a/b"),
            ("x-amz-copy-source-range", "bytes=0-1"),
            ("x-amz-meta-a", "1"),
        ]);
        drop_copy_source(&mut map);
        assert_eq!(map.len(), 1);
    }

    #[test]
    fn what_an_operation_does_not_take_is_dropped() {
        let all = [
            ("x-amz-acl", "public-read"),
            ("x-amz-grant-read", "id=1"),
            ("x-amz-bypass-governance-retention", "true"),
            ("x-amz-object-lock-mode", "GOVERNANCE"),
            ("x-amz-mfa", "serial 123456"),
            ("x-amz-meta-a", "1"),
        ];
        for (operation, left) in [
            (OperationName::GetObject, "x-amz-meta-a"),
            (
                OperationName::PutObject,
                "x-amz-acl,x-amz-grant-read,x-amz-meta-a,x-amz-object-lock-mode",
            ),
            (
                OperationName::DeleteObject,
                "x-amz-bypass-governance-retention,x-amz-meta-a,x-amz-mfa",
            ),
            (
                OperationName::PutObjectAcl,
                "x-amz-acl,x-amz-grant-read,x-amz-meta-a",
            ),
        ] {
            let mut map = headers(&all);
            drop_idle(operation, &mut map);
            let mut names: Vec<&str> = map.keys().map(HeaderName::as_str).collect();
            names.sort_unstable();
            assert_eq!(names.join(","), left, "{operation:?}");
        }
    }

    #[test]
    fn an_archive_is_not_unpacked() {
        let archive = ("x-amz-meta-snowball-auto-extract", "true");
        assert!(refuse_boundless(&headers(&[archive])).is_err());
        assert!(refuse_boundless(&headers(&[("x-amz-acl", "private")])).is_ok());
    }
}
