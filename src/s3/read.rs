//! GetObject and HeadObject: from headers and query to a [`Read`], and the `response-*` overrides of its answer.

use std::time::SystemTime;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::error::{Code, Refusal};
use super::query::Query;
use crate::gateway::Answer;
use crate::gateway::read::{Conditions, Demand, Read, ReadMethod};
use crate::types::{BucketName, ObjectKey, PartNumber, RangeSpec, Source};

/// The parameters that replace headers of an answer.
static OVERRIDES: [(&str, HeaderName); 6] = [
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
    /// Reads the overrides of a query. Those that cannot be headers are the origin's to judge.
    ///
    /// # Errors
    /// InvalidRequest where the request is not signed: the origin's would be.
    pub(super) fn of(query: &Query, signed: bool) -> Result<Self, Refusal> {
        let overrides: Vec<_> = overrides(query).collect();
        if !signed && !overrides.is_empty() {
            return Err(Refusal::because(
                Code::InvalidRequest,
                "Request specific response headers cannot be used for anonymous GET requests.",
            ));
        }
        let valid = |(header, value): (&HeaderName, &str)| {
            let value = HeaderValue::from_str(value).ok()?;
            Some((header.clone(), value))
        };
        Ok(Self(overrides.into_iter().filter_map(valid).collect()))
    }

    /// Puts the headers into a successful answer that the origin did not make itself.
    pub(super) fn apply(self, answer: &mut Answer) {
        let status = answer.response.status();
        let is_success = matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT);
        if is_success && answer.source != Source::Bypass {
            for (name, value) in self.0 {
                answer.response.headers_mut().insert(name, value);
            }
        }
    }
}

/// The headers to override, and with what.
fn overrides(query: &Query) -> impl Iterator<Item = (&'static HeaderName, &str)> {
    query.0.iter().filter_map(|(name, value)| {
        let mut known = OVERRIDES.iter();
        let (_, header) = known.find(|(parameter, _)| parameter == name)?;
        Some((header, value.as_str()))
    })
}

/// Headers that decide what a read is answered with.
static DECISIVE: [HeaderName; 7] = [
    header::RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    CHECKSUM_MODE,
];

const CHECKSUM_MODE: HeaderName = HeaderName::from_static("x-amz-checksum-mode");

/// Reads the request for an object. `headers` are those that are handed on.
pub(super) fn parse(
    method: ReadMethod,
    bucket: BucketName,
    key: ObjectKey,
    query: Query,
    headers: HeaderMap,
) -> Read {
    let text = |name: &HeaderName| headers.get(name)?.to_str().ok();
    let own = |name: &HeaderName| text(name).map(str::to_owned);
    let date =
        |name: &HeaderName| -> Option<SystemTime> { httpdate::parse_http_date(text(name)?).ok() };
    let enabled = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"ENABLED");
    Read {
        method,
        bucket,
        key,
        range: text(&header::RANGE).map(RangeSpec::parse),
        conditions: Conditions {
            if_match: own(&header::IF_MATCH),
            if_none_match: own(&header::IF_NONE_MATCH),
            if_modified_since: date(&header::IF_MODIFIED_SINCE),
            if_unmodified_since: date(&header::IF_UNMODIFIED_SINCE),
            if_range: own(&header::IF_RANGE),
        },
        checksum_mode: headers.get(CHECKSUM_MODE).is_some_and(enabled),
        part_number: query.get("partNumber").and_then(|part| part.parse().ok()),
        version_id: query.get("versionId").map(str::to_owned),
        freshness: text(&header::CACHE_CONTROL).map_or(Demand::Normal, demand),
        is_clear: is_clear(&query, &headers),
        query: query.0,
        headers,
    }
}

/// Whether every header and parameter that decides the answer is there once at most, and in the one form that all stores
/// understand alike.
fn is_clear(query: &Query, headers: &HeaderMap) -> bool {
    let is_clear = |name: &HeaderName| {
        let mut values = headers.get_all(name).iter();
        match (values.next().map(HeaderValue::to_str), values.next()) {
            (None, _) => true,
            (Some(Ok(value)), None) => is_canonical(name, value),
            (Some(_), _) => false,
        }
    };
    let part = query.get("partNumber");
    let is_number = |part: &str| {
        part.parse::<PartNumber>()
            .is_ok_and(|number| number.to_string() == part)
    };
    let is_header = |value: &str| !value.is_empty() && HeaderValue::from_str(value).is_ok();
    // To look for each of a few headers takes less than to hash seven names.
    let mut decisive = headers.keys().filter(|name| DECISIVE.contains(name));
    decisive.all(is_clear)
        && part.is_none_or(is_number)
        && query.get("versionId") != Some("")
        && overrides(query).all(|(_, value)| is_header(value))
}

