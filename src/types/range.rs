//! The `Range` header: one byte range, parsed and resolved as S3 does; and the numbers of parts.
//!
//! Pure. A header that S3 ignores (malformed, unknown unit, last before first) is [`Parsed::Ignored`]: the answer is the
//! whole object with 200 (RFC 9110, section 14.2). Several ranges are told apart, because they go to the origin uncached.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// What a `Range` header asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// Not a byte range that means anything: the header is ignored.
    Ignored,
    /// One range.
    Single(RangeSpec),
    /// More than one range.
    Several,
}

/// One byte range as written, before the size is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeSpec {
    /// `bytes=FIRST-LAST`, both inclusive.
    Closed { first: u64, last: u64 },
    /// `bytes=FIRST-`.
    Open { first: u64 },
    /// `bytes=-LENGTH`.
    Suffix { length: u64 },
}

/// A part's number in an object that was uploaded in parts: 1 to 10,000, as S3 numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartNumber(u16);

/// Not a part's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a part's number is an integer from 1 to 10,000")]
pub struct InvalidPartNumber;

impl PartNumber {
    /// How many parts come before this one.
    pub fn index(self) -> u64 {
        u64::from(self.0) - 1
    }
}

impl FromStr for PartNumber {
    type Err = InvalidPartNumber;

    fn from_str(text: &str) -> Result<Self, InvalidPartNumber> {
        match text.parse() {
            Ok(number @ 1..=10_000) => Ok(Self(number)),
            Ok(_) | Err(_) => Err(InvalidPartNumber),
        }
    }
}

impl fmt::Display for PartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The range lies outside of the body: 416.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the range is not satisfiable")]
pub struct Unsatisfiable;

impl RangeSpec {
    /// Parses a `Range` header's value.
    pub fn parse(header: &str) -> Parsed {
        if let Some(range) = Self::parse_strictly(header) {
            return Parsed::Single(range);
        }
        let Some(ranges) = strip_unit(header.trim()) else {
            return Parsed::Ignored;
        };
        let mut specs = ranges
            .split(',')
            .map(str::trim)
            .filter(|range| !range.is_empty());
        match (specs.next().map(Self::parse_one), specs.next()) {
            (Some(Some(spec)), None) => Parsed::Single(spec),
            (Some(Some(_)), Some(_)) => Parsed::Several,
            _ => Parsed::Ignored,
        }
    }

    /// The one range of a value that is written as [`Self::to_header`] writes it; none where it is not.
    pub fn parse_strictly(header: &str) -> Option<Self> {
        let range = header.strip_prefix("bytes=")?;
        let dash = memchr::memchr(b'-', range.as_bytes())?;
        let exactly = |text: &str| {
            let is_exact = text == "0" || !text.starts_with(['0', '+']);
            text.parse::<u64>().ok().filter(|_| is_exact)
        };
        match (&range[..dash], &range[dash + 1..]) {
            ("", length) => exactly(length).map(|length| Self::Suffix { length }),
            (first, "") => exactly(first).map(|first| Self::Open { first }),
            (first, last) => {
                let (first, last) = (exactly(first)?, exactly(last)?);
                (first <= last).then_some(Self::Closed { first, last })
            }
        }
    }

    fn parse_one(range: &str) -> Option<Self> {
        let (first, last) = range.split_once('-')?;
        match (first.trim(), last.trim()) {
            ("", "") => None,
            ("", length) => Some(Self::Suffix {
                length: number(length)?,
            }),
            (first, "") => Some(Self::Open {
                first: number(first)?,
            }),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Closed { first, last })
            }
        }
    }

    /// The bytes that the range means in a body of `size` bytes.
    ///
    /// # Errors
    /// [`Unsatisfiable`] where it begins at or after the end, asks for no bytes, or the body is empty.
    pub fn resolve(self, size: u64) -> Result<Range<u64>, Unsatisfiable> {
        let range = match self {
            Self::Closed { first, last } => first..last.saturating_add(1).min(size),
            Self::Open { first } => first..size,
            Self::Suffix { length } => size - length.min(size)..size,
        };
        if range.start < range.end {
            Ok(range)
        } else {
            Err(Unsatisfiable)
        }
    }

    /// The header's value again.
    pub fn to_header(self) -> String {
        match self {
            Self::Closed { first, last } => format!("bytes={first}-{last}"),
            Self::Open { first } => format!("bytes={first}-"),
            Self::Suffix { length } => format!("bytes=-{length}"),
        }
    }
}

