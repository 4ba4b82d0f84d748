//! Objects: written with all that they may carry, copied in every way, read under conditions; cold and warm.

use super::Twins;
use crate::support::client::Ask;
use crate::support::origin::{Sent, base64_of};
use crate::support::speaker::aws_chunked;

/// A PUT with every header that an object keeps.
fn rich(target: &str, body: &'static str) -> Ask {
    Ask::new("PUT", target)
        .header("cache-control", "max-age=60, public")
        .header("content-disposition", "attachment; filename=\"a b.txt\"")
        .header("content-encoding", "gzip")
        .header("content-language", "de, en")
        .header("content-type", "text/plain; charset=utf-8")
        .header("expires", "not a date")
        .header("x-amz-meta-empty", "")
        .header("x-amz-meta-note", "a  b")
        .header("x-amz-object-lock-legal-hold", "OFF")
        .header("x-amz-server-side-encryption", "AES256")
        .header("x-amz-storage-class", "GLACIER_IR")
        .header("x-amz-tagging", "team=a%20b&x=")
        .header("x-amz-website-redirect-location", "/elsewhere")
        .body(body)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_read_with_all_that_it_was_written_with() {
    let twins = Twins::new().await;
    twins.succeed(&rich("/train/k", "hello")).await;
    let answer = twins.read(Ask::get("/train/k")).await;
    assert_eq!(answer.source(), "memory", "a warm answer has it all");
    for (name, value) in [
        ("expires", "not a date"),
        ("x-amz-meta-note", "a  b"),
        ("x-amz-tagging-count", "2"),
        ("x-amz-website-redirect-location", "/elsewhere"),
        ("content-encoding", "gzip"),
    ] {
        assert_eq!(answer.headers[name], value, "{name}");
    }
    twins
        .read(Ask::get("/train/k").header("range", "bytes=1-2"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_checksum_goes_to_the_origin_and_comes_back() {
    for algorithm in ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"] {
        let twins = Twins::new().await;
        let name: &'static str = match algorithm {
            "crc32" => "x-amz-checksum-crc32",
            "crc32c" => "x-amz-checksum-crc32c",
            "crc64nvme" => "x-amz-checksum-crc64nvme",
            "sha1" => "x-amz-checksum-sha1",
            _ => "x-amz-checksum-sha256",
        };
        let sum = base64_of(algorithm, b"hello");
        let put = Ask::new("PUT", "/train/k")
            .header(name, sum.clone())
            .body("hello");
        assert_eq!(twins.succeed(&put).await.headers[name], sum.as_str());
        let mode = |ask: Ask| ask.header("x-amz-checksum-mode", "ENABLED");
        let answer = twins.read(mode(Ask::get("/train/k"))).await;
        assert_eq!(answer.headers[name], sum.as_str());
        let part = twins
            .read(mode(Ask::get("/train/k")).header("range", "bytes=0-1"))
            .await;
        assert!(!part.headers.contains_key(name), "{part:?}");
        assert!(
            !twins
                .read(Ask::get("/train/k"))
                .await
                .headers
                .contains_key(name)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_checksum_may_follow_the_body_and_goes_on_as_it_came() {
    let twins = Twins::new().await;
    for algorithm in ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"] {
        let name = format!("x-amz-checksum-{algorithm}");
        let put = |key: &str, sum: &str| {
            Ask::new("PUT", key)
                .header("content-encoding", "aws-chunked")
                .header("x-amz-decoded-content-length", "5")
                .header("x-amz-trailer", name.clone())
                .payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER")
                .body(aws_chunked(b"hello", 3, (&name, sum)))
        };
        let right = base64_of(algorithm, b"hello");
        twins.behind.seen();
        let key = format!("/train/{algorithm}");
        let answer = twins.ask(&put(&key, &right)).await;
        assert_eq!(answer.headers[&name], right.as_str());
        let seen = twins.behind.seen().pop().expect("it came");
        let trailer = vec![(name.clone(), right)];
        assert_eq!(seen.body, Sent::Whole("hello".into(), trailer));
        let wrong = base64_of(algorithm, b"other");
        let refused = twins.through.send(&put("/train/wrong", &wrong)).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code().as_str()),
            (400, "BadDigest")
        );
        assert_eq!(twins.behind.stored("train/wrong"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_take_what_they_are_told_to_take() {
    let twins = Twins::new().await;
    twins.succeed(&rich("/train/source", "hello")).await;
    let copy = |target: &str| Ask::new("PUT", target).header("x-amz-copy-source", "/train/source");
    twins.succeed(&copy("/train/same")).await;
    twins.read(Ask::get("/train/same")).await;
    let replaced = copy("/train/other")
        .header("x-amz-metadata-directive", "REPLACE")
        .header("x-amz-meta-note", "new")
        .header("x-amz-tagging-directive", "REPLACE")
        .header("x-amz-tagging", "only=1");
    twins.succeed(&replaced).await;
    let read = twins.read(Ask::get("/train/other")).await;
    assert_eq!(read.headers["x-amz-meta-note"], "new");
    assert_eq!(read.headers["x-amz-tagging-count"], "1");
    let summed = copy("/train/summed").header("x-amz-checksum-algorithm", "SHA1");
    assert!(!twins.succeed(&summed).await.text("ChecksumSHA1").is_empty());
    let onto_itself = Ask::new("PUT", "/train/source").header("x-amz-copy-source", "train/source");
    assert_eq!(twins.pass(&onto_itself).await.code(), "InvalidRequest");
    let changed = onto_itself
        .header("x-amz-metadata-directive", "REPLACE")
        .header("x-amz-meta-note", "again");
    twins.read(Ask::get("/train/source")).await;
    twins.succeed(&changed).await;
    let read = twins.read(Ask::get("/train/source")).await;
    assert_eq!(read.headers["x-amz-meta-note"], "again");
    for (name, value, code) in [
        (
            "x-amz-copy-source-if-match",
            "\"other\"",
            "PreconditionFailed",
        ),
        ("x-amz-copy-source-if-none-match", "*", "PreconditionFailed"),
        (
            "x-amz-copy-source-if-unmodified-since",
            "Mon, 23 Nov 2020 12:00:00 GMT",
            "PreconditionFailed",
        ),
    ] {
        let answer = twins
            .pass(&copy("/train/refused").header(name, value))
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (412, code)
        );
    }
    let missing = Ask::new("PUT", "/train/x").header("x-amz-copy-source", "train/missing");
    assert_eq!(twins.pass(&missing).await.code(), "NoSuchKey");
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_under_conditions_are_judged_by_the_origin() {
    let twins = Twins::new().await;
    let put = |body: &'static str| Ask::new("PUT", "/train/k").body(body);
    let first = twins
        .succeed(&put("one").header("if-none-match", "*"))
        .await;
    let tag = first.headers["etag"].to_str().expect("text").to_owned();
    twins.read(Ask::get("/train/k")).await;
    let again = twins.pass(&put("two").header("if-none-match", "*")).await;
    assert_eq!(
        (again.status.as_u16(), again.code().as_str()),
        (412, "PreconditionFailed")
    );
    assert_eq!(twins.read(Ask::get("/train/k")).await.body, "one");
    twins
        .succeed(&put("three").header("if-match", tag.clone()))
        .await;
    assert_eq!(twins.read(Ask::get("/train/k")).await.body, "three");
    twins
        .pass(&put("four").header("if-match", tag.clone()))
        .await;
    let missing = Ask::new("PUT", "/train/missing")
        .header("if-match", tag.clone())
        .body("x");
    assert_eq!(twins.pass(&missing).await.status, 404);
    let delete = Ask::new("DELETE", "/train/k").header("if-match", tag);
    assert_eq!(twins.pass(&delete).await.status, 412);
    assert_eq!(twins.read(Ask::get("/train/k")).await.body, "three");
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_under_ranges_and_conditions_are_the_same_cold_and_warm() {
    let twins = Twins::new().await;
    twins.put("train/k", 1, 200_000);
    twins.put("train/empty", 2, 0);
    let tag = format!("\"{:032x}\"", 1);
    let conditions = [
        ("if-match", tag.as_str()),
        ("if-none-match", "\"other\""),
        ("if-none-match", tag.as_str()),
        ("if-modified-since", "Mon, 23 Nov 2026 12:00:00 GMT"),
        ("if-modified-since", "Sun, 22 Nov 2026 12:00:00 GMT"),
        ("if-unmodified-since", "Mon, 23 Nov 2026 12:00:00 GMT"),
    ];
    for range in [
        "",
        "bytes=0-0",
        "bytes=65535-65536",
        "bytes=199999-",
        "bytes=-7",
        "bytes=5-999999",
    ] {
        let ask = match range {
            "" => Ask::get("/train/k"),
            range => Ask::get("/train/k").header("range", range),
        };
        twins.read(ask.clone()).await;
        for (name, value) in conditions {
            twins.read(ask.clone().header(name, value)).await;
        }
        let of = |tag: &str| ask.clone().header("if-range", tag);
        twins.read(of(&tag)).await;
        twins.read(of("\"other\"")).await;
    }
    for range in ["bytes=0-1,5-6", "bytes=9-1", "lines=1-2"] {
        twins
            .read(Ask::get("/train/k").header("range", range))
            .await;
    }
    twins.read(Ask::get("/train/empty")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_read_refuses_is_refused_in_the_origins_words() {
    let twins = Twins::new().await;
    twins.put("train/k", 1, 1000);
    let other = ("if-match", "\"other\"");
    let old = ("if-unmodified-since", "Mon, 23 Nov 2020 12:00:00 GMT");
    let beyond = ("range", "bytes=1000-");
    for (name, value) in [other, old, beyond] {
        let answer = twins.read(Ask::get("/train/k").header(name, value)).await;
        assert!(answer.status.is_client_error(), "{answer:?}");
    }
    assert_eq!(
        twins.read(Ask::get("/train/missing")).await.code(),
        "NoSuchKey"
    );
}
