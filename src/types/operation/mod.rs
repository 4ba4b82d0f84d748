//! The S3 operations, what each one touches, and the rights that it needs.
//!
//! [`Operation::rights`] is the only input to authorisation; the table in [`name`] says for each operation which rights it
//! takes, [`extra`] which ones its headers take besides.

pub mod extra;
pub mod name;

use std::collections::BTreeSet;

use super::names::{BucketName, ObjectKey};

pub use extra::Extra;
pub use name::{Family, OperationName, Scope};

use name::Over;

/// What a request is aimed at, under the names that the client used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Service,
    Bucket(BucketName),
    Object(BucketName, ObjectKey),
}

/// A parsed operation: its name and everything that it touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub name: OperationName,
    pub target: Target,
    /// The object that a CopyObject or UploadPartCopy reads.
    pub copy_source: Option<CopySource>,
    /// The `prefix` of a listing; empty where none is given.
    pub prefix: String,
    /// Whether the request names a `versionId`.
    pub versioned: bool,
    /// What the headers ask for besides, each a right of its own.
    pub extras: Vec<Extra>,
}

/// The value of `x-amz-copy-source`, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySource {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub version_id: Option<String>,
}

/// A right's verb: the S3 action's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Action(pub &'static str);

impl Action {
    /// Every action that some operation takes, in alphabetical order; and `s3:ListAllMyBuckets`, which ListBuckets does
    /// without, because it stands in policies that were written for AWS.
    pub fn known() -> BTreeSet<&'static str> {
        let specs = OperationName::ALL.iter().map(|name| name.spec());
        let own = specs.flat_map(|spec| spec.actions.iter().chain(spec.version_actions));
        let scopes = [Scope::Bucket, Scope::Object];
        let extras = Extra::ALL.iter();
        let besides = extras.flat_map(|extra| scopes.map(|scope| extra.actions(scope)));
        let mut known: BTreeSet<_> = own.chain(besides.flatten()).copied().collect();
        known.insert("s3:ListAllMyBuckets");
        known
    }
}

/// What a right is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// The service: a list of buckets shows those on which the caller may do anything at all.
    Service,
    /// The bucket itself.
    Bucket(BucketName),
    /// The keys of a bucket that begin with a prefix.
    Prefix(BucketName, String),
    /// One key.
    Object(BucketName, ObjectKey),
}

impl Operation {
    /// Every right that the operation takes: all of them must be granted.
    ///
    /// DeleteObjects names its keys in its body: each takes its rights when it is read, so that the operation itself
    /// asks for nothing here. ListBuckets filters what it shows.
    pub fn rights(&self) -> Vec<(Action, Resource)> {
        let spec = self.name.spec();
        let actions = match spec.version_actions {
            actions if self.versioned && !actions.is_empty() => actions,
            _ => spec.actions,
        };
        let mut rights = Vec::new();
        if let Some(resource) = self.resource(spec.over) {
            let extras = self
                .extras
                .iter()
                .flat_map(|extra| extra.actions(spec.scope));
            for action in actions.iter().chain(extras) {
                rights.push((Action(action), resource.clone()));
            }
        }
        rights.extend(self.copy_source.as_ref().map(CopySource::right));
        rights
    }

    fn resource(&self, over: Over) -> Option<Resource> {
        match over {
            Over::Nothing => None,
            Over::Bucket => Some(self.bucket()),
            Over::Whole => Some(self.whole()),
            Over::Prefix => Some(self.prefix()),
            Over::Object => Some(self.object()),
        }
    }

    fn bucket(&self) -> Resource {
        match &self.target {
            Target::Service => Resource::Service,
            Target::Bucket(bucket) | Target::Object(bucket, _) => Resource::Bucket(bucket.clone()),
        }
    }

    fn whole(&self) -> Resource {
        match &self.target {
            Target::Service => Resource::Service,
            Target::Bucket(bucket) | Target::Object(bucket, _) => {
                Resource::Prefix(bucket.clone(), String::new())
            }
        }
    }

    fn prefix(&self) -> Resource {
        match &self.target {
            Target::Service => Resource::Service,
            Target::Bucket(bucket) | Target::Object(bucket, _) => {
                Resource::Prefix(bucket.clone(), self.prefix.clone())
            }
        }
    }

    fn object(&self) -> Resource {
        match &self.target {
            Target::Object(bucket, key) => Resource::Object(bucket.clone(), key.clone()),
            Target::Service | Target::Bucket(_) => self.bucket(),
        }
    }
}

impl CopySource {
    fn right(&self) -> (Action, Resource) {
        let action = if self.version_id.is_some() {
            "s3:GetObjectVersion"
        } else {
            "s3:GetObject"
        };
        (
            Action(action),
            Resource::Object(self.bucket.clone(), self.key.clone()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(name: OperationName, extras: &[Extra]) -> Operation {
        let bucket: BucketName = "train".parse().expect("a bucket");
        let target = match name.spec().scope {
            Scope::Service => Target::Service,
            Scope::Bucket => Target::Bucket(bucket),
            Scope::Object => Target::Object(bucket, "k".parse().expect("a key")),
        };
        Operation {
            name,
            target,
            copy_source: None,
            prefix: "a/".to_owned(),
            versioned: false,
            extras: extras.to_vec(),
        }
    }

    fn actions(operation: &Operation) -> Vec<&'static str> {
        let rights = operation.rights().into_iter();
        rights.map(|(action, _)| action.0).collect()
    }

    #[test]
    fn what_headers_ask_for_takes_rights_of_its_own() {
        let put = operation(OperationName::PutObject, &[Extra::Acl, Extra::Retention]);
        assert_eq!(
            actions(&put),
            [
                "s3:PutObject",
                "s3:PutObjectAcl",
                "admin",
                "s3:PutObjectRetention"
            ]
        );
        let delete = operation(OperationName::DeleteObject, &[Extra::BypassGovernance]);
        assert_eq!(
            actions(&delete),
            ["s3:DeleteObject", "s3:BypassGovernanceRetention"]
        );
        let depends = operation(OperationName::PutObject, &[Extra::Condition]);
        assert_eq!(actions(&depends), ["s3:PutObject", "s3:GetObject"]);
        let create = operation(OperationName::CreateBucket, &[Extra::Acl]);
        assert_eq!(
            actions(&create),
            ["s3:CreateBucket", "s3:PutBucketAcl", "admin"]
        );
    }

    #[test]
    fn a_version_has_rights_of_its_own() {
        let mut tags = operation(OperationName::PutObjectTagging, &[]);
        assert_eq!(actions(&tags), ["s3:PutObjectTagging"]);
        tags.versioned = true;
        assert_eq!(actions(&tags), ["s3:PutObjectVersionTagging"]);
        let mut hold = operation(OperationName::PutObjectLegalHold, &[]);
        hold.versioned = true;
        assert_eq!(actions(&hold), ["s3:PutObjectLegalHold"]);
    }

    #[test]
    fn rights_are_over_what_the_operation_touches() {
        let over = |name| operation(name, &[]).rights().pop().map(|(_, over)| over);
        let bucket = || "train".parse().expect("a bucket");
        assert_eq!(
            over(OperationName::ListObjectVersions),
            Some(Resource::Prefix(bucket(), "a/".to_owned()))
        );
        assert_eq!(
            over(OperationName::PutBucketPolicy),
            Some(Resource::Prefix(bucket(), String::new()))
        );
        assert_eq!(
            over(OperationName::GetBucketPolicy),
            Some(Resource::Bucket(bucket()))
        );
        assert_eq!(over(OperationName::DeleteObjects), None);
    }
}
