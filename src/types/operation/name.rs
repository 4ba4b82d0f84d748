//! The table of S3's operations: how a request names each, which rights it takes, and what kind of request it is.
//!
//! One row per operation, so that router, rights, allow-list of parameters, metrics and documentation cannot disagree. Names
//! are those of the [API reference](https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html), actions those of the
//! [authorisation reference](https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html).

/// What a request is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Service,
    Bucket,
    Object,
}

/// Over what the rights of an operation must be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Nothing: the answer is filtered, or the rights are those of the keys in the body.
    Nothing,
    /// The bucket, whichever of its keys are granted.
    Bucket,
    /// The bucket and all of its keys.
    Whole,
    /// The keys that begin with the `prefix` of a listing.
    Prefix,
    Object,
}

/// What kind of request an operation is, which decides how it is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// GetObject and HeadObject: through the cache.
    Read,
    ListBuckets,
    /// HeadBucket and GetBucketLocation: the origin's answer is remembered.
    LookAtBucket,
    CreateBucket,
    DeleteBucket,
    /// Answers that name keys.
    List,
    Put,
    Delete,
    DeleteMany,
    Copy,
    CreateUpload,
    UploadPart,
    CopyPart,
    CompleteUpload,
    /// AbortMultipartUpload and ListParts.
    Upload,
    /// Reads what belongs to an object besides its body.
    ObjectDetail,
    /// Changes what belongs to an object besides its body.
    ObjectChange,
    /// Asks a question of an object's content.
    Select,
    /// Reads a bucket's setting that holds for each of its keys alike.
    BucketSetting,
    /// Reads a bucket's configuration, which may name keys, other buckets and other callers.
    BucketDetail,
    /// Changes a bucket's configuration.
    BucketChange,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    pub name: &'static str,
    pub method: &'static str,
    pub scope: Scope,
    /// The parameters that tell the operation from others of its method and scope; the first is its sub-resource.
    pub named_by: &'static [&'static str],
    /// Further parameters that it has; a trailing `*` stands for the rest.
    pub parameters: &'static [&'static str],
    pub over: Over,
    /// The rights that it takes, all of them.
    pub actions: &'static [&'static str],
    /// The same where the request names a `versionId`.
    pub version_actions: &'static [&'static str],
    pub family: Family,
}

/// Sub-resources that no store but AWS is known to have.
const OF_AWS_ALONE: [&str; 6] = [
    "abac",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "torrent",
];

impl Spec {
    /// Whether it changes nothing.
    pub fn is_read(&self) -> bool {
        matches!(self.method, "GET" | "HEAD") || self.family == Family::Select
    }

    /// Whether the operation has a parameter of that name.
    pub fn has_parameter(&self, name: &str) -> bool {
        let matches = |pattern: &str| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => pattern == name,
        };
        self.named_by.contains(&name) || self.parameters.iter().any(|pattern| matches(pattern))
    }
}

/// The right to change rights or policy, which no `s3:*` implies.
pub const ADMIN: &str = "admin";

macro_rules! operations {
    ($($name:ident $method:ident $scope:ident [$($named:literal)*] [$($parameter:literal)*]
        $over:ident [$($action:expr),*] [$($version:expr),*] $family:ident;)*) => {
        /// An S3 operation's name, as AWS writes it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum OperationName {
            $($name,)*
        }

        impl OperationName {
            /// Every operation, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            const TABLE: &[Spec] = &[$(Spec {
                name: stringify!($name),
                method: stringify!($method),
                scope: Scope::$scope,
                named_by: &[$($named,)*],
                parameters: &[$($parameter,)*],
                over: Over::$over,
                actions: &[$($action,)*],
                version_actions: &[$($version,)*],
                family: Family::$family,
            },)*];
        }
    };
}

