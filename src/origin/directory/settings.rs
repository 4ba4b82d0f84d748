//! Settings that a folder does not keep: reading one says what S3 says of one that was never made, removing it is no change,
//! making it is refused.

use std::sync::Arc;

use http::StatusCode;

use super::answer::{Answer, Code, Failure, Fault, bare};
use super::blocking;
use super::document::Xml;
use super::read::check_version;
use super::store::Store;
use crate::types::{BucketName, ObjectKey, OperationName};

/// The storage classes whose objects S3 has to restore before they can be read.
const ARCHIVES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// What is known of a setting that nobody made.
enum Unset {
    /// S3 has an error for it.
    Missing(Code),
    /// S3 describes the default.
    Default(Xml),
    /// There is nothing to remove.
    Gone,
}

/// Answers an operation on a bucket's setting.
pub(super) async fn of_bucket(
    store: &Arc<Store>,
    bucket: BucketName,
    operation: OperationName,
) -> Result<Answer, Failure> {
    let store = Arc::clone(store);
    blocking(move || {
        store.require(&bucket)?;
        match unset(operation) {
            Some(Unset::Missing(code)) => Err(Fault::new(code)
                .detail("BucketName", bucket.as_str())
                .into()),
            Some(Unset::Default(document)) => Ok(document.answer()),
            Some(Unset::Gone) => Ok(bare(StatusCode::NO_CONTENT)),
            None => Err(Failure::Unsupported(operation)),
        }
    })
    .await
}

fn unset(operation: OperationName) -> Option<Unset> {
    missing(operation)
        .map(Unset::Missing)
        .or_else(|| default(operation).map(Unset::Default))
        .or_else(|| removes(operation).then_some(Unset::Gone))
}

fn missing(operation: OperationName) -> Option<Code> {
    use OperationName as Name;
    match operation {
        Name::GetBucketPolicy | Name::GetBucketPolicyStatus => Some(Code::NoSuchBucketPolicy),
        Name::GetBucketCors => Some(Code::NoSuchCORSConfiguration),
        Name::GetBucketLifecycleConfiguration => Some(Code::NoSuchLifecycleConfiguration),
        Name::GetBucketEncryption => Some(Code::ServerSideEncryptionConfigurationNotFoundError),
        Name::GetBucketWebsite => Some(Code::NoSuchWebsiteConfiguration),
        Name::GetObjectLockConfiguration => Some(Code::ObjectLockConfigurationNotFoundError),
        Name::GetPublicAccessBlock => Some(Code::NoSuchPublicAccessBlockConfiguration),
        Name::GetBucketReplication => Some(Code::ReplicationConfigurationNotFoundError),
        Name::GetBucketAnalyticsConfiguration
        | Name::GetBucketIntelligentTieringConfiguration
        | Name::GetBucketInventoryConfiguration
        | Name::GetBucketMetricsConfiguration => Some(Code::NoSuchConfiguration),
        _ => None,
    }
}

fn default(operation: OperationName) -> Option<Xml> {
    use OperationName as Name;
    let with = |root, element: &'static str, value: &str| {
        let mut document = Xml::new(root);
        document.text(element, value);
        Some(document)
    };
    let no_list = |root| with(root, "IsTruncated", "false");
    match operation {
        Name::GetBucketVersioning => Some(Xml::new("VersioningConfiguration")),
        Name::GetBucketAccelerateConfiguration => Some(Xml::new("AccelerateConfiguration")),
        Name::GetBucketNotificationConfiguration => Some(Xml::new("NotificationConfiguration")),
        Name::GetBucketLogging => Some(Xml::new("BucketLoggingStatus")),
        Name::GetBucketRequestPayment => {
            with("RequestPaymentConfiguration", "Payer", "BucketOwner")
        }
        Name::GetBucketOwnershipControls => {
            // So that it is no surprise that ACLs are not taken.
            let mut document = Xml::new("OwnershipControls");
            document.open("Rule");
            document.text("ObjectOwnership", "BucketOwnerEnforced");
            Some(document)
        }
        Name::GetBucketAbac => with("AbacStatus", "Status", "Disabled"),
        Name::ListBucketAnalyticsConfigurations => {
            no_list("ListBucketAnalyticsConfigurationResult")
        }
        Name::ListBucketIntelligentTieringConfigurations => {
            no_list("ListBucketIntelligentTieringConfigurationsOutput")
        }
        Name::ListBucketInventoryConfigurations => no_list("ListInventoryConfigurationsResult"),
        Name::ListBucketMetricsConfigurations => no_list("ListMetricsConfigurationsResult"),
        _ => None,
    }
}

fn removes(operation: OperationName) -> bool {
    use OperationName as Name;
    matches!(
        operation,
        Name::DeleteBucketAnalyticsConfiguration
            | Name::DeleteBucketCors
            | Name::DeleteBucketEncryption
            | Name::DeleteBucketIntelligentTieringConfiguration
            | Name::DeleteBucketInventoryConfiguration
            | Name::DeleteBucketLifecycle
            | Name::DeleteBucketMetricsConfiguration
            | Name::DeleteBucketOwnershipControls
            | Name::DeleteBucketPolicy
            | Name::DeleteBucketReplication
            | Name::DeleteBucketWebsite
            | Name::DeletePublicAccessBlock
    )
}

/// Answers an operation on what a folder does not keep of an object: locks, archives.
pub(super) async fn of_object(
    store: &Arc<Store>,
    (bucket, key): (BucketName, ObjectKey),
    version: Option<String>,
    operation: OperationName,
) -> Result<Answer, Failure> {
    use OperationName as Name;
    let store = Arc::clone(store);
    blocking(move || {
        check_version(version.as_deref())?;
        let found = store.read(&bucket, &key)?;
        match operation {
            Name::GetObjectLegalHold
            | Name::GetObjectRetention
            | Name::PutObjectLegalHold
            | Name::PutObjectRetention => Err(Fault::no_object_lock().into()),
            // Its bytes are here: it is restored already.
            Name::RestoreObject if ARCHIVES.contains(&found.meta.storage_class()) => {
                Ok(bare(StatusCode::OK))
            }
            Name::RestoreObject => {
                let message = "Restore is not allowed for the object's current storage class";
                Err(Fault::because(Code::InvalidObjectState, message).into())
            }
            other => Err(Failure::Unsupported(other)),
        }
    })
    .await
}
