//! How often blocks were accessed lately, in four bits each and without their names: a count-min sketch.
//!
//! A block has four counters in one line of 64 bytes (one cache miss), and its count is the least of them: others can only
//! add to it. Only the counters that are the least are raised, which keeps what others add small. All counts are halved
//! together now and then, so they tell of the recent past, and what was accessed once is forgotten.

/// Words of a line. Each of the four rows has two of them: 32 counters.
const WORDS: usize = 8;
/// The most that is counted.
pub(super) const MOST: u8 = 15;
/// Slots for which there is a line: eight bytes for each at most, and four at least, as lines are a power of two.
const SLOTS_PER_LINE: usize = 8;
/// The fewest lines.
const FEWEST: usize = 16;

type Line = [u64; WORDS];

#[derive(Debug)]
pub(super) struct Sketch {
    lines: Vec<Line>,
}

impl Sketch {
    pub(super) fn new() -> Self {
        Self {
            lines: vec![[0; WORDS]; FEWEST],
        }
    }

    /// Makes the sketch fit for so many slots. Counts stay, but those of two halves are mixed where it shrinks.
    pub(super) fn resize(&mut self, slots: usize) {
        let wanted = (slots / SLOTS_PER_LINE).max(FEWEST);
        while self.lines.len() * 2 <= wanted {
            self.lines.extend_from_within(..);
        }
        let before = self.lines.len();
        while self.lines.len() > wanted.max(FEWEST) && self.lines.len() / 2 >= FEWEST {
            let upper = self.lines.split_off(self.lines.len() / 2);
            for (line, other) in self.lines.iter_mut().zip(upper) {
                *line = greater(*line, other);
            }
        }
        if self.lines.len() < before {
            self.lines.shrink_to_fit();
        }
    }

    /// Counts an access.
    pub(super) fn add(&mut self, hash: u64) {
        let count = self.count(hash);
        if count == MOST {
            return;
        }
        let line = line(&mut self.lines, hash);
        for (word, shift) in counters(hash) {
            if counter(line[word], shift) == count {
                line[word] += 1 << shift;
            }
        }
    }

    /// The accesses counted, as many at most as there were and what others add.
    pub(super) fn count(&self, hash: u64) -> u8 {
        let line = &self.lines[place(self.lines.len(), hash)];
        let counts = counters(hash).map(|(word, shift)| counter(line[word], shift));
        counts.into_iter().min().unwrap_or(0)
    }

    /// Halves all counts, rounding down.
    pub(super) fn halve(&mut self) {
        for word in self.lines.iter_mut().flatten() {
            *word = *word >> 1 & 0x7777_7777_7777_7777;
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.lines.capacity() * size_of::<Line>()
    }
}

fn line(lines: &mut [Line], hash: u64) -> &mut Line {
    let place = place(lines.len(), hash);
    &mut lines[place]
}

/// The line of a hash among a power of two.
fn place(lines: usize, hash: u64) -> usize {
    usize::try_from(hash >> 20 & 0x0fff_ffff).expect("28 bits") & (lines - 1)
}

/// The word and the bit at which the hash's counter begins, in each row.
fn counters(hash: u64) -> [(usize, u32); 4] {
    [0, 1, 2, 3].map(|row| {
        // Five bits for each row, the lowest of the hash: which of 32 counters.
        let bits = u32::try_from(hash >> (5 * row) & 0x1f).expect("5 bits");
        let word = 2 * row + usize::from(bits >= 16);
        (word, 4 * (bits % 16))
    })
}

fn counter(word: u64, shift: u32) -> u8 {
    u8::try_from(word >> shift & 0xf).expect("4 bits")
}

/// The greater of each two counters.
fn greater(one: Line, other: Line) -> Line {
    std::array::from_fn(|word| {
        (0..16).fold(0, |counters, place| {
            let shift = 4 * place;
            let most = counter(one[word], shift).max(counter(other[word], shift));
            counters | u64::from(most) << shift
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spread(seed: u64) -> u64 {
        let mixed = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }

    proptest! {
        #[test]
        fn a_count_is_never_less_than_the_accesses(seeds in prop::collection::vec(0u64..400, 0..3000), slots in 0usize..4000) {
            let mut sketch = Sketch::new();
            sketch.resize(slots);
            let mut exact = std::collections::HashMap::new();
            for seed in &seeds {
                sketch.add(spread(*seed));
                *exact.entry(*seed).or_insert(0u8) += 1;
            }
            for (seed, count) in &exact {
                prop_assert!(sketch.count(spread(*seed)) >= (*count).min(MOST));
            }
            // Nor where the sketch grows and shrinks again.
            sketch.resize(8 * slots);
            sketch.resize(slots / 2);
            for (seed, count) in exact {
                prop_assert!(sketch.count(spread(seed)) >= count.min(MOST));
            }
        }
    }

    #[test]
    fn others_add_little_to_a_count() {
        let slots = 10_000;
        let mut sketch = Sketch::new();
        sketch.resize(slots);
        // As many different blocks as are accessed between two halvings, on top of what is resident.
        for seed in 0..4 * slots as u64 {
            sketch.add(spread(seed));
        }
        let over = (0..4 * slots as u64).filter(|seed| sketch.count(spread(*seed)) > 2);
        assert!(over.count() < 4 * slots / 50);
        sketch.halve();
        let left = (0..4 * slots as u64).filter(|seed| sketch.count(spread(*seed)) > 0);
        assert!(
            left.count() < 2 * slots,
            "what was accessed once is forgotten"
        );
    }

    #[test]
    fn a_sketch_takes_at_most_eight_bytes_a_slot() {
        let mut sketch = Sketch::new();
        for slots in [1_023, 16_320, 100_000, 1_000_000, 50_000] {
            sketch.resize(slots);
            assert!(sketch.bytes() <= 8 * slots.max(1024), "{slots}");
        }
    }
}
