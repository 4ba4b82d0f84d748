//! Signatures that Amazon's own signer does not make: with `Date`, and presigned with a payload's hash. Made by hand from
//! "Create a signed AWS API request" (IAM User Guide).

use std::time::SystemTime;

use super::support::{HOST, SECRET, World, now};
use super::*;
use crate::types::body;

fn stamp(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).expect("a time");
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn scope(time: SystemTime) -> String {
    format!("{}/us-east-1/s3/aws4_request", &stamp(time)[..8])
}

/// The signature of a PUT of `/train/a` whose canonical headers are `headers`, of which each ends its line.
fn signature(query: &str, headers: &str, payload: &str, time: SystemTime) -> String {
    let names: Vec<&str> = headers
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect();
    let names = names.join(";");
    let request = format!("PUT\n/train/a\n{query}\n{headers}\n{names}\n{payload}");
    let text = format!(
        "AWS4-HMAC-SHA256\n{}\n{}\n{}",
        stamp(time),
        scope(time),
        sha256(request.as_bytes())
    );
    let key = v4::generate_signing_key(SECRET, time, "us-east-1", "s3");
    v4::calculate_signature(&key, text.as_bytes())
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn put(target: &str, body: &'static str) -> http::request::Builder {
    Request::put(target)
        .header("host", HOST)
        .header("content-length", body.len())
}

#[tokio::test]
async fn the_date_header_stands_in_for_the_signatures_time() {
    let world = World::all();
    let time = now();
    let request = |date: &str, sent: &str| {
        let hash = sha256(b"hello");
        let headers = format!("date:{date}\nhost:{HOST}\nx-amz-content-sha256:{hash}\n");
        let credential = format!("FB/{}", scope(time));
        let signature = signature("", &headers, &hash, time);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={credential},SignedHeaders=date;host;x-amz-content-sha256,Signature={signature}"
        );
        let request = put("/train/a", "hello")
            .header("x-amz-content-sha256", hash)
            .header("authorization", authorization);
        let request = match sent {
            "" => request,
            sent => request.header("date", sent),
        };
        request.body(body::full("hello")).expect("a request")
    };
    for date in [httpdate::fmt_http_date(time), stamp(time)] {
        assert_eq!(world.code(request(&date, &date)).await, "", "{date}");
        assert_eq!(&*world.last_forwarded().bytes, b"hello");
    }
    let right = httpdate::fmt_http_date(time);
    let other = httpdate::fmt_http_date(time - Duration::from_secs(1));
    assert_eq!(
        world.code(request(&right, &other)).await,
        "SignatureDoesNotMatch"
    );
    assert_eq!(world.code(request("today", "today")).await, "AccessDenied");
}

#[tokio::test]
async fn a_presigned_url_may_cover_the_bodys_hash() {
    let world = World::all();
    let hash = sha256(b"hello");
    let target = |time: SystemTime, hash: &str| {
        let query = format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Content-Sha256={hash}&X-Amz-Credential=FB%2F{}&X-Amz-Date={}\
             &X-Amz-Expires=60&X-Amz-SignedHeaders=host",
            scope(time).replace('/', "%2F"),
            stamp(time)
        );
        let signature = signature(&query, &format!("host:{HOST}\n"), hash, time);
        format!("/train/a?{query}&X-Amz-Signature={signature}")
    };
    let send = |target: String, sent: &'static str| {
        let request = put(&target, sent).body(body::full(sent));
        world.code(request.expect("a request"))
    };
    assert_eq!(send(target(now(), &hash), "hello").await, "");
    let forwarded = world.last_forwarded();
    assert_eq!(&*forwarded.bytes, b"hello");
    assert!(!forwarded.headers.contains_key("x-amz-content-sha256"));
    assert_eq!(
        send(target(now(), &hash), "hullo").await,
        "XAmzContentSHA256Mismatch"
    );
    let query = target(now(), &hash);
    let both = put(&query, "hello").header("x-amz-content-sha256", &hash);
    let both = both.body(body::full("hello")).expect("a request");
    assert_eq!(world.code(both).await, "AccessDenied", "an unsigned header");
    let unsigned = target(now(), "UNSIGNED-PAYLOAD");
    assert_eq!(send(unsigned, "hullo").await, "");
    let forged = target(now(), &hash).replace(&hash, &sha256(b"hullo"));
    assert_eq!(send(forged, "hullo").await, "SignatureDoesNotMatch");
    let minute = Duration::from_secs(61);
    assert_eq!(
        send(target(now() - minute, &hash), "hello").await,
        "AccessDenied"
    );
    let skew = Duration::from_secs(1000);
    assert_eq!(
        send(target(now() + skew, &hash), "hello").await,
        "RequestTimeTooSkewed"
    );
}

#[tokio::test]
async fn a_signature_without_a_payload_hash_or_a_time_is_refused() {
    let world = World::all();
    let request = |name: &str, value: &str| {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=FB/{},SignedHeaders=host;{name},Signature=00",
            scope(now())
        );
        put("/train/a", "")
            .header(name, value)
            .header("authorization", authorization)
            .body(body::empty())
            .expect("a request")
    };
    let code = world.code(request("x-amz-date", &stamp(now()))).await;
    assert_eq!(code, "InvalidRequest");
    let code = world
        .code(request("x-amz-content-sha256", "UNSIGNED-PAYLOAD"))
        .await;
    assert_eq!(code, "AccessDenied");
}

/// As the first AWS SDK for Go presigns a request that it was given a hash for.
#[tokio::test]
async fn a_presigned_url_may_cover_a_header_with_the_bodys_hash() {
    let world = World::all();
    let (time, hash) = (now(), sha256(b"hello"));
    let query = format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=FB%2F{}&X-Amz-Date={}&X-Amz-Expires=60\
         &X-Amz-SignedHeaders=host%3Bx-amz-content-sha256",
        scope(time).replace('/', "%2F"),
        stamp(time)
    );
    let headers = format!("host:{HOST}\nx-amz-content-sha256:{hash}\n");
    let signature = signature(&query, &headers, &hash, time);
    let send = |hash: &str, sent: &'static str| {
        let request = put(
            &format!("/train/a?{query}&X-Amz-Signature={signature}"),
            sent,
        );
        let request = request.header("x-amz-content-sha256", hash);
        world.ask(request.body(body::full(sent)).expect("a request"))
    };
    assert_eq!(send(&hash, "hello").await.0, StatusCode::OK);
    let (_, _, text) = send(&hash, "hullo").await;
    assert!(text.contains("XAmzContentSHA256Mismatch"), "{text}");
    let (_, _, text) = send(&sha256(b"hullo"), "hullo").await;
    assert!(text.contains("SignatureDoesNotMatch"), "{text}");
}
