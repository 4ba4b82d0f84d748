//! What the books take, and how slots pass from one state to the next.

use super::super::{Reason, SlotNumber, Usage};
use super::{Class, Contents, MIB, Place, Space, block, first_pages, full};
use crate::cache::disk::Epoch;

#[test]
fn the_books_take_at_most_64_bytes_a_block() {
    for class in Class::ALL {
        let blocks = 100_000_u64;
        let slots = u64::from(super::super::class::slots_in(1024 * MIB, class));
        let segments = u32::try_from(blocks.div_ceil(slots)).expect("few");
        let mut space = Space::new(1024 * MIB, segments);
        for number in 0..u64::from(segments) * slots {
            space.missed(block(number));
            space
                .write(block(number), class, full(class))
                .expect("there is room");
        }
        assert!(space.blocks() as u64 >= blocks);
        let each = space.index_bytes() as f64 / space.blocks() as f64;
        assert!(each <= 64.0, "{class:?}: {each}");
    }
}

#[test]
fn a_reserved_slot_is_not_found_and_not_evicted_until_it_is_published() {
    let mut space = Space::new(16 * MIB, 1);
    assert_eq!(
        space.place(Class::M1, block(1), false),
        Place::NewSegment(0)
    );
    space.add_segment(0, Class::M1);
    let Place::Slot(slot) = space.place(Class::M1, block(1), false) else {
        panic!("the segment is free");
    };
    assert_eq!(
        (space.find(block(1)), space.slot(slot).is_none()),
        (None, true)
    );
    for number in 2..100 {
        space.write(block(number), Class::M1, full(Class::M1));
    }
    assert_eq!(space.publish(slot, block(1), full(Class::M1)), None);
    assert_eq!(space.find(block(1)), Some(slot));
    assert_eq!(space.slot(slot).expect("held").block(), block(1));
}

#[test]
fn nothing_goes_while_all_is_being_written() {
    let mut space = Space::new(16 * MIB, 1);
    space.add_segment(0, Class::M1);
    let reserved: Vec<_> = std::iter::from_fn(|| match space.place(Class::M1, block(1), false) {
        Place::Slot(slot) => Some(slot),
        refused => {
            assert_eq!(refused, Place::Refused(Reason::Full));
            None
        }
    })
    .collect();
    assert_eq!(reserved.len(), 15);
    assert_eq!(
        space.place(Class::K64, block(1), false),
        Place::Refused(Reason::Full)
    );
    space.free(reserved[3]);
    assert_eq!(
        space.place(Class::M1, block(1), false),
        Place::Slot(reserved[3])
    );
}

#[test]
fn a_block_that_outgrows_its_slot_keeps_it_until_it_is_published_in_another() {
    let mut space = Space::new(16 * MIB, 2);
    let old = space
        .write(block(1), Class::K64, first_pages(1))
        .expect("room");
    let Place::NewSegment(number) = space.place(Class::K128, block(1), false) else {
        panic!("the class has no segment");
    };
    space.add_segment(number, Class::K128);
    let Place::Slot(new) = space.place(Class::K128, block(1), false) else {
        panic!("the segment is free");
    };
    assert_eq!(space.find(block(1)), Some(old));
    assert_eq!(space.publish(new, block(1), first_pages(2)), Some(old));
    assert_eq!(
        (space.find(block(1)), space.slot(old).is_none()),
        (Some(new), true)
    );
    assert_eq!(space.class(new), Some(Class::K128));
    // The other segment is empty now, and any class may have it.
    for _ in 0..20_000 {
        let placed = space.place(Class::M1, block(2), false);
        if placed == Place::Recycle(old.segment()) {
            return;
        }
    }
    panic!("the empty segment is not given away");
}

