//! What readers do all day, and what must come of it: the share of reads that hit.
//!
//! The disk holds 496 blocks of 1 MiB. Block numbers below say which set they belong to.

use super::{Class, MIB, Space, block};

const CLASS: Class = Class::M1;
const SEGMENT: u64 = 32 * MIB;

fn space() -> Space {
    Space::new(SEGMENT, 16)
}

/// Blocks that the disk holds.
fn room() -> u64 {
    16 * u64::from(super::super::class::slots_in(SEGMENT, CLASS))
}

/// Blocks of a set that is the disk's room, times a multiple of a tenth.
fn sized(times: f64) -> u64 {
    let tenths = (0..).find(|tenths| f64::from(*tenths) >= 10.0 * times);
    room() * u64::from(tenths.unwrap_or(0_u32)) / 10
}

/// Numbers without end, the same in each run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % limit
    }

    fn shuffle(&mut self, numbers: &mut [u64]) {
        for at in (1..numbers.len()).rev() {
            let other = self.below(at as u64 + 1);
            numbers.swap(at, usize::try_from(other).expect("a place"));
        }
    }
}

/// Reads these blocks in turn: the share of hits.
fn share(space: &mut Space, blocks: impl IntoIterator<Item = u64>) -> f64 {
    let (mut hits, mut reads) = (0, 0);
    for number in blocks {
        hits += u32::from(space.read(block(number), CLASS));
        reads += 1;
    }
    f64::from(hits) / f64::from(reads)
}

/// One epoch over `size` blocks from `first` on, shuffled if there is something to draw from.
fn epoch(space: &mut Space, first: u64, size: u64, draw: Option<&mut Draw>) -> f64 {
    let mut blocks: Vec<_> = (first..first + size).collect();
    if let Some(draw) = draw {
        draw.shuffle(&mut blocks);
    }
    share(space, blocks)
}

const HOT: u64 = 0;
const SCAN: u64 = 1 << 40;
const OLD: u64 = 2 << 40;
const NEW: u64 = 3 << 40;

#[test]
fn a_scan_between_two_rounds_leaves_what_is_read_each_round() {
    let mut space = space();
    let (hot, scan) = (sized(0.3), sized(5.0));
    epoch(&mut space, HOT, hot, None);
    for round in 0..4 {
        let hits = epoch(&mut space, SCAN + round * scan, scan, None);
        assert_eq!(hits, 0.0);
        let hits = epoch(&mut space, HOT, hot, None);
        assert!(hits > 0.9, "round {round}: {hits}");
    }
}

#[test]
fn a_scan_amid_the_rounds_leaves_what_is_read_each_round() {
    let mut space = space();
    let hot = sized(0.3);
    epoch(&mut space, HOT, hot, None);
    let mut scan = SCAN..;
    for round in 0..4 {
        let mut hits = 0;
        for number in HOT..HOT + hot {
            hits += u32::from(space.read(block(number), CLASS));
            let scanned = scan.by_ref().take(17);
            assert_eq!(share(&mut space, scanned), 0.0);
        }
        let hits = f64::from(hits) / hot as f64;
        assert!(hits > 0.9, "round {round}: {hits}");
    }
}

#[test]
fn what_becomes_hot_amid_scans_is_let_in_when_it_comes_the_third_time() {
    let mut space = space();
    let mut scan = SCAN..;
    share(&mut space, scan.by_ref().take(992));
    let rounds: Vec<_> = (0..5)
        .map(|_| {
            let hits = epoch(&mut space, HOT, sized(0.3), None);
            share(&mut space, scan.by_ref().take(248));
            hits
        })
        .collect();
    assert!(rounds[3] > 0.9 && rounds[4] > 0.9, "{rounds:?}");
}

#[test]
fn a_loop_longer_than_the_disk_hits_nearly_as_much_as_the_disk_holds() {
    let in_order = [(1.5, 0.99), (3.0, 0.99), (7.0, 0.99), (12.0, 0.6)];
    let shuffled = [(1.5, 0.97), (3.0, 0.85), (7.0, 0.65)];
    let loops = in_order.map(|it| (it, false)).into_iter();
    for ((times, least), shuffled) in loops.chain(shuffled.map(|it| (it, true))) {
        let (mut space, mut draw) = (space(), Draw(7));
        let mut next = || {
            let draw = shuffled.then_some(&mut draw);
            epoch(&mut space, OLD, sized(times), draw) * times
        };
        next();
        for number in 2..7 {
            let share = next();
            assert!(share > least, "{times} {shuffled}, epoch {number}: {share}");
        }
    }
}

#[test]
fn a_new_data_set_takes_the_place_of_one_that_is_no_longer_read_by_its_fourth_epoch() {
    for (old_epochs, shuffled) in [
        (1, false),
        (1, true),
        (2, true),
        (5, false),
        (5, true),
        (20, true),
    ] {
        let (mut space, mut draw) = (space(), Draw(11));
        let mut next = |first| {
            let draw = shuffled.then_some(&mut draw);
            epoch(&mut space, first, room(), draw)
        };
        for _ in 0..old_epochs {
            next(OLD);
        }
        let epochs: Vec<_> = (0..6).map(|_| next(NEW)).collect();
        let later = &epochs[3..];
        assert!(
            later.iter().all(|hits| *hits > 0.9),
            "{old_epochs} {shuffled}: {epochs:?}"
        );
    }
}

/// The books of the same disk after a restart: only what slot tables hold is known.
fn restarted(space: &Space) -> Space {
    let mut again = self::space();
    for (number, segment) in space.books.segments().known() {
        let slots = (0..)
            .zip(segment.slots())
            .filter(|(_, slot)| slot.is_held());
        let table: Vec<_> = slots
            .map(|(place, slot)| (place, slot.block(), slot.contents()))
            .collect();
        assert_eq!(again.restore(number, segment.class, &table), []);
    }
    again
}

#[test]
fn a_restart_amid_a_loop_costs_little() {
    for (times, shuffled) in [(1.5, true), (3.0, false), (3.0, true)] {
        let (mut space, mut draw) = (space(), Draw(13));
        let mut next = |space: &mut Space| {
            let draw = shuffled.then_some(&mut draw);
            epoch(space, OLD, sized(times), draw) * times
        };
        for _ in 0..5 {
            next(&mut space);
        }
        let mut space = restarted(&space);
        for number in 1..5 {
            let share = next(&mut space);
            assert!(share > 0.87, "{times} {shuffled}, epoch {number}: {share}");
        }
    }
}

#[test]
fn a_block_that_is_read_in_many_ranges_is_accessed_once() {
    let mut space = space();
    let (hot, scan) = (sized(0.3), sized(3.0));
    epoch(&mut space, HOT, hot, None);
    epoch(&mut space, HOT, hot, None);
    for number in SCAN..SCAN + scan {
        for _page in 0..16 {
            space.read(block(number), CLASS);
        }
    }
    assert!(epoch(&mut space, HOT, hot, None) > 0.9);
}

#[test]
fn a_small_set_that_alone_is_read_is_let_in_on_a_disk_that_is_full_of_others() {
    for blocks in [6, 25, 60] {
        let mut space = space();
        epoch(&mut space, OLD, room(), None);
        let rounds = (0..200).map(|_| epoch(&mut space, NEW, blocks, None));
        let hit = rounds.into_iter().position(|hits| hits > 0.9);
        assert!(hit.is_some(), "{blocks} blocks are read again and again");
    }
}
