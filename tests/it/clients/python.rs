//! botocore and what stands on it: boto3, AWS CLI v1, s3fs, mosaicml-streaming, Hugging Face datasets.

use bytes::Bytes;

use super::dialects::BOTO;
use super::{
    BIG, KIB, MIB, SMALL, World, assert_part, assert_whole, completion, crc32, etag, read_at_once,
    upload,
};
use crate::support::content;
use crate::support::speaker::{Say, Speaker};

fn checked(say: Say) -> Say {
    say.header("x-amz-checksum-mode", "ENABLED")
}

/// A PUT as boto3 makes it.
fn put(target: &str, data: Bytes) -> Say {
    let crc = crc32(&data);
    Say::put(target, data)
        .header("x-amz-sdk-checksum-algorithm", "CRC32")
        .header("x-amz-checksum-crc32", crc)
        .header("Expect", "100-continue")
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_get_object_reads_several_objects_over_one_connection_with_their_checksums() {
    let world = World::new().await;
    let mut boto3 = world.speaker(BOTO).await;
    for key in ["a", "b", "c"] {
        let target = format!("/train/{key}");
        let data = content::bytes(1, 0..SMALL);
        let said = boto3.say(&put(&target, data.clone())).await;
        assert_eq!(said.status(), 200, "{}", said.text());
        assert_eq!(said.header("x-amz-checksum-crc32"), crc32(&data));
    }
    for _ in ["cold", "warm"] {
        for key in ["a", "b", "c"] {
            let said = boto3
                .say(&checked(Say::get(&format!("/train/{key}"))))
                .await;
            assert_whole(&said, 1, SMALL);
            assert_eq!(said.header("x-amz-checksum-crc32"), crc32(&said.body));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_download_file_reads_pinned_ranges_out_of_order_and_the_last_one_is_open() {
    let world = World::new().await;
    world.origin.put("train/big", 2, BIG);
    let mut boto3 = world.speaker(BOTO).await;
    let head = boto3.say(&Say::head("/train/big")).await;
    assert_eq!(head.header("content-length"), BIG.to_string());
    let tag = head.header("etag");
    assert_eq!(tag, etag(2));
    let order = [7, 2, 5, 0, 3, 1, 6, 4u64];
    let say = |part: &u64| {
        let range = match part {
            7 => "58720256-".to_owned(),
            part => format!("{}-{}", part * 8 * MIB, (part + 1) * 8 * MIB - 1),
        };
        checked(Say::get("/train/big"))
            .range(range)
            .header("If-Match", tag)
    };
    let ranges: Vec<Say> = order.iter().map(say).collect();
    for _ in ["cold", "warm"] {
        let said = read_at_once(&world, BOTO, &ranges).await;
        for (part, said) in order.iter().zip(&said) {
            assert_part(said, 2, (part * 8 * MIB, (part + 1) * 8 * MIB), BIG);
        }
    }
    assert_eq!(world.origin.body_bytes(), BIG, "each byte was fetched once");
    world.origin.put("train/big", 3, BIG);
    world.node.clock.advance(std::time::Duration::from_secs(61));
    let said = boto3.say(&ranges[1]).await;
    assert_eq!(
        (said.status(), said.code().as_str()),
        (412, "PreconditionFailed")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn awscli_cp_asks_on_one_connection_and_reads_on_others() {
    let world = World::new().await;
    world.origin.put("train/small", 4, SMALL);
    let mut first = world.speaker(BOTO).await;
    let head = first.say(&Say::head("/train/small")).await;
    assert_eq!(head.header("content-length"), SMALL.to_string());
    let mut second = world.speaker(BOTO).await;
    assert_whole(
        &second.say(&checked(Say::get("/train/small"))).await,
        4,
        SMALL,
    );
    assert_eq!(world.asked(), ["HEAD train/small", "GET train/small"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn awscli_sync_lists_with_encoded_keys_and_reads_without_heads() {
    let world = World::new().await;
    for key in ["set/a b", "set/c+d", "set/ü"] {
        world.origin.put(&format!("train/{key}"), 5, SMALL);
    }
    let mut cli = world.speaker(BOTO).await;
    let list = Say::get("/train?list-type=2&prefix=set%2F&encoding-type=url");
    let listed = cli.say(&list).await.text();
    for key in ["set/a%20b", "set/c%2Bd", "set/%C3%BC"] {
        assert!(listed.contains(&format!("<Key>{key}</Key>")), "{listed}");
        let mut other = world.speaker(BOTO).await;
        let said = other
            .say(&checked(Say::get(&format!("/train/{key}"))))
            .await;
        assert_whole(&said, 5, SMALL);
    }
    assert!(world.asked().iter().all(|it| it.starts_with("GET ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn s3fs_reads_a_small_file_after_a_head() {
    let world = World::new().await;
    world.origin.put("train/small", 6, SMALL);
    let mut s3fs = world.speaker(BOTO).await;
    let head = s3fs.say(&Say::head("/train/small")).await;
    assert_eq!(head.status(), 200);
    assert_whole(
        &s3fs.say(&checked(Say::get("/train/small"))).await,
        6,
        SMALL,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s3fs_reads_a_big_file_in_one_pinned_range() {
    let world = World::new().await;
    world.origin.put("train/big", 7, BIG);
    let mut s3fs = world.speaker(BOTO).await;
    let head = s3fs.say(&Say::head("/train/big")).await;
    let tag = head.header("etag").to_owned();
    let get = checked(Say::get("/train/big"))
        .range("0-67108863")
        .header("If-Match", tag);
    assert_part(&s3fs.say(&get).await, 7, (0, BIG), BIG);
    assert_eq!(world.origin.body_bytes(), BIG);
}

#[tokio::test(flavor = "multi_thread")]
async fn mosaicml_asks_before_it_reads_the_index_and_each_shard() {
    let world = World::new().await;
    world.origin.put("train/index.json", 8, 986);
    world.origin.put("train/shard.00000.mds", 9, 2 * MIB);
    let mut mosaic = world.speaker(BOTO).await;
    for (key, seed, size) in [("index.json", 8, 986), ("shard.00000.mds", 9, 2 * MIB)] {
        let target = format!("/train/{key}");
        let head = mosaic.say(&Say::head(&target)).await;
        assert_eq!(head.header("content-length"), size.to_string());
        assert_whole(&mosaic.say(&checked(Say::get(&target))).await, seed, size);
    }
    world.asked();
}

#[tokio::test(flavor = "multi_thread")]
async fn hugging_face_datasets_asks_often_and_the_origin_hears_little_of_it() {
    let world = World::new().await;
    let size = 8 * MIB;
    world.origin.put("train/part.parquet", 10, size);
    let mut reader = world.speaker(BOTO).await;
    let target = "/train/part.parquet";
    for _ in 0..4 {
        assert_eq!(reader.say(&Say::head(target)).await.status(), 200);
    }
    let read = |first: u64, end: u64| {
        checked(Say::get(target))
            .range(format!("{first}-{}", end - 1))
            .header("If-Match", etag(10))
    };
    let tail = size - 64 * KIB;
    let said = reader.say(&read(tail, size)).await;
    assert_part(&said, 10, (tail, size), size);
    assert_eq!(reader.say(&Say::head(target)).await.status(), 200);
    let said = reader.say(&read(tail, size)).await;
    assert_part(&said, 10, (tail, size), size);
    let said = reader.say(&read(4, tail)).await;
    assert_part(&said, 10, (4, tail), size);
    assert_eq!(world.origin.body_bytes(), size);
    let heads = world
        .asked()
        .iter()
        .filter(|it| it.starts_with("HEAD"))
        .count();
    assert_eq!(heads, 1, "five were sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_put_object_waits_to_be_told_to_go_on_and_signs_its_body() {
    let world = World::new().await;
    let mut boto3 = world.speaker(BOTO).await;
    let data = content::bytes(11, 0..SMALL);
    let said = boto3.say(&put("/train/k", data.clone())).await;
    assert_eq!(said.status(), 200, "{}", said.text());
    assert_eq!(world.origin.stored("train/k"), Some(data.clone()));
    let seen = world.origin.seen();
    assert_eq!(seen[0].header("x-amz-checksum-crc32"), crc32(&data));
    let hash = crate::support::sigv4::sha256(&data);
    assert_eq!(seen[0].header("x-amz-content-sha256"), hash);
    assert_eq!(seen[0].header("expect"), "", "it ends at the node");
}

/// 20 MiB as boto3 and AWS CLI v1 upload them: the short last part first.
async fn upload_file(world: &World) -> Bytes {
    let data = content::bytes(12, 0..20 * MIB);
    let create = Say::post("/train/file?uploads", "").header("x-amz-checksum-algorithm", "CRC32");
    let parts = (&data, 8 << 20, &[3, 1, 2][..]);
    let (id, parts) = upload(world, BOTO, create, parts, put).await;
    let document = completion(&parts, |part| {
        let crc = part.header("x-amz-checksum-crc32");
        format!("<ChecksumCRC32>{crc}</ChecksumCRC32>")
    });
    let complete = Say::post(&format!("/train/file?uploadId={id}"), document);
    let said = world.speaker(BOTO).await.say(&complete).await;
    assert_eq!(said.status(), 200, "{}", said.text());
    assert!(
        said.text().contains("-3</ChecksumCRC32>"),
        "{}",
        said.text()
    );
    data
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_upload_file_sends_parts_with_checksums_the_last_one_first() {
    let world = World::new().await;
    let data = upload_file(&world).await;
    assert_eq!(world.origin.stored("train/file"), Some(data.clone()));
    let parts = world.origin.seen().into_iter();
    let parts = parts.filter(|seen| seen.method == http::Method::PUT);
    let numbers: Vec<String> = parts
        .map(|seen| {
            assert_eq!(seen.header("x-amz-checksum-crc32"), crc32(&seen.bytes()));
            seen.query[0].1.clone()
        })
        .collect();
    assert_eq!(numbers, ["3", "1", "2"]);
    let mut boto3 = world.speaker(BOTO).await;
    let said = boto3.say(&checked(Say::get("/train/file"))).await;
    assert!(said.body == data);
    assert_eq!(said.header("x-amz-checksum-type"), "COMPOSITE");
    assert!(said.header("x-amz-checksum-crc32").ends_with("-3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn awscli_cp_up_is_seen_at_once_by_awscli_cp_down() {
    let world = World::new().await;
    let mut cli = world.speaker(BOTO).await;
    assert_eq!(cli.say(&Say::head("/train/file")).await.status(), 404);
    let data = upload_file(&world).await;
    let head = cli.say(&Say::head("/train/file")).await;
    assert_eq!(head.header("content-length"), data.len().to_string());
    let tag = head.header("etag").to_owned();
    let range = checked(Say::get("/train/file"))
        .range("16777216-")
        .header("If-Match", tag);
    let said = cli.say(&range).await;
    assert_part(&said, 12, (16 * MIB, 20 * MIB), 20 * MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn s3fs_put_file_sends_20_mib_in_one_request() {
    let world = World::new().await;
    let mut s3fs: Speaker = world.speaker(BOTO).await;
    let data = content::bytes(13, 0..20 * MIB);
    let said = s3fs.say(&put("/train/file", data.clone())).await;
    assert_eq!(said.status(), 200, "{}", said.text());
    assert_eq!(world.origin.stored("train/file"), Some(data));
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_delete_objects_brings_a_crc32_and_no_md5() {
    let world = World::new().await;
    world.origin.put("train/a", 14, 10);
    world.origin.put("train/b&c", 15, 10);
    let mut boto3 = world.speaker(BOTO).await;
    assert_eq!(boto3.say(&Say::get("/train/a")).await.status(), 200);
    let document = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>a</Key></Object>\
                    <Object><Key>b&amp;c</Key></Object></Delete>";
    let delete = Say::post("/train?delete", document)
        .header("x-amz-sdk-checksum-algorithm", "CRC32")
        .header("x-amz-checksum-crc32", crc32(document.as_bytes()));
    let said = boto3.say(&delete).await;
    assert_eq!(said.status(), 200, "{}", said.text());
    assert!(
        said.text().contains("<Key>b&amp;c</Key>"),
        "{}",
        said.text()
    );
    assert_eq!(world.origin.stored("train/b&c"), None);
    assert_eq!(boto3.say(&Say::get("/train/a")).await.status(), 404);
    assert_eq!(world.origin.strangers(), Vec::<String>::new());
    let wrong = Say::post("/train?delete", document).header("x-amz-checksum-crc32", "AAAAAA==");
    assert_eq!(boto3.say(&wrong).await.code(), "BadDigest");
}
