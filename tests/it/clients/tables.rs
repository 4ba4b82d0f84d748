//! Readers of tables: PyArrow, Polars, DuckDB.

use bytes::Bytes;

use super::dialects::{ARROW, DUCKDB, POLARS};
use super::{KIB, MIB, SMALL, World, assert_part, completion, read_at_once, upload};
use crate::support::content;
use crate::support::origin::base64_of;
use crate::support::speaker::{Say, aws_chunked};

const FILE: u64 = 8 * MIB;

async fn three_files() -> World {
    let world = World::new().await;
    for (index, name) in ["a", "b", "c"].iter().enumerate() {
        world
            .origin
            .put(&format!("train/set/{name}.parquet"), index as u64, FILE);
    }
    world
}

fn range(first: u64, end: u64) -> String {
    format!("{first}-{}", end - 1)
}

fn checked(say: Say) -> Say {
    say.header("x-amz-checksum-mode", "enabled")
}

#[tokio::test(flavor = "multi_thread")]
async fn pyarrow_reads_a_file_whole_as_a_range_and_signs_a_content_type() {
    let world = World::new().await;
    let mut arrow = world.speaker(ARROW).await;
    let data = content::bytes(1, 0..SMALL);
    let put = Say::put("/train/small", data.clone())
        .header("x-amz-checksum-crc32", base64_of("crc32", &data));
    assert_eq!(arrow.say(&put).await.status(), 200);
    for _ in ["cold", "warm"] {
        let head = arrow.say(&Say::head("/train/small")).await;
        assert_eq!(head.header("content-length"), SMALL.to_string());
        // No checksum of the whole object may come with it: PyArrow would compare it and fail.
        let get = checked(Say::get("/train/small")).range(range(0, SMALL));
        assert_part(&arrow.say(&get).await, 1, (0, SMALL), SMALL);
    }
    world.asked();
}

