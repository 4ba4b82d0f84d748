//! When a request was signed.

use std::ops::Range;
use std::time::SystemTime;

use http::{HeaderMap, HeaderName, header};
use jiff::Timestamp;
use jiff::civil::{DateTime, date};

use crate::s3::error::{Code, Refusal};

static DATE: HeaderName = HeaderName::from_static("x-amz-date");

const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);

/// How SigV4 writes a time.
pub(in crate::s3) const TIME: &str = "%Y%m%dT%H%M%SZ";

/// When a request was signed: `x-amz-date`, or `Date` where that is absent, in SigV4's form or in HTTP's.
pub(super) fn signing_time(headers: &HeaderMap) -> Result<(String, SystemTime), Refusal> {
    let dated = headers.iter().find(|(name, _)| **name == DATE);
    let value = dated.map(|(_, value)| value);
    let value = value.or_else(|| headers.get(header::DATE));
    let time = value.and_then(|value| basic_time(value.to_str().ok()?));
    time.ok_or_else(|| {
        let message = "AWS authentication requires a valid Date or x-amz-date header";
        Refusal::because(Code::AccessDenied, message)
    })
}

/// The moment that SigV4 writes so.
pub(super) fn moment(time: &str) -> Option<SystemTime> {
    let digits: &[u8; 16] = time.as_bytes().try_into().ok()?;
    if digits[8] != b'T' || digits[15] != b'Z' {
        return None;
    }
    let digit = |number: i16, byte: &u8| {
        let is_digit = byte.is_ascii_digit();
        is_digit.then(|| number * 10 + i16::from(byte - b'0'))
    };
    let number = |range: Range<usize>| digits[range].iter().try_fold(0, digit);
    let two = |from: usize| i8::try_from(number(from..from + 2)?).ok();
    let (year, month, day) = (number(0..4)?, two(4)?, two(6)?);
    let (hour, minute, second) = (two(9)?, two(11)?, two(13)?);
    let at = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    let since = at.duration_since(EPOCH);
    if since.as_secs() > Timestamp::MAX.as_second() {
        return None;
    }
    match since.is_negative() {
        true => SystemTime::UNIX_EPOCH.checked_sub(since.unsigned_abs()),
        false => SystemTime::UNIX_EPOCH.checked_add(since.unsigned_abs()),
    }
}

fn basic_time(value: &str) -> Option<(String, SystemTime)> {
    if let Some(moment) = moment(value) {
        return Some((value.to_owned(), moment));
    }
    let time = Timestamp::try_from(httpdate::parse_http_date(value).ok()?).ok()?;
    Some((time.strftime(TIME).to_string(), time.into()))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_moment_is_read_as_jiff_reads_it(year in 1..9999i16, seconds in 0..31_622_400i64, at in 0..16usize, byte in "[ -~]") {
            let start = DateTime::new(year, 1, 1, 0, 0, 0, 0).and_then(|it| it.to_zoned(TimeZone::UTC)).expect("a year");
            let time = start.timestamp().checked_add(jiff::SignedDuration::from_secs(seconds)).expect("a time");
            let written = time.strftime(TIME).to_string();
            prop_assert_eq!(moment(&written), Some(SystemTime::from(time)));
            let mut changed = written.clone();
            changed.replace_range(at..=at, &byte);
            if let Some(other) = moment(&changed) {
                let read = DateTime::strptime(TIME, &changed).and_then(|it| it.to_zoned(TimeZone::UTC)).expect("a time");
                prop_assert_eq!(other, SystemTime::from(read.timestamp()));
            }
            prop_assert_eq!(moment(&format!("{written}Z")), None);
        }
    }
}
