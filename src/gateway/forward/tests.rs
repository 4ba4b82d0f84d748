use http::{Method, StatusCode};

use super::support::{World, ok, put, request, text};
use super::*;
use crate::memory::{self, Memory};
use crate::types::{CopySource, OperationName};

#[tokio::test]
async fn a_listing_is_asked_for_and_answered_under_the_right_names() {
    let world = World::new(|_| {
        ok(
            "<ListBucketResult><Name>corp-train</Name><Prefix>team/a</Prefix>\
            <Contents><Key>team/a b</Key></Contents></ListBucketResult>",
        )
    });
    let mut listing = request(OperationName::ListObjectsV2, Method::GET, "");
    listing.query = vec![("prefix".into(), "a".into())];
    let answer = text(world.serve(listing).await.expect("a listing")).await;
    assert_eq!(
        answer,
        "<ListBucketResult><Name>train</Name><Prefix>a</Prefix>\
         <Contents><Key>a b</Key></Contents></ListBucketResult>"
    );
    let seen = world.last();
    assert_eq!(seen.bucket.as_deref(), Some("corp-train"));
    assert_eq!(seen.query, [("prefix".to_owned(), "team/a".to_owned())]);
}

#[tokio::test]
async fn an_origins_error_is_an_error_under_the_clients_names() {
    let world = World::new(|_| {
        let document = "<Error><Code>NoSuchUpload</Code><Key>team/k</Key></Error>";
        let mut response = ok(document)?;
        *response.status_mut() = StatusCode::NOT_FOUND;
        Ok(response)
    });
    let parts = request(OperationName::ListParts, Method::GET, "k");
    match world.serve(parts).await {
        Err(Error::Origin(origin::Error::Refused(refusal))) => {
            assert_eq!(refusal.status, StatusCode::NOT_FOUND);
            assert_eq!(
                refusal.body,
                "<Error><Code>NoSuchUpload</Code><Key>k</Key></Error>"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_bucket_that_was_found_once_is_not_asked_for_again() {
    let world = World::new(|_| ok("<LocationConstraint>eu-west-1</LocationConstraint>"));
    for _ in 0..2 {
        let location = request(OperationName::GetBucketLocation, Method::GET, "");
        let answer = text(world.serve(location).await.expect("a location")).await;
        assert_eq!(answer, "<LocationConstraint>eu-west-1</LocationConstraint>");
    }
    assert_eq!(world.calls(), 1);
    let head = request(OperationName::HeadBucket, Method::HEAD, "");
    world.serve(head).await.expect("a bucket");
    assert_eq!(world.calls(), 2);
}

#[tokio::test]
async fn a_bucket_that_is_not_found_is_asked_for_again() {
    let world = World::new(|_| {
        let mut response = ok("")?;
        *response.status_mut() = StatusCode::NOT_FOUND;
        Ok(response)
    });
    for _ in 0..2 {
        let head = request(OperationName::HeadBucket, Method::HEAD, "");
        assert!(world.serve(head).await.is_err());
    }
    assert_eq!(world.calls(), 2);
}

#[tokio::test]
async fn an_unknown_bucket_is_refused_here() {
    let world = World::new(|_| ok(""));
    let mut listing = request(OperationName::ListObjects, Method::GET, "");
    listing.operation.target = Target::Bucket("absent".parse().expect("a name"));
    let refused = world.serve(listing).await;
    assert!(matches!(refused, Err(Error::NoSuchBucket(_))));
    assert_eq!(world.calls(), 0);
}

fn copy_from(bucket: &str, key: &str, version: Option<&str>) -> Request {
    let mut copy = request(OperationName::CopyObject, Method::PUT, "to");
    copy.operation.copy_source = Some(CopySource {
        bucket: bucket.parse().expect("a name"),
        key: key.parse().expect("a key"),
        version_id: version.map(Into::into),
    });
    copy
}

#[tokio::test]
async fn a_copys_source_is_named_as_the_origin_knows_it() {
    let world = World::new(|_| ok("<CopyObjectResult/>"));
    let copy = copy_from("train", "a b+c%/ü?", Some("v=1"));
    world.serve(copy).await.expect("a copy");
    let seen = world.last();
    assert_eq!(seen.key.as_deref(), Some("team/to"));
    assert_eq!(
        seen.headers["x-amz-copy-source"],
        "corp-train/team/a%20b%2Bc%25/%C3%BC%3F?versionId=v%3D1"
    );
}

#[tokio::test]
async fn a_copy_across_origins_is_refused() {
    let world = World::new(|_| ok(""));
    let refused = world.serve(copy_from("other", "k", None)).await;
    assert!(matches!(refused, Err(Error::NotImplemented(_))));
    assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn a_bucket_is_made_under_the_origins_name_and_told_under_the_clients() {
    let world = World::new(|_| {
        let mut response = ok("")?;
        let headers = response.headers_mut();
        headers.insert("location", "/corp-train".parse().expect("a value"));
        let arn = "arn:aws:s3:::corp-train".parse().expect("a value");
        headers.insert("x-amz-bucket-arn", arn);
        Ok(response)
    });
    let mut create = request(OperationName::CreateBucket, Method::PUT, "");
    create.upload.body = full("<CreateBucketConfiguration/>");
    create.upload.length = Some(28);
    let answer = world.serve(create).await.expect("a bucket");
    assert_eq!(answer.headers()["location"], "/train");
    assert_eq!(answer.headers()["x-amz-bucket-arn"], "arn:aws:s3:::train");
    let seen = world.last();
    assert_eq!(seen.bucket.as_deref(), Some("corp-train"));
    assert_eq!(seen.body, "<CreateBucketConfiguration/>");
}

#[tokio::test]
async fn a_deleted_bucket_is_asked_for_again() {
    let world = World::new(|_| ok(""));
    let of_other = |name, method| {
        let mut request = request(name, method, "");
        request.operation.target = Target::Bucket("other".parse().expect("a name"));
        request
    };
    for name in [
        OperationName::HeadBucket,
        OperationName::DeleteBucket,
        OperationName::HeadBucket,
    ] {
        let request = of_other(name, Method::HEAD);
        world.serve(request).await.expect("an answer");
    }
    assert_eq!(world.calls(), 3);
    let prefixed = request(OperationName::DeleteBucket, Method::DELETE, "");
    let refused = world.serve(prefixed).await;
    assert!(matches!(refused, Err(Error::NotImplemented(_))));
    assert_eq!(world.calls(), 3);
}

#[tokio::test]
async fn keys_that_the_origin_takes_for_others_are_refused() {
    let world = World::new(|_| ok(""));
    for key in ["..", "../x", "a/../../other/x", "a/.", "./a", "a\\..\\b"] {
        for (name, method) in [
            (OperationName::PutObject, Method::PUT),
            (OperationName::DeleteObject, Method::DELETE),
            (OperationName::CreateMultipartUpload, Method::POST),
            (OperationName::ListParts, Method::GET),
        ] {
            let refused = world.serve(request(name, method, key)).await;
            assert!(
                matches!(refused, Err(Error::InvalidArgument { .. })),
                "{key}"
            );
        }
        let refused = world.serve(copy_from("train", key, None)).await;
        assert!(
            matches!(refused, Err(Error::InvalidArgument { .. })),
            "{key}"
        );
    }
    assert_eq!(world.calls(), 0);
    for key in ["..a/b..", "...", "a/.b"] {
        let delete = request(OperationName::DeleteObject, Method::DELETE, key);
        world.serve(delete).await.expect("an ordinary key");
    }
}

#[tokio::test]
async fn the_memory_of_an_upload_is_held_as_long_as_its_body() {
    let memory = Memory::new(memory::Config { limit: 64 << 20 });
    let room = memory.reserve(Pool::Upload, UPLOAD_WINDOW, UPLOAD_PATIENCE);
    let mut upload = put("k", full("body"), 4).upload;
    upload.hold(Some(room.await.expect("memory is free")));
    assert_eq!(memory.used(Pool::Upload), UPLOAD_WINDOW);
    let mut body = upload.body;
    let frame = body.frame().await.expect("a frame").expect("no error");
    assert_eq!(frame.into_data().expect("data"), "body");
    assert_eq!(memory.used(Pool::Upload), UPLOAD_WINDOW);
    drop(body);
    assert_eq!(memory.used(Pool::Upload), 0);
}

#[tokio::test]
async fn a_buckets_configuration_is_changed_by_who_has_all_of_it() {
    let world = World::new(|_| ok("<LifecycleConfiguration/>"));
    let mut other = request(
        OperationName::PutBucketLifecycleConfiguration,
        Method::PUT,
        "",
    );
    other.operation.target = Target::Bucket("other".parse().expect("a name"));
    other.query = vec![("lifecycle".to_owned(), String::new())];
    other.upload.body = full("<LifecycleConfiguration/>");
    other.upload.length = None;
    world.serve(other).await.expect("an answer");
    let seen = world.last();
    assert_eq!(seen.query, [("lifecycle".to_owned(), String::new())]);
    assert_eq!(seen.body, "<LifecycleConfiguration/>");
    for (operation, method, served) in [
        (
            OperationName::PutBucketLifecycleConfiguration,
            Method::PUT,
            false,
        ),
        (OperationName::DeleteBucketPolicy, Method::DELETE, false),
        (OperationName::GetBucketPolicy, Method::GET, false),
        (OperationName::GetBucketVersioning, Method::GET, true),
        (OperationName::GetObjectLockConfiguration, Method::GET, true),
    ] {
        // `train` is a prefix at its origin.
        let answer = world.serve(request(operation, method, "")).await;
        assert_eq!(answer.is_ok(), served, "{operation:?}");
    }
    assert_eq!(world.calls(), 2);
}
