//! What is refused, and how: S3's codes, whoever asks for whatever.

use crate::support::client::Ask;
use crate::support::node::{SECRET, Settings, TestNode};
use crate::support::origin::TestOrigin;

async fn world() -> (TestOrigin, TestNode) {
    let origin = TestOrigin::start().await;
    origin.put("train/open/k", 1, 100);
    origin.put("train/closed/k", 2, 100);
    let more = r#"
[identity.reader]
access_key_id = "FBREADER"
secret_access_key = { env = "TEST_SECRET" }
policies = ["read"]
[policy.read]
allow = [{ actions = ["s3:GetObject"], resources = ["train/open/*"] }]
"#;
    let node = TestNode::before(
        &origin,
        Settings {
            more: more.to_owned(),
            ..Settings::default()
        },
    )
    .await;
    (origin, node)
}

fn outcome(answer: &crate::support::client::Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_without_a_right_key_or_signature_get_nothing() {
    let (_origin, node) = world().await;
    let wrong_secret = node.client("FBTEST", "wrong").get("/train/open/k").await;
    assert_eq!(
        outcome(&wrong_secret),
        (403, "SignatureDoesNotMatch".to_owned())
    );
    let unknown = node.client("NOBODY", SECRET).get("/train/open/k").await;
    assert_eq!(outcome(&unknown), (403, "InvalidAccessKeyId".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_are_checked_on_hits_too() {
    let (_origin, node) = world().await;
    let reader = node.client("FBREADER", SECRET);
    assert_eq!(node.client.get("/train/closed/k").await.status, 200);
    assert_eq!(node.client.get("/train/closed/k").await.source(), "memory");
    assert_eq!(
        outcome(&reader.get("/train/closed/k").await),
        (403, "AccessDenied".to_owned())
    );
    assert_eq!(reader.get("/train/open/k").await.status, 200);
    let write = Ask::new("PUT", "/train/open/k").body("no");
    assert_eq!(
        outcome(&reader.send(&write).await),
        (403, "AccessDenied".to_owned())
    );
    let missing = reader.get("/train/open/missing").await;
    assert_eq!(
        outcome(&missing),
        (403, "AccessDenied".to_owned()),
        "who may not list learns nothing"
    );
    assert_eq!(
        outcome(&node.client.get("/train/open/missing").await),
        (404, "NoSuchKey".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_get_s3s_own_errors_and_the_node_goes_on() {
    let (_origin, node) = world().await;
    for (target, expected) in [
        ("/absent-bucket/k", (404, "NoSuchBucket")),
        ("/train/open/k?session", (501, "NotImplemented")),
        ("/train/%ff", (400, "InvalidURI")),
    ] {
        let (status, code) = outcome(&node.client.get(target).await);
        assert_eq!((status, code.as_str()), expected, "{target}");
    }
    let long = format!("/train/{}", "k".repeat(1025));
    assert_eq!(
        outcome(&node.client.get(&long).await),
        (400, "KeyTooLongError".to_owned())
    );
    let beyond = Ask::get("/train/open/k").header("range", "bytes=100-");
    assert_eq!(
        outcome(&node.client.send(&beyond).await),
        (416, "InvalidRange".to_owned())
    );
    let malformed = Ask::get("/train/open/k").header("range", "bytes=9-1");
    assert_eq!(
        node.client.send(&malformed).await.status,
        200,
        "S3 ignores what is no range"
    );
    let pinned = Ask::get("/train/open/k").header("if-match", "\"other\"");
    assert_eq!(
        outcome(&node.client.send(&pinned).await),
        (412, "PreconditionFailed".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_keys_go_through_unchanged() {
    let (origin, node) = world().await;
    for (encoded, key) in [
        ("a%20b%2Bc%3Dd%2525", "a b+c=d%25"),
        ("x//y", "x//y"),
        ("%D0%BA%D0%BB%D1%8E%D1%87", "ключ"),
        ("dir/", "dir/"),
        ("a/../b", "a/../b"),
        (&"k".repeat(1024), &"k".repeat(1024)),
    ] {
        origin.put(&format!("train/{key}"), 3, 10);
        let answer = node.client.get(&format!("/train/{encoded}")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.len()),
            (200, 10),
            "{key}: {answer:?}"
        );
    }
}
