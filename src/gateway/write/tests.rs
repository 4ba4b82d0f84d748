use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::digest::Algorithm;
use super::*;
use crate::cache::small;
use crate::clock::Clock;
use crate::gateway::forward::support::{World, ok, put, request, text};
use crate::origin;
use crate::records::Ticket;
use crate::types::OperationName;
use crate::types::body::full;

fn ticket(world: &World, key: &str) -> Ticket {
    world.records.ticket(&world.object(key))
}

#[tokio::test]
async fn a_put_goes_to_the_origins_key_and_its_answer_comes_back() {
    let world = World::new(|_| {
        let mut response = ok("")?;
        let headers = response.headers_mut();
        headers.insert("etag", HeaderValue::from_static("\"e\""));
        Ok(response)
    });
    let mut request = put("a//b", full("hello"), 5);
    let value = HeaderValue::from_static("STANDARD");
    request.headers.insert("x-amz-storage-class", value);
    let response = world.serve(request).await.expect("stored");
    assert_eq!(response.headers()["etag"], "\"e\"");
    let seen = world.last();
    assert_eq!(seen.key.as_deref(), Some("team/a//b"));
    assert_eq!(seen.headers["x-amz-storage-class"], "STANDARD");
    assert_eq!(seen.body, "hello");
}

#[tokio::test]
async fn a_write_is_open_while_the_origin_works_and_ended_before_the_answer() {
    let (world, gate) = World::gated();
    let before = ticket(&world, "k");
    let writing = world.serve(put("k", full("hello"), 5));
    let watching = async {
        world.origin.arrived.notified().await;
        assert!(!world.records.is_current(&before));
        let during = ticket(&world, "k");
        assert!(!world.records.is_current(&during));
        gate.add_permits(1);
        during
    };
    let (answer, during) = tokio::join!(writing, watching);
    answer.expect("stored");
    assert!(!world.records.is_current(&during));
    assert!(world.records.is_current(&ticket(&world, "k")));
}

#[tokio::test]
async fn a_write_that_the_origin_does_not_answer_is_ended_too() {
    let world = World::new(|_| Err(origin::Error::Unreachable("reset".into())));
    let before = ticket(&world, "k");
    let failed = world.serve(put("k", full("hello"), 5)).await;
    let unreachable = matches!(failed, Err(Error::Origin(origin::Error::Unreachable(_))));
    assert!(unreachable);
    assert!(!world.records.is_current(&before));
    assert!(world.records.is_current(&ticket(&world, "k")));
    assert_eq!(world.calls(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_does_not_end_a_write_that_the_origin_works_on() {
    let (world, gate) = World::gated();
    let complete = request(OperationName::CompleteMultipartUpload, Method::POST, "k");
    let mut writing = Box::pin(world.serve(complete));
    tokio::select! {
        _ = &mut writing => panic!("the gate is closed"),
        () = world.origin.arrived.notified() => {}
    }
    drop(writing);
    let during = ticket(&world, "k");
    assert!(!world.records.is_current(&during));
    gate.add_permits(1);
    let patience = std::time::Duration::from_secs(60);
    assert_eq!(world.tasks.drain(patience).await, 0);
    assert_eq!(world.calls(), 1);
    assert!(!world.records.is_current(&during));
    assert!(world.records.is_current(&ticket(&world, "k")));
}

#[tokio::test]
async fn a_bodys_mistake_is_the_answer_and_nothing_is_complete_at_the_origin() {
    let world = World::new(|_| ok(""));
    let mut request = put("k", full("hello"), 5);
    let digest = HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA==");
    request.headers.insert("content-md5", digest);
    let failed = world.serve(request).await;
    assert!(matches!(failed, Err(Error::BadDigest("content-md5"))));
    assert!(!world.last().complete);
    assert!(world.records.is_current(&ticket(&world, "k")));
}

#[tokio::test]
async fn a_trailing_checksum_reaches_the_origin_as_a_trailer() {
    let world = World::new(|_| ok(""));
    let value = Algorithm::Crc32.of(b"hello");
    let mut trailers = HeaderMap::new();
    let named = value.parse().expect("a value");
    trailers.insert("x-amz-checksum-crc32", named);
    let mut request = put("k", full("hello"), 5);
    let announced = HeaderValue::from_static("x-amz-checksum-crc32");
    request.headers.insert("x-amz-trailer", announced);
    request.upload.trailers = Some(Box::new(move || Some(trailers.clone())));
    world.serve(request).await.expect("stored");
    let seen = world.last();
    assert_eq!(seen.trailer, Some(("x-amz-checksum-crc32".into(), value)));
    assert!(!seen.headers.contains_key("x-amz-trailer"));
}

#[tokio::test]
async fn a_part_is_verified_and_opens_no_write() {
    let world = World::new(|_| ok(""));
    let before = ticket(&world, "k");
    let mut part = put("k", full("hello"), 6);
    part.operation.name = OperationName::UploadPart;
    let failed = world.serve(part).await;
    assert!(matches!(failed, Err(Error::IncompleteBody)));
    assert!(world.records.is_current(&before));
}

#[tokio::test]
async fn a_completed_upload_is_named_as_the_client_knows_it() {
    let world = World::new(|_| {
        ok(
            "<CompleteMultipartUploadResult><Location>http://o/corp-train/team/k</Location>\
            <Bucket>corp-train</Bucket><Key>team/k</Key></CompleteMultipartUploadResult>",
        )
    });
    let mut complete = request(OperationName::CompleteMultipartUpload, Method::POST, "k");
    complete.upload = put("k", full("<C/>"), 4).upload;
    let response = world.serve(complete).await.expect("completed");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        text(response).await,
        "<CompleteMultipartUploadResult><Location>/train/k</Location>\
         <Bucket>train</Bucket><Key>k</Key></CompleteMultipartUploadResult>"
    );
    assert_eq!(world.last().body, "<C/>");
}

#[tokio::test]
async fn what_a_write_changes_is_not_believed_after_a_restart() {
    let disk = tempfile::tempdir().expect("a folder");
    let config = small::Config {
        path: disk.path().to_owned(),
        capacity: small::LEAST_CAPACITY,
        memory: 8 << 20,
    };
    let world = World::new(|_| ok(""));
    let means = small::Means {
        tasks: world.tasks.clone(),
        clock: Clock::system(),
        metrics: Arc::default(),
    };
    let small = Small::open(vec![config], means).await;
    let world = World {
        small: Arc::clone(&small),
        ..world
    };
    let digest = |key: &str, version_id: Option<&str>| {
        let (object, version_id) = (world.object(key), version_id.map(Into::into));
        let subject = Subject { object, version_id };
        subject.digest()
    };
    let versions = [None, Some("null"), Some("v"), Some("w")];
    let all = || {
        ["k", "other"]
            .into_iter()
            .flat_map(|key| versions.map(|version| (key, version)))
    };
    for (key, version) in all() {
        small.put(Kind::Record, digest(key, version), Bytes::from("known"));
    }
    small.settle().await;
    world
        .serve(put("k", full("hello"), 5))
        .await
        .expect("stored");
    let mut deletion = request(OperationName::DeleteObject, Method::DELETE, "other");
    deletion
        .query
        .push(("versionId".to_owned(), "v".to_owned()));
    world.serve(deletion).await.expect("deleted");
    for (key, version) in all() {
        let changed = match key {
            "k" => matches!(version, None | Some("null")),
            _ => matches!(version, None | Some("v")),
        };
        let kept = small.get(Kind::Record, digest(key, version)).await;
        assert_eq!(kept.is_none(), changed, "{key} {version:?}");
    }
    small.close().await;
}
