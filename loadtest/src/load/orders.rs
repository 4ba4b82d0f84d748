//! Which requests, in which order.

use std::ops::Range;
use std::sync::Arc;

use super::Ask;
use crate::origin::Set;
use crate::random::{Permutation, Random};

/// Requests by their number, without end.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    asks: Arc<[Ask]>,
    /// Nothing where every epoch is in the order of `asks`.
    shuffled_by: Option<u64>,
    /// So many of them are sent by one client, each after the answer to the one before.
    together: usize,
}

impl Order {
    /// As they stand; begun anew at the end.
    pub(crate) fn in_turn(asks: &Arc<[Ask]>) -> Self {
        Self {
            asks: Arc::clone(asks),
            shuffled_by: None,
            together: 1,
        }
    }

    /// As they stand, `together` at a time by one client: how a file is read in ranges.
    pub(crate) fn in_runs(asks: &Arc<[Ask]>, together: usize) -> Self {
        Self {
            together,
            ..Self::in_turn(asks)
        }
    }

    /// All of them in each epoch, in an order that is another one in each: how training reads.
    pub(crate) fn epochs(asks: &Arc<[Ask]>, seed: u64) -> Self {
        Self {
            asks: Arc::clone(asks),
            shuffled_by: Some(seed),
            together: 1,
        }
    }

    /// The numbers of a run's requests, which one client sends.
    pub(super) fn run(&self, run: usize) -> Range<usize> {
        run * self.together..(run + 1) * self.together
    }

    /// Of one epoch.
    pub(crate) fn len(&self) -> usize {
        self.asks.len()
    }

    /// The request of this number, of which there is one where there are any.
    pub(crate) fn at(&self, number: usize) -> &Ask {
        let (epoch, place) = (number / self.asks.len(), number % self.asks.len());
        match self.shuffled_by {
            None => &self.asks[place],
            Some(seed) => &self.asks[Permutation::new(self.asks.len(), seed, epoch).at(place)],
        }
    }
}

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
pub(crate) fn shuffled<T>(mut all: Vec<T>, seed: u64) -> Vec<T> {
    Random::seeded(seed).shuffle(&mut all);
    all
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

/// `count` requests of several kinds in random order, of each kind its share by weight, as exactly as whole requests allow. A
/// kind's own requests stay in their order, begun anew at their end. No kind may be empty.
pub(crate) fn mix(kinds: &[(u64, Vec<Ask>)], count: usize, seed: u64) -> Vec<Ask> {
    let all: u64 = kinds.iter().map(|(weight, _)| weight).sum();
    let mut kind_of = Vec::with_capacity(count);
    let mut weight_until = 0;
    for (kind, (weight, _)) in kinds.iter().enumerate() {
        weight_until += weight;
        let until = count as u128 * u128::from(weight_until) / u128::from(all.max(1));
        kind_of.resize(
            usize::try_from(until).expect("it is at most the count"),
            kind,
        );
    }
    Random::seeded(seed).shuffle(&mut kind_of);
    let mut next = vec![0; kinds.len()];
    let draw = |kind: usize| {
        let (_, asks) = &kinds[kind];
        let ask = asks[next[kind] % asks.len()].clone();
        next[kind] += 1;
        ask
    };
    kind_of.into_iter().map(draw).collect()
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
    fn runs_cut_an_order_without_a_gap() {
        let asks: Arc<[Ask]> = ranges(&Set::new("o", 256 << 10, 2), 64 << 10).into();
        let order = Order::in_runs(&asks, 4);
        let keys = |run| {
            let asks = order.run(run).map(|number| order.at(number));
            asks.map(|ask| (Arc::clone(&ask.key), ask.bytes().0 >> 10))
                .collect::<Vec<_>>()
        };
        let firsts = [0, 64, 128, 192];
        assert_eq!(
            keys(0),
            firsts.map(|first| (Arc::clone(&asks[0].key), first))
        );
        assert_eq!(
            keys(1),
            firsts.map(|first| (Arc::clone(&asks[4].key), first))
        );
        assert_eq!(keys(2), keys(0));
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

    fn keys<'a>(asks: impl IntoIterator<Item = &'a Ask>) -> Vec<&'a str> {
        asks.into_iter().map(|ask| &*ask.key).collect()
    }

    #[test]
    fn a_row_in_turn_begins_anew() {
        let asks: Arc<[Ask]> = whole(&[Set::new("o", 1 << 10, 3)]).into();
        let order = Order::in_turn(&asks);
        let read = keys((0..7).map(|number| order.at(number)));
        let expected = keys([0, 1, 2, 0, 1, 2, 0].map(|place| &asks[place]));
        assert_eq!(read, expected);
    }

    #[test]
    fn each_epoch_reads_everything_once_in_an_order_of_its_own() {
        let asks: Arc<[Ask]> = whole(&[Set::new("o", 1 << 10, 100)]).into();
        let epoch = |order: &Order, epoch: usize| {
            let numbers = epoch * 100..(epoch + 1) * 100;
            let read = numbers.map(|number| order.at(number).key.to_string());
            read.collect::<Vec<_>>()
        };
        let order = Order::epochs(&asks, 1);
        let (first, second) = (epoch(&order, 0), epoch(&order, 1));
        assert_ne!(first, second);
        assert_eq!(first, epoch(&Order::epochs(&asks, 1), 0));
        assert_ne!(first, epoch(&Order::epochs(&asks, 2), 0));
        for mut epoch in [first, second] {
            epoch.sort_unstable();
            assert_eq!(epoch, keys(asks.iter()));
        }
    }

    #[test]
    fn a_mix_holds_each_kind_by_its_weight_in_its_own_order() {
        let small = whole(&[Set::new("o", 1 << 10, 10)]);
        let large = whole(&[Set::new("o", 1 << 20, 3)]);
        let mixed = mix(&[(3, small.clone()), (1, large)], 40, 1);
        let of = |size| mixed.iter().filter(move |ask| ask.size == size);
        assert_eq!((of(1 << 10).count(), of(1 << 20).count()), (30, 10));
        let thrice = [&small[..], &small, &small].concat();
        assert_eq!(keys(of(1 << 10)), keys(&thrice));
        // Neither kind comes in one piece.
        let changes = mixed.windows(2).filter(|two| two[0].size != two[1].size);
        assert!(changes.count() > 5);
    }
}
