//! PyTorch's ways to S3: s3torchconnector with its readers, writer and distributed checkpoints, and webdataset over s5cmd.

use super::dialects::{GO, TORCH};
use super::{BIG, MIB, SMALL, World, assert_part, completion, element, etag, read_at_once, upload};
use crate::support::content;
use crate::support::speaker::{Say, Speaker};

fn first_range(target: &str) -> Say {
    Say::get(target).range("0-8388607")
}

#[tokio::test(flavor = "multi_thread")]
async fn s3torchconnector_reads_without_a_head_and_learns_the_size_from_the_first_range() {
    let world = World::new().await;
    world.origin.put("train/small", 1, SMALL);
    world.origin.put("train/big", 2, BIG);
    let mut reader = world.speaker(TORCH).await;
    let said = reader.say(&first_range("/train/small")).await;
    assert_part(&said, 1, (0, SMALL), SMALL);
    let said = reader.say(&first_range("/train/big")).await;
    assert_part(&said, 2, (0, 8 * MIB), BIG);
    assert_eq!(said.header("etag"), etag(2));
    let get = |part: u64| {
        let range = format!("{}-{}", part * 8 * MIB, (part + 1) * 8 * MIB - 1);
        Say::get("/train/big")
            .range(range)
            .header("if-match", etag(2))
    };
    let rest: Vec<Say> = (1..8).map(get).collect();
    for (part, said) in (1..8).zip(read_at_once(&world, TORCH, &rest).await) {
        assert_part(&said, 2, (part * 8 * MIB, (part + 1) * 8 * MIB), BIG);
    }
    assert_eq!(world.origin.body_bytes(), SMALL + BIG);
    assert!(
        world.asked().iter().all(|it| it.starts_with("GET ")),
        "no HEAD was needed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s3torchconnector_range_reader_seeks_without_a_pin() {
    let world = World::new().await;
    world.origin.put("train/big", 3, BIG);
    let mut reader = world.speaker(TORCH).await;
    assert_eq!(reader.say(&Say::head("/train/big")).await.status(), 200);
    for start in [5 * MIB + 3, 40 * MIB, 1] {
        let end = start + 8 * MIB;
        let get = Say::get("/train/big").range(format!("{start}-{}", end - 1));
        assert_part(&reader.say(&get).await, 3, (start, end), BIG);
    }
    let heads = world
        .asked()
        .iter()
        .filter(|it| it.starts_with("HEAD"))
        .count();
    assert_eq!(heads, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn s3torchconnector_lists_behind_a_slash_and_asks_for_attributes() {
    let world = World::new().await;
    for key in ["set/a", "set/b", "other"] {
        world.origin.put(&format!("train/{key}"), 4, 10);
    }
    let list = Say::get("/train/?list-type=2&delimiter=&max-keys=1000&prefix=set%2F")
        .header("x-amz-optional-object-attributes", "RestoreStatus");
    for _worker in 0..2 {
        let listed = world.speaker(TORCH).await.say(&list).await;
        assert_eq!(listed.status(), 200, "{}", listed.text());
        assert_eq!(element(&listed, "KeyCount"), "2", "{}", listed.text());
    }
    let seen = world.origin.seen();
    assert_eq!(seen.len(), 2, "listings are not cached");
    assert_eq!(
        seen[0].header("x-amz-optional-object-attributes"),
        "RestoreStatus"
    );
    let query = "list-type=2&delimiter=&max-keys=1000&prefix=set/";
    assert_eq!(seen[0].query(), query);
    assert_eq!(world.origin.strangers(), Vec::<String>::new());
}

/// An upload as the writer makes it: always in parts, nothing vouched for.
async fn write(world: &World, target: &str, seed: u64, size: u64) {
    let data = content::bytes(seed, 0..size);
    let create = Say::post(&format!("{target}?uploads"), "");
    let count = data.chunks(8 << 20).len();
    let order: Vec<usize> = (1..=count).rev().collect();
    let parts = (&data, 8 << 20, order.as_slice());
    let (id, parts) = upload(world, TORCH, create, parts, |target, part| {
        Say::put(target, part)
    })
    .await;
    let complete = Say::post(
        &format!("{target}?uploadId={id}"),
        completion(&parts, |_| String::new()),
    );
    let said = world.speaker(TORCH).await.say(&complete).await;
    assert_eq!(said.status(), 200, "{}", said.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn s3torchconnector_writes_in_parts_whatever_the_size() {
    let world = World::new().await;
    write(&world, "/train/tiny", 5, 986).await;
    write(&world, "/train/large", 6, 20 * MIB).await;
    assert_eq!(
        world.origin.stored("train/tiny"),
        Some(content::bytes(5, 0..986))
    );
    assert_eq!(
        world.origin.stored("train/large"),
        Some(content::bytes(6, 0..20 * MIB))
    );
    let seen = world.origin.seen();
    let parts = seen.iter().filter(|seen| seen.method == http::Method::PUT);
    assert!(
        parts
            .into_iter()
            .all(|it| it.header("x-amz-content-sha256") == "UNSIGNED-PAYLOAD")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn torch_dcp_saves_by_way_of_a_copy_and_loads_what_it_saved() {
    let world = World::new().await;
    let mut dcp: Speaker = world.speaker(TORCH).await;
    let (metadata, temporary) = ("/train/step-1/.metadata", "/train/step-1/.metadata.tmp");
    for seed in [7, 8] {
        let before = dcp.say(&Say::head(metadata)).await.status();
        assert_eq!(before, if seed == 7 { 404 } else { 200 });
        write(&world, "/train/step-1/__0_0.distcp", seed, 9 * MIB).await;
        write(&world, temporary, seed, 986).await;
        assert_eq!(dcp.say(&Say::head(metadata)).await.status(), before);
        assert_eq!(dcp.say(&Say::head(temporary)).await.status(), 200);
        let copy = Say::put(metadata, "")
            .header("x-amz-copy-source", "/train/step-1/.metadata.tmp")
            .header("x-amz-metadata-directive", "COPY");
        let copied = dcp.say(&copy).await;
        assert_eq!(copied.status(), 200, "{}", copied.text());
        assert!(
            copied.text().contains("<CopyObjectResult"),
            "{}",
            copied.text()
        );
        assert_eq!(dcp.say(&Say::new("DELETE", temporary)).await.status(), 204);
        let loaded = dcp.say(&first_range(metadata)).await;
        assert_part(&loaded, seed, (0, 986), 986);
        let shard = dcp.say(&first_range("/train/step-1/__0_0.distcp")).await;
        assert_part(&shard, seed, (0, 8 * MIB), 9 * MIB);
        let rest = Say::get("/train/step-1/__0_0.distcp")
            .range("8388608-9437183")
            .header("if-match", shard.header("etag"));
        assert_part(&dcp.say(&rest).await, seed, (8 * MIB, 9 * MIB), 9 * MIB);
        assert_eq!(dcp.say(&Say::head(temporary)).await.status(), 404);
    }
    assert_eq!(world.origin.strangers(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn webdataset_over_s5cmd_reads_each_shard_over_a_connection_of_its_own() {
    let world = World::new().await;
    for shard in 0..3u64 {
        world
            .origin
            .put(&format!("train/shard-{shard}.tar"), shard, MIB);
    }
    for shard in 0..3u64 {
        let target = format!("/train/shard-{shard}.tar");
        let mut s5cmd = world.speaker(GO).await;
        assert_eq!(s5cmd.say(&Say::head(&target)).await.status(), 200);
        let said = s5cmd.say(&Say::get(&target).range("0-52428799")).await;
        assert_part(&said, shard, (0, MIB), MIB);
    }
}
