//! What the fuzz targets of `tests/fuzz` see of reads. Compiled with the feature `fuzzing` only.

use http::HeaderMap;

use super::Conditions;
use super::conditions::Verdict;
use crate::types::ETag;

/// The status that the conditions give a read of an object with this tag and these headers: 200, 304 or 412.
pub fn judge(conditions: &Conditions, etag: &ETag, headers: &HeaderMap) -> u16 {
    match conditions.judge(etag, headers) {
        Verdict::Proceed => 200,
        Verdict::NotModified => 304,
        Verdict::Failed(_) => 412,
    }
}

/// Whether the `Range` of such a read counts.
pub fn range_counts(conditions: &Conditions, etag: &ETag, headers: &HeaderMap) -> bool {
    conditions.range_counts(etag, headers)
}
