//! A process that ends at any moment: what is read afterwards is right, or a miss.

use super::medium::faulty::{Fault, Operation, Wrong};
use super::*;

/// Blocks of all sizes, in pieces, so that slots are filled, outgrown, evicted and used again.
async fn work(world: &World) {
    for round in 0..3_u32 {
        for index in 0..10_u32 {
            let block = block(u128::from(index % 3), index);
            let length = [BLOCK, 5 * PAGE, 2 * PAGE + 7, PAGE, 900][index as usize % 5];
            let first = (round * 7 + index * 3) * PAGE % length / PAGE * PAGE;
            let until = (first + (1 + round) * 2 * PAGE).min(length);
            world.offer(block, length, first..until);
            if index % 4 == 3 {
                world.disks.settle().await;
            }
        }
        world.disks.settle().await;
    }
}

/// Reads all that is held, and tells how many pages there are.
async fn check(world: &World) -> u32 {
    let mut pages = 0;
    for index in 0..10_u32 {
        let block = block(u128::from(index % 3), index);
        let length = [BLOCK, 5 * PAGE, 2 * PAGE + 7, PAGE, 900][index as usize % 5];
        let held = world.held(block);
        assert!(Pages::all(length).covers(held));
        for (_, range) in queue::ranges(held, length) {
            match world.right(block, range).await {
                Ok(()) => pages += held.count(),
                Err(Miss::Damaged) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    pages
}

fn small() -> Setup {
    let mut setup = Setup::new(1, 8 * MIB);
    setup.tuning.segment_bytes = Some(2 * MIB);
    setup
}

async fn writes_of_all_work() -> u64 {
    let setup = small();
    let world = setup.open().await;
    work(&world).await;
    assert!(check(&world).await > 40, "it is worth it");
    let writes = world.medium.writes();
    world.close().await;
    writes
}

/// Works until a write fails, which leaves `lost` of its last bytes as they were, and all after it; then starts anew. Gives
/// back how many pages were read.
async fn crash(after: u64, lost: usize) -> u32 {
    let setup = small();
    let medium = Faulty::new(Arc::new(Real));
    medium.add(
        Fault::all(Operation::Change, Wrong::Short(lost))
            .after(after)
            .times(1),
    );
    medium.add(Fault::all(Operation::Change, Wrong::Error(5)).after(after + 1));
    let world = setup.start(medium);
    world.disks.recovered().await;
    work(&world).await;
    check(&world).await;
    world.close().await;
    let world = setup.open().await;
    // A look at the disk that the crash cut off may have kept the folder a little longer.
    world.becomes(0, DiskState::Serving).await;
    world.disks.recovered().await;
    let pages = check(&world).await;
    work(&world).await;
    assert!(check(&world).await > 0, "it goes on after write {after}");
    world.close().await;
    pages
}

#[tokio::test]
async fn whatever_write_is_the_last_or_torn_no_wrong_byte_is_read_afterwards() {
    let writes = writes_of_all_work().await;
    assert!(writes > 40, "{writes}");
    // All of it, half an entry, half a table page, a page of data and a half.
    let lost = [1 << 20, 128, 2048, 96 << 10].into_iter().cycle();
    let mut most = 0;
    for (last, lost) in (0..writes).zip(lost) {
        most = most.max(crash(last, lost).await);
    }
    assert!(most > 40, "what was written before is read");
}
