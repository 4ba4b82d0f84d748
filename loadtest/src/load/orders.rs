//! Which requests, in which order.

use std::sync::Arc;

use super::Ask;
use crate::origin::Set;
use crate::random::Random;

/// Every object of the sets as a whole, one set after the other.
pub(crate) fn whole(sets: &[Set]) -> Vec<Ask> {
    let asks = sets.iter().flat_map(|set| {
        let numbers = 0..set.count;
        numbers.map(|number| Ask::whole(&set.key(number), set.size))
    });
    asks.collect()
}

/// Every range of `length` of every object, aligned, in the objects' order. The last one of an object may be shorter.
pub(crate) fn ranges(set: &Set, length: u64) -> Vec<Ask> {
    let mut asks = Vec::new();
    for number in 0..set.count {
        let key: Arc<str> = set.key(number).into();
        let mut first = 0;
        while first < set.size {
            let end = (first + length).min(set.size);
            asks.push(Ask {
                key: Arc::clone(&key),
                range: Some((first, end)),
                ..Ask::whole("", set.size)
            });
            first = end;
        }
    }
    asks
}

/// In random order: an epoch of a training run.
pub(crate) fn shuffled(mut asks: Vec<Ask>, seed: u64) -> Vec<Ask> {
    Random::seeded(seed).shuffle(&mut asks);
    asks
}

/// `count` draws, of which the n-th of `asks` is drawn with a chance of 1 / n^`skew`.
pub(crate) fn zipf(asks: &[Ask], count: usize, skew: f64, seed: u64) -> Vec<Ask> {
    let mut sums = Vec::with_capacity(asks.len());
    let mut sum = 0.0;
    for rank in 1..=asks.len() {
        sum += (rank as f64).powf(-skew);
        sums.push(sum);
    }
    let mut random = Random::seeded(seed);
    let draw = |_| {
        let at = random.fraction() * sum;
        asks[sums.partition_point(|sum| *sum <= at)].clone()
    };
    (0..count).map(draw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_byte_once() {
        let asks = ranges(&Set::new("o", 150 << 10, 2), 64 << 10);
        let covered: u64 = asks.iter().map(|ask| ask.bytes().1 - ask.bytes().0).sum();
        assert_eq!(covered, 300 << 10);
        assert_eq!(asks[2].range, Some((128 << 10, 150 << 10)));
        assert_eq!(asks.len(), 6);
    }

    #[test]
    fn zipf_draws_the_first_most() {
        let asks = whole(&[Set::new("o", 1 << 10, 100)]);
        let drawn = zipf(&asks, 10_000, 1.0, 1);
        let times = |key: &str| drawn.iter().filter(|ask| *ask.key == *key).count();
        let (first, second, last) = (
            times(&asks[0].key),
            times(&asks[1].key),
            times(&asks[99].key),
        );
        // 1 / H(100) = 19.3 %, half of that, and a hundredth of it.
        assert!((1750..2100).contains(&first), "{first}");
        assert!((850..1100).contains(&second), "{second}");
        assert!(last < 50, "{last}");
    }
}
