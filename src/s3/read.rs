//! GetObject and HeadObject: from headers and query to a [`Read`], and the `response-*` overrides of its answer.

use std::time::SystemTime;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::error::{Code, Refusal};
use super::query::Query;
use crate::gateway::read::{Conditions, Demand, Read, ReadMethod};
use crate::types::{Body, BucketName, ObjectKey, PartNumber, RangeSpec};

/// The parameters that replace headers of an answer.
const OVERRIDES: [(&str, HeaderName); 6] = [
    ("response-cache-control", header::CACHE_CONTROL),
    ("response-content-disposition", header::CONTENT_DISPOSITION),
    ("response-content-encoding", header::CONTENT_ENCODING),
    ("response-content-language", header::CONTENT_LANGUAGE),
    ("response-content-type", header::CONTENT_TYPE),
    ("response-expires", header::EXPIRES),
];

/// Headers that an answer gets instead of the object's own.
#[derive(Debug, Clone, Default)]
pub(super) struct Overrides(Vec<(HeaderName, HeaderValue)>);

impl Overrides {
    /// Takes the overrides out of a query.
    ///
    /// # Errors
    /// InvalidRequest where the request is not signed, InvalidArgument where a value cannot be a header's.
    pub(super) fn take(query: &mut Query, signed: bool) -> Result<Self, Refusal> {
        let header = |name: &str| {
            let mut known = OVERRIDES.iter();
            known.find_map(|(parameter, header)| (*parameter == name).then_some(header))
        };
        let mut overrides = Vec::new();
        for (name, value) in query.take(|name| header(name).is_some()) {
            let refused =
                || Refusal::argument(name.clone(), value.clone(), "The value is not valid.");
            let parsed = HeaderValue::from_str(&value).map_err(|_| refused())?;
            overrides.extend(header(&name).map(|header| (header.clone(), parsed)));
        }
        if signed || overrides.is_empty() {
            Ok(Self(overrides))
        } else {
            Err(Refusal::because(
                Code::InvalidRequest,
                "Request specific response headers cannot be used for anonymous GET requests.",
            ))
        }
    }

    /// Puts the headers into a successful answer.
    pub(super) fn apply(self, response: &mut Response<Body>) {
        if matches!(
            response.status(),
            StatusCode::OK | StatusCode::PARTIAL_CONTENT
        ) {
            for (name, value) in self.0 {
                response.headers_mut().insert(name, value);
            }
        }
    }
}

/// Headers that decide what a read is answered with.
const DECISIVE: [HeaderName; 7] = [
    header::RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    HeaderName::from_static("x-amz-checksum-mode"),
];

/// Reads the request for an object. `headers` are those that are handed on.
pub(super) fn parse(
    method: ReadMethod,
    bucket: BucketName,
    key: ObjectKey,
    query: Query,
    headers: HeaderMap,
) -> Read {
    let text = |name: &HeaderName| {
        let value = headers.get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let date =
        |name: &HeaderName| -> Option<SystemTime> { httpdate::parse_http_date(&text(name)?).ok() };
    let enabled = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"ENABLED");
    Read {
        method,
        bucket,
        key,
        range: text(&header::RANGE).map(|range| RangeSpec::parse(&range)),
        conditions: Conditions {
            if_match: text(&header::IF_MATCH),
            if_none_match: text(&header::IF_NONE_MATCH),
            if_modified_since: date(&header::IF_MODIFIED_SINCE),
            if_unmodified_since: date(&header::IF_UNMODIFIED_SINCE),
            if_range: text(&header::IF_RANGE),
        },
        checksum_mode: headers.get("x-amz-checksum-mode").is_some_and(enabled),
        part_number: query.get("partNumber").and_then(|part| part.parse().ok()),
        version_id: query.get("versionId").map(str::to_owned),
        freshness: demand(text(&header::CACHE_CONTROL).as_deref().unwrap_or_default()),
        is_clear: is_clear(&query, &headers),
        query: query.0,
        headers,
    }
}