fn is_canonical(name: &HeaderName, value: &str) -> bool {
    /// Some stores count in signed numbers.
    const LARGEST: u64 = u64::MAX >> 1;
    match *name {
        header::IF_MODIFIED_SINCE | header::IF_UNMODIFIED_SINCE => {
            let written = httpdate::parse_http_date(value).map(httpdate::fmt_http_date);
            written.is_ok_and(|written| written == value)
        }
        header::RANGE => match RangeSpec::parse_strictly(value) {
            Some(RangeSpec::Closed { last, .. }) => last <= LARGEST,
            Some(RangeSpec::Open { first }) => first <= LARGEST,
            Some(RangeSpec::Suffix { length }) => (1..=LARGEST).contains(&length),
            None => false,
        },
        _ if *name == CHECKSUM_MODE => value.eq_ignore_ascii_case("ENABLED"),
        _ => true,
    }
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
        let date = (
            "if-modified-since",
            b"Mon, 23 Nov 2026 15:00:00 GMT".as_slice(),
        );
        assert!(clear(
            "versionId=v&partNumber=10000",
            &[date, ("if-match", b"e")]
        ));
        assert!(clear(
            "response-expires=0",
            &[("x-amz-checksum-mode", b"enabled")]
        ));
        for raw in [
            "partNumber=one",
            "partNumber=01",
            "partNumber=",
            "versionId=",
            "response-expires=",
        ] {
            assert!(!clear(raw, &[]), "{raw}");
        }
        for odd in [
            ("if-none-match", b"\xfc".as_slice()),
            ("if-unmodified-since", b"2026-11-23"),
            ("if-modified-since", b"Mon Nov 23 15:00:00 2026"),
            ("x-amz-checksum-mode", b"DISABLED"),
        ] {
            assert!(!clear("", &[odd]), "{odd:?}");
        }
        assert!(!clear(
            "",
            &[("range", b"bytes=0-1"), ("range", b"bytes=0-1")]
        ));
    }

    #[test]
    fn ranges_in_one_form_are_clear() {
        for (range, expected) in [
            ("bytes=0-8388607", true),
            ("bytes=7-", true),
            ("bytes=-9", true),
            ("bytes=0-9223372036854775807", true),
            ("bytes=4-2", false),
            ("bytes=-0", false),
            ("bytes=0-1,3-4", false),
            ("bytes=+1-2", false),
            ("bytes=01-2", false),
            ("Bytes=1-2", false),
            ("bytes=1 - 2", false),
            ("lines=1-2", false),
            ("bytes=0-9223372036854775808", false),
            ("bytes=0-99999999999999999999", false),
        ] {
            assert_eq!(is_canonical(&header::RANGE, range), expected, "{range}");
        }
    }

    fn answered(status: StatusCode, source: Source) -> Answer {
        let mut response = http::Response::new(body::empty());
        *response.status_mut() = status;
        let own = HeaderValue::from_static("image/x");
        response.headers_mut().insert(header::CONTENT_TYPE, own);
        Answer { response, source }
    }

    #[test]
    fn overrides_are_for_signed_requests_and_successful_answers() {
        let raw = "response-content-type=text%2Fplain&versionId=v&response-expires=%00";
        let query = Query::parse(raw).expect("a query");
        assert!(Overrides::of(&query, false).is_err());
        let overrides = Overrides::of(&query, true).expect("overrides");
        for (status, source, expected) in [
            (StatusCode::OK, Source::Memory, "text/plain"),
            (StatusCode::PARTIAL_CONTENT, Source::Origin, "text/plain"),
            (StatusCode::NOT_MODIFIED, Source::Memory, "image/x"),
            // The origin has been asked with the parameters.
            (StatusCode::OK, Source::Bypass, "image/x"),
        ] {
            let mut answer = answered(status, source);
            overrides.clone().apply(&mut answer);
            let headers = answer.response.headers();
            let types: Vec<_> = headers.get_all("content-type").iter().collect();
            assert_eq!(types, [expected], "{status} {source:?}");
        }
    }
}
