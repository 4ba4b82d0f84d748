//! What a policy's lines mean: patterns of actions and of resources, and how they match.
//!
//! Pure. Actions are S3's names, a trailing `*` stands for the rest; `admin` stands apart and is never implied. Resources
//! are `*`, `bucket` (the bucket itself and its listings), `bucket/*`, `bucket/prefix*` and `bucket/key`.

use std::str::FromStr;

use crate::types::{Action, BucketName, Resource};

/// The action that changes rights or policy.
const ADMIN: &str = "admin";
/// What every action of S3 begins with.
const S3: &str = "s3:";

/// Some actions over some resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub actions: Vec<ActionPattern>,
    pub resources: Vec<ResourcePattern>,
}

/// One action, or all that begin alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActionPattern {
    Exact(String),
    /// `s3:Get*`; `s3:*` for all of S3's.
    Prefix(String),
}

/// Which buckets and keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourcePattern {
    /// `*`: every bucket and every key.
    All,
    /// `bucket`: the bucket and what can be listed in it, but no object.
    Bucket(BucketName),
    /// `bucket/prefix*`: the keys that begin so; `bucket/*` for all of them.
    Keys(BucketName, String),
    /// `bucket/key`: one key.
    Key(BucketName, String),
}

/// The text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("an action is \"s3:NAME\", \"s3:NAME*\", \"s3:*\" or \"admin\"")]
    Action,
    #[error("a resource is \"*\", \"BUCKET\", \"BUCKET/*\", \"BUCKET/PREFIX*\" or \"BUCKET/KEY\"")]
    Resource,
}

impl Grant {
    /// Parses a policy's line.
    ///
    /// # Errors
    /// Where one of the patterns is malformed.
    pub fn parse(actions: &[&str], resources: &[&str]) -> Result<Self, Malformed> {
        let actions = actions.iter().map(|action| action.parse());
        let resources = resources.iter().map(|resource| resource.parse());
        Ok(Self {
            actions: actions.collect::<Result<_, _>>()?,
            resources: resources.collect::<Result<_, _>>()?,
        })
    }

    /// Whether the grant covers `action` on `resource`.
    pub fn allows(&self, action: Action, resource: &Resource) -> bool {
        self.actions.iter().any(|pattern| pattern.matches(action))
            && self
                .resources
                .iter()
                .any(|pattern| pattern.covers(resource))
    }

    /// Whether the grant covers anything in `bucket`.
    pub fn touches(&self, bucket: &BucketName) -> bool {
        !self.actions.is_empty() && self.resources.iter().any(|pattern| pattern.touches(bucket))
    }
}

impl ActionPattern {
    fn matches(&self, action: Action) -> bool {
        match self {
            Self::Exact(name) => action.0 == name,
            Self::Prefix(prefix) => action.0.starts_with(prefix.as_str()),
        }
    }
}

impl FromStr for ActionPattern {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text == ADMIN {
            return Ok(Self::Exact(text.to_owned()));
        }
        let name = text.strip_prefix(S3).ok_or(Malformed::Action)?;
        let (letters, pattern) = match text.strip_suffix('*') {
            Some(prefix) => (&name[..name.len() - 1], Self::Prefix(prefix.to_owned())),
            None if name.is_empty() => return Err(Malformed::Action),
            None => (name, Self::Exact(text.to_owned())),
        };
        if letters.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            Ok(pattern)
        } else {
            Err(Malformed::Action)
        }
    }
}

impl ResourcePattern {
    fn covers(&self, resource: &Resource) -> bool {
        match resource {
            Resource::Service => matches!(self, Self::All),
            Resource::Bucket(bucket) => self.touches(bucket),
            Resource::Prefix(bucket, asked) => self.covers_listing(bucket, asked),
            Resource::Object(bucket, key) => self.covers_key(bucket, key.as_str()),
        }
    }

    /// A listing shows every key that begins with `asked`, so that all of them must be covered.
    fn covers_listing(&self, bucket: &BucketName, asked: &str) -> bool {
        match self {
            Self::All => true,
            Self::Bucket(mine) => mine == bucket,
            Self::Keys(mine, prefix) => mine == bucket && asked.starts_with(prefix.as_str()),
            Self::Key(..) => false,
        }
    }

    fn covers_key(&self, bucket: &BucketName, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::Bucket(_) => false,
            Self::Keys(mine, prefix) => mine == bucket && key.starts_with(prefix.as_str()),
            Self::Key(mine, exact) => mine == bucket && key == exact,
        }
    }

    fn touches(&self, bucket: &BucketName) -> bool {
        match self {
            Self::All => true,
            Self::Bucket(mine) | Self::Keys(mine, _) | Self::Key(mine, _) => mine == bucket,
        }
    }
}

