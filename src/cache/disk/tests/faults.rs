//! A disk that fails: right bytes or a miss, counted, and back when it works again.

use super::medium::faulty::{Fault, Operation, Wrong};
use super::*;
use crate::types::outcome::DiskWrite;

const EIO: Wrong = Wrong::Error(5);
const ENOSPC: Wrong = Wrong::Error(28);
const EROFS: Wrong = Wrong::Error(30);

#[tokio::test]
async fn a_flipped_bit_is_a_miss_and_the_block_can_be_kept_again() {
    let setup = Setup::new(1, 32 * MIB);
    let world = setup.open().await;
    let block = block(1, 0);
    world.keep(block, BLOCK).await;
    world
        .medium
        .add(Fault::all(Operation::Read, Wrong::Flip).on(".seg").times(1));
    assert_eq!(world.right(block, 0..BLOCK).await, Err(Miss::Damaged));
    assert_eq!(world.right(block, 0..BLOCK).await, Err(Miss::Absent));
    world.keep(block, BLOCK).await;
    assert_eq!(world.right(block, 0..BLOCK).await, Ok(()));
    let counts = world.counts(&setup, 0);
    assert_eq!(counts.reads(DiskRead::Damaged).get(), 1);
    assert_eq!(world.disks.states()[0].1, DiskState::Serving);
    world.close().await;
}

#[tokio::test]
async fn reads_that_fail_or_are_short_take_the_disk_out_and_it_comes_back_with_all_it_held() {
    for wrong in [EIO, Wrong::Short(1)] {
        let mut setup = Setup::new(1, 32 * MIB);
        setup.tuning.probe_every = Duration::from_millis(200);
        let world = setup.open().await;
        let block = block(1, 0);
        world.keep(block, BLOCK).await;
        world
            .medium
            .add(Fault::all(Operation::Read, wrong).on(".seg"));
        for _ in 0..3 {
            assert_eq!(world.right(block, 0..PAGE).await, Err(Miss::Failed));
        }
        world.becomes(0, DiskState::Out).await;
        assert!(world.held(block).is_empty());
        assert_eq!(world.right(block, 0..PAGE).await, Err(Miss::Absent));
        world.keep(block, BLOCK).await;
        let counts = world.counts(&setup, 0);
        assert_eq!(counts.writes(DiskWrite::Out).get(), 1);
        assert_eq!(counts.reads(DiskRead::Failed).get(), 3);
        world.medium.mend();
        world.becomes(0, DiskState::Serving).await;
        world.disks.recovered().await;
        assert_eq!(world.right(block, 0..BLOCK).await, Ok(()));
        world.close().await;
    }
}

#[tokio::test]
async fn a_write_that_fails_leaves_reading_and_writing_comes_back() {
    for wrong in [EIO, ENOSPC, EROFS, Wrong::Short(5000)] {
        let mut setup = Setup::new(1, 32 * MIB);
        setup.tuning.probe_every = Duration::from_millis(50);
        let world = setup.open().await;
        let (held, lost) = (block(1, 0), block(1, 1));
        world.keep(held, BLOCK).await;
        world.medium.add(Fault::all(Operation::Write, wrong));
        world.keep(lost, BLOCK).await;
        world.becomes(0, DiskState::ReadOnly).await;
        assert_eq!(world.right(held, 0..BLOCK).await, Ok(()));
        assert_eq!(world.right(lost, 0..BLOCK).await, Err(Miss::Absent));
        world.keep(lost, BLOCK).await;
        let counts = world.counts(&setup, 0);
        assert_eq!(counts.writes(DiskWrite::Failed).get(), 1, "{wrong:?}");
        assert_eq!(counts.writes(DiskWrite::ReadOnly).get(), 1);
        assert_eq!(counts.state.each_ref().map(|it| it.get()), [0, 1, 0]);
        world.medium.mend();
        world.becomes(0, DiskState::Serving).await;
        world.keep(lost, BLOCK).await;
        assert_eq!(world.right(lost, 0..BLOCK).await, Ok(()));
        assert_eq!(world.right(held, 0..BLOCK).await, Ok(()));
        world.close().await;
    }
}

#[tokio::test]
async fn a_file_system_without_room_for_another_segment_is_full_at_that_size() {
    let setup = Setup::new(1, 32 * MIB);
    let world = setup.open().await;
    let first = block(1, 0);
    world.keep(first, BLOCK).await;
    world.medium.add(Fault::all(Operation::Allocate, ENOSPC));
    for index in 1..9 {
        world.keep(block(1, index), BLOCK).await;
    }
    assert_eq!(world.disks.states()[0].1, DiskState::Serving);
    world.disks.measure();
    let counts = world.counts(&setup, 0);
    assert_eq!(counts.allocated.get(), 4 << 20);
    assert_eq!(counts.blocks[4].get(), 3);
    assert!(counts.writes(DiskWrite::Refused).get() + counts.writes(DiskWrite::NoSpace).get() > 0);
    world.close().await;
}

#[tokio::test]
async fn a_disk_that_hangs_is_a_slow_miss_then_out_and_no_read_waits_longer() {
    let mut setup = Setup::new(1, 32 * MIB);
    setup.tuning.read_deadline = Duration::from_millis(30);
    let world = setup.open().await;
    let block = block(1, 0);
    world.keep(block, BLOCK).await;
    // Warm, so that the pages of the block are what hangs.
    world
        .medium
        .add(Fault::all(Operation::Read, Wrong::Hang).on(".seg"));
    for _ in 0..3 {
        assert_eq!(world.right(block, 0..PAGE).await, Err(Miss::Slow));
    }
    world.becomes(0, DiskState::Out).await;
    assert_eq!(world.right(block, 0..PAGE).await, Err(Miss::Absent));
    assert_eq!(world.counts(&setup, 0).reads(DiskRead::Slow).get(), 3);
    world.medium.mend();
    world.becomes(0, DiskState::Serving).await;
    world.disks.recovered().await;
    while world.right(block, 0..PAGE).await.is_err() {
        tokio::task::yield_now().await;
    }
    world.close().await;
}

