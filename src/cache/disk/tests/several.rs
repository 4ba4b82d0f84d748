//! Several disks: each is its own failure domain.

use super::medium::faulty::{Fault, Operation, Wrong};
use super::*;

/// A block of each disk's.
async fn one_on_each(world: &World, setup: &Setup, disks: usize) -> Vec<BlockId> {
    let mut found = vec![None; disks];
    for body in 0..200 {
        let block = block(body, 0);
        let before: Vec<_> = written(world, setup, disks);
        world.keep(block, PAGE).await;
        let after = written(world, setup, disks);
        for disk in 0..disks {
            if after[disk] > before[disk] {
                found[disk] = found[disk].or(Some(block));
            }
        }
        if found.iter().all(Option::is_some) {
            break;
        }
    }
    found
        .into_iter()
        .map(|it| it.expect("each disk gets some"))
        .collect()
}

fn written(world: &World, setup: &Setup, disks: usize) -> Vec<u64> {
    let bytes = |disk| world.counts(setup, disk).written_bytes.get();
    (0..disks).map(bytes).collect()
}

#[tokio::test]
async fn a_disk_that_is_out_takes_its_own_blocks_with_it_and_the_others_take_over() {
    let mut setup = Setup::new(2, 32 * MIB);
    setup.tuning.probe_every = Duration::from_millis(300);
    let world = setup.open().await;
    let blocks = one_on_each(&world, &setup, 2).await;
    let path = setup.path(0).to_string_lossy().into_owned();
    world.medium.add(
        Fault {
            operation: None,
            ..Fault::gone()
        }
        .on(&path),
    );
    for _ in 0..3 {
        assert_eq!(world.right(blocks[0], 0..PAGE).await, Err(Miss::Failed));
    }
    world.becomes(0, DiskState::Out).await;
    assert_eq!(world.right(blocks[1], 0..PAGE).await, Ok(()));
    assert_eq!(world.right(blocks[0], 0..PAGE).await, Err(Miss::Absent));
    world.keep(blocks[0], PAGE).await;
    assert_eq!(
        world.right(blocks[0], 0..PAGE).await,
        Ok(()),
        "on the other"
    );
    world.medium.mend();
    world.becomes(0, DiskState::Serving).await;
    world.disks.recovered().await;
    for block in blocks {
        assert_eq!(world.right(block, 0..PAGE).await, Ok(()));
    }
    world.close().await;
}

#[tokio::test]
async fn a_disk_that_is_only_read_gets_no_offers_and_its_blocks_are_read() {
    let setup = Setup::new(2, 32 * MIB);
    let world = setup.open().await;
    let blocks = one_on_each(&world, &setup, 2).await;
    let path = setup.path(0).to_string_lossy().into_owned();
    world
        .medium
        .add(Fault::all(Operation::Change, Wrong::Error(5)).on(&path));
    world.offer(blocks[0], BLOCK, 3 * PAGE..4 * PAGE);
    world.disks.settle().await;
    world.becomes(0, DiskState::ReadOnly).await;
    let before = written(&world, &setup, 2);
    for body in 300..320 {
        world.keep(block(body, 0), PAGE).await;
        assert_eq!(world.right(block(body, 0), 0..PAGE).await, Ok(()));
    }
    let after = written(&world, &setup, 2);
    assert_eq!(after[0], before[0]);
    assert_eq!(after[1] - before[1], 20 * u64::from(PAGE));
    assert_eq!(world.right(blocks[0], 0..PAGE).await, Ok(()));
    world.medium.mend();
    world.close().await;
}

#[tokio::test]
async fn a_purge_is_durable_when_one_disk_has_it_and_reaches_the_other_when_it_is_back() {
    let setup = Setup::new(2, 32 * MIB);
    let world = setup.open().await;
    let bucket = "train".parse().unwrap();
    let origin = OriginFingerprint::new("s3", "https://s3.example", "us-east-1", &bucket);
    let path = setup.path(0).to_string_lossy().into_owned();
    world
        .medium
        .add(Fault::all(Operation::Change, Wrong::Error(5)).on(&path));
    world.disks.purge(origin, "a/").await.unwrap();
    assert!(!setup.path(0).join("purges").exists() || before_purge(&setup, 0));
    world.close().await;
    // The disk that has missed it knows of it before it shows anything.
    let world = setup.open().await;
    assert_eq!(world.disks.epoch(), Epoch(1));
    world.close().await;
    let [one, other] = [0, 1].map(|disk| std::fs::read(setup.path(disk).join("purges")).unwrap());
    assert_eq!(one, other);
}

fn before_purge(setup: &Setup, disk: usize) -> bool {
    let list = std::fs::read(setup.path(disk).join("purges")).unwrap();
    purges::Purges::decode(&list).unwrap().latest() == Epoch(0)
}

#[tokio::test]
async fn a_purge_that_no_disk_takes_is_an_error_and_holds_meanwhile() {
    let setup = Setup::new(1, 32 * MIB);
    let world = setup.open().await;
    let bucket = "train".parse().unwrap();
    let origin = OriginFingerprint::new("s3", "https://s3.example", "us-east-1", &bucket);
    world
        .medium
        .add(Fault::all(Operation::Replace, Wrong::Error(30)));
    assert!(world.disks.purge(origin, "a/").await.is_err());
    assert_eq!(world.disks.epoch(), Epoch(1));
    world.medium.mend();
    world.becomes(0, DiskState::Serving).await;
    world.close().await;
    let world = setup.open().await;
    assert_eq!(
        world.disks.epoch(),
        Epoch(1),
        "written once the disk worked again"
    );
    world.close().await;
    assert!(
        Disks::none().purge(origin, "").await.is_ok(),
        "nothing to outlive the node"
    );
}
