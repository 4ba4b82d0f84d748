//! Queries: decoded pair by pair in their order, `+` for a space; a name that comes twice, or no text, is refused.
//!
//! Input: the raw query.

use forebay::s3::fuzzing::query;

use super::{Target, text};
use crate::input::{decode, encode};

pub(super) const TARGET: Target = Target {
    name: "query",
    seeds: &[
        "list-type=2&prefix=a%2Fb+c%2B&delimiter=/",
        "uploads&x=&&=y",
        "prefix=a&prefix=b",
        "X-Amz-Signature=s&versionId=%FF",
    ],
    run,
};

fn run(data: &[u8]) {
    let Some(raw) = text(data) else {
        return;
    };
    let pairs = query(raw);
    assert_eq!(pairs.as_ref().ok(), reference(raw).as_ref(), "{pairs:?}");
    if let Ok(pairs) = pairs {
        let pair = |(name, value): &(String, String)| format!("{}={}", encode(name), encode(value));
        let written: Vec<String> = pairs.iter().map(pair).collect();
        assert_eq!(query(&written.join("&")), Ok(pairs));
    }
}

fn reference(raw: &str) -> Option<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in raw.replace('+', "%20").split('&') {
        if pair.is_empty() {
            continue;
        }
        let end = pair.find('=').unwrap_or(pair.len());
        let name = decode(&pair[..end])?;
        let value = decode(pair[end..].strip_prefix('=').unwrap_or_default())?;
        if pairs.iter().any(|(other, _)| *other == name) {
            return None;
        }
        pairs.push((name, value));
    }
    Some(pairs)
}