// Name, method, scope, [named by], [parameters], over, [actions], [actions over a version], family.
operations! {
    AbortMultipartUpload DELETE Object ["uploadId"] [] Object ["s3:AbortMultipartUpload"] [] Upload;
    CompleteMultipartUpload POST Object ["uploadId"] [] Object ["s3:PutObject"] [] CompleteUpload;
    CopyObject PUT Object [] [] Object ["s3:PutObject"] [] Copy;
    CreateBucket PUT Bucket [] [] Whole ["s3:CreateBucket"] [] CreateBucket;
    CreateBucketMetadataConfiguration POST Bucket ["metadataConfiguration"] [] Whole ["s3:CreateBucketMetadataTableConfiguration", ADMIN] [] BucketChange;
    CreateBucketMetadataTableConfiguration POST Bucket ["metadataTable"] [] Whole ["s3:CreateBucketMetadataTableConfiguration", ADMIN] [] BucketChange;
    CreateMultipartUpload POST Object ["uploads"] [] Object ["s3:PutObject"] [] CreateUpload;
    DeleteBucket DELETE Bucket [] [] Whole ["s3:DeleteBucket"] [] DeleteBucket;
    DeleteBucketAnalyticsConfiguration DELETE Bucket ["analytics"] ["id"] Whole ["s3:PutAnalyticsConfiguration", ADMIN] [] BucketChange;
    DeleteBucketCors DELETE Bucket ["cors"] [] Whole ["s3:PutBucketCORS", ADMIN] [] BucketChange;
    DeleteBucketEncryption DELETE Bucket ["encryption"] [] Whole ["s3:PutEncryptionConfiguration", ADMIN] [] BucketChange;
    DeleteBucketIntelligentTieringConfiguration DELETE Bucket ["intelligent-tiering"] ["id"] Whole ["s3:PutIntelligentTieringConfiguration", ADMIN] [] BucketChange;
    DeleteBucketInventoryConfiguration DELETE Bucket ["inventory"] ["id"] Whole ["s3:PutInventoryConfiguration", ADMIN] [] BucketChange;
    DeleteBucketLifecycle DELETE Bucket ["lifecycle"] [] Whole ["s3:PutLifecycleConfiguration", ADMIN] [] BucketChange;
    DeleteBucketMetadataConfiguration DELETE Bucket ["metadataConfiguration"] [] Whole ["s3:DeleteBucketMetadataTableConfiguration", ADMIN] [] BucketChange;
    DeleteBucketMetadataTableConfiguration DELETE Bucket ["metadataTable"] [] Whole ["s3:DeleteBucketMetadataTableConfiguration", ADMIN] [] BucketChange;
    DeleteBucketMetricsConfiguration DELETE Bucket ["metrics"] ["id"] Whole ["s3:PutMetricsConfiguration", ADMIN] [] BucketChange;
    DeleteBucketOwnershipControls DELETE Bucket ["ownershipControls"] [] Whole ["s3:PutBucketOwnershipControls", ADMIN] [] BucketChange;
    DeleteBucketPolicy DELETE Bucket ["policy"] [] Whole ["s3:DeleteBucketPolicy", ADMIN] [] BucketChange;
    DeleteBucketReplication DELETE Bucket ["replication"] [] Whole ["s3:PutReplicationConfiguration", ADMIN] [] BucketChange;
    DeleteBucketTagging DELETE Bucket ["tagging"] [] Whole ["s3:PutBucketTagging", ADMIN] [] BucketChange;
    DeleteBucketWebsite DELETE Bucket ["website"] [] Whole ["s3:DeleteBucketWebsite", ADMIN] [] BucketChange;
    DeleteObject DELETE Object [] ["versionId"] Object ["s3:DeleteObject"] ["s3:DeleteObjectVersion"] Delete;
    DeleteObjectTagging DELETE Object ["tagging"] ["versionId"] Object ["s3:DeleteObjectTagging"] ["s3:DeleteObjectVersionTagging"] ObjectChange;
    DeleteObjects POST Bucket ["delete"] [] Nothing [] [] DeleteMany;
    DeletePublicAccessBlock DELETE Bucket ["publicAccessBlock"] [] Whole ["s3:PutBucketPublicAccessBlock", ADMIN] [] BucketChange;
    GetBucketAbac GET Bucket ["abac"] [] Bucket ["s3:GetBucketAbac"] [] BucketSetting;
    GetBucketAccelerateConfiguration GET Bucket ["accelerate"] [] Bucket ["s3:GetAccelerateConfiguration"] [] BucketSetting;
    GetBucketAcl GET Bucket ["acl"] [] Bucket ["s3:GetBucketAcl"] [] BucketDetail;
    GetBucketAnalyticsConfiguration GET Bucket ["analytics" "id"] [] Bucket ["s3:GetAnalyticsConfiguration"] [] BucketDetail;
    GetBucketCors GET Bucket ["cors"] [] Bucket ["s3:GetBucketCORS"] [] BucketDetail;
    GetBucketEncryption GET Bucket ["encryption"] [] Bucket ["s3:GetEncryptionConfiguration"] [] BucketSetting;
    GetBucketIntelligentTieringConfiguration GET Bucket ["intelligent-tiering" "id"] [] Bucket ["s3:GetIntelligentTieringConfiguration"] [] BucketDetail;
    GetBucketInventoryConfiguration GET Bucket ["inventory" "id"] [] Bucket ["s3:GetInventoryConfiguration"] [] BucketDetail;
    GetBucketLifecycleConfiguration GET Bucket ["lifecycle"] [] Bucket ["s3:GetLifecycleConfiguration"] [] BucketDetail;
    GetBucketLocation GET Bucket ["location"] [] Bucket ["s3:GetBucketLocation"] [] LookAtBucket;
    GetBucketLogging GET Bucket ["logging"] [] Bucket ["s3:GetBucketLogging"] [] BucketDetail;
    GetBucketMetadataConfiguration GET Bucket ["metadataConfiguration"] [] Bucket ["s3:GetBucketMetadataTableConfiguration"] [] BucketDetail;
    GetBucketMetadataTableConfiguration GET Bucket ["metadataTable"] [] Bucket ["s3:GetBucketMetadataTableConfiguration"] [] BucketDetail;
    GetBucketMetricsConfiguration GET Bucket ["metrics" "id"] [] Bucket ["s3:GetMetricsConfiguration"] [] BucketDetail;
    GetBucketNotificationConfiguration GET Bucket ["notification"] [] Bucket ["s3:GetBucketNotification"] [] BucketDetail;
    GetBucketOwnershipControls GET Bucket ["ownershipControls"] [] Bucket ["s3:GetBucketOwnershipControls"] [] BucketSetting;
    GetBucketPolicy GET Bucket ["policy"] [] Bucket ["s3:GetBucketPolicy"] [] BucketDetail;
    GetBucketPolicyStatus GET Bucket ["policyStatus"] [] Bucket ["s3:GetBucketPolicyStatus"] [] BucketDetail;
    GetBucketReplication GET Bucket ["replication"] [] Bucket ["s3:GetReplicationConfiguration"] [] BucketDetail;
    GetBucketRequestPayment GET Bucket ["requestPayment"] [] Bucket ["s3:GetBucketRequestPayment"] [] BucketSetting;
    GetBucketTagging GET Bucket ["tagging"] [] Bucket ["s3:GetBucketTagging"] [] BucketDetail;
    GetBucketVersioning GET Bucket ["versioning"] [] Bucket ["s3:GetBucketVersioning"] [] BucketSetting;
    GetBucketWebsite GET Bucket ["website"] [] Bucket ["s3:GetBucketWebsite"] [] BucketDetail;
    GetObject GET Object [] ["partNumber" "versionId" "response-*"] Object ["s3:GetObject"] ["s3:GetObjectVersion"] Read;
    GetObjectAcl GET Object ["acl"] ["versionId"] Object ["s3:GetObjectAcl"] ["s3:GetObjectVersionAcl"] ObjectDetail;
    GetObjectAttributes GET Object ["attributes"] ["versionId"] Object ["s3:GetObject", "s3:GetObjectAttributes"] ["s3:GetObjectVersion", "s3:GetObjectVersionAttributes"] ObjectDetail;
    GetObjectLegalHold GET Object ["legal-hold"] ["versionId"] Object ["s3:GetObjectLegalHold"] [] ObjectDetail;
    GetObjectLockConfiguration GET Bucket ["object-lock"] [] Bucket ["s3:GetBucketObjectLockConfiguration"] [] BucketSetting;
    GetObjectRetention GET Object ["retention"] ["versionId"] Object ["s3:GetObjectRetention"] [] ObjectDetail;
    GetObjectTagging GET Object ["tagging"] ["versionId"] Object ["s3:GetObjectTagging"] ["s3:GetObjectVersionTagging"] ObjectDetail;
    GetObjectTorrent GET Object ["torrent"] ["versionId"] Object ["s3:GetObjectTorrent"] ["s3:GetObjectVersionTorrent"] ObjectDetail;
    GetPublicAccessBlock GET Bucket ["publicAccessBlock"] [] Bucket ["s3:GetBucketPublicAccessBlock"] [] BucketSetting;
    HeadBucket HEAD Bucket [] [] Bucket ["s3:ListBucket"] [] LookAtBucket;
    HeadObject HEAD Object [] ["partNumber" "versionId" "response-*"] Object ["s3:GetObject"] ["s3:GetObjectVersion"] Read;
    ListBucketAnalyticsConfigurations GET Bucket ["analytics"] ["continuation-token"] Bucket ["s3:GetAnalyticsConfiguration"] [] BucketDetail;
    ListBucketIntelligentTieringConfigurations GET Bucket ["intelligent-tiering"] ["continuation-token"] Bucket ["s3:GetIntelligentTieringConfiguration"] [] BucketDetail;
    ListBucketInventoryConfigurations GET Bucket ["inventory"] ["continuation-token"] Bucket ["s3:GetInventoryConfiguration"] [] BucketDetail;
    ListBucketMetricsConfigurations GET Bucket ["metrics"] ["continuation-token"] Bucket ["s3:GetMetricsConfiguration"] [] BucketDetail;
    ListBuckets GET Service [] ["prefix" "continuation-token" "max-buckets" "bucket-region"] Nothing [] [] ListBuckets;
    ListMultipartUploads GET Bucket ["uploads"] ["prefix" "delimiter" "encoding-type" "key-marker" "upload-id-marker" "max-uploads"] Prefix ["s3:ListBucketMultipartUploads"] [] List;
    ListObjectVersions GET Bucket ["versions"] ["prefix" "delimiter" "max-keys" "encoding-type" "key-marker" "version-id-marker"] Prefix ["s3:ListBucketVersions"] [] List;
    ListObjects GET Bucket [] ["prefix" "delimiter" "max-keys" "encoding-type" "marker"] Prefix ["s3:ListBucket"] [] List;
    ListObjectsV2 GET Bucket ["list-type"] ["prefix" "delimiter" "max-keys" "encoding-type" "start-after" "continuation-token" "fetch-owner"] Prefix ["s3:ListBucket"] [] List;
    ListParts GET Object ["uploadId"] ["max-parts" "part-number-marker" "encoding-type"] Object ["s3:ListMultipartUploadParts"] [] Upload;
    PutBucketAbac PUT Bucket ["abac"] [] Whole ["s3:PutBucketAbac", ADMIN] [] BucketChange;
    PutBucketAccelerateConfiguration PUT Bucket ["accelerate"] [] Whole ["s3:PutAccelerateConfiguration", ADMIN] [] BucketChange;
    PutBucketAcl PUT Bucket ["acl"] [] Whole ["s3:PutBucketAcl", ADMIN] [] BucketChange;
    PutBucketAnalyticsConfiguration PUT Bucket ["analytics"] ["id"] Whole ["s3:PutAnalyticsConfiguration", ADMIN] [] BucketChange;
    PutBucketCors PUT Bucket ["cors"] [] Whole ["s3:PutBucketCORS", ADMIN] [] BucketChange;
    PutBucketEncryption PUT Bucket ["encryption"] [] Whole ["s3:PutEncryptionConfiguration", ADMIN] [] BucketChange;
    PutBucketIntelligentTieringConfiguration PUT Bucket ["intelligent-tiering"] ["id"] Whole ["s3:PutIntelligentTieringConfiguration", ADMIN] [] BucketChange;
    PutBucketInventoryConfiguration PUT Bucket ["inventory"] ["id"] Whole ["s3:PutInventoryConfiguration", ADMIN] [] BucketChange;
    PutBucketLifecycleConfiguration PUT Bucket ["lifecycle"] [] Whole ["s3:PutLifecycleConfiguration", ADMIN] [] BucketChange;
    PutBucketLogging PUT Bucket ["logging"] [] Whole ["s3:PutBucketLogging", ADMIN] [] BucketChange;
    PutBucketMetricsConfiguration PUT Bucket ["metrics"] ["id"] Whole ["s3:PutMetricsConfiguration", ADMIN] [] BucketChange;
    PutBucketNotificationConfiguration PUT Bucket ["notification"] [] Whole ["s3:PutBucketNotification", ADMIN] [] BucketChange;
    PutBucketOwnershipControls PUT Bucket ["ownershipControls"] [] Whole ["s3:PutBucketOwnershipControls", ADMIN] [] BucketChange;
    PutBucketPolicy PUT Bucket ["policy"] [] Whole ["s3:PutBucketPolicy", ADMIN] [] BucketChange;
    PutBucketReplication PUT Bucket ["replication"] [] Whole ["s3:PutReplicationConfiguration", ADMIN] [] BucketChange;
    PutBucketRequestPayment PUT Bucket ["requestPayment"] [] Whole ["s3:PutBucketRequestPayment", ADMIN] [] BucketChange;
    PutBucketTagging PUT Bucket ["tagging"] [] Whole ["s3:PutBucketTagging", ADMIN] [] BucketChange;
    PutBucketVersioning PUT Bucket ["versioning"] [] Whole ["s3:PutBucketVersioning", ADMIN] [] BucketChange;
    PutBucketWebsite PUT Bucket ["website"] [] Whole ["s3:PutBucketWebsite", ADMIN] [] BucketChange;
    PutObject PUT Object [] [] Object ["s3:PutObject"] [] Put;
    PutObjectAcl PUT Object ["acl"] ["versionId"] Object ["s3:PutObjectAcl", ADMIN] ["s3:PutObjectVersionAcl", ADMIN] ObjectChange;
    PutObjectLegalHold PUT Object ["legal-hold"] ["versionId"] Object ["s3:PutObjectLegalHold"] [] ObjectChange;
    PutObjectLockConfiguration PUT Bucket ["object-lock"] [] Whole ["s3:PutBucketObjectLockConfiguration", ADMIN] [] BucketChange;
    PutObjectRetention PUT Object ["retention"] ["versionId"] Object ["s3:PutObjectRetention"] [] ObjectChange;
    PutObjectTagging PUT Object ["tagging"] ["versionId"] Object ["s3:PutObjectTagging"] ["s3:PutObjectVersionTagging"] ObjectChange;
    PutPublicAccessBlock PUT Bucket ["publicAccessBlock"] [] Whole ["s3:PutBucketPublicAccessBlock", ADMIN] [] BucketChange;
    RestoreObject POST Object ["restore"] ["versionId"] Object ["s3:RestoreObject"] [] ObjectChange;
    SelectObjectContent POST Object ["select" "select-type"] [] Object ["s3:GetObject"] [] Select;
    UpdateBucketMetadataInventoryTableConfiguration PUT Bucket ["metadataInventoryTable"] [] Whole ["s3:UpdateBucketMetadataInventoryTableConfiguration", ADMIN] [] BucketChange;
    UpdateBucketMetadataJournalTableConfiguration PUT Bucket ["metadataJournalTable"] [] Whole ["s3:UpdateBucketMetadataJournalTableConfiguration", ADMIN] [] BucketChange;
    UploadPart PUT Object ["uploadId" "partNumber"] [] Object ["s3:PutObject"] [] UploadPart;
    UploadPartCopy PUT Object ["uploadId" "partNumber"] [] Object ["s3:PutObject"] [] CopyPart;
}