/// Whether every header and parameter that decides the answer is there once at most, and understood.
fn is_clear(query: &Query, headers: &HeaderMap) -> bool {
    let is_date = |name: &HeaderName, value: &str| match *name {
        header::IF_MODIFIED_SINCE | header::IF_UNMODIFIED_SINCE => {
            httpdate::parse_http_date(value).is_ok()
        }
        _ => true,
    };
    let is_clear = |name: &HeaderName| {
        let mut values = headers.get_all(name).iter();
        match (values.next().map(HeaderValue::to_str), values.next()) {
            (None, _) => true,
            (Some(Ok(value)), None) => is_date(name, value),
            (Some(_), _) => false,
        }
    };
    let part = query.get("partNumber");
    DECISIVE.iter().all(is_clear) && part.is_none_or(|part| part.parse::<PartNumber>().is_ok())
}

fn demand(cache_control: &str) -> Demand {
    let has = |wanted: &str| {
        let mut directives = cache_control.split(',').map(str::trim);
        directives.any(|directive| directive.eq_ignore_ascii_case(wanted))
    };
    if has("no-store") {
        Demand::Bypass
    } else if has("no-cache") {
        Demand::Revalidate
    } else {
        Demand::Normal
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::body;
    use crate::types::range::Parsed;

    #[test]
    fn a_read_is_parsed_as_clients_send_it() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (header::RANGE, "bytes=-262144"),
            (header::IF_MATCH, "\"abc\""),
            (header::IF_MODIFIED_SINCE, "Mon, 23 Nov 2026 15:00:00 GMT"),
            (header::IF_UNMODIFIED_SINCE, "yesterday"),
            (header::CACHE_CONTROL, "max-age=0, No-Cache"),
            (HeaderName::from_static("x-amz-checksum-mode"), "enabled"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let query = Query::parse("partNumber=7&versionId=v").expect("a query");
        let bucket = "train".parse().expect("a bucket");
        let read = parse(
            ReadMethod::Get,
            bucket,
            "a".parse().expect("a key"),
            query,
            headers,
        );
        let range = read.range.expect("a range");
        assert_eq!(range, Parsed::Single(RangeSpec::Suffix { length: 262_144 }));
        assert_eq!(read.conditions.if_match.as_deref(), Some("\"abc\""));
        assert!(read.conditions.if_modified_since.is_some());
        assert!(read.conditions.if_unmodified_since.is_none());
        assert_eq!(read.part_number, "7".parse().ok());
        assert!(read.checksum_mode && !read.is_clear, "what day was that?");
        assert_eq!(read.version_id.as_deref(), Some("v"));
        assert_eq!(read.freshness, Demand::Revalidate);
        assert_eq!(demand("no-cache, no-store"), Demand::Bypass);
    }

    #[test]
    fn what_has_no_one_meaning_is_not_clear() {
        let clear = |raw: &str, pairs: &[(&'static str, &'static [u8])]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                let value = HeaderValue::from_bytes(value).expect("a value");
                headers.append(*name, value);
            }
            is_clear(&Query::parse(raw).expect("a query"), &headers)
        };
        let date = b"Mon, 23 Nov 2026 15:00:00 GMT";
        assert!(clear(
            "versionId=v&partNumber=1",
            &[("if-modified-since", date)]
        ));
        assert!(clear("", &[("range", b"lines=1-2"), ("if-match", b"e")]));
        assert!(!clear("partNumber=one", &[]));
        assert!(!clear(
            "",
            &[("range", b"bytes=0-1"), ("range", b"bytes=2-3")]
        ));
        assert!(!clear("", &[("if-none-match", b"\xfc")]));
        assert!(!clear("", &[("if-unmodified-since", b"2026-11-23")]));
    }

    #[test]
    fn overrides_are_for_signed_requests_and_successful_answers() {
        let raw = "response-content-type=text%2Fplain&versionId=v";
        let mut query = Query::parse(raw).expect("a query");
        assert!(Overrides::take(&mut query.clone(), false).is_err());
        let overrides = Overrides::take(&mut query, true).expect("overrides");
        assert!(query.has("versionId") && !query.has("response-content-type"));
        let mut answer = Response::new(body::empty());
        let own = HeaderValue::from_static("image/x");
        answer.headers_mut().insert(header::CONTENT_TYPE, own);
        overrides.clone().apply(&mut answer);
        let types: Vec<_> = answer.headers().get_all("content-type").iter().collect();
        assert_eq!(types, ["text/plain"], "in place of the object's own");
        let mut missing = Response::new(body::empty());
        *missing.status_mut() = StatusCode::NOT_FOUND;
        overrides.apply(&mut missing);
        assert!(missing.headers().is_empty());
    }
}
