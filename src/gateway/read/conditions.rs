//! Conditions on reads, as far as all stores agree on them. Pure.
//!
//! RFC 9110, section 13.2.2, is what AWS documents for GetObject: `If-Match` decides and hides `If-Unmodified-Since`; then
//! `If-None-Match` decides and hides `If-Modified-Since`. Stores differ in the corners: lists of tags, weak tags, `*`, dates
//! to come, and conditions that contradict each other. Those are left to the origin.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::LAST_MODIFIED;

use super::request::Conditions;
use crate::types::ETag;

/// What the conditions make of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Answer with the object.
    Proceed,
    /// 304.
    NotModified(Cause),
    /// 412.
    Failed,
    /// The origin has to judge.
    Unsure,
}

/// What a 304 is owed to. Some stores compare dates by fractions of a second that no header has, or answer some of these with
/// the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Cause {
    /// The tag is the client's.
    SameTag,
    /// The last change is of the very second that the client names.
    SameDate,
    /// The last change is earlier than the client's date.
    EarlierDate,
}

impl Conditions {
    /// Judges an object by its ETag and its headers, at the time `now`.
    pub(super) fn judge(&self, etag: &ETag, headers: &HeaderMap, now: SystemTime) -> Verdict {
        if self.are_none() {
            return Verdict::Proceed;
        }
        let tags = [&self.if_match, &self.if_none_match].map(|tag| tag.as_deref().map(plain));
        let dates = [self.if_modified_since, self.if_unmodified_since];
        let modified = last_modified(headers);
        if tags.contains(&Some(None)) || (modified.is_none() && dates != [None, None]) {
            return Verdict::Unsure;
        }
        let [matching, none_matching] =
            tags.map(|tag| tag.flatten().map(|tag| tag == etag.opaque()));
        let age = |since: Option<SystemTime>| since.zip(modified).map(age);
        let (since, until) = (age(self.if_modified_since), age(self.if_unmodified_since));
        match (matching, until) {
            (Some(false), _) | (None, Some(Age::Newer)) => return Verdict::Failed,
            (_, Some(Age::Same)) | (Some(true), Some(Age::Newer)) => return Verdict::Unsure,
            (Some(true) | None, Some(Age::Older) | None) => {}
        }
        if self.if_modified_since.is_some_and(|since| since > now) {
            return Verdict::Unsure;
        }
        // Which of both kinds is looked at first is not the same everywhere.
        let both_kinds = matching.is_some() || until.is_some();
        match (none_matching, since) {
            (Some(true), _) | (_, Some(Age::Same | Age::Older)) if both_kinds => Verdict::Unsure,
            (None | Some(false), None | Some(Age::Newer)) => Verdict::Proceed,
            (Some(true), None | Some(Age::Older)) => Verdict::NotModified(Cause::SameTag),
            (None, Some(Age::Same)) => Verdict::NotModified(Cause::SameDate),
            (None, Some(Age::Older)) => Verdict::NotModified(Cause::EarlierDate),
            // What clients send who repeat both headers of an earlier answer.
            (Some(true), Some(Age::Same)) => Verdict::NotModified(Cause::SameTag),
            (Some(true), Some(Age::Newer)) | (Some(false), Some(Age::Same | Age::Older)) => {
                Verdict::Unsure
            }
        }
    }

    /// Whether nothing is asked but, perhaps, what a range is of.
    fn are_none(&self) -> bool {
        self.if_match.is_none()
            && self.if_none_match.is_none()
            && self.if_modified_since.is_none()
            && self.if_unmodified_since.is_none()
    }

    /// Whether the read may well end without a body, so that headers are asked for first.
    pub(super) fn may_spare_the_body(&self) -> bool {
        self.if_none_match.is_some() || self.if_modified_since.is_some()
    }

    /// Whether a `Range` counts for certain: `If-Range` names this version, or is absent.
    pub(super) fn range_counts(&self, etag: &ETag, headers: &HeaderMap) -> bool {
        let Some(condition) = &self.if_range else {
            return true;
        };
        if let Ok(date) = httpdate::parse_http_date(condition) {
            return last_modified(headers) == Some(date);
        }
        let condition = ETag::new(condition.trim());
        condition.is_strong() && etag.is_strong() && condition.opaque() == etag.opaque()
    }
}

/// How the last change of an object lies to a client's date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Older,
    /// Within the second that the date names.
    Same,
    Newer,
}

fn age((date, modified): (SystemTime, SystemTime)) -> Age {
    match modified.duration_since(date) {
        Ok(Duration::ZERO) => Age::Same,
        Ok(_) => Age::Newer,
        Err(_) => Age::Older,
    }
}

