//! Random operations beside a plain map of what is held where.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::{BlockId, Class, Contents, MIB, Place, Space, block, first_pages};
use crate::cache::disk::Epoch;
use crate::cache::disk::space::slot::State;
use crate::cache::disk::space::{SlotNumber, Usage, index};

#[derive(Debug, Clone)]
enum Step {
    Place {
        block: u64,
        pages: u32,
        pinned: bool,
    },
    /// Of what is reserved: which, and whether writing it went well.
    Written {
        which: usize,
        well: bool,
    },
    Gain {
        block: u64,
        pages: u32,
    },
    Free {
        block: u64,
    },
    Read {
        block: u64,
        times: u8,
    },
    Restart {
        segment: u32,
    },
    Lose {
        segment: u32,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let block = || 0u64..120;
    let pages = || 1u32..=16;
    let place = (block(), pages(), prop::bool::weighted(0.1)).prop_map(|(block, pages, pinned)| {
        Step::Place {
            block,
            pages,
            pinned,
        }
    });
    let written = (any::<usize>(), prop::bool::weighted(0.9))
        .prop_map(|(which, well)| Step::Written { which, well });
    let gain = (block(), pages()).prop_map(|(block, pages)| Step::Gain { block, pages });
    let step = prop_oneof![
        20 => place,
        20 => written,
        4 => gain,
        4 => block().prop_map(|block| Step::Free { block }),
        20 => (block(), 1u8..5).prop_map(|(block, times)| Step::Read { block, times }),
        1 => (0u32..4).prop_map(|segment| Step::Restart { segment }),
        1 => (0u32..4).prop_map(|segment| Step::Lose { segment }),
    ];
    prop::collection::vec(step, 1..600)
}

/// What the books should say.
#[derive(Default)]
struct Plain {
    held: HashMap<BlockId, (SlotNumber, Contents)>,
    reserved: Vec<(SlotNumber, BlockId, Contents)>,
    segments: HashMap<u32, Class>,
}

impl Plain {
    fn lose_segment(&mut self, number: u32) {
        self.held.retain(|_, (slot, _)| slot.segment() != number);
        self.reserved.retain(|(slot, ..)| slot.segment() != number);
        self.segments.remove(&number);
    }

    fn place(&mut self, space: &mut Space, block: BlockId, contents: Contents) {
        let class = Class::for_pages(contents.pages.0.count_ones());
        let before = self.held.get(&block).copied();
        match space.place(class, block, contents.pinned) {
            Place::Slot(slot) => {
                assert!(self.held.values().all(|(held, _)| *held != slot));
                self.reserve(slot, class, block, contents);
            }
            Place::Instead(slot) => {
                let victim = self.held.iter().find(|(_, (held, _))| *held == slot);
                let victim = *victim.expect("it was held").0;
                let (_, gone) = self.held.remove(&victim).expect("it was held");
                assert!(
                    !gone.pinned || contents.pinned,
                    "a pin gives way to pins only"
                );
                self.reserve(slot, class, block, contents);
            }
            Place::NewSegment(number) => {
                assert!(!self.segments.contains_key(&number) && number < 4);
                self.add(space, number, class);
            }
            Place::Recycle(number) => {
                assert!(
                    self.reserved
                        .iter()
                        .all(|(slot, ..)| slot.segment() != number)
                );
                let lost = self
                    .held
                    .values()
                    .filter(|(slot, _)| slot.segment() == number);
                assert!(lost.clone().all(|(_, contents)| !contents.pinned));
                self.lose_segment(number);
                self.add(space, number, class);
            }
            Place::Refused(_) => {}
        }
        assert_eq!(
            self.held.get(&block).copied(),
            before,
            "what is copied stays meanwhile"
        );
    }

    fn add(&mut self, space: &mut Space, number: u32, class: Class) {
        space.add_segment(number, class);
        self.segments.insert(number, class);
    }

    fn reserve(&mut self, slot: SlotNumber, class: Class, block: BlockId, contents: Contents) {
        assert_eq!(self.segments.get(&slot.segment()), Some(&class));
        assert!(self.reserved.iter().all(|(other, ..)| *other != slot));
        self.reserved.push((slot, block, contents));
    }

    fn written(&mut self, space: &mut Space, which: usize, well: bool) {
        if self.reserved.is_empty() {
            return;
        }
        let (slot, block, contents) = self.reserved.swap_remove(which % self.reserved.len());
        if !well {
            space.free(slot);
            return;
        }
        let freed = space.publish(slot, block, contents);
        let before = self.held.get(&block).map(|(slot, _)| *slot);
        if freed == Some(slot) {
            assert!(before.is_some(), "only a better one keeps it out");
            return;
        }
        assert_eq!(freed, before);
        let now = space.slot(slot).expect("it is held").contents();
        assert!(
            now == contents
                || now
                    == Contents {
                        pinned: false,
                        ..contents
                    }
        );
        self.held.insert(block, (slot, now));
    }

