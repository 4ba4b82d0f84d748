//! What the cache has no part in: reads that only the origin may answer, and objects that are never kept. Pure.

use http::HeaderMap;

use super::request::{Demand, Read};
use crate::origin::ObjectHead;
use crate::types::range::Parsed;

/// Request headers that make a read the origin's business: the caller's own key (SSE-C), a promise to pay, a check of the
/// bucket's owner.
const PRIVATE_REQUESTS: [&str; 3] = [
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-request-payer",
    "x-amz-expected-bucket-owner",
];

/// Storage classes whose objects cannot be read before they are restored.
const ARCHIVED: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// Whether the cache may answer `read`, the version apart.
pub(super) fn may_answer(read: &Read) -> bool {
    let several = read.range == Some(Parsed::Several);
    let private = PRIVATE_REQUESTS
        .iter()
        .any(|name| read.headers.contains_key(*name));
    !several && !private && read.part_number.is_none() && read.freshness != Demand::Bypass
}

/// The largest body that is kept, in bytes: a thousand times what S3 stores. An origin that tells of more is mistaken.
const LARGEST: u64 = 1 << 52;

/// Whether an object may be kept: its ETag pins its body, its size can be true, it is not archived, and no key of a caller
/// or of KMS is needed to read it.
pub(super) fn may_keep(head: &ObjectHead) -> bool {
    let value = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let archived = value("x-amz-storage-class").is_some_and(|class| ARCHIVED.contains(&class))
        || value("x-amz-archive-status").is_some()
        || value("x-amz-restore").is_some();
    let encrypted = value("x-amz-server-side-encryption")
        .is_some_and(|kind| kind.starts_with("aws:kms"))
        || value("x-amz-server-side-encryption-customer-algorithm").is_some();
    let possible = head.size <= LARGEST;
    head.etag.is_strong() && possible && !archived && !encrypted && !is_delete_marker(&head.headers)
}

fn is_delete_marker(headers: &HeaderMap) -> bool {
    headers
        .get("x-amz-delete-marker")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ETag;

    fn head(etag: &str, headers: &[(&'static str, &'static str)]) -> ObjectHead {
        let headers = headers.iter().map(|(name, value)| {
            (
                http::HeaderName::from_static(name),
                http::HeaderValue::from_static(value),
            )
        });
        ObjectHead {
            size: 1,
            etag: ETag::new(etag),
            version_id: None,
            headers: headers.collect(),
        }
    }

    #[test]
    fn what_cannot_be_pinned_or_needs_a_key_is_not_kept() {
        assert!(may_keep(&head(
            "\"e\"",
            &[("x-amz-server-side-encryption", "AES256")]
        )));
        let impossible = ObjectHead {
            size: u64::MAX,
            ..head("\"e\"", &[])
        };
        assert!(!may_keep(&impossible));
        assert!(!may_keep(&head("", &[])));
        assert!(!may_keep(&head("W/\"e\"", &[])));
        for header in [
            ("x-amz-server-side-encryption", "aws:kms"),
            ("x-amz-server-side-encryption", "aws:kms:dsse"),
            ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
            ("x-amz-storage-class", "GLACIER"),
            ("x-amz-restore", "ongoing-request=\"true\""),
            ("x-amz-delete-marker", "true"),
        ] {
            assert!(!may_keep(&head("\"e\"", &[header])), "{header:?}");
        }
    }
}