fn last_modified(headers: &HeaderMap) -> Option<SystemTime> {
    let value = headers.get(LAST_MODIFIED)?.to_str().ok()?;
    httpdate::parse_http_date(value).ok()
}

/// The tag without its quotes, where it is one strong tag. S3 takes tags without quotes too.
fn plain(tag: &str) -> Option<&str> {
    let quoted = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    let tag = quoted.unwrap_or(tag);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (!tag.is_empty() && tag.bytes().all(is_plain)).then_some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Mon, 23 Nov 2026 12:00:00 GMT";

    fn headers() -> HeaderMap {
        HeaderMap::from_iter([(LAST_MODIFIED, DATE.parse().expect("a header"))])
    }

    fn tag(text: &str) -> Option<String> {
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn at(offset: i64) -> SystemTime {
        let date = httpdate::parse_http_date(DATE).expect("a date");
        let by = Duration::from_secs(offset.unsigned_abs());
        if offset < 0 { date - by } else { date + by }
    }

    #[test]
    fn tags_decide_before_dates_and_contradictions_are_the_origins() {
        use Cause::{EarlierDate, SameDate, SameTag};
        use Verdict::{Failed, NotModified, Proceed, Unsure};
        // If-Match, seconds of If-Unmodified-Since after the last change, If-None-Match, the same of If-Modified-Since.
        let cases = [
            ("", None, "", None, Proceed),
            ("\"e\"", None, "", None, Proceed),
            ("e", None, "", None, Proceed),
            ("\"x\"", None, "", None, Failed),
            ("", Some(1), "", None, Proceed),
            ("\"e\"", Some(1), "", None, Proceed),
            ("\"x\"", Some(1), "", None, Failed),
            ("", Some(-1), "", None, Failed),
            ("", None, "\"e\"", None, NotModified(SameTag)),
            ("\"e\"", None, "\"x\"", None, Proceed),
            ("", None, "e", Some(0), NotModified(SameTag)),
            ("", None, "\"e\"", Some(1), NotModified(SameTag)),
            ("", None, "\"x\"", Some(-1), Proceed),
            ("", None, "", Some(0), NotModified(SameDate)),
            ("", None, "", Some(1), NotModified(EarlierDate)),
            ("", None, "", Some(-1), Proceed),
            ("\"x\"", None, "\"e\"", None, Failed),
            // Stores differ.
            ("*", None, "", None, Unsure),
            ("\"x\", \"e\"", None, "", None, Unsure),
            ("W/\"e\"", None, "", None, Unsure),
            ("\"e", None, "", None, Unsure),
            ("", None, "*", None, Unsure),
            ("\"e\"", Some(-1), "", None, Unsure),
            ("", Some(0), "", None, Unsure),
            ("", None, "\"x\"", Some(0), Unsure),
            ("", None, "\"e\"", Some(-1), Unsure),
            ("", None, "", Some(100), Unsure),
            ("\"e\"", None, "\"e\"", None, Unsure),
            ("\"e\"", None, "", Some(0), Unsure),
            ("", Some(1), "\"e\"", None, Unsure),
        ];
        for case in cases {
            let (matching, unmodified, none_matching, modified, verdict) = case;
            let conditions = Conditions {
                if_match: tag(matching),
                if_unmodified_since: unmodified.map(at),
                if_none_match: tag(none_matching),
                if_modified_since: modified.map(at),
                if_range: None,
            };
            let judged = conditions.judge(&ETag::new("\"e\""), &headers(), at(50));
            assert_eq!(judged, verdict, "{case:?}");
        }
    }

    #[test]
    fn an_object_without_a_readable_date_is_not_judged_by_dates() {
        let conditions = Conditions {
            if_modified_since: Some(at(0)),
            ..Conditions::default()
        };
        let odd = HeaderMap::from_iter([(LAST_MODIFIED, "yesterday".parse().expect("a header"))]);
        for headers in [odd, HeaderMap::new()] {
            let judged = conditions.judge(&ETag::new("\"e\""), &headers, at(50));
            assert_eq!(judged, Verdict::Unsure);
        }
    }

    #[test]
    fn if_range_takes_a_strong_tag_or_the_exact_date() {
        let counts = |condition: &str| {
            let conditions = Conditions {
                if_range: tag(condition),
                ..Conditions::default()
            };
            conditions.range_counts(&ETag::new("\"e\""), &headers())
        };
        assert!(counts("\"e\"") && counts(DATE));
        assert!(!counts("W/\"e\"") && !counts("\"x\"") && !counts("Mon, 23 Nov 2026 12:00:01 GMT"));
    }
}
