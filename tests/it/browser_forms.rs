//! What a browser's form may rely on: it is a PUT, it streams, and what its policy does not allow is not stored.

use http::Method;

use crate::support::client::Ask;
use crate::support::form::{END, Form, head};
use crate::support::node::{self, Settings, TestNode};
use crate::support::origin::TestOrigin;
use crate::support::process::Process;
use crate::support::wire::{Said, Wire};
use crate::support::{content, now};

const MIB: usize = 1 << 20;

async fn world() -> (TestOrigin, TestNode) {
    let origin = TestOrigin::start().await;
    let settings = Settings {
        freshness: "\"immutable\"",
        ..Settings::default()
    };
    let node = TestNode::before(&origin, settings).await;
    (origin, node)
}

/// Sends a form's body and reads the answer.
async fn post(node: &TestNode, body: impl AsRef<[u8]>) -> Said {
    let mut wire = Wire::connect(node.client.address()).await;
    let head = head(node.client.address(), body.as_ref().len());
    wire.write([head.as_bytes(), body.as_ref()].concat()).await;
    wire.read().await
}

/// A file of a size for which nothing is read ahead.
fn large() -> Vec<u8> {
    content::bytes(3, 0..MIB as u64).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_seen_by_the_next_read() {
    let (_origin, node) = world().await;
    let put = Ask::new("PUT", "/train/in/a.bin").body("old");
    assert_eq!(node.client.send(&put).await.status, 200);
    assert_eq!(node.client.get("/train/in/a.bin").await.body, "old");
    for file in [b"new".to_vec(), Vec::new(), large()] {
        let form = Form::new(node.clock.wall(), "in/${filename}").signed();
        let body = [form.as_bytes(), &file, END.as_bytes()].concat();
        let said = post(&node, body).await;
        assert_eq!(said.status(), 204, "{}", said.text());
        let location = format!("http://{}/train/in%2Fa.bin", node.client.address());
        let head = said.head.to_lowercase();
        assert!(
            head.contains(&format!("location: {}\r\n", location.to_lowercase())),
            "{head}"
        );
        let read = node.client.get("/train/in/a.bin").await;
        assert!(
            read.body == file,
            "{} bytes of {}",
            read.body.len(),
            file.len()
        );
        let etag = read.headers["etag"].to_str().expect("text");
        assert!(head.contains(&format!("etag: {etag}\r\n")), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_does_not_allow_is_not_stored() {
    let (origin, node) = world().await;
    let form = || Form::new(node.clock.wall(), "k");
    let range = |range: &str| form().condition(&format!("[\"content-length-range\", {range}]"));
    for (form, status, error) in [
        (
            form().expired().signed(),
            403,
            "<Code>AccessDenied</Code><Message>Invalid according to Policy: Policy expired.",
        ),
        (
            form().forged().signed(),
            403,
            "<Code>SignatureDoesNotMatch</Code>",
        ),
        (
            form().uncovered("x-amz-meta-a", "1").signed(),
            403,
            "<Message>Invalid according to Policy: Extra input fields: x-amz-meta-a</Message>",
        ),
        (
            form()
                .condition("[\"starts-with\", \"$key\", \"user/\"]")
                .signed(),
            403,
            "Policy Condition failed: [&quot;starts-with&quot;, &quot;$key&quot;, &quot;user/&quot;]</Message>",
        ),
        (
            range("0, 4").signed(),
            400,
            "<Code>EntityTooLarge</Code><Message>Your proposed upload exceeds the maximum allowed size</Message>\
             <ProposedSize>5</ProposedSize><MaxSizeAllowed>4</MaxSizeAllowed>",
        ),
        (range("6, 9").signed(), 400, "<Code>EntityTooSmall</Code>"),
        (
            form().condition("{}").signed(),
            400,
            "<Code>InvalidPolicyDocument</Code>",
        ),
        (
            form().unsigned(),
            403,
            "<Code>AccessDenied</Code><Message>Access Denied</Message>",
        ),
        (
            form().uncovered("AWSAccessKeyId", "FBTEST").unsigned(),
            400,
            "<Code>InvalidRequest</Code>",
        ),
    ] {
        let said = post(&node, form + "hello" + END).await;
        assert_eq!(said.status(), status, "{}", said.text());
        assert!(said.text().contains(error), "{}", said.text());
    }
    let body = range("0, 1048575").signed().into_bytes();
    let body = [body, large(), END.into()].concat();
    let mut wire = Wire::connect(node.client.address()).await;
    let head = head(node.client.address(), body.len());
    // The answer comes before the file does.
    wire.write([head.as_bytes(), &body[..8 << 10]].concat())
        .await;
    assert!(wire.head().await.starts_with("HTTP/1.1 400 "));
    assert_eq!(origin.seen(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_does_not_end_as_it_must_is_not_stored() {
    let (origin, node) = world().await;
    let form = Form::new(node.clock.wall(), "k").signed();
    let field = "\r\n--FORM\r\nContent-Disposition: form-data; name=\"submit\"\r\n\r\nUpload\r\n--FORM--\r\n";
    for end in ["\r\n--FORM--", field, "\r\n--FORM--\r\n\r\n"] {
        let body = [form.as_bytes(), &large(), end.as_bytes()].concat();
        let said = post(&node, body).await;
        assert_eq!(said.status(), 400, "{end:?}");
        assert!(
            said.text().contains("<Code>MalformedPOSTRequest</Code>"),
            "{}",
            said.text()
        );
        assert_eq!(node.client.get("/train/k").await.status, 404, "{end:?}");
    }
    let left = [form.as_bytes(), &large()].concat();
    let mut wire = Wire::connect(node.client.address()).await;
    wire.write(head(node.client.address(), left.len() + END.len()))
        .await;
    wire.write(&left).await;
    drop(wire);
    assert_eq!(node.client.get("/train/k").await.status, 404);
    // A small one may be followed by what it likes.
    let said = post(&node, form + "hello" + field).await;
    assert_eq!(said.status(), 204, "{}", said.text());
    assert_eq!(node.client.get("/train/k").await.body, "hello");
    let puts = origin
        .seen()
        .into_iter()
        .filter(|seen| seen.method == Method::PUT);
    assert!(
        puts.count() > 1,
        "the others did reach the origin, and ended short"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_streams_within_bounded_memory() {
    const FILE: usize = 200 * MIB;
    let origin = TestOrigin::start().await;
    let settings = Settings {
        memory: "64MiB",
        ..Settings::default()
    };
    let process = Process::start(&node::configuration(origin.address, &settings)).await;
    let before = process.memory("VmRSS");
    let form = Form::new(now(), "large").signed();
    let address = process.client.address();
    let mut wire = Wire::connect(address).await;
    wire.write(head(address, form.len() + FILE + END.len()))
        .await;
    wire.write(&form).await;
    let piece = large();
    for _ in 0..FILE / MIB {
        wire.write(&piece).await;
    }
    wire.write(END).await;
    let said = wire.read().await;
    assert_eq!(said.status(), 204, "{}", said.text());
    let grown = process.memory("VmHWM").saturating_sub(before) / MIB as u64;
    assert!(grown < 64, "{grown} MiB for a file of {} MiB", FILE / MIB);
    for start in [0, FILE / 2 - 7, FILE - MIB] {
        let range = format!("bytes={start}-{}", start + MIB - 1);
        let part = Ask::get("/train/large").header("range", range);
        let answer = process.client.send(&part).await;
        let total = format!("/{FILE}");
        let content_range = answer.headers["content-range"].to_str().expect("text");
        assert!(content_range.ends_with(&total), "{content_range}");
        let expected = [&piece[start % MIB..], &piece[..start % MIB]].concat();
        assert!(answer.body == expected, "from {start}");
    }
}
