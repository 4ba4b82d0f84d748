//! What the fuzz targets of `tests/fuzz` see of origins: how their answers are read. Compiled with the feature `fuzzing` only.

use std::ops::Range;

use http::{HeaderMap, StatusCode};

use super::ObjectHead;
use super::answer;
use crate::types::RangeSpec;

/// Which bytes of a body follow, and the size of the whole; none where the answer contradicts itself or what was asked.
pub fn placed(
    status: StatusCode,
    headers: &HeaderMap,
    asked: Option<RangeSpec>,
) -> Option<(Range<u64>, u64)> {
    answer::placed(status, headers, asked).ok()
}

/// The same of an answer to `partNumber`.
pub fn part_placed(status: StatusCode, headers: &HeaderMap) -> Option<(Range<u64>, u64)> {
    answer::part_placed(status, headers)
}

/// The object that an answer describes.
pub fn describe(headers: HeaderMap, size: u64) -> ObjectHead {
    answer::describe(headers, size)
}
