//! What clients may say on the wire, and what they hear.

use crate::support::client::Ask;
use crate::support::node::{Settings, TestNode};
use crate::support::origin::{Fault, Seen, Sent, TestOrigin};
use crate::support::speaker::{PLAIN, Say, Speaker};
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
    let (origin, node) = world("domains = [\"s3.example.com\"]").await;
    let ask = async |method: &'static str, target: &str, body: &'static str| {
        let ask = Ask::new(method, target)
            .header("host", "train.s3.example.com")
            .body(body);
        let mut wire = wire(&node).await;
        let length = format!("content-length: {}", body.len());
        wire.write(with_line(&node, &ask, &length) + body).await;
        wire.read().await
    };
    let said = ask("GET", "/k", "").await;
    assert_eq!((said.status(), said.body.len()), (200, 100), "{said:?}");
    assert_eq!(ask("PUT", "/a/b", "hello").await.status(), 200);
    assert_eq!(origin.stored("train/a/b").expect("it is stored"), "hello");
    let listed = ask("GET", "/?list-type=2&prefix=a%2F", "").await.text();
    assert!(listed.contains("<Key>a/b</Key>"), "{listed}");
    let begun = ask("POST", "/a/b?uploads", "").await.text();
    assert!(begun.contains("<UploadId>"), "{begun}");
    assert_eq!(ask("DELETE", "/a/b", "").await.status(), 204);
    assert_eq!(ask("GET", "/a/b", "").await.status(), 404);
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

