//! Answers that take the origin long: for ten seconds they are waited for, then the client is kept by whitespace.
//!
//! Time is real but for the moments in which it is moved on, so that sockets are never waited for in vain.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tokio::sync::Semaphore;

use crate::support::client::Ask;
use crate::support::node::TestNode;
use crate::support::origin::{Fault, TestOrigin};
use crate::support::wire::{Wire, head};

/// For how long an answer is waited for before a 200 begins without it.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two spaces.
const INTERVAL: Duration = Duration::from_secs(5);

struct World {
    origin: TestOrigin,
    node: TestNode,
    wire: Wire,
    gate: Arc<Semaphore>,
}

impl World {
    /// A node whose next POST or PUT is answered late by its origin.
    async fn new(method: &Method) -> Self {
        let origin = TestOrigin::start().await;
        origin.put("train/source", 1, 100);
        let node = TestNode::here(&origin).await;
        let gate = Arc::new(Semaphore::new(0));
        origin.fail_on(method, &[Fault::Late(Arc::clone(&gate))]);
        let wire = Wire::connect(node.client.address()).await;
        Self {
            origin,
            node,
            wire,
            gate,
        }
    }

    /// Sends a request, and waits until the origin has done what it asks for.
    async fn ask(&mut self, ask: &Ask) {
        self.ask_in("HTTP/1.1", ask).await;
    }

    async fn ask_in(&mut self, version: &str, ask: &Ask) {
        self.origin.seen();
        let request = head(&self.node.client.sign(ask));
        let length = format!("\r\ncontent-length: {}\r\n", ask.body.len());
        let request = request.replacen("\r\n", &length, 1);
        self.wire
            .write(request.replacen("HTTP/1.1", version, 1))
            .await;
        self.wire.write(&ask.body).await;
        self.origin
            .until(|seen| {
                seen.iter()
                    .any(|seen| seen.bytes() == ask.body && !seen.path.is_empty())
            })
            .await;
    }

    fn copy() -> Ask {
        Ask::new("PUT", "/train/copy").header("x-amz-copy-source", "train/source")
    }
}

