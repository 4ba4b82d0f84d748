//! What the inspection of a folder tells.

use super::medium::faulty::{Fault, Operation, Wrong};
use super::*;

async fn filled() -> (Setup, World) {
    let setup = Setup::new(1, 32 * MIB);
    let world = setup.open().await;
    for index in 0..5 {
        world.keep(block(1, index), BLOCK).await;
        world.keep(block(2, index), 110_000).await;
    }
    (setup, world)
}

#[tokio::test]
async fn a_report_has_the_segments_slots_and_bytes_of_each_class() {
    let (setup, world) = filled().await;
    let report = inspect::inspect(&Real, setup.path(0)).unwrap();
    assert_eq!(report.in_use, Some(true));
    assert_eq!(
        (report.segments(), report.segment_bytes),
        (3, Some(4 << 20))
    );
    let used: Vec<_> = report
        .classes
        .iter()
        .map(|it| (it.segments, it.used))
        .collect();
    assert_eq!(used, [(0, 0), (1, 5), (0, 0), (0, 0), (2, 5)]);
    assert_eq!(report.classes[4].slots, 6);
    assert_eq!(report.live_bytes(), 5 * 110_000 + 5 * u64::from(BLOCK));
    assert!(report.oldest.is_some() && report.oldest <= report.newest);
    assert!(!report.is_damaged() && report.scan.is_none());
    world.close().await;
    let report = inspect::inspect(&Real, setup.path(0)).unwrap();
    assert_eq!(report.in_use, Some(false));
}

#[tokio::test]
async fn a_scan_reads_every_page_and_tells_how_far_it_is() {
    let (setup, world) = filled().await;
    let mut steps = Vec::new();
    let report = inspect::scan(&Real, setup.path(0), &mut |it| steps.push(it)).unwrap();
    let scan = report.scan.clone().unwrap();
    assert_eq!(
        (scan.pages, scan.bytes),
        (5 * 2 + 5 * 16, report.live_bytes())
    );
    assert!(!report.is_damaged());
    assert!(steps.is_sorted_by_key(|it| it.done));
    assert_eq!((steps.len(), steps[10].done), (11, steps[10].total));
    let faulty = Faulty::new(Arc::new(Real));
    faulty.add(
        Fault::all(Operation::Read, Wrong::Flip)
            .on(".seg")
            .after(8 + 3)
            .times(2),
    );
    let report = inspect::scan(&faulty, setup.path(0), &mut |_| ()).unwrap();
    let scan = report.scan.clone().unwrap();
    assert_eq!((scan.pages, scan.damaged), (90, 2));
    assert!(report.is_damaged());
    world.close().await;
}

#[tokio::test]
async fn what_is_damaged_is_counted() {
    let (setup, world) = filled().await;
    world.close().await;
    let change = |segment: u32, offset: usize| {
        let path = folder::segment_path(setup.path(0), segment);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[offset] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    };
    change(0, 9);
    change(1, 4096 + 70);
    let report = inspect::inspect(&Real, setup.path(0)).unwrap();
    assert_eq!(report.unusable.len(), 1);
    assert_eq!((report.unusable[0].segment, report.wrong_entries), (0, 1));
    assert!(report.is_damaged());
    // A copy of a segment under another number is none, and a folder that is none is told.
    let [from, to] = [1, 7].map(|number| folder::segment_path(setup.path(0), number));
    std::fs::copy(from, to).unwrap();
    let report = inspect::inspect(&Real, setup.path(0)).unwrap();
    assert_eq!(report.unusable[1].why, "it is segment 1");
    let nothing = tempfile::tempdir().unwrap();
    assert!(inspect::inspect(&Real, nothing.path()).is_err());
}

/// The books balance: after much coming and going the folder says what the node says.
#[tokio::test]
async fn a_folder_holds_what_the_node_thinks_it_holds() {
    let setup = Setup::new(1, 16 * MIB);
    let world = setup.open().await;
    for round in 0..6_u32 {
        for index in 0..40_u32 {
            let block = block(u128::from(index), round % 3);
            let length = [BLOCK, 110_000, 3 * PAGE, PAGE][index as usize % 4];
            let first = round * PAGE % length / PAGE * PAGE;
            world.offer(block, length, first..length);
            if index % 8 == 7 {
                world.disks.settle().await;
                let _ = world.right(block, 0..PAGE.min(length)).await;
            }
        }
        world.disks.settle().await;
        world.disks.measure();
        let report = inspect::inspect(&Real, setup.path(0)).unwrap();
        let counts = world.counts(&setup, 0);
        let node: Vec<_> = counts.blocks.iter().map(|it| it.get()).collect();
        let folder: Vec<_> = report.classes.iter().map(|it| it.used as i64).collect();
        assert_eq!(node, folder, "round {round}");
        assert_eq!(counts.live.get(), report.live_bytes() as i64);
        assert_eq!(report.duplicates, 0);
    }
    world.close().await;
}