#[test]
fn a_block_gains_pages_in_place_unless_its_slot_has_had_another_life() {
    let mut space = Space::new(16 * MIB, 1);
    let slot = space
        .write(block(1), Class::M1, first_pages(1))
        .expect("room");
    let generation = space.slot(slot).expect("held").generation();
    assert!(space.gain(slot, generation, first_pages(3)));
    let held = space.slot(slot).expect("held");
    assert_eq!(
        (held.contents(), held.generation()),
        (first_pages(3), generation)
    );
    assert_eq!(space.live_bytes(), u64::from(first_pages(3).bytes));
    space.free(slot);
    assert_eq!(space.write(block(1), Class::M1, first_pages(1)), Some(slot));
    assert!(!space.gain(slot, generation, first_pages(3)));
    assert_eq!(space.slot(slot).expect("held").contents(), first_pages(1));
}

#[test]
fn of_two_slots_with_the_same_block_the_later_epoch_wins_then_the_more_pages() {
    let later = |pages, epoch| Contents {
        epoch: Epoch(epoch),
        ..first_pages(pages)
    };
    let mut space = Space::new(16 * MIB, 4);
    space.announce(0);
    space.announce(1);
    assert_eq!(space.files(), 2);
    let table = [
        (0, block(1), later(1, 5)),
        (4, block(2), later(2, 1)),
        (2, block(1), later(2, 5)),
    ];
    assert_eq!(
        space.restore(1, Class::K128, &table),
        [SlotNumber::new(1, 0)]
    );
    let table = [(0, block(1), later(9, 4)), (1, block(2), later(3, 1))];
    let freed = space.restore(0, Class::M1, &table);
    assert_eq!(freed, [SlotNumber::new(0, 0), SlotNumber::new(1, 4)]);
    assert_eq!(space.find(block(1)), Some(SlotNumber::new(1, 2)));
    assert_eq!(space.find(block(2)), Some(SlotNumber::new(0, 1)));
    assert_eq!((space.files(), space.blocks()), (2, 2));
    let page = u64::from(first_pages(1).bytes);
    let expected = Usage {
        segments: 1,
        slots: 15,
        blocks: 1,
        live_bytes: 3 * page,
        ..Usage::default()
    };
    assert_eq!(space.usage(Class::M1), expected);
}

#[test]
fn a_file_that_is_not_read_yet_is_not_written_and_counts() {
    let mut space = Space::new(16 * MIB, 2);
    space.announce(0);
    assert_eq!(
        space.place(Class::M1, block(1), false),
        Place::NewSegment(1)
    );
    space.limit(1);
    assert_eq!(
        space.place(Class::M1, block(1), false),
        Place::Refused(Reason::Full)
    );
    space.forget(0);
    assert_eq!(
        space.place(Class::M1, block(1), false),
        Place::NewSegment(0)
    );
    space.announce(0);
    space.restore(0, Class::M1, &[]);
    assert_eq!(
        space.place(Class::M1, block(1), false),
        Place::Slot(SlotNumber::new(0, 0))
    );
}

#[test]
fn pinned_blocks_stay_and_take_at_most_four_fifths() {
    let mut space = Space::new(16 * MIB, 10);
    let pinned = |class| Contents {
        pinned: true,
        ..full(class)
    };
    for number in 0..2000 {
        space.missed(block(number));
        space.write(block(number), Class::M1, pinned(Class::M1));
    }
    let usage = space.usage(Class::M1);
    assert_eq!(usage.pinned, 10 * 16 * 4 / 5);
    let held: Vec<_> = (0..2000).filter(|it| is_pinned(&space, *it)).collect();
    for round in 0..20 {
        for number in 10_000..10_150 {
            space.missed(block(number));
            space.write(block(number), Class::M1, full(Class::M1));
            space.missed(block(round << 20 | number));
            space.write(block(round << 20 | number), Class::K64, full(Class::K64));
        }
    }
    assert!(held.iter().all(|number| is_pinned(&space, *number)));
    assert!(
        space.usage(Class::M1).blocks > usage.pinned,
        "others have the rest"
    );
}

fn is_pinned(space: &Space, number: u64) -> bool {
    let slot = space.find(block(number)).and_then(|slot| space.slot(slot));
    slot.is_some_and(|slot| slot.contents().pinned)
}
