//! Tags: those that S3 takes come back the same, from header, document and store; others do not get in.
//!
//! Input: the value of `x-amz-tagging`, or a document.

use forebay::origin::directory::fuzzing::{tags_document, tags_of_document, tags_of_header};

use super::{Target, text};
use crate::input::decode;

pub(super) const TARGET: Target = Target {
    name: "tags",
    seeds: &[
        "a=1&b+c=%C3%BC%2B&d",
        "a=1&a=2",
        "<Tagging><TagSet><Tag><Key>k &amp; l</Key><Value>v</Value></Tag><Tag><Key>e</Key><Value/></Tag></TagSet></Tagging>",
        "<Tagging><TagSet/></Tagging>",
    ],
    run,
};

fn run(data: &[u8]) {
    if let Some(stored) = tags_of_document(data) {
        check(&stored);
    }
    let Some(stored) = text(data).and_then(tags_of_header) else {
        return;
    };
    check(&stored);
    // Where no escape is broken, the tags are those of the query, read by the letter.
    let text = text(data).expect("text").replace('+', "%20");
    if let Some(decoded) = decode(&text) {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let read = |text: &str| decode(text).expect("all of it can be decoded");
        let expected: Vec<(String, String)> = pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(key, value)| (read(key), read(value)))
            .collect();
        assert_eq!(pairs_of(&stored), expected, "{decoded}");
    }
}

fn check(stored: &str) {
    let pairs = pairs_of(stored);
    assert!(pairs.len() <= 10);
    for (at, (key, value)) in pairs.iter().enumerate() {
        assert!((1..=128).contains(&key.chars().count()) && value.chars().count() <= 256);
        assert!(!key.starts_with("aws:") && !pairs[..at].iter().any(|(other, _)| other == key));
    }
    assert_eq!(tags_of_header(stored).as_deref(), Some(stored));
    let document = tags_document(stored);
    let read = tags_of_document(document.as_bytes()).expect("what was written can be read");
    // A document has them in an order of its own.
    assert_eq!(sorted(&read), sorted(stored), "{document}");
}

fn sorted(stored: &str) -> Vec<(String, String)> {
    let mut pairs = pairs_of(stored);
    pairs.sort();
    pairs
}

fn pairs_of(stored: &str) -> Vec<(String, String)> {
    let pairs = stored.split('&').filter(|pair| !pair.is_empty());
    let read = |text: &str| decode(text).expect("what is stored can be read");
    pairs
        .map(|pair| pair.split_once('=').expect("a key and a value"))
        .map(|(key, value)| (read(key), read(value)))
        .collect()
}
