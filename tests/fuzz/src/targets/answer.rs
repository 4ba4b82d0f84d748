//! An origin's answers: what is made of one lies within the body, agrees with every header, and is what was asked for.
//!
//! Input: the status, the `Range` that was asked for, then the answer's headers.

use forebay::origin::fuzzing::{describe, part_placed, placed};
use forebay::types::RangeSpec;
use forebay::types::range::Parsed;
use http::{HeaderMap, StatusCode};

use super::{Target, text};
use crate::input::{headers, lines};

pub(super) const TARGET: Target = Target {
    name: "answer",
    seeds: &[
        "206\nbytes=5-8\ncontent-range: bytes 5-8/10\ncontent-length: 4\netag: \"e\"\nx-amz-version-id: v",
        "206\nbytes=-3\ncontent-range: bytes 7-9/10",
        "200\nbytes=5-8\ncontent-length: 10\nx-amz-version-id: null",
        "206\nbytes=5-8\ncontent-range: bytes 5-8/10\ncontent-length: +8",
        "206\n\ncontent-range: bytes 0-18446744073709551614/18446744073709551615\ncontent-length: 1",
    ],
    run,
};

fn run(data: &[u8]) {
    let Some(([status, asked], rest)) = text(data).map(lines) else {
        return;
    };
    let (Some(headers), Ok(status)) = (headers(rest), StatusCode::from_bytes(status.as_bytes()))
    else {
        return;
    };
    let asked = match RangeSpec::parse(asked) {
        Parsed::Single(spec) => Some(spec),
        Parsed::Ignored | Parsed::Several => None,
    };
    if let Some((range, size)) = placed(status, &headers, asked) {
        assert!(range.start <= range.end && range.end <= size);
        let length = range.end - range.start;
        assert_eq!(number(&headers, "content-length").unwrap_or(length), length);
        match (status, asked.map(|asked| asked.resolve(size))) {
            (StatusCode::OK, _) => assert_eq!(range, 0..size),
            (StatusCode::PARTIAL_CONTENT, Some(Ok(asked))) => {
                assert_eq!(range.start, asked.start);
                assert!(range.end <= asked.end);
                check_said(&headers, &range, size);
            }
            both => panic!("{both:?}"),
        }
    }
    if let Some((range, size)) = part_placed(status, &headers) {
        assert!(status == StatusCode::PARTIAL_CONTENT && range.end <= size);
        check_said(&headers, &range, size);
    }
    let version = headers.get("x-amz-version-id").cloned();
    let head = describe(headers, 7);
    assert!(
        !head.headers.contains_key("content-range") && !head.headers.contains_key("connection")
    );
    let told = version.as_ref().and_then(|value| value.to_str().ok());
    assert_eq!(
        head.version_id.as_deref(),
        told.filter(|id| !id.is_empty() && *id != "null")
    );
}

/// The numbers are those of the header, whatever zeros lead them.
fn check_said(headers: &HeaderMap, range: &std::ops::Range<u64>, size: u64) {
    let said = headers["content-range"].to_str().expect("text");
    let numbers = said.trim_start_matches("bytes ").split(['-', '/']);
    let numbers: Vec<u64> = numbers
        .map(|number| number.parse().expect("a number"))
        .collect();
    assert_eq!(numbers, [range.start, range.end - 1, size], "{said}");
}

/// A header of digits alone: what has a sign is no number (RFC 9110, section 8.6).
fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    let text = headers.get(name)?.to_str().ok()?;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