    fn gain(&mut self, space: &mut Space, block: BlockId, pages: u32) {
        let Some((slot, contents)) = self.held.get_mut(&block) else {
            return;
        };
        let room = space.class(*slot).expect("it is held").pages();
        let generation = space.slot(*slot).expect("it is held").generation();
        let more = Contents {
            pinned: contents.pinned,
            ..first_pages(pages.min(room))
        };
        assert!(!space.gain(*slot, generation.wrapping_add(1), more));
        assert!(space.gain(*slot, generation, more));
        *contents = more;
    }

    /// The table of a segment is read again, as after a restart.
    fn restart(&mut self, space: &mut Space, number: u32) {
        let Some(class) = self.segments.get(&number).copied() else {
            return;
        };
        let of_segment = self
            .held
            .iter()
            .filter(|(_, (slot, _))| slot.segment() == number);
        let table: Vec<_> = of_segment
            .map(|(block, (slot, contents))| (slot.slot(), *block, *contents))
            .collect();
        space.announce(number);
        assert!(
            table
                .iter()
                .all(|(_, block, _)| space.find(*block).is_none())
        );
        self.reserved.retain(|(slot, ..)| slot.segment() != number);
        assert_eq!(space.restore(number, class, &table), []);
        for (slot, contents) in self.held.values_mut() {
            if slot.segment() == number {
                *contents = space.slot(*slot).expect("restored").contents();
            }
        }
    }

    /// Every slot is free, reserved or held, as here; sums are sums.
    fn check(&self, space: &Space) {
        assert_eq!(space.blocks(), self.held.len());
        for (block, (slot, contents)) in &self.held {
            assert_eq!(space.find(*block), Some(*slot));
            let held = space.slot(*slot).expect("it is held");
            assert_eq!((held.block(), held.contents()), (*block, *contents));
        }
        for number in 0..120 {
            let found = space.find(block(number));
            assert_eq!(found, self.held.get(&block(number)).map(|(slot, _)| *slot));
        }
        let mut sums = HashMap::<Class, Usage>::new();
        let reserved: HashSet<_> = self.reserved.iter().map(|(slot, ..)| *slot).collect();
        let mut open = HashMap::new();
        for (number, segment) in space.books.segments().known() {
            let sum = sums.entry(segment.class).or_default();
            sum.segments += 1;
            let mut free = 0;
            for (slot, state) in (0..).zip(segment.slots()) {
                let slot = SlotNumber::new(number, slot);
                sum.slots += 1;
                assert_eq!(state.state == State::Reserved, reserved.contains(&slot));
                match state.state {
                    State::Free => free += 1,
                    State::Reserved => sum.reserved += 1,
                    State::Held | State::Pinned => {
                        let (_, contents) = self.held[&state.block()];
                        sum.blocks += 1;
                        sum.pinned += u64::from(contents.pinned);
                        sum.live_bytes += u64::from(contents.bytes);
                    }
                }
            }
            assert_eq!(segment.free, free);
            open.insert(number, (segment.class, free));
        }
        for class in Class::ALL {
            assert_eq!(space.usage(class), sums.remove(&class).unwrap_or_default());
        }
        let known: HashMap<_, _> = open
            .iter()
            .map(|(number, (class, _))| (*number, *class))
            .collect();
        assert_eq!(known, self.segments);
        assert_eq!(space.files() as usize, self.segments.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_books_balance_whatever_happens(steps in steps()) {
        let (mut space, mut plain) = (Space::new(4 * MIB, 4), Plain::default());
        for step in steps {
            match step {
                Step::Place { block: number, pages, pinned } => {
                    let contents = Contents { pinned, epoch: Epoch(u32::from(pinned)), ..first_pages(pages) };
                    space.missed(block(number));
                    plain.place(&mut space, block(number), contents);
                }
                Step::Written { which, well } => plain.written(&mut space, which, well),
                Step::Gain { block: number, pages } => plain.gain(&mut space, block(number), pages),
                Step::Free { block: number } => {
                    if let Some((slot, _)) = plain.held.remove(&block(number)) {
                        space.free(slot);
                    }
                }
                Step::Read { block: number, times } => for _ in 0..times {
                    match space.find(block(number)) {
                        Some(slot) => space.touch(slot),
                        None => space.missed(block(number)),
                    }
                },
                Step::Restart { segment } => plain.restart(&mut space, segment),
                Step::Lose { segment } => {
                    space.forget(segment);
                    plain.lose_segment(segment);
                }
            }
            plain.check(&space);
        }
    }
}

#[test]
fn blocks_of_one_body_and_of_many_spread_over_the_index() {
    let body = super::digest(1);
    let mut shards = HashMap::<u64, u32>::new();
    for number in 0..64_000 {
        let of_one = index::hash(&BlockId {
            body,
            index: number,
        });
        *shards.entry(of_one >> 40 & 63).or_default() += 1;
    }
    assert!(shards.values().all(|blocks| (800..1200).contains(blocks)));
}
