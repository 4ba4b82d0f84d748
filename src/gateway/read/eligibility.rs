//! What the cache has no part in: reads that only the origin may answer, and objects that are never kept. Pure.

use http::{HeaderMap, HeaderName};

use super::request::{Demand, Read};
use crate::origin::ObjectHead;
use crate::routes::{Keeping, Terms};
use crate::types::Subject;
use crate::types::range::Parsed;

/// Request headers of a key that is the caller's own (SSE-C).
const CUSTOMER_KEY: &str = "x-amz-server-side-encryption-customer-";

static CHARGED: HeaderName = HeaderName::from_static("x-amz-request-charged");
static ENCRYPTION: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
static OWNER: HeaderName = HeaderName::from_static("x-amz-expected-bucket-owner");
static PAYER: HeaderName = HeaderName::from_static("x-amz-request-payer");

/// Storage classes whose objects cannot be read before they are restored.
const ARCHIVED: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// Whether the cache may answer `read` of a bucket with these terms.
pub(super) fn may_answer(read: &Read, terms: &Terms) -> bool {
    let one_range = matches!(read.range, None | Some(Parsed::Single(_)));
    // S3 refuses the one beside the other.
    let ambiguous =
        read.part_number.is_some() && (read.range.is_some() || read.conditions.if_range.is_some());
    let mut names = read.headers.keys();
    let own_key = names.any(|name| name.as_str().starts_with(CUSTOMER_KEY));
    let said = |name: &HeaderName| {
        let values = read.headers.get_all(name).iter();
        values.map(|value| value.as_bytes()).collect::<Vec<_>>()
    };
    let pays = said(&PAYER);
    let pays_as_agreed = match terms.requester_pays {
        true => pays == [b"requester"],
        false => pays.is_empty(),
    };
    let owner = said(&OWNER);
    let owner_is_known = match &terms.owner {
        Some(known) => owner.is_empty() || owner == [known.as_bytes()],
        None => owner.is_empty(),
    };
    read.is_clear
        && one_range
        && !ambiguous
        && !own_key
        && pays_as_agreed
        && owner_is_known
        && read.freshness != Demand::Bypass
}

/// Whether what is known of an object may be told under these terms and rules, which may be others than those that it was
/// learnt under: two buckets here may be one at the origin.
pub(super) fn may_serve(head: &ObjectHead, keeping: Keeping, terms: &Terms) -> bool {
    // Most objects have a few headers: to look at each takes less than to hash a name.
    let charged = head.headers.keys().any(|name| *name == CHARGED);
    (terms.requester_pays || !charged) && (keeping.kms || !is_under_kms(&head.headers))
}

/// Whether an answer about `subject` is about that version. Some stores do not look at the version that they are asked for.
pub(super) fn is_about(head: &ObjectHead, subject: &Subject) -> bool {
    match subject.version_id.as_deref() {
        None => true,
        Some("null") => head.version_id.is_none(),
        Some(id) => head.version_id.as_deref() == Some(id),
    }
}

/// The largest body that is kept, in bytes: a thousand times what S3 stores. An origin that tells of more is mistaken.
const LARGEST: u64 = 1 << 52;

/// Whether an object may be kept: its ETag pins its body, its size can be true, it is not archived, and no key of a caller
/// is needed to read it, nor one of KMS unless the rule allows that.
pub(super) fn may_keep(head: &ObjectHead, keeping: Keeping) -> bool {
    let value = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let archived = value("x-amz-storage-class").is_some_and(|class| ARCHIVED.contains(&class))
        || head.headers.contains_key("x-amz-archive-status")
        || head.headers.contains_key("x-amz-restore");
    let mut names = head.headers.keys();
    let own_key = names.any(|name| name.as_str().starts_with(CUSTOMER_KEY));
    let kms = is_under_kms(&head.headers) && !keeping.kms;
    let possible = head.size <= LARGEST;
    let forbidden = archived || own_key || kms || is_delete_marker(&head.headers);
    head.etag.is_strong() && possible && !forbidden
}

fn is_under_kms(headers: &HeaderMap) -> bool {
    let mut named = headers.iter().filter(|(name, _)| **name == ENCRYPTION);
    named.any(|(_, kind)| kind.as_bytes().starts_with(b"aws:kms"))
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
        let (normal, with_kms) = (
            Keeping::default(),
            Keeping {
                kms: true,
                ..Keeping::default()
            },
        );
        for header in [
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-storage-class", "GLACIER_IR"),
            ("x-amz-storage-class", "INTELLIGENT_TIERING"),
        ] {
            assert!(may_keep(&head("\"e\"", &[header]), normal), "{header:?}");
        }
        let impossible = ObjectHead {
            size: u64::MAX,
            ..head("\"e\"", &[])
        };
        assert!(!may_keep(&impossible, normal));
        assert!(!may_keep(&head("", &[]), normal));
        assert!(!may_keep(&head("W/\"e\"", &[]), normal));
        for header in [
            ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
            ("x-amz-storage-class", "GLACIER"),
            ("x-amz-storage-class", "DEEP_ARCHIVE"),
            ("x-amz-archive-status", "ARCHIVE_ACCESS"),
            ("x-amz-restore", "ongoing-request=\"true\""),
            ("x-amz-restore", "ongoing-request=\"false\""),
            ("x-amz-delete-marker", "true"),
        ] {
            assert!(!may_keep(&head("\"e\"", &[header]), with_kms), "{header:?}");
        }
        for kms in ["aws:kms", "aws:kms:dsse"] {
            let head = head("\"e\"", &[("x-amz-server-side-encryption", kms)]);
            let terms = Terms::default();
            assert!(!may_keep(&head, normal) && !may_serve(&head, normal, &terms));
            assert!(may_keep(&head, with_kms) && may_serve(&head, with_kms, &terms));
        }
    }

    #[test]
    fn what_was_paid_for_is_told_where_payers_ask() {
        let charged = head("\"e\"", &[("x-amz-request-charged", "requester")]);
        let pays = Terms {
            requester_pays: true,
            ..Terms::default()
        };
        assert!(may_serve(&charged, Keeping::default(), &pays));
        assert!(!may_serve(&charged, Keeping::default(), &Terms::default()));
    }

    #[test]
    fn an_answer_about_another_version_is_none() {
        let version = |id: Option<&str>| ObjectHead {
            version_id: id.map(Into::into),
            ..head("\"e\"", &[])
        };
        let bucket = "train".parse().expect("a bucket name");
        let asked = |id: &str| Subject {
            object: crate::types::CanonicalObject {
                origin: crate::types::OriginFingerprint::new("s3", "", "", &bucket),
                key: "k".parse().expect("a key"),
            },
            version_id: Some(id.into()),
        };
        assert!(is_about(&version(Some("v")), &asked("v")));
        assert!(!is_about(&version(Some("w")), &asked("v")));
        assert!(!is_about(&version(None), &asked("v")));
        assert!(is_about(&version(None), &asked("null")));
        assert!(!is_about(&version(Some("v")), &asked("null")));
    }
}
