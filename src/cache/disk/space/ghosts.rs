//! Blocks that are not held, but were lately asked for: how often, and how far apart. Four bytes each.
//!
//! A table of sets of eight. A block is known by its set and 14 more bits of its hash, so one in two thousand is taken for
//! another. A set that is full forgets the block that was not asked for the longest: a scan is forgotten by what comes after
//! it. What is evicted is not remembered. It may have been due just then; were it to come back with what was known of it, the
//! next that is due would have to go, and so on through a whole loop.

/// Blocks in a set.
const WAYS: usize = 8;
/// Slots for which there is a set: two blocks, eight bytes, for each slot.
const SLOTS_PER_SET: usize = 4;
/// The fewest sets.
const FEWEST: usize = 32;
/// More than this is not counted.
const MOST: u8 = 3;
/// The longest rest that is told from longer ones: sixteen turns.
const LONGEST: u8 = 0x7f;
/// Bits of the time.
const TIME: u32 = 0x1ff;

/// What is known of a block that is not held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ghost {
    /// Accesses; 3 for all that are more.
    pub(super) count: u8,
    /// The longest time between two of the last accesses, in eighths of a turn.
    pub(super) rest: u8,
    /// The time of the last access, in eighths of a turn, modulo 512.
    when: u32,
}

/// A ghost and its tag: 9 bits of time, 7 of rest, 2 of count, 14 of tag. Zero if there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Packed(u32);

impl Packed {
    fn new(tag: u32, ghost: Ghost) -> Self {
        let count = u32::from(ghost.count.min(MOST));
        let rest = u32::from(ghost.rest.min(LONGEST));
        Self(tag << 18 | count << 16 | rest << 9 | ghost.when & TIME)
    }

    fn ghost(self) -> Ghost {
        let bits = |shift: u32, mask: u32| {
            u8::try_from(self.0 >> shift & mask).expect("the mask has at most 8 bits")
        };
        Ghost {
            count: bits(16, 0x3),
            rest: bits(9, 0x7f),
            when: self.0 & TIME,
        }
    }

    const fn is_none(self) -> bool {
        self.0 == 0
    }

    fn is_of(self, tag: u32) -> bool {
        !self.is_none() && self.0 >> 18 == tag
    }

    fn idle(self, now: u32) -> u32 {
        now.wrapping_sub(self.0) & TIME
    }
}

#[derive(Debug)]
pub(super) struct Ghosts {
    sets: Vec<[Packed; WAYS]>,
}

impl Ghosts {
    pub(super) fn new() -> Self {
        Self {
            sets: vec![Default::default(); FEWEST],
        }
    }

    /// Fits the table to so many slots. What was asked for last is kept.
    pub(super) fn resize(&mut self, slots: usize, now: u32) {
        let wanted = rounded((slots / SLOTS_PER_SET).max(FEWEST));
        if wanted != self.sets.len() {
            let mut known = Vec::new();
            let sets = (0..wanted).map(|set| self.overlapping(set, wanted, now, &mut known));
            self.sets = sets.collect();
        }
    }

    /// What is known of the blocks of a set, were there `wanted` sets. A few may be of its neighbours. `known` is scratch.
    fn overlapping(
        &self,
        set: usize,
        wanted: usize,
        now: u32,
        known: &mut Vec<Packed>,
    ) -> [Packed; WAYS] {
        let last = (set + 1) * self.sets.len() - 1;
        let old = &self.sets[set * self.sets.len() / wanted..=last / wanted];
        known.clear();
        known.extend(old.iter().flatten().filter(|it| !it.is_none()));
        known.sort_unstable_by_key(|it| it.idle(now));
        std::array::from_fn(|way| known.get(way).copied().unwrap_or_default())
    }

    /// A block is asked for at a time, in eighths of a turn. False if that is part of the same access as the last.
    pub(super) fn access(&mut self, hash: u64, now: u32) -> bool {
        let mut ghost = Ghost {
            count: 1,
            rest: 0,
            when: now,
        };
        if let Some(known) = self.find(hash) {
            let Ghost { count, rest, .. } = known.ghost();
            let idle = known.idle(now);
            if idle == 0 {
                return false;
            }
            ghost.count = count + 1;
            ghost.rest = longest_rest(rest, u8::try_from(idle).unwrap_or(u8::MAX));
        }
        self.put(hash, ghost, now);
        true
    }

    /// What is known of a block; counts of zero if nothing.
    pub(super) fn get(&self, hash: u64) -> Ghost {
        self.find(hash).map(Packed::ghost).unwrap_or_default()
    }

