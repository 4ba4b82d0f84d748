//! Restarts, recovery, bounds and the end.

use super::medium::faulty::{Fault, Operation, Wrong};
use super::*;
use crate::types::outcome::DiskWrite;

/// Writes `length` bytes of many blocks and waits now and then, so that none is dropped for want of room in the queue.
async fn fill(world: &World, blocks: u32, length: u32) {
    for index in 0..blocks {
        world.offer(block(1, index), length, 0..length);
        if index % 16 == 15 {
            world.disks.settle().await;
        }
    }
    world.disks.settle().await;
}

#[tokio::test]
async fn a_restart_finds_everything_that_was_written() {
    let setup = Setup::new(1, 64 * MIB);
    let world = setup.open().await;
    fill(&world, 80, 110_000).await;
    for index in 80..100 {
        world.keep(block(1, index), BLOCK).await;
    }
    let held: Vec<_> = (0..100).map(|index| world.held(block(1, index))).collect();
    assert!(held.iter().all(|pages| !pages.is_empty()));
    world.close().await;
    let world = setup.open().await;
    for (index, pages) in (0..).zip(held) {
        let length = if index < 80 { 110_000 } else { BLOCK };
        assert_eq!(world.held(block(1, index)), pages);
        assert_eq!(world.right(block(1, index), 0..length).await, Ok(()));
    }
    world.disks.measure();
    let counts = world.counts(&setup, 0);
    assert_eq!(counts.segments.get(), counts.recovered.get());
    assert_eq!(
        counts.blocks.each_ref().map(|it| it.get()),
        [0, 80, 0, 0, 20]
    );
    assert_eq!(counts.live.get(), 80 * 110_000 + 20 * i64::from(BLOCK));
    world.close().await;
}

#[tokio::test]
async fn objects_of_110_kb_take_little_more_room_than_they_have_bytes() {
    let mut setup = Setup::new(1, 64 * MIB);
    setup.tuning.segment_bytes = Some(16 * MIB);
    let world = setup.open().await;
    fill(&world, 120, 110_000).await;
    world.disks.measure();
    let counts = world.counts(&setup, 0);
    let (live, allocated) = (counts.live.get(), counts.allocated.get());
    assert_eq!(allocated, 16 << 20);
    assert!(live * 100 >= allocated * 75, "{live} of {allocated}");
    world.close().await;
}

#[tokio::test]
async fn a_full_disk_evicts_and_stays_within_its_capacity() {
    let setup = Setup::new(1, 16 * MIB);
    let world = setup.open().await;
    for index in 0..12 {
        world.keep(block(1, index), BLOCK).await;
    }
    let counts = world.counts(&setup, 0);
    // What is asked for again and again gets the place of what is not.
    for round in 0.. {
        for index in 12..42 {
            world.keep(block(1, index), BLOCK).await;
        }
        if counts.evictions.get() >= 6 {
            break;
        }
        assert!(round < 20, "nothing is evicted");
    }
    world.disks.measure();
    assert_eq!(counts.allocated.get(), 16 << 20);
    assert_eq!(counts.blocks[4].get(), 12);
    let mut hits = 0;
    for index in 0..42 {
        match world.right(block(1, index), 0..BLOCK).await {
            Ok(()) => hits += 1,
            Err(miss) => assert_eq!(miss, Miss::Absent),
        }
    }
    assert_eq!(hits, 12);
    world.close().await;
    let files = std::fs::read_dir(setup.path(0).join("segments")).unwrap();
    assert_eq!(files.count(), 4);
}

#[tokio::test]
async fn segments_pass_from_one_class_to_another() {
    let setup = Setup::new(1, 16 * MIB);
    let world = setup.open().await;
    fill(&world, 200, PAGE).await;
    for index in 0..3 {
        world.keep(block(9, index), BLOCK).await;
        assert_eq!(world.right(block(9, index), 0..BLOCK).await, Ok(()));
    }
    world.close().await;
    let world = setup.open().await;
    for index in 0..3 {
        assert_eq!(world.right(block(9, index), 0..BLOCK).await, Ok(()));
    }
    let mut left = 0;
    for index in 0..200 {
        let pages = world.held(block(1, index));
        if !pages.is_empty() {
            assert_eq!(world.right(block(1, index), 0..PAGE).await, Ok(()));
            left += 1;
        }
    }
    assert_eq!(left, 200 - 63, "those of one segment are gone");
    world.close().await;
}

