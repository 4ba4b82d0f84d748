//! Readers and writers of arrays and weights: obstore, zarr over it, tensorstore, runai-model-streamer.

use super::dialects::{OBSTORE, RUNAI, TENSORSTORE};
use super::{
    BIG, KIB, MIB, SMALL, World, assert_part, assert_whole, completion, etag, read_at_once, upload,
};
use crate::support::content;
use crate::support::speaker::Say;

#[tokio::test(flavor = "multi_thread")]
async fn obstore_gets_objects_whole_in_one_stream() {
    let world = World::new().await;
    world.origin.put("train/small", 1, SMALL);
    world.origin.put("train/big", 2, BIG);
    let mut obstore = world.speaker(OBSTORE).await;
    assert_whole(&obstore.say(&Say::get("/train/small")).await, 1, SMALL);
    assert_whole(&obstore.say(&Say::get("/train/big")).await, 2, BIG);
    world.asked();
}

#[tokio::test(flavor = "multi_thread")]
async fn obstore_gets_distant_ranges_at_once() {
    let world = World::new().await;
    world.origin.put("train/big", 3, BIG);
    let places = [(0, 110), (3 * MIB, 3 * MIB + 10), (6 * MIB, 6 * MIB + 10)];
    let say =
        |(first, end): &(u64, u64)| Say::get("/train/big").range(format!("{first}-{}", end - 1));
    let ranges: Vec<Say> = places.iter().map(say).collect();
    for (place, said) in places
        .iter()
        .zip(read_at_once(&world, OBSTORE, &ranges).await)
    {
        assert_part(&said, 3, *place, BIG);
    }
    assert!(
        world.origin.body_bytes() <= 6 * 64 * KIB,
        "{}",
        world.origin.body_bytes()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn zarr_asks_for_what_is_not_there_and_reads_chunks_at_once() {
    let world = World::new().await;
    world.origin.put("train/array/.zarray", 4, 300);
    for chunk in 0..4 {
        world
            .origin
            .put(&format!("train/array/0.{chunk}"), chunk, SMALL);
    }
    let mut zarr = world.speaker(OBSTORE).await;
    assert_whole(&zarr.say(&Say::get("/train/array/.zarray")).await, 4, 300);
    for absent in ["/train/array/.zattrs", "/train/array/0.9"] {
        let said = zarr.say(&Say::get(absent)).await;
        assert_eq!((said.status(), said.code().as_str()), (404, "NoSuchKey"));
    }
    let chunks: Vec<Say> = (0..4)
        .map(|it| Say::get(&format!("/train/array/0.{it}")))
        .collect();
    for (seed, said) in (0..4).zip(read_at_once(&world, OBSTORE, &chunks).await) {
        assert_whole(&said, seed, SMALL);
    }
    // What was absent is found as soon as it is there.
    world.origin.put("train/array/.zattrs", 5, 20);
    assert_whole(&zarr.say(&Say::get("/train/array/.zattrs")).await, 5, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn tensorstore_takes_any_coding_and_reads_again_what_it_has_read() {
    let world = World::new().await;
    let mut store = world.speaker(TENSORSTORE).await;
    let data = content::bytes(6, 0..SMALL);
    let put = Say::put("/train/array/0.0", data).header("content-encoding", "gzip");
    assert_eq!(store.say(&put).await.status(), 200);
    for _ in ["first", "again"] {
        let get = Say::get("/train/array/0.0").header("x-amz-checksum-mode", "ENABLED");
        let said = store.say(&get).await;
        assert_whole(&said, 6, SMALL);
        assert_eq!(
            said.header("content-encoding"),
            "gzip",
            "as it was put, never decoded"
        );
    }
    let reads = world
        .asked()
        .iter()
        .filter(|it| it.starts_with("GET"))
        .count();
    assert_eq!(reads, 1, "the second came from the cache");
}

#[tokio::test(flavor = "multi_thread")]
async fn tensorstore_changes_a_part_of_a_chunk_under_conditions() {
    let world = World::new().await;
    world.origin.put("train/array/0.0", 7, SMALL);
    let mut store = world.speaker(TENSORSTORE).await;
    let target = "/train/array/0.0";
    let read = store.say(&Say::get(target)).await;
    let tag = read.header("etag").to_owned();
    let head = store
        .say(&Say::head(target).header("if-match", tag.clone()))
        .await;
    assert_eq!(head.status(), 200);
    let put = Say::put(target, content::bytes(8, 0..SMALL)).header("if-match", tag);
    let said = store.say(&put).await;
    assert_eq!(said.status(), 200, "{}", said.text());
    assert_whole(&store.say(&Say::get(target)).await, 8, SMALL);
    // A second writer that read the old chunk is told so, and nothing of it is stored.
    let said = store.say(&put).await;
    assert_eq!(
        (said.status(), said.code().as_str()),
        (412, "PreconditionFailed")
    );
    assert_whole(&store.say(&Say::get(target)).await, 8, SMALL);
    let stale = Say::head(target).header("if-match", etag(7));
    assert_eq!(store.say(&stale).await.status(), 412);
    assert_eq!(world.origin.strangers(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn obstore_uploads_parts_in_any_order() {
    let world = World::new().await;
    let data = content::bytes(9, 0..20 * MIB);
    let create = Say::post("/train/file?uploads=", "");
    let parts = (&data, 5 << 20, &[4, 1, 3, 2][..]);
    let (id, parts) = upload(&world, OBSTORE, create, parts, |target, part| {
        Say::put(target, part).payload("UNSIGNED-PAYLOAD")
    })
    .await;
    let complete = Say::post(
        &format!("/train/file?uploadId={id}"),
        completion(&parts, |_| String::new()),
    );
    let said = world.speaker(OBSTORE).await.say(&complete).await;
    assert_eq!(said.status(), 200, "{}", said.text());
    assert_eq!(world.origin.stored("train/file"), Some(data));
    world.asked();
}

#[tokio::test(flavor = "multi_thread")]
async fn obstore_creates_an_object_only_where_none_is() {
    let world = World::new().await;
    let mut obstore = world.speaker(OBSTORE).await;
    let create = |text: &'static str| Say::put("/train/lock", text).header("if-none-match", "*");
    let said = obstore.say(&create("first")).await;
    assert_eq!(said.status(), 200, "{}", said.text());
    let said = obstore.say(&create("second")).await;
    assert_eq!(
        (said.status(), said.code().as_str()),
        (412, "PreconditionFailed")
    );
    assert_eq!(obstore.say(&Say::get("/train/lock")).await.text(), "first");
    assert_eq!(world.origin.seen()[0].header("if-none-match"), "*");
}

#[tokio::test(flavor = "multi_thread")]
async fn runai_names_whole_urls_and_steps_across_the_grid() {
    const STEP: u64 = 8_382_768;
    const REST: u64 = 5_840;
    let world = World::new().await;
    let size = 64 * MIB;
    world.origin.put("train/model.safetensors", 10, size);
    let mut runai = world.speaker(RUNAI).await;
    let get = |first: u64, end: u64| {
        Say::get("/train/model.safetensors").range(format!("{first}-{}", end - 1))
    };
    assert_part(&runai.say(&get(0, 8)).await, 10, (0, 8), size);
    assert_part(&runai.say(&get(8, 2008)).await, 10, (8, 2008), size);
    let (mut at, mut places) = (2008, Vec::new());
    while at + STEP + REST <= size {
        places.push((at, at + STEP));
        places.push((at + STEP, at + STEP + REST));
        at += STEP + REST;
    }
    let ranges: Vec<Say> = places
        .iter()
        .map(|(first, end)| get(*first, *end))
        .collect();
    for (place, said) in places
        .iter()
        .zip(read_at_once(&world, RUNAI, &ranges).await)
    {
        assert_part(&said, 10, *place, size);
    }
    let cost = world.origin.body_bytes();
    assert!(cost <= size + MIB, "{cost} bytes for {size}");
    assert!(world.asked().iter().all(|it| it.starts_with("GET ")));
}