impl FromStr for ResourcePattern {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text == "*" {
            return Ok(Self::All);
        }
        let (bucket, keys) = match text.split_once('/') {
            Some((bucket, keys)) => (bucket, Some(keys)),
            None => (text, None),
        };
        let bucket = bucket.parse().map_err(|_| Malformed::Resource)?;
        match keys {
            None => Ok(Self::Bucket(bucket)),
            Some("") => Err(Malformed::Resource),
            Some(keys) => match keys.strip_suffix('*') {
                Some(prefix) if prefix.contains('*') => Err(Malformed::Resource),
                Some(prefix) => Ok(Self::Keys(bucket, prefix.to_owned())),
                None if keys.contains('*') => Err(Malformed::Resource),
                None => Ok(Self::Key(bucket, keys.to_owned())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allows(action: &str, resource: &str, asked: &'static str, of: &Resource) -> bool {
        Grant::parse(&[action], &[resource])
            .expect("a grant")
            .allows(Action(asked), of)
    }

    fn bucket(name: &str) -> BucketName {
        name.parse().expect("a bucket")
    }

    fn object(name: &str, key: &str) -> Resource {
        Resource::Object(bucket(name), key.parse().expect("a key"))
    }

    fn listing(name: &str, prefix: &str) -> Resource {
        Resource::Prefix(bucket(name), prefix.to_owned())
    }

    #[test]
    fn actions_match_exactly_or_by_their_beginning() {
        let key = object("train", "a");
        for (pattern, asked, expected) in [
            ("s3:GetObject", "s3:GetObject", true),
            ("s3:GetObject", "s3:GetObjectVersion", false),
            ("s3:GetObject*", "s3:GetObjectVersion", true),
            ("s3:Get*", "s3:GetObject", true),
            ("s3:Get*", "s3:PutObject", false),
            ("s3:*", "s3:DeleteObject", true),
            ("s3:*", "admin", false),
            ("admin", "admin", true),
            ("admin", "s3:GetObject", false),
        ] {
            assert_eq!(
                allows(pattern, "*", asked, &key),
                expected,
                "{pattern} {asked}"
            );
        }
    }

    #[test]
    fn keys_match_by_prefix_raw_and_never_across_buckets() {
        for (pattern, name, key, expected) in [
            ("*", "train", "a", true),
            ("train", "train", "a", false),
            ("train/*", "train", "a", true),
            ("train/*", "train2", "a", false),
            ("train/data/*", "train", "data/a", true),
            ("train/data/*", "train", "database", false),
            ("train/data/*", "train", "data/../secret", true),
            ("train/data/*", "train", "x/../data/a", false),
            ("train/data*", "train", "database", true),
            ("train/a/b", "train", "a/b", true),
            ("train/a/b", "train", "a/bc", false),
            ("train//*", "train", "/a", true),
            ("train//*", "train", "a", false),
        ] {
            let resource = object(name, key);
            let allowed = allows("s3:GetObject", pattern, "s3:GetObject", &resource);
            assert_eq!(allowed, expected, "{pattern} {name}/{key}");
        }
    }

    #[test]
    fn a_listing_needs_a_grant_over_all_that_it_can_show() {
        for (pattern, prefix, expected) in [
            ("*", "", true),
            ("train", "", true),
            ("train", "data/", true),
            ("train/*", "", true),
            ("train/data/*", "", false),
            ("train/data/*", "dat", false),
            ("train/data/*", "data", false),
            ("train/data/*", "data/", true),
            ("train/data/*", "data/2026/", true),
            ("train/a", "a", false),
        ] {
            let resource = listing("train", prefix);
            let allowed = allows("s3:ListBucket", pattern, "s3:ListBucket", &resource);
            assert_eq!(allowed, expected, "{pattern} {prefix:?}");
        }
        let other = listing("other", "");
        assert!(!allows("s3:ListBucket", "train/*", "s3:ListBucket", &other));
    }

    #[test]
    fn a_bucket_is_covered_by_any_grant_in_it() {
        let train = Resource::Bucket(bucket("train"));
        for pattern in ["*", "train", "train/*", "train/data/*", "train/a"] {
            assert!(
                allows("s3:ListBucket", pattern, "s3:ListBucket", &train),
                "{pattern}"
            );
        }
        assert!(!allows("s3:ListBucket", "other/*", "s3:ListBucket", &train));
        assert!(!allows("s3:GetObject", "train/*", "s3:ListBucket", &train));
    }

    proptest! {
        #[test]
        fn who_may_list_a_prefix_by_keys_may_read_all_that_it_shows(
            pattern in "train/[ab/]{0,3}\\*?|\\*",
            key in "[ab/]{1,6}",
            end in 0..7usize,
        ) {
            let prefix = key.get(..end).unwrap_or(&key);
            let Ok(grant) = Grant::parse(&["s3:*"], &[&pattern]) else {
                return Ok(());
            };
            if grant.allows(Action("s3:ListBucket"), &listing("train", prefix)) {
                prop_assert!(grant.allows(Action("s3:GetObject"), &object("train", &key)));
            }
        }
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for action in [
            "",
            "*",
            "s3",
            "s3:",
            "GetObject",
            "s3:Get*Object",
            "s3:Get Object",
            "admin*",
        ] {
            assert_eq!(
                action.parse::<ActionPattern>(),
                Err(Malformed::Action),
                "{action}"
            );
        }
        for resource in [
            "",
            "/",
            "/key",
            "train/",
            "tr*",
            "*/key",
            "train/a*b",
            "train/**",
            "ab/*",
        ] {
            assert_eq!(
                resource.parse::<ResourcePattern>(),
                Err(Malformed::Resource),
                "{resource}"
            );
        }
    }
}
