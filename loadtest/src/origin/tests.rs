//! The origin as a client sees it.

use std::time::{Duration, Instant};

use super::*;
use crate::content::Content;
use crate::load::Connection;

struct Got {
    status: u16,
    body: Vec<u8>,
}

async fn ask(origin: &Origin, head: &str) -> Got {
    let mut connection = Connection::open(origin.address).await.unwrap();
    let text = format!("{}\r\nhost: origin\r\n\r\n", head.replace('\n', "\r\n"));
    connection.send(text.as_bytes()).await.unwrap();
    let head = connection.head(head.starts_with("HEAD")).await.unwrap();
    let mut body = Vec::new();
    let keep = |_, part: &[u8]| body.extend_from_slice(part);
    connection.body(head.length, keep).await.unwrap();
    Got {
        status: head.status,
        body,
    }
}

async fn origin() -> Origin {
    Origin::local(vec![Set::new("objects", 1 << 20, 1500)])
        .await
        .unwrap()
}

fn bytes(key: &str, first: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    Content::of(key, 0).fill(first, &mut bytes);
    bytes
}

#[tokio::test]
async fn a_read_brings_the_bytes_that_the_key_says() {
    let origin = origin().await;
    let key = "objects/300KiB/000001";
    let got = ask(&origin, &format!("GET /b/{key} HTTP/1.1")).await;
    assert_eq!((got.status, got.body.len()), (200, 300 << 10));
    assert!(got.body == bytes(key, 0, 300 << 10));
    let counted = origin.counted();
    assert_eq!((counted.gets, counted.sent_bytes), (1, 300 << 10));
}

#[tokio::test]
async fn connections_are_counted_while_they_are_open() {
    let origin = origin().await;
    let connections = origin.connections();
    assert_eq!(connections(), 0);
    let mut open = Connection::open(origin.address).await.unwrap();
    let request = b"HEAD /b/objects/1KiB/000001 HTTP/1.1\r\nhost: origin\r\n\r\n";
    open.send(request).await.unwrap();
    open.head(true).await.unwrap();
    assert_eq!(connections(), 1);
    drop(open);
    let closed = async {
        while connections() > 0 {
            tokio::task::yield_now().await;
        }
    };
    let patience = Duration::from_secs(10);
    tokio::time::timeout(patience, closed).await.unwrap();
}

#[tokio::test]
async fn ranges_are_cut_as_s3_cuts_them() {
    let origin = origin().await;
    let key = "objects/1KiB/000001";
    for (range, status, first, length) in [
        ("bytes=3-10", 206, 3, 8),
        ("bytes=1000-5000", 206, 1000, 24),
        ("bytes=1000-", 206, 1000, 24),
        ("bytes=-5", 206, 1019, 5),
        ("bytes=9-3", 416, 0, 0),
        ("bytes=1024-", 416, 0, 0),
        ("lines=1-2", 200, 0, 1024),
    ] {
        let got = ask(&origin, &format!("GET /b/{key} HTTP/1.1\nrange: {range}")).await;
        assert_eq!(got.status, status, "{range}");
        if status < 300 {
            assert_eq!(got.body, bytes(key, first, length), "{range}");
        }
    }
}

#[tokio::test]
async fn another_version_is_412_and_counted_apart() {
    let origin = origin().await;
    let got = ask(
        &origin,
        "GET /b/objects/1KiB/1 HTTP/1.1\nif-match: \"other\"",
    )
    .await;
    assert_eq!(got.status, 412);
    let counted = origin.counted();
    assert_eq!(counted.precondition_failed, 1);
    assert_eq!(counted.requests(), 0);
}

#[tokio::test]
async fn a_listing_comes_in_pages() {
    let origin = origin().await;
    let first = ask(&origin, "GET /b?list-type=2&prefix=objects%2F HTTP/1.1").await;
    let text = String::from_utf8(first.body).unwrap();
    assert_eq!(text.matches("<Key>").count(), 1000);
    let token = "objects/1MiB/000999";
    assert!(text.contains(&format!("<NextContinuationToken>{token}<")));
    let next = format!("GET /b?list-type=2&continuation-token={token} HTTP/1.1");
    let text = String::from_utf8(ask(&origin, &next).await.body).unwrap();
    assert_eq!(text.matches("<Key>").count(), 500);
    assert!(text.contains("<IsTruncated>false<"));
}

#[tokio::test]
async fn what_is_deleted_is_not_found() {
    let origin = origin().await;
    let deleted = ask(&origin, "DELETE /b/objects/1KiB/1 HTTP/1.1").await;
    assert_eq!(deleted.status, 204);
    assert_eq!(
        ask(&origin, "HEAD /b/objects/1KiB/1 HTTP/1.1").await.status,
        404
    );
    assert_eq!(ask(&origin, "GET /b/no-size HTTP/1.1").await.status, 404);
}

#[tokio::test]
async fn faults_come_at_their_rate_and_latency_holds() {
    let origin = origin().await;
    origin.set_terms(Terms {
        latency_ms: 20,
        error_rate: 0.5,
        ..Terms::default()
    });
    let started = Instant::now();
    let mut failed = 0;
    for _ in 0..40 {
        let got = ask(&origin, "GET /b/objects/1KiB/1 HTTP/1.1").await;
        failed += u64::from(got.status == 503);
    }
    assert!(started.elapsed() >= Duration::from_millis(800));
    assert!((10..=30).contains(&failed), "{failed}");
    assert_eq!(origin.counted().errors, failed);
}

#[tokio::test]
async fn bandwidth_and_stalls_take_their_time() {
    let origin = origin().await;
    origin.set_terms(Terms {
        bandwidth: 10 << 20,
        stall_rate: 1.0,
        stall_ms: 100,
        ..Terms::default()
    });
    let started = Instant::now();
    let got = ask(&origin, "GET /b/objects/1MiB/1 HTTP/1.1").await;
    assert!(got.body == bytes("objects/1MiB/1", 0, 1 << 20));
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert_eq!(origin.counted().stalls, 1);
}

#[tokio::test]
async fn a_connection_is_as_fast_as_its_terms_say() {
    let origin = origin().await;
    origin.set_terms(Terms {
        bandwidth: 100_000_000,
        ..Terms::default()
    });
    let started = Instant::now();
    ask(&origin, "GET /b/objects/30MB/1 HTTP/1.1").await;
    let took = started.elapsed();
    // What may be made up for at the begin is 20 ms.
    assert!(took >= Duration::from_millis(270), "{took:?}");
    assert!(took <= Duration::from_millis(600), "{took:?}");
}

#[tokio::test]
async fn counters_and_terms_are_had_over_the_control_paths() {
    let origin = origin().await;
    ask(&origin, "GET /b/objects/1KiB/1 HTTP/1.1").await;
    let counters = ask(&origin, "GET /-/counters HTTP/1.1").await;
    let counted: Counted = serde_json::from_slice(&counters.body).unwrap();
    assert_eq!((counted.gets, counted.sent_bytes), (1, 1024));
    ask(&origin, "POST /-/reset HTTP/1.1").await;
    assert_eq!(origin.counted(), Counted::default());
    let got = ask(&origin, "POST /-/terms HTTP/1.1\ncontent-length: 0").await;
    assert_eq!(got.status, 400);
}
