//! Where a key is kept: as a plain file under its own name where a path can hold it, else under its hash.
//!
//! Pure. Every name that is made here is relative to the origin's folder, has no component `.` or `..`, and cannot be one of
//! another key or bucket. Whether a plain place is free is known only to the file system: [`super::store`] asks it.

use sha2::{Digest, Sha256};

use crate::types::{BucketName, ObjectKey};

/// The folder of all that is not an object. No bucket's name begins with a dot.
pub(super) const STATE: &str = ".forebay";
/// The folder of files that are being written.
pub(super) const STAGING: &str = ".forebay/staging";
/// The longest component that Linux's file systems take, in bytes.
const MAX_COMPONENT: usize = 255;

/// The plain place of `key`, where a path can hold it.
pub(super) fn plain(bucket: &BucketName, key: &ObjectKey) -> Option<String> {
    is_plain(key.as_str()).then(|| format!("{bucket}/{key}"))
}

/// Whether a path can hold these components.
pub(super) fn is_plain(path: &str) -> bool {
    let fits = |component: &str| {
        !matches!(component, "" | "." | "..")
            && component.len() <= MAX_COMPONENT
            && !component.contains('\0')
    };
    path.split('/').all(fits)
}

/// The name of `key` among the files that are kept by hash.
pub(super) fn hash(key: &str) -> String {
    hex::encode(Sha256::digest(key.as_bytes()))
}

/// The folder of a bucket's objects that no plain place can hold.
pub(super) fn odd_folder(bucket: &BucketName) -> String {
    format!("{STATE}/odd/{bucket}")
}

/// The place of `key` where no path can hold it.
pub(super) fn odd(bucket: &BucketName, key: &ObjectKey) -> String {
    format!("{}/{}", odd_folder(bucket), hash(key.as_str()))
}

/// The folder of the descriptions of a bucket's objects.
pub(super) fn meta_folder(bucket: &BucketName) -> String {
    format!("{STATE}/meta/{bucket}")
}

/// The place of the description of the file `inode` that holds `key`.
pub(super) fn meta(bucket: &BucketName, key: &ObjectKey, inode: u64) -> String {
    let hash = hash(key.as_str());
    format!("{}/{hash}.{inode:x}.json", meta_folder(bucket))
}

/// The folder of a bucket's multipart uploads.
pub(super) fn uploads(bucket: &BucketName) -> String {
    format!("{STATE}/uploads/{bucket}")
}

/// The place of what is kept of a bucket beside its folder.
pub(super) fn bucket_state(bucket: &BucketName) -> String {
    format!("{}/bucket.json", meta_folder(bucket))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bucket() -> BucketName {
        "train".parse().expect("a bucket name")
    }

    fn place(key: &str) -> String {
        let key: ObjectKey = key.parse().expect("a key");
        plain(&bucket(), &key).unwrap_or_else(|| odd(&bucket(), &key))
    }

    #[test]
    fn only_what_a_path_can_hold_is_plain() {
        for good in [
            "a",
            "a/b",
            "...",
            ".forebay/meta",
            "a b/ü",
            &"k".repeat(255),
        ] {
            assert!(is_plain(good), "{good}");
        }
        let long = "k".repeat(256);
        for odd in [
            "/", "a/", "/a", "a//b", ".", "..", "a/../b", "./a", "a\0b", &long,
        ] {
            assert!(!is_plain(odd), "{odd:?}");
        }
    }

    fn hostile_key() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("/"),
            Just("."),
            Just(".."),
            Just("a"),
            Just("\0"),
            Just("ü"),
            Just(".forebay")
        ];
        proptest::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn places_are_injective_and_inside(one in hostile_key(), other in hostile_key()) {
            let at = place(&one);
            prop_assert!(at.starts_with("train/") || at.starts_with(".forebay/odd/train/"));
            prop_assert!(at.split('/').all(|part| !matches!(part, "" | "." | "..")));
            prop_assert!(!at.contains('\0'));
            prop_assert_eq!(one == other, place(&one) == place(&other));
        }
    }
}