#[tokio::test]
async fn a_hung_disk_takes_no_more_than_its_share_of_threads() {
    let mut setup = Setup::new(1, 32 * MIB);
    setup.tuning.read_deadline = Duration::from_millis(300);
    let world = setup.open().await;
    let block = block(1, 0);
    world.keep(block, BLOCK).await;
    world
        .medium
        .add(Fault::all(Operation::Read, Wrong::Hang).on(".seg"));
    let reads = (0..100).map(|_| world.right(block, 0..PAGE));
    let ended = futures::future::join_all(reads).await;
    assert!(ended.iter().all(|read| *read == Err(Miss::Slow)));
    assert_eq!(world.medium.hanging(), 32);
    world.medium.mend();
    world.close().await;
}

#[tokio::test]
async fn a_mount_that_vanishes_takes_the_disk_out_and_another_is_used_as_it_is() {
    let setup = Setup::new(1, 32 * MIB);
    let world = setup.open().await;
    let block = block(1, 0);
    world.keep(block, BLOCK).await;
    for name in ["forebay-disk", "lock"] {
        std::fs::remove_file(setup.path(0).join(name)).unwrap();
    }
    std::fs::remove_dir_all(setup.path(0).join("segments")).unwrap();
    while !world.held(block).is_empty() {
        tokio::task::yield_now().await;
    }
    world.becomes(0, DiskState::Serving).await;
    world.disks.recovered().await;
    assert!(world.held(block).is_empty());
    world.keep(block, BLOCK).await;
    assert_eq!(world.right(block, 0..BLOCK).await, Ok(()));
    world.close().await;
}

#[tokio::test]
async fn a_disk_that_is_not_there_at_first_is_used_when_it_comes() {
    let setup = Setup::new(1, 32 * MIB);
    let medium = Faulty::new(Arc::new(Real));
    medium.add(Fault::gone());
    let world = setup.start(medium);
    world.disks.recovered().await;
    let block = block(1, 0);
    assert_eq!(world.disks.states()[0].1, DiskState::Out);
    world.keep(block, BLOCK).await;
    assert_eq!(world.right(block, 0..BLOCK).await, Err(Miss::Absent));
    world.medium.mend();
    world.becomes(0, DiskState::Serving).await;
    world.keep(block, BLOCK).await;
    assert_eq!(world.right(block, 0..BLOCK).await, Ok(()));
    world.close().await;
}

#[tokio::test]
async fn a_file_system_that_refuses_direct_io_is_read_through_the_page_cache() {
    let setup = Setup::new(1, 32 * MIB);
    let medium = Faulty::new(Arc::new(Real));
    // EINVAL, as for O_DIRECT where there is none.
    medium.add(
        Fault::all(Operation::Look, Wrong::Error(22))
            .on("probe")
            .times(1),
    );
    let world = setup.start(medium);
    world.disks.recovered().await;
    let block = block(1, 0);
    world.keep(block, BLOCK - 5).await;
    assert_eq!(world.right(block, 0..BLOCK - 5).await, Ok(()));
    world.close().await;
    let world = setup.open().await;
    assert_eq!(world.right(block, 0..BLOCK - 5).await, Ok(()));
    world.close().await;
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_when_the_node_starts_is_read() {
    let setup = Setup::new(1, 32 * MIB);
    let world = setup.open().await;
    let block = block(1, 0);
    world.keep(block, BLOCK).await;
    world.close().await;
    let medium = Faulty::new(Arc::new(Real));
    medium.add(Fault::all(Operation::Change, EROFS));
    let world = setup.start(medium);
    world.disks.recovered().await;
    assert_eq!(world.disks.states()[0].1, DiskState::ReadOnly);
    assert_eq!(world.right(block, 0..BLOCK).await, Ok(()));
    world.close().await;
}

#[tokio::test]
async fn a_segment_that_could_not_be_made_anew_is_used_again() {
    let mut setup = Setup::new(1, 8 * MIB);
    setup.tuning.probe_every = Duration::from_millis(50);
    let world = setup.open().await;
    for index in 0..126 {
        world.keep(block(1, index), PAGE).await;
    }
    world
        .medium
        .add(Fault::all(Operation::Write, EIO).on(".seg").times(1));
    // No room is left for its class: a segment of the other would be.
    world.keep(block(2, 0), BLOCK).await;
    let counts = world.counts(&setup, 0);
    assert_eq!(counts.writes(DiskWrite::Failed).get(), 1);
    world.becomes(0, DiskState::Serving).await;
    world.disks.measure();
    assert_eq!((counts.segments.get(), counts.recovered.get()), (2, 2));
    assert_eq!(counts.blocks[0].get(), 126, "what was in it is still there");
    world.keep(block(2, 0), BLOCK).await;
    assert_eq!(world.right(block(2, 0), 0..BLOCK).await, Ok(()));
    world.disks.measure();
    assert_eq!(
        counts.blocks.each_ref().map(|it| it.get()),
        [63, 0, 0, 0, 1]
    );
    world.close().await;
}
