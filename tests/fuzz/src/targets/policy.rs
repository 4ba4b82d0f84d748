//! Policies: a grant covers a key exactly where its pattern, read as a glob, does; and whoever may list a prefix by a grant
//! over keys may read every key that the listing shows.
//!
//! Input: pattern of actions, pattern of resources, bucket, key, length of the key's beginning that is listed.

use forebay::auth::Grant;
use forebay::types::{Action, BucketName, ObjectKey, Resource};

use super::{Target, text};
use crate::input::lines;

pub(super) const TARGET: Target = Target {
    name: "policy",
    seeds: &[
        "s3:Get*\ntrain/data/*\ntrain\ndata/a\n4",
        "s3:*\n*\ntrain\na\n0",
        "admin\ntrain\ntrain\na\n1",
        "s3:GetObject\ntrain/a*b\ntrain\na*b\n2",
        "s3:ListBucket\ntrain/a*\ntrain\nab\n1",
    ],
    run,
};

const ACTIONS: [&str; 5] = [
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:ListBucket",
    "s3:PutObject",
    "admin",
];

fn run(data: &[u8]) {
    let Some(([actions, resources, bucket, key, listed], _)) = text(data).map(lines) else {
        return;
    };
    let (Ok(bucket), Ok(key)) = (bucket.parse::<BucketName>(), key.parse::<ObjectKey>()) else {
        return;
    };
    let Ok(grant) = Grant::parse(&[actions], &[resources]) else {
        return;
    };
    let path = format!("{bucket}/{key}");
    let object = Resource::Object(bucket.clone(), key.clone());
    for action in ACTIONS {
        // `admin` is never implied.
        let covers_action = actions == action || (action != "admin" && glob(actions, action));
        let covers_key = resources == "*" || (resources.contains('/') && glob(resources, &path));
        let allowed = grant.allows(Action(action), &object);
        assert_eq!(allowed, covers_action && covers_key, "{action} {path}");
        let end = listed.parse().unwrap_or(0).min(key.as_str().len());
        let prefix = key.as_str().get(..end).unwrap_or_default().to_owned();
        let listing = Resource::Prefix(bucket.clone(), prefix);
        let by_keys = resources != bucket.as_str();
        if by_keys && grant.allows(Action(action), &listing) {
            assert!(allowed, "{action} {listing:?} {path}");
        }
        if allowed {
            assert!(grant.touches(&bucket));
        }
    }
}

/// A star at the end stands for anything, any other for itself.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => text == pattern,
    }
}