#[tokio::test]
async fn what_lay_in_a_segment_is_never_read_as_entries_of_a_longer_table() {
    let mut setup = Setup::new(1, 32 * MIB);
    setup.tuning.segment_bytes = Some(16 * MIB);
    let world = setup.open().await;
    fill(&world, 30, BLOCK).await;
    world.keep(block(9, 0), PAGE).await;
    world.close().await;
    let report = inspect::inspect(&medium::Real, setup.path(0)).unwrap();
    assert_eq!((report.classes[0].segments, report.wrong_entries), (1, 0));
}

#[tokio::test]
async fn bytes_of_a_block_of_another_length_do_not_mix() {
    let setup = Setup::new(1, 32 * MIB);
    let world = setup.open().await;
    let block = block(1, 0);
    world.keep(block, 2 * PAGE - 5).await;
    for range in [2 * PAGE..BLOCK, 0..BLOCK] {
        world.offer(block, BLOCK, range);
        world.disks.settle().await;
        for (_, range) in queue::ranges(world.held(block), BLOCK) {
            assert_eq!(world.right(block, range).await, Ok(()));
        }
    }
    world.close().await;
}

#[tokio::test]
async fn the_index_takes_at_most_64_bytes_a_block() {
    let mut setup = Setup::new(1, 64 * MIB);
    setup.tuning.segment_bytes = Some(32 * MIB);
    let world = setup.open().await;
    world.disks.measure();
    let counts = world.counts(&setup, 0);
    let empty = counts.index.get();
    fill(&world, 1000, 1000).await;
    world.disks.measure();
    assert_eq!(counts.blocks[0].get(), 1000);
    let index = counts.index.get() - empty;
    assert!(index <= 64 * 1000, "{index}");
    world.close().await;
}

#[tokio::test]
async fn the_queue_is_bounded_and_what_does_not_fit_is_counted() {
    let setup = Setup::new(1, 64 * MIB);
    let world = setup.open().await;
    world.medium.add(
        Fault::all(Operation::Write, Wrong::Hang)
            .on(".seg")
            .times(1),
    );
    for index in 0..40 {
        world.offer(block(1, index), BLOCK, 0..BLOCK);
        tokio::task::yield_now().await;
    }
    world.disks.measure();
    let counts = world.counts(&setup, 0);
    let dropped = counts.writes(DiskWrite::QueueFull).get();
    assert!(counts.queued.get() <= 8 << 20);
    assert!(
        dropped >= 40 - 8 - 8,
        "what waits and what is being written: {dropped}"
    );
    world.medium.mend();
    world.disks.settle().await;
    world.disks.measure();
    assert_eq!(counts.queued.get(), 0);
    assert_eq!(counts.writes(DiskWrite::Written).get() + dropped, 40);
    world.close().await;
}

#[tokio::test]
async fn what_the_queue_had_no_room_for_is_written_later_where_memory_still_has_it() {
    let setup = Setup::new(1, 64 * MIB);
    let world = setup.open().await;
    let hang = Fault::all(Operation::Write, Wrong::Hang);
    world.medium.add(hang.on(".seg").times(1));
    let offers = (0..40).map(|index| world.bytes(block(1, index), BLOCK, 0..BLOCK));
    let mut in_memory: Vec<_> = offers.collect();
    for offer in &in_memory {
        world.disks.offer(offer.clone());
        tokio::task::yield_now().await;
    }
    let counts = world.counts(&setup, 0);
    let dropped = counts.writes(DiskWrite::QueueFull).get();
    assert!(dropped >= 40 - 8 - 8, "{dropped}");
    let forgotten = in_memory.pop().map(|offer| offer.block);
    let forgotten = forgotten.expect("the last is among them");
    world.medium.mend();
    world.disks.settle().await;
    for offer in &in_memory {
        assert_eq!(world.right(offer.block, 0..BLOCK).await, Ok(()));
    }
    assert!(world.held(forgotten).is_empty());
    assert_eq!(counts.writes(DiskWrite::Written).get(), 39);
    world.close().await;
}

