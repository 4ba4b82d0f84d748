//! s3transfer over the AWS common runtime, which AWS CLI v2 uses too.

use bytes::Bytes;

use super::dialects::CRT;
use super::{BIG, MIB, SMALL, World, assert_part, completion, crc32, etag, read_at_once, upload};
use crate::support::content;
use crate::support::speaker::{Say, aws_chunked};

/// A body over plain HTTP: aws-chunked, with its checksum after it and with its length before it.
fn put(target: &str, data: Bytes) -> Say {
    let framed = aws_chunked(&data, 64 << 10, ("x-amz-checksum-crc32", &crc32(&data)));
    Say::put(target, framed)
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", data.len().to_string())
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .header("x-amz-sdk-checksum-algorithm", "CRC32")
        .payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER")
}

fn checked(say: Say) -> Say {
    say.header("x-amz-checksum-mode", "enabled")
}

#[tokio::test(flavor = "multi_thread")]
async fn crt_downloads_a_small_object_as_a_closed_pinned_range() {
    let world = World::new().await;
    let mut crt = world.speaker(CRT).await;
    let data = content::bytes(1, 0..SMALL);
    let crc = crc32(&data);
    assert_eq!(crt.say(&put("/train/small", data)).await.status(), 200);
    for _ in ["cold", "warm"] {
        let head = crt.say(&checked(Say::head("/train/small"))).await;
        assert_eq!(head.status(), 200, "{}", head.head);
        assert_eq!(
            head.header("x-amz-checksum-crc32"),
            crc,
            "the mode is in lower case"
        );
        let tag = head.header("etag").to_owned();
        let get = checked(Say::get("/train/small"))
            .range("0-102399")
            .header("If-Match", tag);
        assert_part(&crt.say(&get).await, 1, (0, SMALL), SMALL);
    }
    world.asked();
}

#[tokio::test(flavor = "multi_thread")]
async fn crt_downloads_a_big_object_first_one_range_and_then_the_rest_at_once() {
    let world = World::new().await;
    world.origin.put("train/big", 2, BIG);
    let mut crt = world.speaker(CRT).await;
    let head = crt.say(&checked(Say::head("/train/big"))).await;
    assert_eq!(
        (head.status(), head.header("etag")),
        (200, etag(2).as_str())
    );
    let get = |part: u64| {
        let range = format!("{}-{}", part * 8 * MIB, (part + 1) * 8 * MIB - 1);
        checked(Say::get("/train/big"))
            .range(range)
            .header("If-Match", etag(2))
    };
    assert_part(&crt.say(&get(0)).await, 2, (0, 8 * MIB), BIG);
    let rest: Vec<Say> = (1..8).map(get).collect();
    for (part, said) in (1..8).zip(read_at_once(&world, CRT, &rest).await) {
        assert_part(&said, 2, (part * 8 * MIB, (part + 1) * 8 * MIB), BIG);
    }
    assert_eq!(world.origin.body_bytes(), BIG);
}

#[tokio::test(flavor = "multi_thread")]
async fn crt_puts_a_small_object_with_a_trailing_checksum_and_a_length() {
    let world = World::new().await;
    let mut crt = world.speaker(CRT).await;
    let data = content::bytes(3, 0..SMALL);
    let said = crt.say(&put("/train/k", data.clone())).await;
    assert_eq!(said.status(), 200, "{}", said.text());
    let seen = &world.origin.seen()[0];
    let trailer = ("x-amz-checksum-crc32".to_owned(), crc32(&data));
    let expected = crate::support::origin::Sent::Whole(data.clone(), vec![trailer]);
    assert_eq!(seen.body, expected, "the checksum goes on as a trailer");
    let get = world.speaker(CRT).await.say(&Say::get("/train/k")).await;
    assert_eq!(
        get.header("content-encoding"),
        "",
        "aws-chunked is no content's coding"
    );
    let mut wrong = data.to_vec();
    wrong[99] ^= 1;
    let framed = aws_chunked(&wrong, 64 << 10, ("x-amz-checksum-crc32", &crc32(&data)));
    let wrong = Say::put("/train/wrong", framed)
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", data.len().to_string())
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    assert_eq!(crt.say(&wrong).await.code(), "BadDigest");
    assert_eq!(world.origin.stored("train/wrong"), None);
    assert_eq!(world.origin.strangers(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn crt_uploads_20_mib_in_parts_with_trailing_checksums() {
    let world = World::new().await;
    let data = content::bytes(4, 0..20 * MIB);
    let create = Say::post("/train/file?uploads", "").header("x-amz-checksum-algorithm", "CRC32");
    let (id, parts) = upload(&world, CRT, create, (&data, 8 << 20, &[1, 2, 3]), put).await;
    let document = completion(&parts, |part| {
        let crc = part.header("x-amz-checksum-crc32");
        format!("<ChecksumCRC32>{crc}</ChecksumCRC32>")
    });
    let complete = Say::post(&format!("/train/file?uploadId={id}"), document);
    let said = world.speaker(CRT).await.say(&complete).await;
    assert_eq!(said.status(), 200, "{}", said.text());
    assert_eq!(world.origin.stored("train/file"), Some(data));
    world.asked();
}
