//! What a writer may rely on: the next read sees the write, and nothing half-sent is ever stored.

use bytes::Bytes;
use http::{Method, StatusCode};

use crate::support::client::Ask;
use crate::support::node::{Settings, TestNode};
use crate::support::origin::{Fault, TestOrigin};

async fn world() -> (TestOrigin, TestNode) {
    let origin = TestOrigin::start().await;
    let settings = Settings {
        freshness: "\"immutable\"",
        ..Settings::default()
    };
    let node = TestNode::before(&origin, settings).await;
    (origin, node)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_write_is_seen_by_the_next_read() {
    let (origin, node) = world().await;
    for body in ["one", "two", "three"] {
        let put = node
            .client
            .send(&Ask::new("PUT", "/train/k").body(body))
            .await;
        assert_eq!(put.status, 200, "{put:?}");
        assert_eq!(node.client.get("/train/k").await.body, body);
        assert_eq!(node.client.get("/train/k").await.source(), "memory");
    }
    node.client
        .send(&Ask::new("PUT", "/train/other").body("copied"))
        .await;
    let copy = Ask::new("PUT", "/train/k").header("x-amz-copy-source", "/train/other");
    assert_eq!(node.client.send(&copy).await.status, 200);
    assert_eq!(node.client.get("/train/k").await.body, "copied");
    upload_in_parts(&node, "in one part").await;
    assert_eq!(node.client.get("/train/k").await.body, "in one part");
    assert_eq!(
        node.client
            .send(&Ask::new("DELETE", "/train/k"))
            .await
            .status,
        204
    );
    assert_eq!(node.client.get("/train/k").await.status, 404);
    // What comes to be past the node is there at once: that it was absent is not remembered.
    origin.put("train/k", 1, 100);
    assert_eq!(node.client.get("/train/k").await.body.len(), 100);
}

async fn upload_in_parts(node: &TestNode, body: &'static str) {
    let created = node
        .client
        .send(&Ask::new("POST", "/train/k?uploads"))
        .await;
    let id = created.text("UploadId");
    let part = Ask::new("PUT", &format!("/train/k?partNumber=1&uploadId={id}")).body(body);
    let part = node.client.send(&part).await;
    let tag = part.headers["etag"].to_str().expect("a tag");
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part></CompleteMultipartUpload>"
    );
    let complete = Ask::new("POST", &format!("/train/k?uploadId={id}")).body(document);
    let completed = node.client.send(&complete).await;
    assert_eq!(completed.status, 200, "{completed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_races_a_write_never_sees_the_old_after_the_new() {
    let (_origin, node) = world().await;
    let version = |number: u32| Bytes::from(format!("version {number}"));
    for number in 0..40 {
        let put = Ask::new("PUT", "/train/raced").body(version(number));
        let readers = async {
            for _ in 0..4 {
                node.client.get("/train/raced").await;
            }
        };
        let (answer, ()) = futures::join!(node.client.send(&put), readers);
        assert_eq!(answer.status, 200);
        assert_eq!(node.client.get("/train/raced").await.body, version(number));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_match_what_was_claimed_is_not_stored() {
    let (origin, node) = world().await;
    let wrong_md5 = Ask::new("PUT", "/train/k")
        .header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")
        .body("hello");
    let answer = node.client.send(&wrong_md5).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (400, "BadDigest")
    );
    let wrong_crc = Ask::new("PUT", "/train/k")
        .header("x-amz-checksum-crc32", "AAAAAA==")
        .body("hello");
    let answer = node.client.send(&wrong_crc).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (400, "BadDigest")
    );
    origin.seen();
    assert_eq!(node.client.get("/train/k").await.status, 404);
}

/// What may go wrong with a write, or nothing.
fn mishap(choice: u64) -> Option<Fault> {
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    match choice % 8 {
        0 => Some(Fault::Lost),
        1 => Some(Fault::RetryAfter(1)),
        2 => Some(Fault::ErrorInside("InternalError")),
        3 => Some(Fault::Early(unavailable, "SlowDown")),
        4 => Some(Fault::Garbage(StatusCode::BAD_GATEWAY)),
        _ => None,
    }
}

/// A write of one of a few keys, in one of all ways.
fn any_write(choice: u64, step: u64) -> Ask {
    let key = format!("/train/{}", choice % 3);
    let source = format!("train/{}", choice / 3 % 3);
    match choice / 9 % 5 {
        0 => Ask::new("DELETE", &key),
        1 => Ask::new("PUT", &key)
            .header("x-amz-copy-source", source)
            .header("x-amz-metadata-directive", "REPLACE")
            .header("x-amz-meta-step", step.to_string()),
        2 => Ask::new("PUT", &format!("{key}?tagging"))
            .body("<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"),
        _ => Ask::new("PUT", &key).body(format!("step {step}")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_with_a_write_the_next_read_shows_what_the_origin_holds() {
    let (origin, node) = world().await;
    let mut failed = 0;
    for step in 0..250_u64 {
        let choice = xxhash_rust::xxh3::xxh3_64(&step.to_le_bytes());
        let write = any_write(choice, step);
        let method: Method = write.method.parse().expect("a method");
        origin.fail_on(&method, mishap(choice >> 32).as_slice());
        let answer = node.client.send(&write).await;
        failed += u32::from(answer.status.is_server_error());
        for key in 0..3 {
            let target = format!("/train/{key}");
            let read = node.client.get(&target).await;
            let held = origin.stored(&target[1..]);
            let (status, body) = match held {
                Some(body) => (200, body),
                None => (404, Bytes::new()),
            };
            assert_eq!(read.status, status, "step {step}, {write:?}: {read:?}");
            let same = status == 404 || read.body == body;
            assert!(same, "step {step}, {write:?}, {answer:?}: {read:?}");
        }
    }
    assert!((30..220).contains(&failed), "{failed} of 250 failed");
}
