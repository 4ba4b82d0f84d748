//! What headers of a request ask for besides the operation itself, each a right of its own.

use super::name::{ADMIN, Family, OperationName, Scope};

/// Something that a header does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extra {
    /// The object gets an ACL, or the new bucket does.
    Acl,
    /// A governance-mode lock is overridden.
    BypassGovernance,
    /// A write depends on what is there (`If-Match`), so that its outcome tells of it.
    Condition,
    /// The object gets a legal hold.
    LegalHold,
    /// The new bucket gets object lock, and versions with it.
    ObjectLock,
    /// The new bucket gets rules of who owns its objects.
    Ownership,
    /// The object gets a retention.
    Retention,
    /// The object gets tags.
    Tags,
}

/// The headers that do more, apart from those that begin with `x-amz-grant-`.
const HEADERS: [(&str, Extra); 8] = [
    ("x-amz-acl", Extra::Acl),
    ("x-amz-bucket-object-lock-enabled", Extra::ObjectLock),
    ("x-amz-bypass-governance-retention", Extra::BypassGovernance),
    ("x-amz-object-lock-legal-hold", Extra::LegalHold),
    ("x-amz-object-lock-mode", Extra::Retention),
    ("x-amz-object-lock-retain-until-date", Extra::Retention),
    ("x-amz-object-ownership", Extra::Ownership),
    ("x-amz-tagging", Extra::Tags),
];

impl Extra {
    /// Every extra, in the order of their names.
    pub const ALL: [Self; 8] = [
        Self::Acl,
        Self::BypassGovernance,
        Self::Condition,
        Self::LegalHold,
        Self::ObjectLock,
        Self::Ownership,
        Self::Retention,
        Self::Tags,
    ];

    /// What a header of that name, in lower case, does. [`Extra::Condition`] is none of these: reads have it too.
    pub fn of_header(name: &str) -> Option<Self> {
        let own = name.strip_prefix("x-amz-")?;
        if own.starts_with("grant-") {
            return Some(Self::Acl);
        }
        let known = HEADERS.iter().find(|(header, _)| *header == name);
        known.map(|(_, extra)| *extra)
    }

    /// Whether S3 takes the header with that operation; with any other it means nothing.
    pub fn belongs_to(self, operation: OperationName) -> bool {
        let family = operation.spec().family;
        let makes_object = matches!(family, Family::Put | Family::Copy | Family::CreateUpload);
        match self {
            Self::Acl => {
                let sets_acl = matches!(
                    operation,
                    OperationName::PutBucketAcl | OperationName::PutObjectAcl
                );
                makes_object || sets_acl || family == Family::CreateBucket
            }
            Self::BypassGovernance => {
                let deletes = matches!(family, Family::Delete | Family::DeleteMany);
                deletes || operation == OperationName::PutObjectRetention
            }
            Self::Condition => {
                let writes = matches!(
                    family,
                    Family::CompleteUpload | Family::Delete | Family::DeleteMany
                );
                writes || makes_object
            }
            Self::LegalHold | Self::Retention | Self::Tags => makes_object,
            Self::ObjectLock | Self::Ownership => family == Family::CreateBucket,
        }
    }

    /// The rights that it takes besides the operation's own.
    pub fn actions(self, scope: Scope) -> &'static [&'static str] {
        match (self, scope) {
            (Self::Acl, Scope::Object) => &["s3:PutObjectAcl", ADMIN],
            (Self::Acl, Scope::Bucket | Scope::Service) => &["s3:PutBucketAcl", ADMIN],
            (Self::BypassGovernance, _) => &["s3:BypassGovernanceRetention"],
            (Self::Condition, _) => &["s3:GetObject"],
            (Self::LegalHold, _) => &["s3:PutObjectLegalHold"],
            (Self::ObjectLock, _) => &[
                "s3:PutBucketObjectLockConfiguration",
                "s3:PutBucketVersioning",
                ADMIN,
            ],
            (Self::Ownership, _) => &["s3:PutBucketOwnershipControls", ADMIN],
            (Self::Retention, _) => &["s3:PutObjectRetention"],
            (Self::Tags, _) => &["s3:PutObjectTagging"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_tell_what_they_do() {
        for (header, extra) in HEADERS {
            assert_eq!(Extra::of_header(header), Some(extra));
        }
        assert_eq!(
            Extra::of_header("x-amz-grant-full-control"),
            Some(Extra::Acl)
        );
        assert_eq!(Extra::of_header("x-amz-meta-acl"), None);
        for extra in Extra::ALL {
            let somewhere = OperationName::ALL
                .iter()
                .any(|name| extra.belongs_to(*name));
            assert!(somewhere, "{extra:?}");
        }
    }
}
