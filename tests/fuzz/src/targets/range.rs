//! `Range`: a header selects exactly the bytes that RFC 9110, section 14, read letter by letter, says.
//!
//! Input: the header's value, the body's size.

use forebay::types::RangeSpec;
use forebay::types::range::Parsed;

use super::{Target, text};
use crate::input::lines;

pub(super) const TARGET: Target = Target {
    name: "range",
    seeds: &[
        "bytes=0-4\n10",
        "Bytes = 3 - \n10",
        "bytes=-7\n5",
        "bytes=0-99999999999999999999\n3",
        "bytes=0-1,4-5\n9",
        "bytes=5-2\n9",
    ],
    run,
};

/// Sizes up to this are tried byte by byte.
const SMALL: u64 = 64;

fn run(data: &[u8]) {
    let Some(([header, size], _)) = text(data).map(lines) else {
        return;
    };
    // No other text comes out of a header.
    if !header.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return;
    }
    let size: u64 = size.parse().unwrap_or(SMALL);
    let parsed = RangeSpec::parse(header);
    assert_eq!(parsed, reference(header));
    let Parsed::Single(spec) = parsed else {
        return;
    };
    assert_eq!(RangeSpec::parse(&spec.to_header()), parsed);
    match spec.resolve(size) {
        Ok(range) => {
            assert!(range.start < range.end && range.end <= size);
            if size <= SMALL {
                let selected: Vec<u64> = (0..size).filter(|at| selects(spec, *at, size)).collect();
                assert_eq!(range.collect::<Vec<_>>(), selected);
            }
        }
        Err(_) if size <= SMALL => assert!(!(0..size).any(|at| selects(spec, at, size))),
        Err(_) => {}
    }
}

fn selects(spec: RangeSpec, at: u64, size: u64) -> bool {
    match spec {
        RangeSpec::Closed { first, last } => first <= at && at <= last,
        RangeSpec::Open { first } => first <= at,
        RangeSpec::Suffix { length } => size - at <= length,
    }
}

/// Blanks mean nothing but between two digits.
fn reference(header: &str) -> Parsed {
    let Some((unit, ranges)) = header.split_once('=') else {
        return Parsed::Ignored;
    };
    let mut pieces = Vec::new();
    for piece in ranges.split(',') {
        let piece = piece.trim_matches(' ');
        if !piece.is_empty() {
            pieces.push(piece);
        }
    }
    let one = pieces.first().and_then(|piece| {
        let dash = piece.bytes().position(|byte| byte == b'-')?;
        let first = piece[..dash].trim_matches(' ');
        let last = piece[dash + 1..].trim_matches(' ');
        if !(first.bytes().chain(last.bytes())).all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let value = |digits: &str| -> u64 {
            let add = |sum: u64, digit: u8| {
                sum.saturating_mul(10)
                    .saturating_add(u64::from(digit - b'0'))
            };
            digits.bytes().fold(0, add)
        };
        match (first.is_empty(), last.is_empty()) {
            (true, true) => None,
            (true, false) => Some(RangeSpec::Suffix {
                length: value(last),
            }),
            (false, true) => Some(RangeSpec::Open {
                first: value(first),
            }),
            (false, false) if value(first) > value(last) => None,
            (false, false) => Some(RangeSpec::Closed {
                first: value(first),
                last: value(last),
            }),
        }
    });
    match one {
        Some(spec) if unit.trim_matches(' ').eq_ignore_ascii_case("bytes") => match pieces.len() {
            1 => Parsed::Single(spec),
            _ => Parsed::Several,
        },
        _ => Parsed::Ignored,
    }
}