/// A signed head with `line` as one more header, which is not signed.
fn with_line(node: &TestNode, ask: &Ask, line: &str) -> String {
    head(&node.client.sign(ask)).replacen("\r\n", &format!("\r\n{line}\r\n"), 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_said_all_it_wants_to_say_still_hears_the_answer() {
    let (origin, node) = world("").await;
    let gate = origin.hold();
    let mut wire = wire(&node).await;
    wire.write(head(&node.client.sign(&Ask::get("/train/k"))))
        .await;
    wire.finish().await;
    // The origin answers only after the client's end has arrived.
    origin.until(|seen| !seen.is_empty()).await;
    gate.add_permits(1 << 10);
    let said = wire.read().await;
    assert_eq!((said.status(), said.body.len()), (200, 100));
    assert_eq!(wire.rest().await, b"", "nothing more comes");
    let mut writer = self::wire(&node).await;
    let put = Ask::new("PUT", "/train/new").body("hello");
    writer
        .write(with_line(&node, &put, "content-length: 5"))
        .await;
    writer.write("hello").await;
    writer.finish().await;
    assert_eq!(writer.read().await.status(), 200);
    assert_eq!(origin.stored("train/new").expect("it is stored"), "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_1_0_is_answered_and_the_connection_kept_where_that_is_asked_for() {
    let (_origin, node) = world("").await;
    let request = head(&node.client.sign(&Ask::get("/train/k")));
    let request = request.replacen("HTTP/1.1", "HTTP/1.0", 1);
    let mut closing = wire(&node).await;
    closing.write(&request).await;
    let said = closing.read().await;
    assert_eq!((said.status(), said.body.len()), (200, 100));
    assert_eq!(
        said.header("transfer-encoding"),
        "",
        "HTTP/1.0 has no chunks"
    );
    assert_eq!(closing.rest().await, b"", "the connection ends");
    let put = Ask::new("PUT", "/train/new").body("hello");
    let lines = "content-length: 5\r\nexpect: 100-continue";
    let put = with_line(&node, &put, lines).replacen("HTTP/1.1", "HTTP/1.0", 1);
    let mut writer = wire(&node).await;
    writer.write(put + "hello").await;
    assert_eq!(writer.read().await.status(), 200, "HTTP/1.0 has no 100");
    let keeping = request.replacen("\r\n", "\r\nconnection: keep-alive\r\n", 1);
    let mut kept = wire(&node).await;
    for _ in 0..2 {
        kept.write(&keeping).await;
        assert_eq!(kept.read().await.body.len(), 100);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_body_keep_the_connection_in_step() {
    let (_origin, node) = world("").await;
    let missing = head(&node.client.sign(&Ask::new("HEAD", "/train/missing")));
    let found = head(&node.client.sign(&Ask::new("HEAD", "/train/k")));
    let same = Ask::get("/train/k").header("if-none-match", "*");
    let same = head(&node.client.sign(&same));
    let get = head(&node.client.sign(&Ask::get("/train/k")));
    let with_body = with_line(&node, &Ask::get("/train/k"), "content-length: 5") + "hello";
    let mut wire = wire(&node).await;
    wire.write(format!("{missing}{found}{same}{with_body}{get}"))
        .await;
    let refused = wire.read_head().await;
    assert_eq!(refused.status(), 404);
    let found = wire.read_head().await;
    assert_eq!(
        (found.status(), found.header("content-length")),
        (200, "100")
    );
    assert_eq!(wire.read_head().await.status(), 304);
    for _ in 0..2 {
        assert_eq!(wire.read().await.body.len(), 100);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_whose_length_nobody_tells_is_refused() {
    let (origin, node) = world("").await;
    let put = Ask::new("PUT", "/train/new").payload("UNSIGNED-PAYLOAD");
    let mut wire = wire(&node).await;
    wire.write(with_line(&node, &put, "transfer-encoding: chunked"))
        .await;
    wire.write("5\r\nhello\r\n0\r\n\r\n").await;
    let said = wire.read().await;
    assert_eq!(
        (said.status(), said.code().as_str()),
        (411, "MissingContentLength")
    );
    assert_eq!(origin.stored("train/new"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_hides_in_the_body_of_another() {
    let (origin, node) = world("").await;
    let hidden = head(&node.client.sign(&Ask::new("DELETE", "/train/k")));
    let length = hidden.len();
    let put = Ask::new("PUT", "/train/new").payload("UNSIGNED-PAYLOAD");
    let chunked = format!("0\r\n\r\n{hidden}");
    let counted = format!("{length:x}\r\n{hidden}\r\n0\r\n\r\n");
    for (lines, body) in [
        // Whoever counts by Content-Length would see one request, whoever reads the chunks two.
        (
            format!(
                "content-length: {}\r\ntransfer-encoding: chunked",
                chunked.len()
            ),
            &chunked,
        ),
        (
            format!("transfer-encoding: chunked\r\ncontent-length: {length}"),
            &counted,
        ),
        (
            format!("content-length: 0\r\ncontent-length: {length}"),
            &hidden,
        ),
        ("transfer-encoding: chunked, identity".to_owned(), &counted),
        ("transfer-encoding: xchunked".to_owned(), &chunked),
    ] {
        let mut wire = wire(&node).await;
        wire.write(with_line(&node, &put, &lines)).await;
        wire.write(body).await;
        let answers = String::from_utf8_lossy(&wire.rest().await).into_owned();
        assert!(answers.starts_with("HTTP/1.1 4"), "{lines}: {answers}");
        assert_eq!(
            answers.matches("HTTP/1.1 ").count(),
            1,
            "{lines}: {answers}"
        );
    }
    assert_eq!(origin.seen(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expectation_that_nobody_knows_changes_nothing() {
    let (_origin, node) = world("").await;
    let put = Ask::new("PUT", "/train/new").body("hello");
    let mut wire = wire(&node).await;
    let lines = "content-length: 5\r\nexpect: 200-ok";
    wire.write(with_line(&node, &put, lines) + "hello").await;
    let said = wire.read().await;
    assert_eq!(said.status(), 200, "{}", said.head);
    assert_eq!(node.client.get("/train/new").await.body, "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_its_client_breaks_off_is_broken_off_at_the_origin() {
    let (origin, node) = world("").await;
    origin.put("train/old", 3, 50);
    let put = Ask::new("PUT", "/train/old").payload("UNSIGNED-PAYLOAD");
    let mut wire = wire(&node).await;
    wire.write(with_line(&node, &put, "content-length: 1000000"))
        .await;
    wire.write(vec![b'x'; 600_000]).await;
    let puts = |seen: &[Seen]| {
        let mut puts = seen.iter().filter(|seen| seen.method == http::Method::PUT);
        puts.next().map(|seen| seen.body.clone())
    };
    origin.until(|seen| puts(seen) == Some(Sent::Pending)).await;
    drop(wire);
    origin
        .until(|seen| matches!(puts(seen), Some(Sent::Short(_))))
        .await;
    assert_eq!(origin.stored("train/old").expect("the old one").len(), 50);
    assert_eq!(node.client.get("/train/old").await.body.len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_its_client_breaks_off_is_no_part() {
    let (origin, node) = world("").await;
    let begun = node
        .client
        .send(&Ask::new("POST", "/train/parts?uploads"))
        .await;
    let id = begun.text("UploadId");
    let part = format!("/train/parts?partNumber=1&uploadId={id}");
    let put = Ask::new("PUT", &part).payload("UNSIGNED-PAYLOAD");
    let short = |seen: &[Seen]| seen.iter().any(|seen| matches!(seen.body, Sent::Short(_)));
    for lines in [
        "content-length: 1000000",
        "content-length: 1000000\r\nexpect: 100-continue",
    ] {
        origin.seen();
        let mut wire = wire(&node).await;
        wire.write(with_line(&node, &put, lines)).await;
        if lines.contains("expect") {
            assert!(wire.head().await.starts_with("HTTP/1.1 100 "));
        }
        wire.write(vec![b'x'; 600_000]).await;
        origin.until(|seen| !seen.is_empty()).await;
        drop(wire);
        origin.until(short).await;
    }
    assert_eq!(origin.uploads("train"), [("parts".to_owned(), 0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_arrive_whatever_their_case_and_as_often_as_they_came() {
    let (origin, node) = world("").await;
    let put = Say::put("/train/new", "hello")
        .header("X-AMZ-Meta-NOTE", "one")
        .header("CACHE-Control", "max-age=1")
        .header("x-amz-meta-note", "two");
    let said = Speaker::to(&node, PLAIN).await.say(&put).await;
    assert_eq!(said.status(), 200, "{}", said.text());
    let seen = &origin.seen()[0];
    let notes: Vec<_> = seen.headers.get_all("x-amz-meta-note").iter().collect();
    assert_eq!(notes, ["one", "two"]);
    for _ in ["cold", "warm"] {
        let answer = node.client.get("/train/new").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let notes: Vec<_> = answer.headers.get_all("x-amz-meta-note").iter().collect();
        assert_eq!(notes, ["one", "two"]);
        assert_eq!(answer.headers["cache-control"], "max-age=1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_refused_hears_why_although_it_sends_everything_first() {
    let (origin, node) = world("").await;
    let reader = node.client("FBREADER", crate::support::node::SECRET);
    let put = Ask::new("PUT", "/train/new").payload("UNSIGNED-PAYLOAD");
    let request = head(&reader.sign(&put));
    let request = request.replacen("\r\n", &format!("\r\ncontent-length: {}\r\n", 16 << 20), 1);
    for _ in 0..5 {
        let mut wire = wire(&node).await;
        wire.write(&request).await;
        wire.write(vec![b'x'; 16 << 20]).await;
        let said = wire.read().await;
        assert_eq!((said.status(), said.code().as_str()), (403, "AccessDenied"));
    }
    assert_eq!(origin.seen(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_its_origin_refuses_early_hears_why() {
    let (origin, node) = world("").await;
    let put = Ask::new("PUT", "/train/new").payload("UNSIGNED-PAYLOAD");
    let length = format!("content-length: {}", 16 << 20);
    let full = Fault::Early(http::StatusCode::INSUFFICIENT_STORAGE, "StorageFull");
    for _ in 0..5 {
        origin.fail_on(&http::Method::PUT, std::slice::from_ref(&full));
        let mut wire = wire(&node).await;
        wire.write(with_line(&node, &put, &length)).await;
        wire.write(vec![b'x'; 16 << 20]).await;
        let said = wire.read().await;
        assert_eq!((said.status(), said.code().as_str()), (507, "StorageFull"));
    }
    assert_eq!(origin.stored("train/new"), None);
}
