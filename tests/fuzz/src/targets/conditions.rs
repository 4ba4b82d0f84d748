//! Conditions on reads: a verdict is that of RFC 9110, section 13.2.2, step by step, and one plain tag is always judged here.
//!
//! Input: ETag, Last-Modified, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, If-Range; an empty line for
//! none of it.

use std::time::{Duration, SystemTime};

use forebay::gateway::fuzzing::{judge, range_counts};
use forebay::gateway::read::Conditions;
use forebay::types::ETag;
use http::header::LAST_MODIFIED;
use http::{HeaderMap, HeaderValue};

use super::{Target, text};
use crate::input::lines;

pub(super) const TARGET: Target = Target {
    name: "conditions",
    seeds: &[
        "\"e\"\nMon, 23 Nov 2026 12:00:00 GMT\n\"e\"\n\"x\"\nMon, 23 Nov 2026 12:00:00 GMT\n\n\"e\"",
        "e-2\nMon, 23 Nov 2026 12:00:00 GMT\n\n\nMon, 23 Nov 2026 11:00:00 GMT\n\nMon, 23 Nov 2026 12:00:00 GMT",
        "W/\"e\"\n\n*\n\"a\", W/\"e\"\n\nMon, 23 Nov 2026 12:00:01 GMT\nW/\"e\"",
    ],
    run,
};

/// A time after the seeds' dates.
const NOW: Duration = Duration::from_secs(1_800_000_000);

fn run(data: &[u8]) {
    let Some((fields, _)) = text(data).map(lines) else {
        return;
    };
    let [
        tag,
        modified,
        matching,
        none_matching,
        since,
        unmodified,
        if_range,
    ]: [&str; 7] = fields;
    // Of other objects nothing is known for certain, and they are never asked about here.
    if !ETag::new(tag).is_strong() {
        return;
    }
    let Ok(value) = HeaderValue::from_str(modified) else {
        return;
    };
    let mut headers = HeaderMap::new();
    if !modified.is_empty() {
        headers.insert(LAST_MODIFIED, value);
    }
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let etag = ETag::new(tag);
    let conditions = Conditions {
        if_match: given(matching),
        if_none_match: given(none_matching),
        if_modified_since: date(since),
        if_unmodified_since: date(unmodified),
        if_range: given(if_range),
    };
    let last = headers
        .get(LAST_MODIFIED)
        .and_then(|value| date(value.to_str().ok()?));
    let verdict = judge(&conditions, &etag, &headers, SystemTime::UNIX_EPOCH + NOW);
    let expected = reference(&conditions, tag, last);
    match verdict {
        Some(verdict) => assert_eq!(verdict, expected, "{conditions:?}"),
        None => assert!(!is_simple(&conditions), "{conditions:?}"),
    }
    // Who names the whole version is judged by the version alone.
    if conditions.if_range.is_none() {
        assert!(range_counts(&conditions, &etag, &headers));
    } else if date(if_range).is_none() && range_counts(&conditions, &etag, &headers) {
        assert!(!tag.starts_with("W/") && !if_range.trim().starts_with("W/"));
        assert_eq!(bare(if_range.trim()), bare(tag));
    }
}

/// Whether there is nothing but one tag of letters and digits, or nothing at all.
fn is_simple(conditions: &Conditions) -> bool {
    let tags = [&conditions.if_match, &conditions.if_none_match];
    let tags: Vec<&String> = tags.into_iter().flatten().collect();
    let plain = |tag: &&String| {
        let tag = bare(tag);
        !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let dates = [conditions.if_modified_since, conditions.if_unmodified_since];
    tags.len() < 2
        && tags.iter().all(plain)
        && !tags.iter().any(|tag| tag.starts_with("W/"))
        && dates == [None, None]
}

fn date(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text).ok()
}

/// The tag without its dressing.
fn bare(tag: &str) -> &str {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    if tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"') {
        &tag[1..tag.len() - 1]
    } else {
        tag
    }
}

fn listed(list: &str, tag: &str) -> bool {
    let mut tags = list.split(',').map(str::trim);
    tags.any(|other| other == "*" || bare(other) == bare(tag))
}

/// Steps 1 to 4 of the section, in its order.
fn reference(conditions: &Conditions, tag: &str, last: Option<SystemTime>) -> u16 {
    let step_1 = conditions.if_match.as_ref().map(|list| listed(list, tag));
    let step_2 = match (conditions.if_unmodified_since, last) {
        (Some(since), Some(last)) => Some(last <= since),
        _ => None,
    };
    let step_3 = conditions
        .if_none_match
        .as_ref()
        .map(|list| !listed(list, tag));
    let step_4 = match (conditions.if_modified_since, last) {
        (Some(since), Some(last)) => Some(last > since),
        _ => None,
    };
    match (step_1.or(step_2), step_3.or(step_4)) {
        (Some(false), _) => 412,
        (_, Some(false)) => 304,
        _ => 200,
    }
}
