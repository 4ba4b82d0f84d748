//! What belongs to objects and buckets besides bodies, where a folder differs from a store.

use http::StatusCode;

use super::{World, files, text_of};
use crate::origin::Error;
use crate::origin::directory::{Config, Directory};
use crate::types::OperationName;

#[tokio::test]
async fn settings_that_a_folder_does_not_keep_are_those_of_a_new_bucket() {
    use OperationName as Name;
    let world = World::new();
    for (operation, status, text) in [
        (Name::GetBucketVersioning, 200, "<VersioningConfiguration"),
        (
            Name::GetBucketAccelerateConfiguration,
            200,
            "<AccelerateConfiguration",
        ),
        (
            Name::GetBucketNotificationConfiguration,
            200,
            "<NotificationConfiguration",
        ),
        (Name::GetBucketLogging, 200, "<BucketLoggingStatus"),
        (
            Name::GetBucketRequestPayment,
            200,
            "<Payer>BucketOwner</Payer>",
        ),
        (Name::GetBucketPolicy, 404, "NoSuchBucketPolicy"),
        (Name::GetBucketPolicyStatus, 404, "NoSuchBucketPolicy"),
        (Name::GetBucketCors, 404, "NoSuchCORSConfiguration"),
        (
            Name::GetBucketLifecycleConfiguration,
            404,
            "NoSuchLifecycleConfiguration",
        ),
        (
            Name::GetBucketEncryption,
            404,
            "ServerSideEncryptionConfigurationNotFoundError",
        ),
        (Name::GetBucketWebsite, 404, "NoSuchWebsiteConfiguration"),
        (
            Name::GetObjectLockConfiguration,
            404,
            "ObjectLockConfigurationNotFoundError",
        ),
        (Name::GetBucketOwnershipControls, 200, "BucketOwnerEnforced"),
        (
            Name::GetPublicAccessBlock,
            404,
            "NoSuchPublicAccessBlockConfiguration",
        ),
        (
            Name::GetBucketReplication,
            404,
            "ReplicationConfigurationNotFoundError",
        ),
        (
            Name::GetBucketInventoryConfiguration,
            404,
            "NoSuchConfiguration",
        ),
        (
            Name::ListBucketMetricsConfigurations,
            200,
            "<IsTruncated>false",
        ),
        (Name::DeleteBucketPolicy, 204, ""),
        (Name::DeleteBucketCors, 204, ""),
        (Name::PutBucketAcl, 400, "MissingSecurityHeader"),
    ] {
        let answer = world.call(operation, None, b"").await;
        assert_eq!(answer.status().as_u16(), status, "{operation:?}");
        let document = text_of(answer).await;
        assert!(document.contains(text), "{operation:?}: {document}");
    }
}

#[tokio::test]
async fn what_a_folder_cannot_do_is_refused() {
    use OperationName as Name;
    let world = World::new();
    for operation in [
        Name::PutBucketVersioning,
        Name::PutBucketPolicy,
        Name::PutBucketCors,
    ] {
        let refused = world.try_call(operation, None, b"<x/>").await;
        assert!(matches!(refused, Err(Error::Unsupported(name)) if name == operation));
    }
    world.put("key", b"x").await;
    for (operation, status, code) in [
        (Name::GetObjectRetention, 400, "InvalidRequest"),
        (Name::PutObjectLegalHold, 400, "InvalidRequest"),
        (Name::RestoreObject, 403, "InvalidObjectState"),
    ] {
        let answer = world.call(operation, Some("key"), b"").await;
        assert_eq!(answer.status().as_u16(), status, "{operation:?}");
        assert!(text_of(answer).await.contains(code), "{operation:?}");
    }
}

const TAGS: &[u8] = b"<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>";

#[tokio::test]
async fn files_of_others_can_be_tagged_and_stay_as_they_are() {
    use OperationName::{GetObjectTagging, PutObjectTagging};
    let world = World::new();
    std::fs::write(world.path("file"), "theirs").expect("a file");
    let before = world.head("file").await.expect("an object");
    let tagged = world.call(PutObjectTagging, Some("file"), TAGS).await;
    assert_eq!(tagged.status(), StatusCode::OK);
    let after = world.head("file").await.expect("an object");
    assert_eq!(after.etag, before.etag);
    assert_eq!(after.headers["x-amz-tagging-count"], "1");
    assert_eq!(
        std::fs::read(world.path("file")).expect("a file"),
        b"theirs"
    );
    // What they change has no tags.
    std::fs::write(world.path("file"), "changed").expect("a file");
    let told = world.call(GetObjectTagging, Some("file"), b"").await;
    assert!(!text_of(told).await.contains("<Key>"));
}

#[tokio::test]
async fn tags_are_there_after_a_new_start_and_go_with_their_bucket() {
    use OperationName::{GetBucketTagging, PutBucketTagging};
    let mut world = World::new();
    let set = world.call(PutBucketTagging, None, TAGS).await;
    assert_eq!(set.status(), StatusCode::NO_CONTENT);
    let config = Config {
        path: world.folder.path().to_owned(),
    };
    world.origin = Directory::open(&config).expect("an origin");
    let told = world.call(GetBucketTagging, None, b"").await;
    assert!(text_of(told).await.contains("<Key>k</Key><Value>v</Value>"));
    std::fs::rename(world.path(""), world.folder.path().join("old")).expect("renamed");
    std::fs::create_dir(world.path("")).expect("a bucket");
    let told = world.call(GetBucketTagging, None, b"").await;
    assert_eq!(told.status(), StatusCode::NOT_FOUND);
    world.call(PutBucketTagging, None, TAGS).await;
    let deleted = world.call(OperationName::DeleteBucket, None, b"").await;
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(files(world.folder.path()), 0, "nothing is left behind");
}

#[tokio::test]
async fn new_buckets_have_names_that_s3_would_give() {
    let mut world = World::new();
    for name in ["Upper-case", "under_score", "192.168.0.1", &"b".repeat(64)] {
        world.bucket = name.parse().expect("a bucket name");
        let refused = world.call(OperationName::CreateBucket, None, b"").await;
        let text = text_of(refused).await;
        assert!(
            text.contains("<Code>InvalidBucketName</Code>"),
            "{name}: {text}"
        );
    }
    world.bucket = "fine".parse().expect("a bucket name");
    let malformed = world
        .call(OperationName::CreateBucket, None, b"<Nothing/>")
        .await;
    assert_eq!(malformed.status(), StatusCode::BAD_REQUEST);
    let place = b"<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
    let made = world.call(OperationName::CreateBucket, None, place).await;
    assert_eq!(made.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_the_object_whole_while_its_tags_change() {
    use OperationName::{DeleteObjectTagging, PutObjectTagging};
    let world = World::new();
    world.put("hot", b"x").await;
    let etag = world.head("hot").await.expect("an object").etag;
    let tags = async {
        for _ in 0..100 {
            world.call(PutObjectTagging, Some("hot"), TAGS).await;
            world.call(DeleteObjectTagging, Some("hot"), b"").await;
        }
    };
    let reads = async {
        for _ in 0..400 {
            let head = world.head("hot").await.expect("an object");
            assert_eq!(head.etag, etag);
        }
    };
    futures::future::join(tags, reads).await;
    assert_eq!(files(&world.folder.path().join(".forebay")), 1);
}