impl OperationName {
    /// The operation's row.
    pub fn spec(self) -> &'static Spec {
        &Self::TABLE[self as usize]
    }

    /// Whether AWS alone has it. Other stores do not know its sub-resource, and take the request for the one without:
    /// `GET /bucket?abac` for a listing, `DELETE /bucket?metadataTable` for DeleteBucket.
    pub fn is_of_aws_alone(self) -> bool {
        let sub_resource = self.spec().named_by.first();
        sub_resource.is_some_and(|name| OF_AWS_ALONE.contains(name))
    }

    /// The name in logs, labels and spans.
    pub fn as_str(self) -> &'static str {
        self.spec().name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        for (index, name) in OperationName::ALL.iter().enumerate() {
            assert_eq!(*name as usize, index, "{name:?}");
            assert_eq!(name.as_str(), format!("{name:?}"));
        }
        let names: Vec<_> = OperationName::ALL
            .iter()
            .map(|name| name.as_str())
            .collect();
        assert!(names.is_sorted(), "the rows are sorted by name");
    }

    #[test]
    fn what_aws_alone_has_is_known_by_its_sub_resource() {
        for name in OF_AWS_ALONE {
            let named = |operation: &&OperationName| operation.spec().named_by.contains(&name);
            let operation = OperationName::ALL.iter().find(named);
            assert!(
                operation.is_some_and(|operation| operation.is_of_aws_alone()),
                "{name}"
            );
        }
        assert!(!OperationName::GetBucketAcl.is_of_aws_alone());
        assert!(!OperationName::ListObjects.is_of_aws_alone());
    }

    #[test]
    fn what_changes_a_bucket_takes_an_administrators_right() {
        for name in OperationName::ALL {
            let spec = name.spec();
            if spec.family == Family::BucketChange {
                assert!(spec.actions.contains(&ADMIN), "{name:?}");
                assert_eq!(spec.over, Over::Whole, "{name:?}");
            }
            if spec.is_read() {
                assert!(!spec.actions.contains(&ADMIN), "{name:?}");
            }
            let free = matches!(spec.family, Family::ListBuckets | Family::DeleteMany);
            assert_eq!(spec.actions.is_empty(), free, "{name:?}");
            assert_eq!(spec.over == Over::Nothing, free, "{name:?}");
        }
    }
}
