//! The origin of these tests is strict: what it would let through, no test would find.

use crate::support::client::{Ask, Client};
use crate::support::origin::{self, Sent, TestOrigin, base64_of};
use crate::support::speaker::aws_chunked;
use crate::support::wire::{Wire, head};

async fn world() -> (TestOrigin, Client) {
    let origin = TestOrigin::start().await;
    origin.put("train/k", 1, 100);
    let client = Client::new(origin.address, origin::ACCESS_KEY, origin::SECRET);
    (origin, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_origin_takes_nothing_that_is_not_signed_with_its_key() {
    let (origin, client) = world().await;
    assert_eq!(client.get("/train/k").await.status, 200);
    for (key, secret) in [(origin::ACCESS_KEY, "wrong"), ("OTHER", origin::SECRET)] {
        let stranger = Client::new(origin.address, key, secret);
        assert_eq!(stranger.get("/train/k").await.status, 403, "{key} {secret}");
    }
    let signed = head(&client.sign(&Ask::get("/train/k")));
    for changed in [
        signed.replacen("/train/k", "/train/other", 1),
        signed.replacen("/train/k", "/train/k?versionId=null", 1),
        signed.replacen("\r\n", "\r\nx-amz-request-payer: requester\r\n", 1),
        signed.replacen("GET", "DELETE", 1),
    ] {
        let mut wire = Wire::connect(origin.address).await;
        wire.write(&changed).await;
        assert_eq!(wire.read_head().await.status(), 403, "{changed}");
    }
    assert!(origin.stored("train/k").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_origin_stores_nothing_that_is_not_what_it_was_said_to_be() {
    let (origin, client) = world().await;
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let put = || Ask::new("PUT", "/train/new").body("hello");
    let framed = |frames: &'static [u8]| {
        Ask::new("PUT", "/train/new")
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", "5")
            .header("x-amz-trailer", "x-amz-checksum-crc32")
            .payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            .body(frames)
    };
    for (ask, code) in [
        (put().payload(nothing), "XAmzContentSHA256Mismatch"),
        (put().payload("NONSENSE"), "NotImplemented"),
        (
            put().header("content-md5", base64_of("md5", b"x")),
            "BadDigest",
        ),
        (
            put().header("x-amz-checksum-sha1", base64_of("sha1", b"x")),
            "BadDigest",
        ),
        (
            framed(b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"),
            "BadDigest",
        ),
        (framed(b"5\r\nhello\r\n0\r\n\r\n"), "IncompleteBody"),
        (
            framed(b"4\r\nhell\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"),
            "IncompleteBody",
        ),
        (framed(b"5\r\nhello\r\n"), "IncompleteBody"),
    ] {
        let answer = client.send(&ask).await;
        assert_eq!(answer.code(), code, "{ask:?}");
    }
    let mut wire = Wire::connect(origin.address).await;
    let request = head(&client.sign(&put()));
    wire.write(request.replacen("\r\n", "\r\ncontent-length: 5\r\n", 1) + "hel")
        .await;
    drop(wire);
    origin
        .until(|seen| seen.iter().any(|seen| seen.body == Sent::Short(3)))
        .await;
    assert_eq!(origin.stored("train/new"), None);
    let sum = base64_of("crc32", b"hello");
    let right = aws_chunked(b"hello", 2, ("x-amz-checksum-crc32", &sum));
    assert_eq!(client.send(&framed(b"").body(right)).await.status, 200);
    assert_eq!(origin.stored("train/new").expect("it is stored"), "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_origin_refuses_and_notes_what_s3_does_not_know() {
    let (origin, client) = world().await;
    for ask in [
        Ask::get("/train/k?annotation"),
        Ask::get("/train?metadata=true"),
        Ask::get("/train/k").header("x-minio-force-delete", "true"),
        Ask::get("/train/k").header("x-amz-unheard-of", "1"),
        Ask::get("/train/k").header("x-forwarded-for", "127.0.0.1"),
    ] {
        let answer = client.send(&ask).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (400, "Stranger"),
            "{ask:?}"
        );
    }
    assert_eq!(
        origin.strangers(),
        [
            "parameter annotation",
            "parameter metadata",
            "header x-minio-force-delete",
            "header x-amz-unheard-of",
            "header x-forwarded-for"
        ]
    );
}