#[tokio::test(flavor = "multi_thread")]
async fn pyarrow_reads_a_data_set_after_looking_for_directories() {
    let world = three_files().await;
    let mut arrow = world.speaker(ARROW).await;
    for target in ["/train/set", "/train/set/"] {
        assert_eq!(arrow.say(&Say::head(target)).await.status(), 404);
    }
    let look = arrow
        .say(&Say::get("/train?list-type=2&max-keys=1&prefix=set%2F"))
        .await;
    assert_eq!(super::element(&look, "KeyCount"), "1");
    let list = "/train?list-type=2&delimiter=%2F&prefix=set%2F";
    assert_eq!(
        super::element(&arrow.say(&Say::get(list)).await, "KeyCount"),
        "3"
    );
    for (seed, name) in [(0, "a"), (0, "a"), (1, "b"), (2, "c")] {
        let target = format!("/train/set/{name}.parquet");
        let tail = checked(Say::get(&target)).range(range(FILE - 64 * KIB, FILE));
        let said = arrow.say(&tail).await;
        assert_part(&said, seed, (FILE - 64 * KIB, FILE), FILE);
        let columns = checked(Say::get(&target)).range(range(4, 5 * MIB));
        assert_part(&arrow.say(&columns).await, seed, (4, 5 * MIB), FILE);
    }
    assert!(
        world
            .asked()
            .iter()
            .skip(3)
            .all(|it| it.starts_with("GET "))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pyarrow_writes_chunks_within_chunks_with_a_crc64nvme_after_them() {
    let world = World::new().await;
    let put = |target: &str, data: Bytes| {
        let sum = base64_of("crc64nvme", &data);
        let framed = aws_chunked(&data, 64 << 10, ("x-amz-checksum-crc64nvme", &sum));
        Say::put(target, framed)
            .header("content-encoding", "aws-chunked")
            .header("expect", "100-continue")
            .header("x-amz-decoded-content-length", data.len().to_string())
            .header("x-amz-sdk-checksum-algorithm", "CRC64NVME")
            .header("x-amz-trailer", "x-amz-checksum-crc64nvme")
            .payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            .in_pieces(60_000)
    };
    let data = content::bytes(3, 0..12 * MIB);
    let create =
        Say::post("/train/out.parquet?uploads", "").header("x-amz-checksum-algorithm", "CRC64NVME");
    let (id, parts) = upload(&world, ARROW, create, (&data, 10 << 20, &[2, 1]), put).await;
    let seen = world.origin.seen();
    for part in &seen[1..] {
        assert_eq!(part.header("x-amz-trailer"), "x-amz-checksum-crc64nvme");
        assert_eq!(
            part.header("transfer-encoding"),
            "",
            "the origin gets a length"
        );
    }
    let document = completion(&parts, |part| {
        let sum = part.header("x-amz-checksum-crc64nvme");
        format!("<ChecksumCRC64NVME>{sum}</ChecksumCRC64NVME>")
    });
    let complete = Say::post(&format!("/train/out.parquet?uploadId={id}"), document);
    let mut arrow = world.speaker(ARROW).await;
    let said = arrow.say(&complete).await;
    assert_eq!(said.status(), 200, "{}", said.text());
    let whole = base64_of("crc64nvme", &data);
    assert_eq!(super::element(&said, "ChecksumCRC64NVME"), whole);
    assert_eq!(world.origin.stored("train/out.parquet"), Some(data));
    let said = arrow.say(&checked(Say::get("/train/out.parquet"))).await;
    assert_eq!(said.header("x-amz-checksum-crc64nvme"), whole);
    assert_eq!(said.header("x-amz-checksum-type"), "FULL_OBJECT");
    assert_eq!(world.origin.strangers(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn polars_begins_with_a_suffix_and_reads_row_groups_at_once() {
    let world = three_files().await;
    let mut polars = world.speaker(POLARS).await;
    let list = polars
        .say(&Say::get("/train?list-type=2&prefix=set%2F"))
        .await;
    assert_eq!(super::element(&list, "KeyCount"), "3");
    let tail = 256 * KIB;
    for (seed, name) in [(0, "a"), (1, "b"), (2, "c")] {
        let target = format!("/train/set/{name}.parquet");
        let said = polars.say(&Say::get(&target).range("-262144")).await;
        assert_part(&said, seed, (FILE - tail, FILE), FILE);
        let said = polars
            .say(&Say::get(&target).range(range(FILE - tail, FILE)))
            .await;
        assert_part(&said, seed, (FILE - tail, FILE), FILE);
        let groups: Vec<Say> = (0..7)
            .map(|group| Say::get(&target).range(range(group * MIB, (group + 1) * MIB)))
            .collect();
        for (group, said) in (0..7).zip(read_at_once(&world, POLARS, &groups).await) {
            assert_part(&said, seed, (group * MIB, (group + 1) * MIB), FILE);
        }
    }
    // Row groups that are asked for at once grow into larger fills; no byte is fetched twice.
    assert!(
        world.origin.body_bytes() <= 3 * FILE,
        "{}",
        world.origin.body_bytes()
    );
    assert!(world.asked().iter().all(|it| it.starts_with("GET ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_reads_footers_and_then_every_column_chunk_by_itself() {
    let world = three_files().await;
    let mut duckdb = world.speaker(DUCKDB).await;
    let list = duckdb
        .say(&Say::get(
            "/train/?encoding-type=url&list-type=2&prefix=set%2F",
        ))
        .await;
    assert_eq!(super::element(&list, "KeyCount"), "3");
    for (seed, name) in [(0, "a"), (1, "b"), (2, "c")] {
        let target = format!("/train/set/{name}.parquet");
        for first in [FILE - 16 * KIB, FILE - 70_000] {
            let said = duckdb
                .say(&Say::get(&target).range(range(first, FILE)))
                .await;
            assert_part(&said, seed, (first, FILE), FILE);
        }
        let chunk = |group: u64| (group * MIB + 1234, group * MIB + 1234 + 4153);
        let chunks: Vec<Say> = (0..8)
            .map(|group| Say::get(&target).range(range(chunk(group).0, chunk(group).1)))
            .collect();
        for (group, said) in (0..8).zip(read_at_once(&world, DUCKDB, &chunks).await) {
            assert_part(&said, seed, chunk(group), FILE);
        }
    }
    assert!(world.asked().iter().all(|it| it.starts_with("GET ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_reads_a_whole_file_row_group_by_row_group() {
    let world = three_files().await;
    let mut duckdb = world.speaker(DUCKDB).await;
    let target = "/train/set/a.parquet";
    let head = duckdb.say(&Say::head(target)).await;
    assert_eq!(head.header("content-length"), FILE.to_string());
    let tail = Say::get(target).range(range(FILE - 16 * KIB, FILE));
    assert_part(&duckdb.say(&tail).await, 0, (FILE - 16 * KIB, FILE), FILE);
    for group in 0..8 {
        let (first, end) = (group * MIB, (group + 1) * MIB);
        let said = duckdb.say(&Say::get(target).range(range(first, end))).await;
        assert_part(&said, 0, (first, end), FILE);
    }
    assert_eq!(world.origin.body_bytes(), FILE);
}

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_copies_24_mib_in_one_signed_put() {
    let world = World::new().await;
    let data = content::bytes(4, 0..24 * MIB);
    let put = Say::put("/train/out.parquet", data.clone()).header("Expect", "100-continue");
    let said = world.speaker(DUCKDB).await.say(&put).await;
    assert_eq!(said.status(), 200, "{}", said.text());
    assert_eq!(world.origin.stored("train/out.parquet"), Some(data));
    world.asked();
}