    /// What was known of a block that is held from now on.
    pub(super) fn take(&mut self, hash: u64) -> Ghost {
        let set = place(self.sets.len(), hash);
        let ways = self.sets[set].iter_mut();
        let mut known = ways.filter(|it| it.is_of(tag(hash)));
        known.next().map(std::mem::take).unwrap_or_default().ghost()
    }

    pub(super) fn bytes(&self) -> usize {
        self.sets.capacity() * size_of::<[Packed; WAYS]>()
    }

    fn find(&self, hash: u64) -> Option<Packed> {
        let set = &self.sets[place(self.sets.len(), hash)];
        set.iter().copied().find(|it| it.is_of(tag(hash)))
    }

    /// Puts a ghost into its set: in its own place, in a free one, or in that of the one that rests longest.
    fn put(&mut self, hash: u64, ghost: Ghost, now: u32) {
        let set = place(self.sets.len(), hash);
        let tag = tag(hash);
        let rank = |it: &&mut Packed| match () {
            () if it.is_of(tag) => u32::MAX,
            () if it.is_none() => u32::MAX - 1,
            () => it.idle(now),
        };
        if let Some(way) = self.sets[set].iter_mut().max_by_key(rank) {
            *way = Packed::new(tag, ghost);
        }
    }
}

/// The longest rest with one more of `idle`. It falls slowly: a block that once came back after long may do so again.
pub(super) fn longest_rest(rest: u8, idle: u8) -> u8 {
    if idle >= rest {
        idle.clamp(1, LONGEST)
    } else {
        rest - (rest - idle).div_ceil(4)
    }
}

/// The set of a hash: neighbours in the order of hashes are neighbours here, whatever the number of sets.
fn place(sets: usize, hash: u64) -> usize {
    let place = (u128::from(hash << 14) * sets as u128) >> 64;
    usize::try_from(place).expect("less than the number of sets")
}

/// Rounded down to four binary digits, so that a table is seldom made anew.
fn rounded(number: usize) -> usize {
    let digits = usize::BITS - number.leading_zeros();
    let low = digits.saturating_sub(4);
    number >> low << low
}

/// Other bits than those of its place.
fn tag(hash: u64) -> u32 {
    u32::try_from(hash >> 50).expect("14 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Well spread, as hashes are.
    fn spread(seed: u64) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&seed.to_be_bytes())
    }

    fn known(ghosts: &Ghosts, seed: u64) -> (u8, u8) {
        let ghost = ghosts.get(spread(seed));
        (ghost.count, ghost.rest)
    }

    #[test]
    fn accesses_are_counted_once_for_each_eighth_of_a_turn() {
        let mut ghosts = Ghosts::new();
        assert_eq!(known(&ghosts, 1), (0, 0));
        assert!(ghosts.access(spread(1), 510));
        assert!(!ghosts.access(spread(1), 510));
        assert_eq!(known(&ghosts, 1), (1, 0));
        assert!(ghosts.access(spread(1), 515));
        assert_eq!(known(&ghosts, 1), (2, 5));
        for now in 516..530 {
            ghosts.access(spread(1), now);
        }
        assert_eq!(known(&ghosts, 1), (3, 1), "rests grow shorter");
        ghosts.access(spread(1), 540);
        assert_eq!(ghosts.take(spread(1)).rest, 11);
        assert_eq!(known(&ghosts, 1), (0, 0));
    }

    #[test]
    fn as_many_are_remembered_as_there_are_slots_and_the_oldest_are_forgotten() {
        let slots = 4096;
        let mut ghosts = Ghosts::new();
        ghosts.resize(4096, 0);
        for seed in 0..4 * slots {
            let now = u32::try_from(seed / 512).expect("few");
            ghosts.access(spread(seed), now);
        }
        let known = |seeds: std::ops::Range<u64>| {
            let known = seeds.filter(|seed| known(&ghosts, *seed).0 > 0);
            known.count() as u64
        };
        assert!(known(3 * slots..4 * slots) > slots * 95 / 100);
        assert!(known(0..slots) < slots / 10);
        let mistaken = known(4 * slots..24 * slots);
        assert!(mistaken < 20 * slots / 1000, "{mistaken}");
    }

    #[test]
    fn another_size_forgets_little_and_the_table_takes_at_most_eight_bytes_a_slot() {
        let mut ghosts = Ghosts::new();
        ghosts.resize(1000, 1);
        for seed in 0..500 {
            ghosts.access(spread(seed), 1);
        }
        ghosts.resize(9000, 1);
        assert!((0..500).filter(|seed| known(&ghosts, *seed).0 == 1).count() > 490);
        for slots in [100_000, 1_023, 16_320, 1_000_000, 50_000] {
            ghosts.resize(slots, 1);
            assert!(
                (7 * slots - 64..=8 * slots).contains(&ghosts.bytes()),
                "{slots}"
            );
        }
    }
}
