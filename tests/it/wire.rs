//! What clients may say on the wire, and what they hear.

use crate::support::client::Ask;
use crate::support::node::{Settings, TestNode};
use crate::support::origin::TestOrigin;
use crate::support::wire::{Wire, head, head_with_target};

async fn world(listen: &str) -> (TestOrigin, TestNode) {
    let origin = TestOrigin::start().await;
    origin.put("train/k", 1, 100);
    let settings = Settings {
        listen: listen.to_owned(),
        more: r#"
[identity.reader]
access_key_id = "FBREADER"
secret_access_key = { env = "TEST_SECRET" }
policies = ["read"]
[policy.read]
allow = [{ actions = ["s3:GetObject"], resources = ["*"] }]
"#
        .to_owned(),
        ..Settings::default()
    };
    let node = TestNode::before(&origin, settings).await;
    (origin, node)
}

async fn wire(node: &TestNode) -> Wire {
    Wire::connect(node.client.address()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_follow_one_another_at_once_are_answered_in_order() {
    let (origin, node) = world("").await;
    origin.put("train/long", 2, 300);
    let first = head(&node.client.sign(&Ask::get("/train/long")));
    let second = head(&node.client.sign(&Ask::get("/train/k")));
    let mut wire = wire(&node).await;
    wire.write(format!("{first}{second}")).await;
    assert_eq!(wire.read().await.body.len(), 300);
    assert_eq!(wire.read().await.body.len(), 100);
    wire.write(second).await;
    assert_eq!(wire.read().await.body.len(), 100, "the connection stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_may_be_absolute() {
    let (_origin, node) = world("").await;
    let request = node.client.sign(&Ask::get("/train/k"));
    let mut wire = wire(&node).await;
    let target = request.uri().to_string();
    wire.write(head_with_target(&request, &target)).await;
    let said = wire.read().await;
    assert_eq!((said.status(), said.body.len()), (200, 100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_told_to_go_on_only_once_it_may() {
    let (_origin, node) = world("").await;
    let ask = Ask::new("PUT", "/train/new").body("hello");
    let expecting = |request: &_| {
        head(request).replacen(
            "\r\n",
            "\r\ncontent-length: 5\r\nexpect: 100-continue\r\n",
            1,
        )
    };
    let mut forbidden = wire(&node).await;
    let reader = node.client("FBREADER", crate::support::node::SECRET);
    forbidden.write(expecting(&reader.sign(&ask))).await;
    let said = forbidden.read().await;
    assert_eq!(said.status(), 403, "{said:?}");
    assert!(said.text().contains("<Code>AccessDenied</Code>"));
    let mut allowed = wire(&node).await;
    allowed.write(expecting(&node.client.sign(&ask))).await;
    assert!(allowed.head().await.starts_with("HTTP/1.1 100 "));
    allowed.write("hello").await;
    assert_eq!(allowed.read().await.status(), 200);
    assert_eq!(node.client.get("/train/new").await.body, "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_may_come_in_chunks() {
    let (_origin, node) = world("").await;
    let ask = Ask::new("PUT", "/train/chunked")
        .header("x-amz-decoded-content-length", "5")
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    let request = head(&node.client.sign(&ask));
    let request = request.replacen("\r\n", "\r\ntransfer-encoding: chunked\r\n", 1);
    let body = "3\r\nhel\r\n2\r\nlo\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    let mut wire = wire(&node).await;
    wire.write(request).await;
    // Cut at odd places: the outer chunks know nothing of the inner ones.
    for part in body.as_bytes().chunks(7) {
        wire.write(format!("{:x}\r\n", part.len())).await;
        wire.write(part).await;
        wire.write("\r\n").await;
    }
    wire.write("0\r\n\r\n").await;
    let said = wire.read().await;
    assert_eq!(said.status(), 200, "{}", said.text());
    assert_eq!(node.client.get("/train/chunked").await.body, "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_too_large_are_refused() {
    let (_origin, node) = world("header_bytes = \"8KiB\"").await;
    let mut wire = wire(&node).await;
    wire.write(format!(
        "GET / HTTP/1.1\r\nx: {}\r\n\r\n",
        "y".repeat(16 << 10)
    ))
    .await;
    assert!(wire.head().await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_too_many_is_served_when_another_ends() {
    let (_origin, node) = world("connections = 1").await;
    let request = head(&node.client.sign(&Ask::get("/train/k")));
    let mut first = wire(&node).await;
    first.write(&request).await;
    assert_eq!(first.read().await.status(), 200);
    let mut second = wire(&node).await;
    second.write(&request).await;
    // The first still has its turn: were the second served, this would be one connection too many.
    first.write(&request).await;
    assert_eq!(first.read().await.status(), 200);
    assert_eq!(node.running.metrics.net.open.get(), 1);
    drop(first);
    assert_eq!(second.read().await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_may_name_the_bucket() {
    let (_origin, node) = world("domains = [\"s3.example.com\"]").await;
    let ask = Ask::get("/k").header("host", "train.s3.example.com");
    let mut wire = wire(&node).await;
    wire.write(head(&node.client.sign(&ask))).await;
    let said = wire.read().await;
    assert_eq!((said.status(), said.body.len()), (200, 100), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_presigned_url_works_for_its_time_and_as_it_is() {
    let (_origin, node) = world("").await;
    let hour = std::time::Duration::from_secs(3600);
    let now = crate::support::now();
    let url = node.client.presign("/train/k", now, hour);
    let ask = async |url: &str| {
        let mut wire = wire(&node).await;
        let host = node.client.address();
        wire.write(format!("GET {url} HTTP/1.1\r\nhost: {host}\r\n\r\n"))
            .await;
        wire.read().await
    };
    assert_eq!(ask(&url).await.body.len(), 100);
    let refusals = [
        node.client.presign("/train/k", now - 2 * hour, hour),
        url.replace("/train/k", "/train/other"),
        url.replace("X-Amz-Expires=3600", "X-Amz-Expires=7200"),
    ];
    for (refused, code) in refusals.iter().zip([
        "<Code>AccessDenied</Code><Message>Request has expired",
        "<Code>SignatureDoesNotMatch</Code>",
        "<Code>SignatureDoesNotMatch</Code>",
    ]) {
        let said = ask(refused).await;
        assert_eq!(said.status(), 403, "{refused}");
        assert!(said.text().contains(code), "{}", said.text());
    }
}
