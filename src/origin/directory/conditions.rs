//! Conditional requests, in S3's precedence. Pure.
//!
//! For reads: `If-Match` beats `If-Unmodified-Since`, `If-None-Match` beats `If-Modified-Since`; dates that do not parse are
//! ignored. Writes know `If-None-Match: *` and `If-Match` only.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName};

use super::answer::Fault;
use crate::types::{ETag, ObjectKey};

/// What conditions are about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Validators<'a> {
    /// Without quotes.
    pub(super) etag: &'a str,
    /// Seconds since 1970.
    pub(super) modified: i64,
}

/// What the conditions of a read say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Serve,
    NotModified,
    /// The header that does not hold.
    Failed(&'static str),
}

/// The names of a read's four conditions, and what an answer calls them.
struct Names {
    matches: (HeaderName, &'static str),
    unmodified: (HeaderName, &'static str),
    none_match: HeaderName,
    modified: HeaderName,
}

/// Judges the conditions of a GET or HEAD.
pub(super) fn read(headers: &HeaderMap, object: Validators<'_>) -> Verdict {
    let names = Names {
        matches: (http::header::IF_MATCH, "If-Match"),
        unmodified: (http::header::IF_UNMODIFIED_SINCE, "If-Unmodified-Since"),
        none_match: http::header::IF_NONE_MATCH,
        modified: http::header::IF_MODIFIED_SINCE,
    };
    judge(headers, object, &names)
}

/// Judges the conditions on the source of a copy.
///
/// # Errors
/// 412 where one does not hold.
pub(super) fn copy_source(headers: &HeaderMap, object: Validators<'_>) -> Result<(), Fault> {
    let name = HeaderName::from_static;
    let names = Names {
        matches: (
            name("x-amz-copy-source-if-match"),
            "x-amz-copy-source-If-Match",
        ),
        unmodified: (
            name("x-amz-copy-source-if-unmodified-since"),
            "x-amz-copy-source-If-Unmodified-Since",
        ),
        none_match: name("x-amz-copy-source-if-none-match"),
        modified: name("x-amz-copy-source-if-modified-since"),
    };
    match judge(headers, object, &names) {
        Verdict::Serve => Ok(()),
        Verdict::NotModified if headers.contains_key(&names.none_match) => {
            Err(Fault::condition("x-amz-copy-source-If-None-Match"))
        }
        Verdict::NotModified => Err(Fault::condition("x-amz-copy-source-If-Modified-Since")),
        Verdict::Failed(condition) => Err(Fault::condition(condition)),
    }
}

fn judge(headers: &HeaderMap, object: Validators<'_>, names: &Names) -> Verdict {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(tags) = text(&names.matches.0) {
        if !names_tag(tags, object.etag) {
            return Verdict::Failed(names.matches.1);
        }
    } else if text(&names.unmodified.0)
        .and_then(seconds)
        .is_some_and(|since| object.modified > since)
    {
        return Verdict::Failed(names.unmodified.1);
    }
    let unchanged = match text(&names.none_match) {
        Some(tags) => names_tag(tags, object.etag),
        None => text(&names.modified)
            .and_then(seconds)
            .is_some_and(|since| object.modified <= since),
    };
    if unchanged {
        Verdict::NotModified
    } else {
        Verdict::Serve
    }
}

/// Whether `If-Range` lets the range stand: there is none, or it names the current version.
pub(super) fn range_stands(headers: &HeaderMap, object: Validators<'_>) -> bool {
    let Some(value) = headers.get(http::header::IF_RANGE) else {
        return true;
    };
    match value.to_str() {
        Ok(date) if seconds(date).is_some() => seconds(date) == Some(object.modified),
        Ok(tag) => ETag::new(tag.trim()).opaque() == object.etag,
        Err(_) => false,
    }
}

fn names_tag(list: &str, etag: &str) -> bool {
    list.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || ETag::new(tag).opaque() == etag)
}

fn seconds(date: &str) -> Option<i64> {
    let time = httpdate::parse_http_date(date.trim()).ok()?;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

/// The conditions of a write on what it replaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Write {
    /// Nothing may be there.
    absent: bool,
    /// What has one of these tags must be there.
    matches: Option<String>,
}

