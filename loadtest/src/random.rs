//! Numbers that look random and are the same for the same seed.

/// A generator in 8 bytes (SplitMix64): good enough to draw loads with, and free of dependencies.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let scaled = u128::from(self.next()) * u128::from(bound);
        u64::try_from(scaled >> 64).expect("it is below the bound")
    }

    /// A place in a row of `length` things.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("it is below a length")
    }

    /// From 0 to just below 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn shuffle<T>(&mut self, row: &mut [T]) {
        for at in (1..row.len()).rev() {
            row.swap(at, self.index(at + 1));
        }
    }
}

/// A row of numbers in an order that looks random, of which any place can be told without making the row: a Feistel network over
/// the next power of four, walked on until it lands in the row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permutation {
    length: u64,
    /// Of each of the two halves of a number.
    bits: u32,
    keys: [u64; 4],
}

impl Permutation {
    /// The order of `length` numbers in one epoch of a seed. `length` is not zero.
    pub(crate) fn new(length: usize, seed: u64, epoch: usize) -> Self {
        let mut random = Random::seeded(Random::seeded(seed).next() ^ epoch as u64);
        let length = length as u64;
        Self {
            length,
            bits: (u64::BITS - (length - 1).leading_zeros())
                .div_ceil(2)
                .max(1),
            keys: std::array::from_fn(|_| random.next()),
        }
    }

    /// Which number stands at a place of the row.
    pub(crate) fn at(&self, place: usize) -> usize {
        let mut number = self.mixed(place as u64);
        while number >= self.length {
            number = self.mixed(number);
        }
        usize::try_from(number).expect("it is below a length")
    }

    fn mixed(&self, number: u64) -> u64 {
        let mask = (1 << self.bits) - 1;
        let (mut left, mut right) = (number >> self.bits, number & mask);
        for key in self.keys {
            let mixed = Random::seeded(right ^ key).next() & mask;
            (left, right) = (right, left ^ mixed);
        }
        left << self.bits | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_keeps_everything_and_is_the_same_for_the_same_seed() {
        let shuffled = |seed| {
            let mut row: Vec<u32> = (0..1000).collect();
            Random::seeded(seed).shuffle(&mut row);
            row
        };
        let first = shuffled(1);
        assert_eq!(first, shuffled(1));
        assert_ne!(first, shuffled(2));
        let mut sorted = first;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn fractions_fill_the_unit() {
        let mut random = Random::seeded(7);
        let drawn: Vec<f64> = (0..10_000).map(|_| random.fraction()).collect();
        assert!(drawn.iter().all(|it| (0.0..1.0).contains(it)));
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        assert!((0.48..0.52).contains(&mean), "{mean}");
    }

    #[test]
    fn a_permutation_names_every_number_once() {
        for length in [1, 2, 3, 5, 16, 17, 1000] {
            let permutation = Permutation::new(length, 1, 0);
            let mut named: Vec<usize> = (0..length).map(|it| permutation.at(it)).collect();
            named.sort_unstable();
            assert_eq!(named, (0..length).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_permutation_leaves_few_numbers_in_place() {
        for epoch in 0..4 {
            let permutation = Permutation::new(10_000, 1, epoch);
            let unmoved = (0..10_000).filter(|it| permutation.at(*it) == *it).count();
            let after = (0..9_999).filter(|it| permutation.at(*it) + 1 == permutation.at(it + 1));
            // One of each is expected.
            assert!(unmoved < 8 && after.count() < 8);
        }
    }
}
