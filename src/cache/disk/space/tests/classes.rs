//! Room moves between the classes as what is read changes.

use super::{Class, MIB, Space, block};

/// Reads so many blocks of a class, from number `first` on: how many hit.
fn epoch(space: &mut Space, first: u64, blocks: u64, class: Class) -> u64 {
    let read = |number| u64::from(space.read(block(number), class));
    (first..first + blocks).map(read).sum()
}

const SMALL: u64 = 1 << 40;

#[test]
fn objects_of_another_size_get_room_once_the_old_ones_are_no_longer_read() {
    for old_epochs in [1, 5] {
        let mut space = Space::new(64 * MIB, 16);
        for _ in 0..old_epochs {
            epoch(&mut space, 0, 1000, Class::M1);
        }
        epoch(&mut space, SMALL, 100, Class::K128);
        assert!(
            space.usage(Class::K128).segments > 0,
            "the first get some at once"
        );
        let hits: Vec<_> = (0..6)
            .map(|_| epoch(&mut space, SMALL, 2000, Class::K128))
            .collect();
        assert!(hits[3] > 1800 && hits[5] == 2000, "{hits:?}");
        let segments = space.usage(Class::K128).segments;
        assert!(
            (4..=5).contains(&segments),
            "as many as they need: {segments}"
        );
    }
}

#[test]
fn a_pass_over_small_objects_takes_little_from_what_is_read_each_round() {
    let mut space = Space::new(64 * MIB, 16);
    let mut scanned = SMALL;
    for round in 0..4 {
        let hits = epoch(&mut space, 0, 900, Class::M1);
        assert!(round == 0 || hits > 800, "round {round}: {hits}");
        epoch(&mut space, scanned, 2000, Class::K128);
        scanned += 2000;
    }
}

#[test]
fn a_class_gives_back_what_it_took() {
    let mut space = Space::new(64 * MIB, 16);
    for _ in 0..3 {
        epoch(&mut space, 0, 1000, Class::M1);
    }
    for _ in 0..8 {
        epoch(&mut space, SMALL, 6000, Class::K128);
    }
    assert!(space.usage(Class::K128).segments > 10);
    for _ in 0..24 {
        epoch(&mut space, 0, 900, Class::M1);
    }
    assert!(epoch(&mut space, 0, 900, Class::M1) > 810);
}
