//! Pages: in any order, in any class, moved and gained, and never another block's.

use proptest::prelude::{any, prop, prop_assert_eq, proptest};
use proptest::test_runner::{self, TestCaseError};

use super::*;
use crate::types::outcome::DiskWrite;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(future)
}

fn range_of(page: u32, length: u32) -> Range<u32> {
    (page * PAGE).min(length)..((page + 1) * PAGE).min(length)
}

#[tokio::test]
async fn blocks_of_every_class_are_read_as_they_were_offered_and_after_a_restart() {
    let setup = Setup::new(1, 32 * MIB);
    let lengths = [
        1,
        100,
        PAGE,
        PAGE + 1,
        110_000,
        4 * PAGE,
        5 * PAGE,
        9 * PAGE - 1,
        BLOCK,
    ];
    let world = setup.open().await;
    for (index, length) in (0..).zip(lengths) {
        world.offer(block(1, index), length, 0..length);
    }
    world.disks.settle().await;
    for (index, length) in (0..).zip(lengths) {
        let block = block(1, index);
        assert_eq!(world.held(block), Pages::all(length), "{length}");
        assert_eq!(world.right(block, 0..length).await, Ok(()), "{length}");
    }
    world.close().await;
    let world = setup.open().await;
    for (index, length) in (0..).zip(lengths) {
        let block = block(1, index);
        assert_eq!(world.held(block), Pages::all(length), "{length}");
        assert_eq!(world.right(block, 0..length).await, Ok(()), "{length}");
        // What is held is not written again.
        world.keep(block, length).await;
    }
    let counts = world.counts(&setup, 0);
    assert_eq!(counts.writes(DiskWrite::Held).get(), 9);
    assert_eq!(counts.written_bytes.get(), 0);
    world.close().await;
}

#[tokio::test]
async fn a_range_reads_its_pages_only() {
    let setup = Setup::new(1, 32 * MIB);
    let world = setup.open().await;
    let block = block(1, 0);
    world.keep(block, BLOCK).await;
    assert_eq!(world.right(block, 3 * PAGE..5 * PAGE).await, Ok(()));
    let misaligned = world.read(block, 1..PAGE, Epoch(0)).await;
    assert_eq!(misaligned, Err(Miss::Absent), "no page begins there");
    let inside = world.read(block, 0..PAGE - 1, Epoch(0)).await;
    assert_eq!(inside, Err(Miss::Absent), "no page ends there");
    assert_eq!(
        world.counts(&setup, 0).read_bytes.get(),
        2 * u64::from(PAGE)
    );
    world.close().await;
}

#[tokio::test]
async fn a_block_gains_pages_in_its_slot_and_outgrows_it() {
    let setup = Setup::new(1, 32 * MIB);
    let world = setup.open().await;
    let block = block(1, 0);
    let mut held = Pages::default();
    // One page, two, three: in place within a class, else copied to the next. The last three at once.
    for pages in [vec![9], vec![2], vec![15], vec![0], vec![4], vec![3, 1, 8]] {
        for page in pages {
            world.offer(block, BLOCK, range_of(page, BLOCK));
            held = held.with(page);
        }
        world.disks.settle().await;
        assert_eq!(world.held(block), held);
        for page in held.iter() {
            assert_eq!(world.right(block, range_of(page, BLOCK)).await, Ok(()));
        }
    }
    assert_eq!(
        world.right(block, 0..5 * PAGE).await,
        Ok(()),
        "out of order on the disk"
    );
    let counts = world.counts(&setup, 0);
    assert_eq!(counts.moves.get(), 3, "128, 256 and 512 KiB");
    world.disks.measure();
    let blocks: Vec<_> = counts.blocks.iter().map(|it| it.get()).collect();
    assert_eq!(blocks, [0, 0, 0, 1, 0], "its old slots are free");
    world.close().await;
    let world = setup.open().await;
    assert_eq!(world.held(block), held);
    assert_eq!(world.right(block, 0..5 * PAGE).await, Ok(()));
    world.close().await;
}

#[tokio::test]
async fn pieces_of_a_block_that_come_together_are_written_together() {
    let mut setup = Setup::new(1, 32 * MIB);
    setup.tuning.gather = Duration::from_secs(3600);
    let world = setup.open().await;
    let block = block(1, 0);
    for page in [3, 1, 0, 2] {
        // What lies beyond whole pages is left away.
        let range = range_of(page, BLOCK);
        world.offer(block, BLOCK, range.start..range.end + 1000);
    }
    world.disks.settle().await;
    assert_eq!(world.held(block), Pages(0b1111));
    assert_eq!(world.right(block, 0..4 * PAGE).await, Ok(()));
    let counts = world.counts(&setup, 0);
    assert_eq!((counts.moves.get(), counts.gains.get()), (0, 0));
    assert_eq!(counts.writes(DiskWrite::Written).get(), 1);
    world.offer(block, BLOCK, 1..PAGE + 1);
    assert_eq!(counts.writes(DiskWrite::Partial).get(), 1);
    world.close().await;
}

