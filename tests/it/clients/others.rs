//! s5cmd, minio-py, presigned URLs.

use std::time::Duration;

use bytes::Bytes;

use super::dialects::{GO, MINIO};
use super::{BIG, MIB, SMALL, World, assert_part, assert_whole, completion, element, etag, upload};
use crate::support::content;
use crate::support::origin::base64_of;
use crate::support::speaker::Say;
use crate::support::wire::Wire;

#[tokio::test(flavor = "multi_thread")]
async fn s5cmd_reads_ranges_of_50_mib_the_last_one_beyond_the_end() {
    let world = World::new().await;
    world.origin.put("train/small", 1, SMALL);
    world.origin.put("train/big", 2, BIG);
    let mut s5cmd = world.speaker(GO).await;
    for _ in ["cold", "warm"] {
        assert_eq!(s5cmd.say(&Say::head("/train/small")).await.status(), 200);
        let said = s5cmd
            .say(&Say::get("/train/small").range("0-52428799"))
            .await;
        assert_part(&said, 1, (0, SMALL), SMALL);
        assert_eq!(s5cmd.say(&Say::head("/train/big")).await.status(), 200);
        let said = s5cmd.say(&Say::get("/train/big").range("0-52428799")).await;
        assert_part(&said, 2, (0, 50 * MIB), BIG);
        let said = s5cmd
            .say(&Say::get("/train/big").range("52428800-104857599"))
            .await;
        assert_part(&said, 2, (50 * MIB, BIG), BIG);
    }
    assert_eq!(world.origin.body_bytes(), SMALL + BIG);
    world.asked();
}

#[tokio::test(flavor = "multi_thread")]
async fn s5cmd_uploads_parts_with_md5_and_waits_to_be_told_to_go_on() {
    let world = World::new().await;
    let put = |target: &str, data: Bytes| {
        let md5 = base64_of("md5", &data);
        Say::put(target, data)
            .header("Content-Md5", md5)
            .header("Expect", "100-continue")
    };
    let data = content::bytes(3, 0..20 * MIB);
    let create =
        Say::post("/train/file?uploads=", "").header("Content-Type", "application/octet-stream");
    let (id, parts) = upload(&world, GO, create, (&data, 10 << 20, &[2, 1]), put).await;
    let complete = Say::post(
        &format!("/train/file?uploadId={id}"),
        completion(&parts, |_| String::new()),
    );
    let mut s5cmd = world.speaker(GO).await;
    let said = s5cmd.say(&complete).await;
    assert_eq!(said.status(), 200, "{}", said.text());
    assert_eq!(world.origin.stored("train/file"), Some(data));
    let seen = world.origin.seen();
    assert_eq!(
        seen[1].header("content-md5"),
        base64_of("md5", &seen[1].bytes())
    );
    let get = s5cmd.say(&Say::head("/train/file")).await;
    assert_eq!(get.header("content-type"), "application/octet-stream");
    let wrong = Say::put("/train/wrong", "hello").header("Content-Md5", base64_of("md5", b"other"));
    assert_eq!(s5cmd.say(&wrong).await.code(), "BadDigest");
    assert_eq!(world.origin.stored("train/wrong"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn minio_py_asks_for_the_location_once_and_then_reads() {
    let world = World::new().await;
    world.origin.put("train/small", 4, SMALL);
    let mut minio = world.speaker(MINIO).await;
    let location = minio.say(&Say::get("/train?location=")).await;
    assert_eq!(location.status(), 200, "{}", location.text());
    assert!(
        location.text().contains("<LocationConstraint"),
        "{}",
        location.text()
    );
    assert_whole(&minio.say(&Say::get("/train/small")).await, 4, SMALL);
    assert_eq!(minio.say(&Say::head("/train/small")).await.status(), 200);
    world.asked();
}

#[tokio::test(flavor = "multi_thread")]
async fn minio_py_completes_an_upload_with_an_md5() {
    let world = World::new().await;
    let data = content::bytes(5, 0..12 * MIB);
    let create =
        Say::post("/train/file?uploads=", "").header("Content-Type", "application/octet-stream");
    let parts = (&data, 5 << 20, &[1, 3, 2][..]);
    let (id, parts) = upload(&world, MINIO, create, parts, |target, part| {
        Say::put(target, part)
    })
    .await;
    let document = completion(&parts, |_| String::new());
    let complete = |md5: String, document: &str| {
        Say::post(&format!("/train/file?uploadId={id}"), document.to_owned())
            .header("Content-Type", "application/xml")
            .header("Content-Md5", md5)
    };
    let mut minio = world.speaker(MINIO).await;
    let wrong = minio
        .say(&complete(base64_of("md5", b"other"), &document))
        .await;
    assert_eq!((wrong.status(), wrong.code().as_str()), (400, "BadDigest"));
    let right = base64_of("md5", document.as_bytes());
    let said = minio.say(&complete(right, &document)).await;
    assert_eq!(said.status(), 200, "{}", said.text());
    assert_eq!(element(&said, "Key"), "file");
    assert_eq!(world.origin.stored("train/file"), Some(data));
    world.asked();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_presigned_url_takes_ranges_and_conditions_that_are_not_signed() {
    let world = World::new().await;
    world.origin.put("train/small", 6, SMALL);
    let hour = Duration::from_secs(3600);
    let url = world
        .node
        .client
        .presign("/train/small", crate::support::now(), hour);
    let ask = async |more: &str| {
        let mut wire = Wire::connect(world.node.client.address()).await;
        let host = world.node.client.address();
        // As urllib has it: a connection for each request.
        wire.write(format!(
            "GET {url} HTTP/1.1\r\nAccept-Encoding: identity\r\nHost: {host}\r\nUser-Agent: Python-urllib/3.11\r\n\
             {more}Connection: close\r\n\r\n"
        ))
        .await;
        let said = wire.read().await;
        assert_eq!(wire.rest().await, b"", "the connection ends");
        said
    };
    for _ in ["cold", "warm"] {
        assert_whole(&ask("").await, 6, SMALL);
        let part = ask("Range: bytes=100-199\r\n").await;
        assert_part(&part, 6, (100, 200), SMALL);
    }
    let same = ask(&format!("If-None-Match: {}\r\n", etag(6))).await;
    assert_eq!((same.status(), same.body.len()), (304, 0));
    let other = ask("If-Match: \"other\"\r\n").await;
    assert_eq!(
        (other.status(), other.code().as_str()),
        (412, "PreconditionFailed")
    );
}
