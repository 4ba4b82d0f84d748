//! What clients hear when the origin fails: its own words where it had any, with this node's ids.

use http::{Method, StatusCode};

use crate::support::client::{Answer, Ask};
use crate::support::node::{Settings, TestNode};
use crate::support::origin::{Fault, HOST_ID, REQUEST_ID, TestOrigin};

async fn world() -> (TestOrigin, TestNode) {
    let origin = TestOrigin::start().await;
    origin.put("train/k", 1, 100);
    let node = TestNode::before(&origin, Settings::default()).await;
    (origin, node)
}

/// Every kind of request that reaches the origin by a way of its own.
fn asks() -> Vec<Ask> {
    vec![
        Ask::get("/train/k"),
        Ask::get("/train?list-type=2"),
        Ask::new("PUT", "/train/new").body("hello"),
        Ask::new("PUT", "/train/copy").header("x-amz-copy-source", "train/k"),
        Ask::new("POST", "/train/new?uploads"),
        Ask::new("DELETE", "/train/k"),
    ]
}

/// Fails where an answer shows anything of the origin's own ids, or not this node's.
fn assert_own_ids(answer: &Answer) {
    let shown = format!(
        "{:?} {}",
        answer.headers,
        String::from_utf8_lossy(&answer.body)
    );
    assert!(
        !shown.contains(REQUEST_ID) && !shown.contains(HOST_ID),
        "{shown}"
    );
    assert!(!shown.contains("TestS3"), "{shown}");
    let id = answer.headers["x-amz-request-id"].to_str().expect("text");
    assert!(answer.headers.contains_key("x-amz-id-2"));
    if answer.status.as_u16() >= 400 && !answer.body.is_empty() {
        assert_eq!(answer.text("RequestId"), id);
        let host = answer.headers["x-amz-id-2"].to_str().expect("text");
        assert_eq!(answer.text("HostId"), host);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_asks_to_come_back_later_is_heard() {
    for ask in asks() {
        let (origin, node) = world().await;
        let method: Method = ask.method.parse().expect("a method");
        origin.fail_on(&method, &[const { Fault::RetryAfter(7) }; 3]);
        let answer = node.client.send(&ask).await;
        assert_eq!(answer.status, 503, "{ask:?}");
        assert_eq!(answer.code(), "SlowDown", "{ask:?}");
        assert_eq!(answer.headers["retry-after"], "7", "{ask:?}");
        assert_own_ids(&answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_origins_ids_never_reach_a_client() {
    let (_origin, node) = world().await;
    for ask in asks() {
        let answer = node.client.send(&ask).await;
        assert!(answer.status.is_success(), "{ask:?}: {answer:?}");
        assert_own_ids(&answer);
    }
    for target in ["/train/k", "/train/missing"] {
        for ask in [Ask::get(target), Ask::new("HEAD", target)] {
            assert_own_ids(&node.client.send(&ask).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_is_no_document_keeps_its_status() {
    for ask in asks() {
        let (origin, node) = world().await;
        let method: Method = ask.method.parse().expect("a method");
        let garbage = Fault::Garbage(StatusCode::BAD_GATEWAY);
        origin.fail_on(&method, &[garbage.clone(), garbage.clone(), garbage]);
        let answer = node.client.send(&ask).await;
        assert_eq!(answer.status, 502, "{ask:?}: {answer:?}");
        assert!(answer.headers.contains_key("x-amz-request-id"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_was_lost_is_an_error_that_the_next_read_looks_behind() {
    let (origin, node) = world().await;
    assert_eq!(node.client.get("/train/k").await.body.len(), 100);
    origin.fail_on(&Method::PUT, &[Fault::Lost]);
    origin.seen();
    let put = node
        .client
        .send(&Ask::new("PUT", "/train/k").body("new"))
        .await;
    assert!(put.status.is_server_error(), "{put:?}");
    let puts = origin.seen().into_iter();
    assert_eq!(
        puts.filter(|seen| seen.method == Method::PUT).count(),
        1,
        "never sent twice"
    );
    assert_eq!(
        node.client.get("/train/k").await.body,
        "new",
        "the origin had done it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_cannot_be_read_is_an_error_and_never_shown() {
    let origin = TestOrigin::start().await;
    // Its names have to be exchanged, so that its document has to be understood.
    let alias = "[bucket.alias]\norigin = \"test\"\nname = \"train\"\nprefix = \"team/\"\n";
    let settings = Settings {
        more: alias.to_owned(),
        ..Settings::default()
    };
    let node = TestNode::before(&origin, settings).await;
    origin.fail(&[Fault::Garbage(StatusCode::OK)]);
    let answer = node.client.get("/alias?list-type=2").await;
    assert!(answer.status.is_server_error(), "{answer:?}");
    assert_eq!(answer.code(), "InternalError");
    assert_own_ids(&answer);
}