/// Moves time on.
async fn pass(time: Duration) {
    // What is ready now has its turn first: timers that are not set yet cannot be passed.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_copy_that_is_done_in_time_is_answered_as_the_origin_answers() {
    let mut world = World::new(&Method::PUT).await;
    world.ask(&World::copy()).await;
    pass(PATIENCE - Duration::from_secs(1)).await;
    world.gate.add_permits(1);
    let said = world.wire.read().await;
    assert_eq!(said.status(), 200);
    assert_eq!(said.header("transfer-encoding"), "", "{}", said.head);
    let document = said.text();
    assert!(document.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CopyObjectResult"));
    assert!(!document.contains("  "), "{document}");
}

#[tokio::test]
async fn a_copy_that_takes_longer_is_kept_alive_with_whitespace() {
    let mut world = World::new(&Method::PUT).await;
    world.ask(&World::copy()).await;
    pass(PATIENCE).await;
    let begun = world.wire.read_head().await;
    assert_eq!(begun.status(), 200);
    assert_eq!(begun.header("transfer-encoding"), "chunked");
    let declaration = world.wire.chunk().await;
    assert_eq!(declaration, b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let mut space_read = Box::pin(world.wire.chunk());
    let space = loop {
        // Cancelling the passing of time loses nothing: it passes again.
        tokio::select! {
            space = &mut space_read => break space,
            () = pass(INTERVAL) => {}
        }
    };
    assert_eq!(space, b" ");
    drop(space_read);
    world.gate.add_permits(1);
    let document = String::from_utf8(world.wire.chunks().await).expect("text");
    assert!(
        document.trim_start().starts_with("<CopyObjectResult"),
        "{document}"
    );
    assert_eq!(world.node.client.get("/train/copy").await.body.len(), 100);
}

#[tokio::test]
async fn http_1_0_gets_its_late_answer_until_the_connection_ends() {
    let mut world = World::new(&Method::PUT).await;
    world.ask_in("HTTP/1.0", &World::copy()).await;
    pass(PATIENCE).await;
    let begun = world.wire.read_head().await;
    assert_eq!(begun.status(), 200);
    assert_eq!(begun.header("transfer-encoding"), "", "{}", begun.head);
    world.gate.add_permits(1);
    let document = String::from_utf8(world.wire.rest().await).expect("text");
    assert!(document.ends_with("</CopyObjectResult>"), "{document}");
}

#[tokio::test]
async fn a_client_that_leaves_does_not_end_what_the_origin_does() {
    let mut world = World::new(&Method::PUT).await;
    assert_eq!(world.node.client.get("/train/copy").await.status, 404);
    world.ask(&World::copy()).await;
    pass(PATIENCE).await;
    world.wire.read_head().await;
    drop(world.wire);
    // While it is under way, reads ask the origin and keep nothing.
    assert_eq!(
        world.node.client.get("/train/copy").await.source(),
        "origin"
    );
    assert_eq!(
        world.node.client.get("/train/copy").await.source(),
        "origin"
    );
    world.gate.add_permits(1);
    let kept = async {
        while world.node.client.get("/train/copy").await.source() != "memory" {
            tokio::task::yield_now().await;
        }
    };
    let kept = tokio::time::timeout(PATIENCE, kept).await;
    kept.expect("the write ends although nobody waits for it");
}

#[tokio::test]
async fn a_failure_that_comes_late_is_an_error_in_the_body() {
    let mut world = World::new(&Method::POST).await;
    let created = Ask::new("POST", "/train/upload?uploads");
    world.gate.add_permits(1);
    let created = world.node.client.send(&created).await;
    let id = created.text("UploadId");
    let gate = Arc::clone(&world.gate);
    world.origin.fail_on(&Method::POST, &[Fault::Late(gate)]);
    let document = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;00&quot;</ETag></Part>\
                    </CompleteMultipartUpload>";
    let complete = Ask::new("POST", &format!("/train/upload?uploadId={id}")).body(document);
    world.ask(&complete).await;
    pass(PATIENCE).await;
    assert_eq!(world.wire.read_head().await.status(), 200);
    world.gate.add_permits(1);
    let document = String::from_utf8(world.wire.chunks().await).expect("text");
    assert!(
        document.contains("<Error><Code>InvalidPart</Code>"),
        "{document}"
    );
    assert_eq!(document.matches("<?xml").count(), 1, "{document}");
    assert_eq!(world.node.client.get("/train/upload").await.status, 404);
}

#[tokio::test]
async fn a_failure_in_time_keeps_its_status() {
    let mut world = World::new(&Method::PUT).await;
    let copy = Ask::new("PUT", "/train/copy").header("x-amz-copy-source", "train/missing");
    world.ask(&copy).await;
    world.gate.add_permits(1);
    let said = world.wire.read().await;
    assert_eq!((said.status(), said.code().as_str()), (404, "NoSuchKey"));
}

#[tokio::test]
async fn an_error_inside_of_a_200_is_passed_on_and_the_next_read_asks() {
    let mut world = World::new(&Method::DELETE).await;
    let before = world.node.client.get("/train/source").await;
    assert_eq!(before.status, 200);
    world
        .origin
        .fail_on(&Method::PUT, &[Fault::ErrorInside("InternalError")]);
    let copy = Ask::new("PUT", "/train/source")
        .header("x-amz-copy-source", "train/source")
        .header("x-amz-metadata-directive", "REPLACE")
        .header("x-amz-meta-note", "new");
    world.ask(&copy).await;
    let said = world.wire.read().await;
    assert_eq!(
        (said.status(), said.code().as_str()),
        (200, "InternalError")
    );
    let after = world.node.client.get("/train/source").await;
    assert_eq!(
        after.headers["x-amz-meta-note"], "new",
        "what the origin did is seen"
    );
}
