//! What the fuzz targets of `tests/fuzz` see of reads. Compiled with the feature `fuzzing` only.

use std::time::SystemTime;

use http::HeaderMap;

use super::Conditions;
use super::conditions::Verdict;
use crate::types::ETag;

/// The status that the conditions give a read of an object with this tag and these headers at the time `now`: 200, 304 or
/// 412; none where the origin has to judge.
pub fn judge(
    conditions: &Conditions,
    etag: &ETag,
    headers: &HeaderMap,
    now: SystemTime,
) -> Option<u16> {
    match conditions.judge(etag, headers, now) {
        Verdict::Proceed => Some(200),
        Verdict::NotModified(_) => Some(304),
        Verdict::Failed => Some(412),
        Verdict::Unsure => None,
    }
}

/// Whether the `Range` of such a read counts.
pub fn range_counts(conditions: &Conditions, etag: &ETag, headers: &HeaderMap) -> bool {
    conditions.range_counts(etag, headers)
}
