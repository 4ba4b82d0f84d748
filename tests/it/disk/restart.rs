//! A node that ended in order holds afterwards what it held before.

use super::{KIB, MIB, configuration, read, read_range};
use crate::support::client::Ask;
use crate::support::origin::TestOrigin;
use crate::support::process::Process;

/// Objects of every kind: less than a page, a page and a bit, a block and a bit, many blocks.
const SIZES: [u64; 6] = [
    100,
    64 * KIB,
    110 * KIB,
    MIB + 5,
    3 * MIB,
    20 * MIB + 70 * KIB,
];

/// All objects may wait to be written at the same time.
const MEMORY: &str = "1GiB";

async fn end(process: Process) {
    process.terminate();
    assert_eq!(process.ended().await.code(), Some(0));
}

fn put_all(origin: &TestOrigin) {
    for (size, seed) in SIZES.into_iter().zip(1..) {
        origin.put(&format!("train/{seed}"), seed, size);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_immutable_objects_cost_the_origin_nothing() {
    let (origin, folder) = (TestOrigin::start().await, tempfile::tempdir().unwrap());
    put_all(&origin);
    let configuration = configuration(&origin, folder.path(), "\"immutable\"", MEMORY);
    let mut process = Process::start(&configuration).await;
    process.says("recovered /").await;
    for seed in (1..).take(SIZES.len()) {
        read(&process, &format!("/train/{seed}"), seed).await;
    }
    end(process).await;
    origin.seen();
    let mut process = Process::start(&configuration).await;
    process.says("recovered /").await;
    for seed in (1..).take(SIZES.len()) {
        let answer = read(&process, &format!("/train/{seed}"), seed).await;
        assert_eq!(answer.source(), "disk", "object {seed}");
    }
    let range = read_range(&process, "/train/6", 6, 5 * MIB + 1, 9 * MIB).await;
    assert_eq!(range.source(), "memory");
    assert_eq!(origin.seen(), []);
    end(process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_other_objects_cost_one_head_each() {
    let (origin, folder) = (TestOrigin::start().await, tempfile::tempdir().unwrap());
    put_all(&origin);
    let configuration = configuration(&origin, folder.path(), "{ max_age = \"1h\" }", MEMORY);
    let mut process = Process::start(&configuration).await;
    process.says("recovered /").await;
    for seed in (1..).take(SIZES.len()) {
        read(&process, &format!("/train/{seed}"), seed).await;
    }
    end(process).await;
    origin.seen();
    // Changed while the node was away: what it holds of the body is of no use.
    origin.put("train/5", 50, 3 * MIB);
    let mut process = Process::start(&configuration).await;
    process.says("recovered /").await;
    for seed in (1..).take(SIZES.len()) {
        let content = if seed == 5 { 50 } else { seed };
        read(&process, &format!("/train/{seed}"), content).await;
        read(&process, &format!("/train/{seed}"), content).await;
    }
    let seen = origin.seen();
    let of = |method: &str| -> Vec<&str> {
        let sent = seen.iter().filter(|seen| seen.method == method);
        sent.map(|seen| seen.path.as_str()).collect()
    };
    let all: Vec<String> = (1..=SIZES.len()).map(|it| format!("train/{it}")).collect();
    assert_eq!(of("HEAD"), all);
    assert!(of("GET").iter().all(|path| *path == "train/5"), "{seen:?}");
    end(process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_that_were_read_before_a_restart_are_held_page_by_page() {
    let (origin, folder) = (TestOrigin::start().await, tempfile::tempdir().unwrap());
    origin.put("train/big", 9, 64 * MIB);
    let configuration = configuration(&origin, folder.path(), "\"immutable\"", MEMORY);
    let mut process = Process::start(&configuration).await;
    process.says("recovered /").await;
    let places = [63 * MIB + 5, 7 * MIB + 900 * KIB, 7 * MIB + 3, 30 * MIB];
    for place in places {
        read_range(&process, "/train/big", 9, place, place + 100 * KIB).await;
    }
    end(process).await;
    origin.seen();
    let mut process = Process::start(&configuration).await;
    process.says("recovered /").await;
    for place in places {
        let answer = read_range(&process, "/train/big", 9, place, place + 100 * KIB).await;
        assert_eq!(answer.source(), "disk", "at {place}");
    }
    let head = Ask::new("HEAD", "/train/big");
    assert_eq!(process.client.send(&head).await.source(), "memory");
    assert_eq!(origin.seen(), []);
    end(process).await;
}
