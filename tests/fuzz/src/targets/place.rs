//! Where the directory origin keeps keys: every place is below its bucket's folder or the state's, no path climbs, and no two
//! keys share one.
//!
//! Input: a bucket and a key of it, another bucket and its key, a line each.

use forebay::origin::directory::fuzzing::{place, state};
use forebay::types::{BucketName, ObjectKey};

use super::{Target, text};
use crate::input::lines;

pub(super) const TARGET: Target = Target {
    name: "place",
    seeds: &[
        "train\na/b\ntrain\na//b",
        "train\n../x\ntrain\n/../x",
        "train\n.forebay/odd/train\nodd\n.",
        "a.b\nc/\na\n.b/c",
    ],
    run,
};

/// The longest component of a path on Linux, in bytes.
const MAX_COMPONENT: usize = 255;

fn run(data: &[u8]) {
    let Some(([bucket, key, other_bucket, other_key], _)) = text(data).map(lines) else {
        return;
    };
    let (Some(one), Some(other)) = (named(bucket, key), named(other_bucket, other_key)) else {
        return;
    };
    for (bucket, key) in [&one, &other] {
        let at = place(bucket, key);
        check(&at);
        let plain = format!("{bucket}/{key}");
        assert!(
            at == plain || at.starts_with(&format!(".forebay/odd/{bucket}/")),
            "{at}"
        );
        let (description, uploads) = state(bucket, key, 7);
        check(&description);
        check(&uploads);
        assert!(
            description.starts_with(".forebay/meta/") && uploads.starts_with(".forebay/uploads/")
        );
    }
    let same = one == other;
    assert_eq!(same, place(&one.0, &one.1) == place(&other.0, &other.1));
    assert_eq!(
        same,
        state(&one.0, &one.1, 7).0 == state(&other.0, &other.1, 7).0
    );
}

fn named(bucket: &str, key: &str) -> Option<(BucketName, ObjectKey)> {
    Some((bucket.parse().ok()?, key.parse().ok()?))
}

fn check(path: &str) {
    for component in path.split('/') {
        assert!(
            !component.is_empty() && component != "." && component != "..",
            "{path:?}"
        );
        assert!(
            component.len() <= MAX_COMPONENT && !component.contains('\0'),
            "{path:?}"
        );
    }
}
