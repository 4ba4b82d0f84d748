//! Conditions on reads, in S3's order of precedence. Pure.
//!
//! RFC 9110, section 13.2.2, which is what AWS documents for GetObject: `If-Match` decides and hides
//! `If-Unmodified-Since`; then `If-None-Match` decides and hides `If-Modified-Since`.

use std::time::SystemTime;

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
    NotModified,
    /// 412, because of this header.
    Failed(&'static str),
}

impl Conditions {
    /// Judges an object by its ETag and its headers.
    pub(super) fn judge(&self, etag: &ETag, headers: &HeaderMap) -> Verdict {
        let modified = last_modified(headers);
        if let Some(tags) = &self.if_match {
            if !matches(tags, etag) {
                return Verdict::Failed("If-Match");
            }
        } else if let (Some(since), Some(modified)) = (self.if_unmodified_since, modified)
            && modified > since
        {
            return Verdict::Failed("If-Unmodified-Since");
        }
        if let Some(tags) = &self.if_none_match {
            if matches(tags, etag) {
                return Verdict::NotModified;
            }
        } else if let (Some(since), Some(modified)) = (self.if_modified_since, modified)
            && modified <= since
        {
            return Verdict::NotModified;
        }
        Verdict::Proceed
    }

    /// Whether the read may well end without a body, so that headers are asked for first.
    pub(super) fn may_spare_the_body(&self) -> bool {
        self.if_none_match.is_some() || self.if_modified_since.is_some()
    }

    /// Whether a `Range` counts: `If-Range` names this version, or is absent.
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

fn last_modified(headers: &HeaderMap) -> Option<SystemTime> {
    let value = headers.get(LAST_MODIFIED)?.to_str().ok()?;
    httpdate::parse_http_date(value).ok()
}

/// Whether a list of entity tags names `etag`. S3 takes tags without quotes too.
fn matches(tags: &str, etag: &ETag) -> bool {
    tags.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || ETag::new(tag).opaque() == etag.opaque())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DATE: &str = "Mon, 23 Nov 2026 12:00:00 GMT";

    fn judge(conditions: &Conditions) -> Verdict {
        let headers = HeaderMap::from_iter([(LAST_MODIFIED, DATE.parse().expect("a header"))]);
        conditions.judge(&ETag::new("\"e\""), &headers)
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
    fn tags_decide_before_dates() {
        // If-Match, seconds of If-Unmodified-Since after the last change, If-None-Match, the same of If-Modified-Since.
        let cases = [
            ("", None, "", None, Verdict::Proceed),
            ("\"e\"", None, "", None, Verdict::Proceed),
            ("e", None, "", None, Verdict::Proceed),
            ("*", None, "", None, Verdict::Proceed),
            ("\"x\", \"e\"", None, "", None, Verdict::Proceed),
            ("\"x\"", None, "", None, Verdict::Failed("If-Match")),
            ("\"e\"", Some(-1), "", None, Verdict::Proceed),
            (
                "",
                Some(-1),
                "",
                None,
                Verdict::Failed("If-Unmodified-Since"),
            ),
            ("", Some(0), "", None, Verdict::Proceed),
            ("", None, "\"e\"", None, Verdict::NotModified),
            ("", None, "\"x\"", Some(1), Verdict::Proceed),
            ("", None, "", Some(0), Verdict::NotModified),
            ("", None, "", Some(-1), Verdict::Proceed),
            ("\"x\"", None, "\"e\"", None, Verdict::Failed("If-Match")),
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
            assert_eq!(judge(&conditions), verdict, "{case:?}");
        }
    }

    #[test]
    fn if_range_takes_a_strong_tag_or_the_exact_date() {
        let headers = HeaderMap::from_iter([(LAST_MODIFIED, DATE.parse().expect("a header"))]);
        let counts = |condition: &str| {
            let conditions = Conditions {
                if_range: tag(condition),
                ..Conditions::default()
            };
            conditions.range_counts(&ETag::new("\"e\""), &headers)
        };
        assert!(counts("\"e\"") && counts(DATE));
        assert!(!counts("W/\"e\"") && !counts("\"x\"") && !counts("Mon, 23 Nov 2026 12:00:01 GMT"));
    }
}
