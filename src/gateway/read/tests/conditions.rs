//! Conditions: a verdict, where there is one, is that of RFC 9110, section 13.2.2, whatever comes together.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::LAST_MODIFIED;
use proptest::prelude::*;
use proptest::sample::select;

use crate::gateway::read::conditions::Verdict;
use crate::gateway::read::request::Conditions;
use crate::types::ETag;

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + second)
}

/// A list of tags, and whether it names the tag `e`.
fn lists() -> impl Strategy<Value = (String, bool)> {
    let tag = select(&["\"e\"", "e", "\"x\"", "W/\"x\"", "*", ""][..]);
    proptest::collection::vec(tag, 1..4).prop_map(|tags| {
        let named = tags.iter().any(|tag| matches!(*tag, "\"e\"" | "e" | "*"));
        (tags.join(", "), named)
    })
}

proptest! {
    #[test]
    fn every_step_decides_in_its_turn(
        matching in proptest::option::of(lists()),
        none_matching in proptest::option::of(lists()),
        unmodified in proptest::option::of(0..3u64),
        modified in proptest::option::of(0..3u64),
        last in proptest::option::of(0..3u64),
    ) {
        let mut headers = HeaderMap::new();
        if let Some(last) = last {
            let date = httpdate::fmt_http_date(at(last));
            headers.insert(LAST_MODIFIED, date.parse().expect("a header"));
        }
        let conditions = Conditions {
            if_match: matching.clone().map(|(list, _)| list),
            if_none_match: none_matching.clone().map(|(list, _)| list),
            if_unmodified_since: unmodified.map(at),
            if_modified_since: modified.map(at),
            if_range: None,
        };
        let unchanged = unmodified.zip(last).map(|(since, last)| last <= since);
        let changed = modified.zip(last).map(|(since, last)| last > since);
        let may = matching.map(|(_, named)| named).or(unchanged);
        let new = none_matching.map(|(_, named)| !named).or(changed);
        let verdict = conditions.judge(&ETag::new("\"e\""), &headers, at(100));
        let as_in_the_rfc = match verdict {
            Verdict::Failed => may == Some(false),
            Verdict::NotModified(_) => may != Some(false) && new == Some(false),
            Verdict::Proceed => may != Some(false) && new != Some(false),
            Verdict::Unsure => true,
        };
        prop_assert!(as_in_the_rfc, "{verdict:?}");
    }
}