impl Write {
    /// Reads the conditions of a PUT, a copy or a completed upload.
    ///
    /// # Errors
    /// `NotImplemented` for forms that S3 does not have.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Fault> {
        let text = |name: HeaderName| {
            headers
                .get(name)
                .map(|value| value.to_str().unwrap_or_default().trim())
        };
        let absent = match text(http::header::IF_NONE_MATCH) {
            None => false,
            Some("*") => true,
            Some(_) => return Err(Fault::header_not_implemented("If-None-Match")),
        };
        let matches = match text(http::header::IF_MATCH) {
            Some("" | "*") => return Err(Fault::header_not_implemented("If-Match")),
            Some(_) if absent => return Err(Fault::header_not_implemented("If-Match")),
            other => other.map(str::to_owned),
        };
        Ok(Self { absent, matches })
    }

    /// Judges the conditions against the tag (without quotes) of what is there under `key`.
    ///
    /// # Errors
    /// 412 where one does not hold, `NoSuchKey` where `If-Match` is about nothing.
    pub(super) fn check(&self, key: &ObjectKey, current: Option<&str>) -> Result<(), Fault> {
        match (current, &self.matches) {
            (Some(_), _) if self.absent => Err(Fault::condition("If-None-Match")),
            (None, Some(_)) => Err(Fault::no_such_key(key)),
            (Some(etag), Some(tags)) if !names_tag(tags, etag) => Err(Fault::condition("If-Match")),
            _ => Ok(()),
        }
    }
}

/// Judges a delete's tag against that (without quotes) of what is there.
///
/// # Errors
/// 412 where it is another one.
pub(super) fn delete(tag: Option<&str>, current: &str) -> Result<(), Fault> {
    match tag {
        Some(tags) if !names_tag(tags, current) => Err(Fault::condition("If-Match")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::directory::answer::Code;

    const OBJECT: Validators<'_> = Validators {
        etag: "e",
        modified: 1_000_000_000,
    };
    const BEFORE: &str = "Sun, 09 Sep 2001 01:46:39 GMT";
    const SAME: &str = "Sun, 09 Sep 2001 01:46:40 GMT";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    value.parse().expect("a value"),
                )
            })
            .collect()
    }

    #[test]
    fn reads_follow_the_precedence_of_s3() {
        let failed = Verdict::Failed;
        for (pairs, verdict) in [
            (&[("if-match", "\"e\"")][..], Verdict::Serve),
            (&[("if-match", "x, e")], Verdict::Serve),
            (&[("if-match", "*")], Verdict::Serve),
            (&[("if-match", "\"x\"")], failed("If-Match")),
            (
                &[("if-match", "\"e\""), ("if-unmodified-since", BEFORE)],
                Verdict::Serve,
            ),
            (
                &[("if-unmodified-since", BEFORE)],
                failed("If-Unmodified-Since"),
            ),
            (&[("if-unmodified-since", SAME)], Verdict::Serve),
            (&[("if-none-match", "W/\"e\"")], Verdict::NotModified),
            (
                &[("if-none-match", "\"x\""), ("if-modified-since", SAME)],
                Verdict::Serve,
            ),
            (&[("if-modified-since", SAME)], Verdict::NotModified),
            (&[("if-modified-since", BEFORE)], Verdict::Serve),
            (&[("if-modified-since", "soon")], Verdict::Serve),
            (
                &[("if-match", "\"e\""), ("if-none-match", "\"e\"")],
                Verdict::NotModified,
            ),
        ] {
            assert_eq!(read(&headers(pairs), OBJECT), verdict, "{pairs:?}");
        }
    }

    #[test]
    fn a_range_stands_only_on_the_same_version() {
        for (value, stands) in [
            ("\"e\"", true),
            ("\"x\"", false),
            (SAME, true),
            (BEFORE, false),
        ] {
            assert_eq!(
                range_stands(&headers(&[("if-range", value)]), OBJECT),
                stands,
                "{value}"
            );
        }
    }

    #[test]
    fn writes_know_two_conditions() {
        let key: ObjectKey = "key".parse().expect("a key");
        let check = |name, value, current| {
            Write::of(&headers(&[(name, value)]))
                .and_then(|write| write.check(&key, current))
                .map_err(|fault| fault.code)
        };
        assert_eq!(check("if-none-match", "*", None), Ok(()));
        let failed = Err(Code::PreconditionFailed);
        assert_eq!(check("if-none-match", "*", Some("e")), failed);
        assert_eq!(check("if-match", "\"e\"", Some("e")), Ok(()));
        assert_eq!(check("if-match", "\"e\"", Some("f")), failed);
        assert_eq!(check("if-match", "\"e\"", None), Err(Code::NoSuchKey));
        let unsupported = Err(Code::NotImplemented);
        assert_eq!(check("if-none-match", "\"e\"", None), unsupported);
    }
}