/// Swaps the pages of two blocks on the disk: what is there is right in all but where it is.
#[tokio::test]
async fn a_page_of_another_block_never_passes() {
    let setup = Setup::new(1, 32 * MIB);
    let world = setup.open().await;
    let (one, other) = (block(1, 0), block(1, 1));
    world.keep(one, PAGE).await;
    world.keep(other, PAGE).await;
    let path = folder::segment_path(setup.path(0), 0);
    let mut segment = std::fs::read(&path).unwrap();
    let start = usize::try_from(space::class::data_start(space::class::slots_in(
        4 * MIB,
        space::Class::K64,
    )))
    .unwrap();
    let page = PAGE as usize;
    let (front, back) = segment[start..start + 2 * page].split_at_mut(page);
    front.swap_with_slice(back);
    std::fs::write(&path, segment).unwrap();
    assert_eq!(world.right(one, 0..PAGE).await, Err(Miss::Damaged));
    assert_eq!(
        world.right(one, 0..PAGE).await,
        Err(Miss::Absent),
        "it is given up"
    );
    assert_eq!(world.right(other, 0..PAGE).await, Err(Miss::Damaged));
    world.keep(one, PAGE).await;
    assert_eq!(world.right(one, 0..PAGE).await, Ok(()));
    world.close().await;
}

#[tokio::test]
async fn what_a_purge_covers_is_replaced_and_what_came_late_is_dropped() {
    let setup = Setup::new(1, 32 * MIB);
    let world = setup.open().await;
    let block = block(1, 0);
    let before = world.bytes(block, BLOCK, 0..4 * PAGE);
    world.disks.offer(before.clone());
    world.disks.settle().await;
    let bucket = "train".parse().unwrap();
    let origin = OriginFingerprint::new("s3", "https://s3.example", "us-east-1", &bucket);
    world.disks.purge(origin, "").await.unwrap();
    let now = world.disks.epoch();
    assert!(world.disks.held(block, now).is_empty());
    assert_eq!(world.read(block, 0..PAGE, now).await, Err(Miss::Absent));
    // A page that is not held joins the others, and is as old as they.
    world.offer(block, BLOCK, 4 * PAGE..5 * PAGE);
    world.disks.settle().await;
    assert!(world.disks.held(block, now).is_empty());
    // One that is held replaces them.
    world.offer(block, BLOCK, 0..PAGE);
    world.disks.settle().await;
    assert_eq!(world.disks.held(block, now), Pages(1));
    assert!(world.read(block, 0..PAGE, now).await.is_ok());
    world.disks.offer(before);
    world.disks.settle().await;
    assert_eq!(world.disks.held(block, now), Pages(1));
    assert_eq!(world.counts(&setup, 0).writes(DiskWrite::Stale).get(), 1);
    world.close().await;
    let world = setup.open().await;
    assert_eq!(world.disks.epoch(), now, "a purge outlives the node");
    assert_eq!(world.disks.held(block, now), Pages(1));
    world.close().await;
}

proptest! {
    #![proptest_config(test_runner::Config { cases: 12, ..Default::default() })]

    #[test]
    fn pages_in_any_order_are_read_back_and_found_after_a_restart(
        length in 1..=BLOCK,
        offers in prop::collection::vec((0..3_u32, 0..16_u32, 1..5_u32, any::<bool>()), 1..24),
    ) {
        block_on(async {
            let setup = Setup::new(1, 32 * MIB);
            let world = setup.open().await;
            let mut held = [Pages::default(); 3];
            for (index, first, count, settle) in offers {
                let range = range_of(first, length).start..range_of(first + count - 1, length).end;
                if range.is_empty() {
                    continue;
                }
                held[index as usize] = held[index as usize].union(Pages::within(range.clone(), length));
                world.offer(block(7, index), length, range);
                if settle {
                    world.disks.settle().await;
                }
            }
            world.disks.settle().await;
            check(&world, length, &held).await?;
            world.close().await;
            let world = setup.open().await;
            check(&world, length, &held).await?;
            world.close().await;
            Ok::<(), TestCaseError>(())
        })?;
    }
}

async fn check(world: &World, length: u32, held: &[Pages]) -> Result<(), TestCaseError> {
    for (index, pages) in (0..).zip(held) {
        prop_assert_eq!(world.held(block(7, index)), *pages);
        for page in pages.iter() {
            let read = world.right(block(7, index), range_of(page, length)).await;
            prop_assert_eq!(read, Ok(()));
        }
        for (first, range) in queue::ranges(*pages, length) {
            prop_assert_eq!(
                world.right(block(7, index), range).await,
                Ok(()),
                "from {}",
                first
            );
        }
    }
    Ok(())
}
