//! What the fuzz targets of `tests/fuzz` see of forms' policies. Compiled with the feature `fuzzing` only.

use std::time::SystemTime;

use super::fields::Fields;
use super::policy::Policy;
use crate::types::BucketName;

/// Whether a policy allows a form to `bucket` with these fields and a file of `length` bytes.
pub fn allows(
    policy: &str,
    bucket: &BucketName,
    fields: Vec<(String, String)>,
    length: u64,
    now: SystemTime,
) -> bool {
    let fields = Fields::new(fields, None);
    let policy = Policy::parse(policy).ok();
    policy.is_some_and(|policy| {
        policy.check(bucket, &fields, now).is_ok() && policy.check_length(length).is_ok()
    })
}