impl From<Range<u64>> for RangeSpec {
    /// The closed range of these bytes, of which there is at least one.
    fn from(range: Range<u64>) -> Self {
        Self::Closed {
            first: range.start,
            last: range.end - 1,
        }
    }
}

fn strip_unit(header: &str) -> Option<&str> {
    let (unit, ranges) = header.split_once('=')?;
    unit.trim().eq_ignore_ascii_case("bytes").then_some(ranges)
}

/// A decimal number; one too big for 64 bits means "beyond any object".
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn single(header: &str) -> RangeSpec {
        match RangeSpec::parse(header) {
            Parsed::Single(spec) => spec,
            other => panic!("{header}: {other:?}"),
        }
    }

    #[test]
    fn the_forms_that_clients_send() {
        assert_eq!(single("bytes=0-8388607").resolve(100), Ok(0..100));
        assert_eq!(
            single("bytes=58720256-").resolve(58_720_260),
            Ok(58_720_256..58_720_260)
        );
        assert_eq!(single("bytes=-262144").resolve(10), Ok(0..10));
        assert_eq!(single("Bytes = 1 - 2 ").resolve(10), Ok(1..3));
        assert_eq!(
            single("bytes=0-99999999999999999999").resolve(10),
            Ok(0..10)
        );
    }

    #[test]
    fn nonsense_is_ignored_and_emptiness_is_unsatisfiable() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=2-1",
            "lines=1-2",
            "bytes=a-b",
            "bytes=1",
            "bytes=+1-2",
        ] {
            assert_eq!(RangeSpec::parse(header), Parsed::Ignored, "{header}");
        }
        assert_eq!(RangeSpec::parse("bytes=0-1,3-4"), Parsed::Several);
        assert_eq!(single("bytes=10-").resolve(10), Err(Unsatisfiable));
        assert_eq!(single("bytes=-0").resolve(10), Err(Unsatisfiable));
        assert_eq!(single("bytes=0-0").resolve(0), Err(Unsatisfiable));
    }

    #[test]
    fn parts_are_numbered_from_1_to_10_000() {
        let number = |text: &str| text.parse::<PartNumber>().map(|number| number.to_string());
        assert_eq!(number("1"), Ok("1".to_owned()));
        assert_eq!(number("10000"), Ok("10000".to_owned()));
        for text in ["", "0", "10001", "-1", "1.0", "one"] {
            assert_eq!(number(text), Err(InvalidPartNumber), "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(header in ".*") {
            let _ = RangeSpec::parse(&header);
        }

        #[test]
        fn what_is_written_strictly_is_what_is_written_back(header in "(bytes=)?[0-9]{0,21}[-+ ]?[0-9]{0,21}") {
            let single = match RangeSpec::parse(&header) {
                Parsed::Single(range) => Some(range),
                Parsed::Ignored | Parsed::Several => None,
            };
            let strict = single.filter(|range| range.to_header() == header);
            prop_assert_eq!(RangeSpec::parse_strictly(&header), strict);
        }

        #[test]
        fn a_written_range_parses_back(first in any::<u64>(), length in 0..1u64 << 40) {
            for spec in [
                RangeSpec::Closed { first, last: first.saturating_add(length) },
                RangeSpec::Open { first },
                RangeSpec::Suffix { length },
            ] {
                prop_assert_eq!(RangeSpec::parse(&spec.to_header()), Parsed::Single(spec));
            }
        }

        #[test]
        fn a_resolved_range_lies_inside(header in "bytes=[0-9]{0,4}-[0-9]{0,4}", size in 0..2000u64) {
            if let Parsed::Single(spec) = RangeSpec::parse(&header) && let Ok(range) = spec.resolve(size) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