#[tokio::test]
async fn a_disk_is_used_while_it_is_recovered() {
    let setup = Setup::new(1, 32 * MIB);
    let world = setup.open().await;
    let (old, other) = (block(1, 0), block(2, 0));
    world.keep(old, BLOCK).await;
    world.close().await;
    let medium = Faulty::new(Arc::new(Real));
    medium.add(
        Fault::all(Operation::Read, Wrong::Hang)
            .on("00000000.seg")
            .times(1),
    );
    let world = setup.start(medium);
    world.becomes(0, DiskState::Serving).await;
    assert!(world.held(old).is_empty(), "not known yet");
    world.keep(other, BLOCK).await;
    assert_eq!(world.right(other, 0..BLOCK).await, Ok(()));
    world.disks.measure();
    let counts = world.counts(&setup, 0);
    assert_eq!((counts.segments.get(), counts.recovered.get()), (2, 1));
    world.medium.mend();
    world.disks.recovered().await;
    assert_eq!(world.right(old, 0..BLOCK).await, Ok(()));
    assert_eq!(world.right(other, 0..BLOCK).await, Ok(()));
    world.close().await;
}

#[tokio::test]
async fn a_segment_of_another_version_or_disk_is_given_up_and_its_room_used() {
    for (offset, byte) in [(8, 2), (16, 0xff), (4095, 0xff), (0, 0)] {
        let setup = Setup::new(1, 8 * MIB);
        let world = setup.open().await;
        fill(&world, 6, BLOCK).await;
        world.close().await;
        let path = folder::segment_path(setup.path(0), 0);
        let mut segment = std::fs::read(&path).unwrap();
        segment[offset] ^= byte ^ u8::from(byte == 0);
        std::fs::write(&path, segment).unwrap();
        let world = setup.open().await;
        let held = |index| !world.held(block(1, index)).is_empty();
        assert_eq!((0..6).filter(|index| held(*index)).count(), 3);
        fill(&world, 6, BLOCK).await;
        for index in 0..6 {
            assert_eq!(world.right(block(1, index), 0..BLOCK).await, Ok(()));
        }
        world.close().await;
    }
}

#[tokio::test]
async fn what_is_offered_before_the_end_is_kept_and_nothing_after() {
    let mut setup = Setup::new(1, 32 * MIB);
    setup.tuning.gather = Duration::from_secs(3600);
    let world = setup.open().await;
    let (kept, late) = (block(1, 0), block(1, 1));
    world.offer(kept, BLOCK, 0..PAGE);
    world.disks.close().await;
    world.offer(late, BLOCK, 0..PAGE);
    world.disks.settle().await;
    let world = setup.open().await;
    assert_eq!(world.held(kept), Pages(1));
    assert!(world.held(late).is_empty());
    world.close().await;
}

#[tokio::test]
async fn two_nodes_do_not_use_one_folder() {
    let setup = Setup::new(1, 32 * MIB);
    let (first, second) = (setup.open().await, setup.open().await);
    assert_eq!(first.disks.states()[0].1, DiskState::Serving);
    assert_eq!(second.disks.states()[0].1, DiskState::Out);
    first.close().await;
    second.becomes(0, DiskState::Serving).await;
    second.close().await;
}

#[tokio::test]
async fn what_was_written_under_a_list_of_purges_that_is_lost_is_given_up() {
    let setup = Setup::new(1, 32 * MIB);
    let world = setup.open().await;
    let bucket = "train".parse().unwrap();
    let origin = OriginFingerprint::new("s3", "https://s3.example", "us-east-1", &bucket);
    let (before, after) = (block(1, 0), block(1, 1));
    world.keep(before, BLOCK).await;
    world.disks.purge(origin, "a/").await.unwrap();
    world.keep(after, BLOCK).await;
    world.close().await;
    std::fs::remove_file(setup.path(0).join("purges")).unwrap();
    let world = setup.open().await;
    assert!(world.held(after).is_empty());
    world.close().await;
    std::fs::write(setup.path(0).join("purges"), b"nonsense").unwrap();
    let world = setup.open().await;
    assert!(world.disks.epoch() > Epoch(1 << 30), "later than any purge");
    let object = crate::types::CanonicalObject {
        origin,
        key: "b".parse().unwrap(),
    };
    let floor = world.disks.floor(&object);
    assert!(
        world.disks.held(before, floor).is_empty(),
        "nobody knows what was purged"
    );
    world.close().await;
}
