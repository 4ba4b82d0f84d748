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

#[tokio::test]
async fn whatever_write_is_the_last_no_wrong_byte_is_read_afterwards() {
    let writes = writes_of_all_work().await;
    assert!(writes > 40, "{writes}");
    let mut pages = 0;
    for last in 0..writes {
        let setup = small();
        let medium = Faulty::new(Arc::new(Real));
        for operation in [Operation::Write, Operation::Replace, Operation::Allocate] {
            // Counted together they would be a crash at one moment; apart, each of them is.
            medium.add(Fault::all(operation, Wrong::Error(5)).after(last));
        }
        let world = setup.start(medium);
        world.disks.recovered().await;
        work(&world).await;
        check(&world).await;
        world.close().await;
        let world = setup.open().await;
        pages += check(&world).await;
        work(&world).await;
        assert!(check(&world).await > 40, "it goes on after write {last}");
        world.close().await;
    }
    assert!(pages > 0);
}
