//! `ListObjectsV2`: the origin's sets, by prefix and in pages. No delimiter.

use std::fmt::Write;

use http::{Response, StatusCode};

use super::State;
use super::answer::{of, put};
use super::body::Answer;

/// S3's own.
const MOST_KEYS: usize = 1000;

pub(super) fn answer(state: &State, query: &str) -> Response<Answer> {
    let parameter = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(it, _)| *it == name)?;
        // The keys of the sets have slashes only, and nothing else that needs an escape.
        Some(value.replace("%2F", "/"))
    };
    let prefix = parameter("prefix").unwrap_or_default();
    let after = parameter("continuation-token").or_else(|| parameter("start-after"));
    let most = parameter("max-keys").and_then(|text| text.parse().ok());
    let most = most.unwrap_or(MOST_KEYS).min(MOST_KEYS);
    let mut keys = keys(state, &prefix, &after.unwrap_or_default(), most + 1);
    let truncated = keys.len() > most;
    keys.truncate(most);
    let mut answer = of(
        StatusCode::OK,
        Answer::text(document(state, &prefix, &keys, truncated)),
    );
    put(&mut answer, "content-type", "application/xml");
    answer
}

/// In order, the first `most` keys that have the prefix and come after another.
fn keys(state: &State, prefix: &str, after: &str, most: usize) -> Vec<String> {
    let mut sets: Vec<_> = state.objects.sets().iter().collect();
    sets.sort_by_key(|set| set.prefix());
    let keys = sets
        .into_iter()
        .flat_map(|set| (0..set.count).map(|number| set.key(number)));
    keys.filter(|key| key.starts_with(prefix) && key.as_str() > after)
        .filter(|key| state.objects.find(key).is_some())
        .take(most)
        .collect()
}

fn document(state: &State, prefix: &str, keys: &[String], truncated: bool) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">",
    );
    let _ = write!(
        text,
        "<Prefix>{prefix}</Prefix><KeyCount>{}</KeyCount><MaxKeys>{MOST_KEYS}</MaxKeys><IsTruncated>{truncated}</IsTruncated>",
        keys.len()
    );
    if let Some(last) = keys.last().filter(|_| truncated) {
        let _ = write!(
            text,
            "<NextContinuationToken>{last}</NextContinuationToken>"
        );
    }
    for key in keys {
        let Some(found) = state.objects.find(key) else {
            continue;
        };
        let etag = found.etag().replace('"', "&quot;");
        let _ = write!(
            text,
            "<Contents><Key>{key}</Key><LastModified>2023-11-14T22:13:20.000Z</LastModified><ETag>{etag}</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
            found.size
        );
    }
    text.push_str("</ListBucketResult>");
    text
}
