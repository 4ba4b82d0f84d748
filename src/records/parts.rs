//! The parts of an object that was uploaded in parts, as far as its origin has told them.
//!
//! Where a part begins and ends is a fact about one body, and nothing but reading the part tells it; so what is learnt stays
//! with every record of the same [`BodyId`](crate::types::BodyId) and goes with it.

use std::collections::BTreeMap;
use std::mem::size_of;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::types::PartNumber;

/// The count of parts, which S3 tells with each of them.
const PARTS_COUNT: &str = "x-amz-mp-parts-count";

/// The most bytes of headers that are kept for one part. S3's take about 120.
const MOST_HEADERS: usize = 512;

/// What an entry of the table takes besides the text of its headers, in bytes: its share of a node, and the allocation.
const PER_PART: usize = size_of::<(PartNumber, Part)>() * 2;

/// One part of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub range: Range<u64>,
    /// The headers that a read of this part carries and others do not: `name: value` in lines, since an object may have
    /// 10,000 parts.
    own: Box<str>,
}

impl Part {
    /// The part at `range`, whose read had these headers. None where they are too long to keep, or not text.
    pub fn new(range: Range<u64>, headers: &HeaderMap) -> Option<Self> {
        let mut own = String::new();
        for (name, value) in headers.iter().filter(|(name, _)| is_own(name)) {
            own.push_str(name.as_str());
            own.push_str(": ");
            own.push_str(value.to_str().ok()?);
            own.push('\n');
        }
        (own.len() <= MOST_HEADERS).then(|| Self {
            range,
            own: own.into(),
        })
    }

    /// The part at `range` with what [`Self::own`] told of it. None where that is no such thing.
    pub(super) fn restored(range: Range<u64>, own: &str) -> Option<Self> {
        let is_header = |line: &str| {
            line.split_once(": ").is_some_and(|(name, value)| {
                name.parse::<HeaderName>().is_ok() && value.parse::<HeaderValue>().is_ok()
            })
        };
        let is_whole = own.is_empty() || own.ends_with('\n');
        let is_right = range.start < range.end && own.len() <= MOST_HEADERS;
        (is_right && is_whole && own.lines().all(is_header)).then(|| Self {
            range,
            own: own.into(),
        })
    }

    /// Its headers as they are kept.
    pub(super) fn own(&self) -> &str {
        &self.own
    }

    /// The headers that reads of this part have besides those of the object; its checksums where they were asked for.
    pub fn headers(&self, checksums: bool) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let pairs = self.own.lines().filter_map(|line| line.split_once(": "));
        pairs
            .filter(move |(name, _)| checksums || *name == PARTS_COUNT)
            .map(|(name, value)| {
                let name = name.parse().expect("it was a header's name");
                let value = value.parse().expect("it was a header's value");
                (name, value)
            })
    }
}

/// Whether a header tells of a part what it does not tell of the object.
fn is_own(name: &HeaderName) -> bool {
    name == PARTS_COUNT || name.as_str().starts_with("x-amz-checksum-")
}

/// Takes out of an answer about a part what is not the object's.
pub fn without_parts_own(mut headers: HeaderMap) -> HeaderMap {
    let own: Vec<_> = headers
        .keys()
        .filter(|name| is_own(name))
        .cloned()
        .collect();
    for name in own {
        headers.remove(name);
    }
    headers
}

/// The parts that are known of one body; at most 10,000, as their numbers go no further.
#[derive(Debug, Default)]
pub struct Parts(Mutex<BTreeMap<PartNumber, Part>>);

impl Parts {
    /// The part of this number, where it is known.
    pub fn get(&self, number: PartNumber) -> Option<Part> {
        self.known().get(&number).cloned()
    }

    /// Keeps a part.
    pub fn learn(&self, number: PartNumber, part: Part) {
        self.known().insert(number, part);
    }

    /// Every part that is known, in order.
    pub(super) fn all(&self) -> Vec<(PartNumber, Part)> {
        let known = self.known();
        known
            .iter()
            .map(|(number, part)| (*number, part.clone()))
            .collect()
    }

    /// About where a part that is not known lies, if parts are all of one size, as uploads make them; none where nothing is
    /// known to guess from.
    pub fn guess(&self, number: PartNumber) -> Option<Range<u64>> {
        let known = self.known();
        let (_, part) = known.iter().next()?;
        let size = part.range.end - part.range.start;
        let start = number.index().checked_mul(size)?;
        Some(start..start.checked_add(size)?)
    }

    /// About how much memory the parts take, in bytes.
    pub(super) fn weight(&self) -> usize {
        let known = self.known();
        let weight = |part: &Part| PER_PART + part.own.len();
        known.values().map(weight).sum()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<PartNumber, Part>> {
        // Nobody leaves it half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: &str) -> PartNumber {
        number.parse().expect("a part's number")
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let parse = |(name, value): &(&'static str, &str)| {
            let value = value.parse().expect("a value");
            (HeaderName::from_static(name), value)
        };
        pairs.iter().map(parse).collect()
    }

    #[test]
    fn a_part_keeps_what_is_its_own() {
        let answer = headers(&[
            ("etag", "\"e-2\""),
            ("x-amz-mp-parts-count", "2"),
            ("x-amz-checksum-crc32", "AAAAAA=="),
            ("x-amz-checksum-type", "COMPOSITE"),
        ]);
        let part = Part::new(5..9, &answer).expect("a part");
        let mut asked: Vec<_> = part.headers(true).collect();
        asked.sort_by(|one, other| one.0.as_str().cmp(other.0.as_str()));
        let names: Vec<_> = asked.iter().map(|(name, _)| name.as_str()).collect();
        let expected = [
            "x-amz-checksum-crc32",
            "x-amz-checksum-type",
            "x-amz-mp-parts-count",
        ];
        assert_eq!(names, expected);
        assert_eq!(asked[0].1, "AAAAAA==");
        assert_eq!(part.headers(false).count(), 1);
        assert_eq!(without_parts_own(answer), headers(&[("etag", "\"e-2\"")]));
    }

    #[test]
    fn what_cannot_be_kept_is_no_part() {
        let long = "x".repeat(MOST_HEADERS);
        assert!(Part::new(0..1, &headers(&[("x-amz-checksum-own", &long)])).is_none());
        let mut odd = HeaderMap::new();
        let value = HeaderValue::from_bytes(b"\xfc").expect("a value");
        odd.insert("x-amz-checksum-own", value);
        assert!(Part::new(0..1, &odd).is_none());
        assert!(Part::new(0..1, &HeaderMap::new()).is_some());
    }

    #[test]
    fn ten_thousand_parts_take_less_than_four_mebibytes() {
        let parts = Parts::default();
        let own = headers(&[
            ("x-amz-mp-parts-count", "10000"),
            ("x-amz-checksum-sha256", &"A".repeat(44)),
            ("x-amz-checksum-type", "COMPOSITE"),
        ]);
        for index in 1..=10_000u64 {
            let part = Part::new(index * 8..index * 8 + 8, &own).expect("a part");
            parts.learn(number(&index.to_string()), part);
        }
        let weight = parts.weight();
        assert!((1 << 20..4 << 20).contains(&weight), "{weight}");
        assert_eq!(parts.get(number("9")).expect("a part").range, 72..80);
    }

    #[test]
    fn a_guess_takes_the_parts_for_equal() {
        let parts = Parts::default();
        assert_eq!(parts.guess(number("3")), None);
        let part = Part::new(0..10, &HeaderMap::new()).expect("a part");
        parts.learn(number("1"), part);
        assert_eq!(parts.guess(number("3")), Some(20..30));
    }
}
