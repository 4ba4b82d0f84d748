//! What a reader may rely on: bytes, origin requests, coalescing, memory.

use std::time::Duration;

use forebay::types::layout::PAGE;
use http_body_util::BodyExt;

use crate::support::client::{Ask, Client};
use crate::support::content;
use crate::support::node::{Settings, TestNode};
use crate::support::origin::{Fault, TestOrigin};

const MIB: u64 = 1 << 20;

/// Reads a body to its end, checks every byte, and returns how many there were.
async fn read_whole(
    client: &Client,
    ask: &Ask,
    seed: u64,
    start: u64,
) -> Result<u64, hyper::Error> {
    let mut body = client.start(ask).await.into_body();
    let mut at = start;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        assert_eq!(content::differs(seed, at, &data), None, "a wrong byte");
        at += data.len() as u64;
    }
    Ok(at - start)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gibibyte_streams_while_it_fills_and_costs_nothing_the_second_time() {
    let origin = TestOrigin::start().await;
    origin.put("train/big", 1, 1024 * MIB);
    let settings = Settings {
        memory: "3GiB",
        ..Settings::default()
    };
    let node = TestNode::before(&origin, settings).await;
    let gate = origin.hold();
    gate.add_permits(1);
    let mut first = node.client.start(&Ask::get("/train/big")).await.into_body();
    assert!(
        first.frame().await.expect("a frame").is_ok(),
        "the first byte comes before the first request has ended"
    );
    gate.add_permits(1 << 20);
    drop(first);
    let ask = Ask::get("/train/big");
    assert_eq!(
        read_whole(&node.client, &ask, 1, 0).await.expect("whole"),
        1024 * MIB
    );
    origin.seen();
    assert_eq!(
        read_whole(&node.client, &ask, 1, 0).await.expect("whole"),
        1024 * MIB
    );
    assert_eq!(origin.seen(), []);
    node.clock.advance(Duration::from_secs(61));
    assert_eq!(
        read_whole(&node.client, &ask, 1, 0).await.expect("whole"),
        1024 * MIB
    );
    let seen = origin.seen();
    assert!(
        seen.len() == 1 && seen[0].method == http::Method::HEAD,
        "{seen:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_readers_of_a_cold_object_cost_its_size_once() {
    let origin = TestOrigin::start().await;
    origin.put("train/herd", 2, 64 * MIB);
    let node = TestNode::before(&origin, Settings::default()).await;
    let ask = Ask::get("/train/herd");
    let readers = (0..100).map(|_| read_whole(&node.client, &ask, 2, 0));
    for length in futures::future::join_all(readers).await {
        assert_eq!(length.expect("a whole body"), 64 * MIB);
    }
    let (cost, seen) = (origin.body_bytes(), origin.seen());
    let ranges: Vec<_> = seen.iter().map(|seen| (&seen.range, seen.status)).collect();
    assert_eq!((cost, seen.len()), (64 * MIB, 1), "{ranges:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_of_the_readers_may_leave_the_first_one_first() {
    let origin = TestOrigin::start().await;
    origin.put("train/herd", 3, 64 * MIB);
    let node = TestNode::before(&origin, Settings::default()).await;
    let gate = origin.hold();
    gate.add_permits(40);
    let ask = Ask::get("/train/herd");
    let mut leaving = Vec::new();
    for _ in 0..50 {
        let mut body = node.client.start(&ask).await.into_body();
        assert!(body.frame().await.expect("a frame").is_ok());
        leaving.push(body);
    }
    let staying: Vec<_> = (0..50)
        .map(|_| {
            let (client, ask) = (node.client.clone(), ask.clone());
            async move { read_whole(&client, &ask, 3, 0).await }
        })
        .collect();
    let staying = futures::future::join_all(staying);
    let leave = async {
        for body in leaving {
            drop(body);
            tokio::task::yield_now().await;
        }
        gate.add_permits(1 << 20);
    };
    let (lengths, ()) = futures::join!(staying, leave);
    assert!(
        lengths
            .into_iter()
            .all(|length| length.expect("a whole body") == 64 * MIB)
    );
    assert_eq!(origin.body_bytes(), 64 * MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn random_ranges_cost_at_most_their_pages() {
    let origin = TestOrigin::start().await;
    origin.put("train/random", 4, 1024 * MIB);
    let node = TestNode::before(&origin, Settings::default()).await;
    let mut asked = 0;
    for index in 0..300u64 {
        let start = index.wrapping_mul(48_271_483) % (1024 * MIB - PAGE);
        let ask = Ask::get("/train/random")
            .header("range", format!("bytes={start}-{}", start + PAGE - 1));
        assert_eq!(
            read_whole(&node.client, &ask, 4, start)
                .await
                .expect("whole"),
            PAGE
        );
        asked += PAGE;
    }
    let cost = origin.body_bytes();
    assert!(cost * 10 <= asked * 21, "{cost} bytes for {asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_answers_are_mended_or_honest() {
    let origin = TestOrigin::start().await;
    let node = TestNode::before(&origin, Settings::default()).await;
    origin.put("train/mended", 5, 6 * MIB);
    origin.fail(&[Fault::ResetAfter(2 * MIB), Fault::Promise(100)]);
    let ask = Ask::get("/train/mended");
    assert_eq!(
        read_whole(&node.client, &ask, 5, 0).await.expect("mended"),
        6 * MIB
    );

    origin.put("train/slow", 6, 6 * MIB);
    let stall = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    origin.fail(&[Fault::StallAfter(MIB, std::sync::Arc::clone(&stall))]);
    let ask = Ask::get("/train/slow");
    let read = read_whole(&node.client, &ask, 6, 0);
    let go_on = async { stall.add_permits(1 << 10) };
    assert_eq!(futures::join!(read, go_on).0.expect("whole"), 6 * MIB);

    origin.put("train/lying", 7, MIB);
    let unavailable = Fault::Status(http::StatusCode::SERVICE_UNAVAILABLE, "SlowDown");
    origin.fail(&[unavailable.clone(), unavailable.clone(), unavailable]);
    let answer = node.client.get("/train/lying").await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (503, "SlowDown")
    );
    assert_eq!(
        read_whole(&node.client, &Ask::get("/train/lying"), 7, 0)
            .await
            .expect("whole"),
        MIB
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_vanishes_in_mid_body_resets_the_connection() {
    let origin = TestOrigin::start().await;
    origin.put("train/k", 8, 100 * MIB);
    let node = TestNode::before(&origin, Settings::default()).await;
    let gate = origin.hold();
    gate.add_permits(1);
    let mut body = node.client.start(&Ask::get("/train/k")).await.into_body();
    assert!(body.frame().await.expect("a frame").is_ok());
    origin.put("train/k", 9, 100 * MIB);
    gate.add_permits(1 << 20);
    let mut at = 0;
    let failed = loop {
        match body.frame().await {
            Some(Ok(frame)) => at += frame.into_data().map_or(0, |data| data.len() as u64),
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    assert!(failed && at < 100 * MIB, "{at} bytes and then a clean end");
    assert_eq!(
        read_whole(&node.client, &Ask::get("/train/k"), 9, 0)
            .await
            .expect("whole"),
        100 * MIB
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn new_metadata_at_the_origin_is_seen_after_max_age() {
    let origin = TestOrigin::start().await;
    origin.put("train/k", 10, MIB);
    let node = TestNode::before(&origin, Settings::default()).await;
    node.client.get("/train/k").await;
    origin.describe("train/k", "x-amz-meta-note", "new");
    assert!(
        !node
            .client
            .get("/train/k")
            .await
            .headers
            .contains_key("x-amz-meta-note")
    );
    node.clock.advance(Duration::from_secs(61));
    let answer = node.client.get("/train/k").await;
    assert_eq!(
        (
            answer.source(),
            answer.headers["x-amz-meta-note"].as_bytes()
        ),
        ("revalidated", &b"new"[..])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_where_it_comes_from() {
    let origin = TestOrigin::start().await;
    origin.put("train/k", 11, MIB);
    let node = TestNode::before(&origin, Settings::default()).await;
    for source in ["origin", "memory"] {
        let answer = node.client.get("/train/k").await;
        assert_eq!(
            (answer.source(), answer.headers["x-forebay-node"].as_bytes()),
            (source, &b"node-1"[..])
        );
        assert!(answer.headers.contains_key("x-amz-request-id"));
    }
    let missing = node.client.get("/train/missing").await;
    assert_eq!(
        (
            missing.status.as_u16(),
            missing.code().as_str(),
            missing.source()
        ),
        (404, "NoSuchKey", "bypass")
    );
}
