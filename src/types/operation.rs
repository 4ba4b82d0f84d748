//! The S3 operations, what each one touches, and the rights that it needs.
//!
//! [`Operation::rights`] is the only input to authorisation. The match in it has no wildcard arm: a new operation does not
//! compile until somebody has said which rights it takes.

use super::names::{BucketName, ObjectKey};

/// An S3 operation's name, as AWS writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationName {
    AbortMultipartUpload,
    CompleteMultipartUpload,
    CopyObject,
    CreateBucket,
    CreateMultipartUpload,
    DeleteBucket,
    DeleteObject,
    DeleteObjects,
    GetBucketLocation,
    GetObject,
    HeadBucket,
    HeadObject,
    ListBuckets,
    ListMultipartUploads,
    ListObjects,
    ListObjectsV2,
    ListParts,
    PutObject,
    UploadPart,
    UploadPartCopy,
}

impl OperationName {
    /// Every operation, in the order of the metric's table.
    pub const ALL: [Self; 20] = [
        Self::AbortMultipartUpload,
        Self::CompleteMultipartUpload,
        Self::CopyObject,
        Self::CreateBucket,
        Self::CreateMultipartUpload,
        Self::DeleteBucket,
        Self::DeleteObject,
        Self::DeleteObjects,
        Self::GetBucketLocation,
        Self::GetObject,
        Self::HeadBucket,
        Self::HeadObject,
        Self::ListBuckets,
        Self::ListMultipartUploads,
        Self::ListObjects,
        Self::ListObjectsV2,
        Self::ListParts,
        Self::PutObject,
        Self::UploadPart,
        Self::UploadPartCopy,
    ];

    /// The name in logs, labels and spans.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AbortMultipartUpload => "AbortMultipartUpload",
            Self::CompleteMultipartUpload => "CompleteMultipartUpload",
            Self::CopyObject => "CopyObject",
            Self::CreateBucket => "CreateBucket",
            Self::CreateMultipartUpload => "CreateMultipartUpload",
            Self::DeleteBucket => "DeleteBucket",
            Self::DeleteObject => "DeleteObject",
            Self::DeleteObjects => "DeleteObjects",
            Self::GetBucketLocation => "GetBucketLocation",
            Self::GetObject => "GetObject",
            Self::HeadBucket => "HeadBucket",
            Self::HeadObject => "HeadObject",
            Self::ListBuckets => "ListBuckets",
            Self::ListMultipartUploads => "ListMultipartUploads",
            Self::ListObjects => "ListObjects",
            Self::ListObjectsV2 => "ListObjectsV2",
            Self::ListParts => "ListParts",
            Self::PutObject => "PutObject",
            Self::UploadPart => "UploadPart",
            Self::UploadPartCopy => "UploadPartCopy",
        }
    }
}

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
    /// Whether a write carries tags (`x-amz-tagging`), which is a right of its own.
    pub tags: bool,
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
    /// DeleteObjects names its keys in its body: each takes `s3:DeleteObject` when it is read, so that the operation itself
    /// asks for nothing here. ListBuckets filters what it shows.
    pub fn rights(&self) -> Vec<(Action, Resource)> {
        let mut rights = Vec::new();
        match self.name {
            OperationName::GetObject | OperationName::HeadObject => {
                let action = if self.versioned {
                    "s3:GetObjectVersion"
                } else {
                    "s3:GetObject"
                };
                rights.push((Action(action), self.object()));
            }
            OperationName::PutObject
            | OperationName::CreateMultipartUpload
            | OperationName::UploadPart
            | OperationName::CompleteMultipartUpload => {
                rights.push((Action("s3:PutObject"), self.object()))
            }
            OperationName::CopyObject | OperationName::UploadPartCopy => {
                rights.push((Action("s3:PutObject"), self.object()));
                rights.extend(self.copy_source.as_ref().map(CopySource::right));
            }
            OperationName::DeleteObject => {
                let action = if self.versioned {
                    "s3:DeleteObjectVersion"
                } else {
                    "s3:DeleteObject"
                };
                rights.push((Action(action), self.object()));
            }
            OperationName::AbortMultipartUpload => {
                rights.push((Action("s3:AbortMultipartUpload"), self.object()))
            }
            OperationName::ListParts => {
                rights.push((Action("s3:ListMultipartUploadParts"), self.object()))
            }
            OperationName::ListObjects | OperationName::ListObjectsV2 => {
                rights.push((Action("s3:ListBucket"), self.prefix()));
            }
            OperationName::ListMultipartUploads => {
                rights.push((Action("s3:ListBucketMultipartUploads"), self.prefix()));
            }
            // The whole bucket: a grant of a part of its keys is none over the bucket's life.
            OperationName::CreateBucket => rights.push((Action("s3:CreateBucket"), self.whole())),
            OperationName::DeleteBucket => rights.push((Action("s3:DeleteBucket"), self.whole())),
            OperationName::HeadBucket => rights.push((Action("s3:ListBucket"), self.bucket())),
            OperationName::GetBucketLocation => {
                rights.push((Action("s3:GetBucketLocation"), self.bucket()))
            }
            OperationName::ListBuckets | OperationName::DeleteObjects => {}
        }
        if self.tags {
            rights.push((Action("s3:PutObjectTagging"), self.object()));
        }
        rights
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
