//! One cache made of several of foyer's.
//!
//! Whoever looks something up in a foyer cache counts four references to the cache itself, on two lines of memory that
//! all cores share and its own shards do not divide. So each shard here is a cache with one shard.

use std::fmt;

use foyer::{Cache, CacheBuilder, CacheEntry, EvictionConfig, S3FifoConfig};
use hashbrown::DefaultHashBuilder;

/// Caches that divide their entries by hash.
pub struct Shards<K: foyer::Key, V: foyer::Value>(Box<[Shard<K, V>]>);

/// One of them. foyer's own way to hash took 390 instructions to look up a record.
pub type Shard<K, V> = Cache<K, V, DefaultHashBuilder>;

/// What is found in one.
pub type Entry<K, V> = CacheEntry<K, V, DefaultHashBuilder>;

impl<K: foyer::Key, V: foyer::Value> Shards<K, V> {
    /// Caches of `capacity` together, which `weight` weighs and S3-FIFO evicts: as many as leave each `least`, up to 64.
    pub fn new(
        name: &'static str,
        capacity: u64,
        least: u64,
        weight: impl Fn(&K, &V) -> usize + Copy + Send + Sync + 'static,
    ) -> Self {
        let count = (capacity / least).clamp(1, 64);
        let each = usize::try_from(capacity / count).unwrap_or(usize::MAX);
        let one = |_| {
            CacheBuilder::new(each)
                .with_name(name)
                .with_shards(1)
                .with_eviction_config(EvictionConfig::S3Fifo(S3FifoConfig::default()))
                .with_hash_builder(DefaultHashBuilder::default())
                .with_weighter(weight)
                .build()
        };
        Self((0..count).map(one).collect())
    }

    /// The cache of everything that has this hash, which must be spread over all 64 bits.
    pub fn of(&self, hash: u64) -> &Shard<K, V> {
        let shards = self.0.len() as u64;
        &self.0[usize::try_from(hash % shards).expect("there are 64 at most")]
    }

    /// What all entries weigh.
    pub fn usage(&self) -> usize {
        self.0.iter().map(Cache::usage).sum()
    }

    /// How many entries there are.
    pub fn entries(&self) -> usize {
        self.0.iter().map(Cache::entries).sum()
    }
}

impl<K: foyer::Key, V: foyer::Value> fmt::Debug for Shards<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shards")
            .field("count", &self.0.len())
            .field("entries", &self.entries())
            .field("usage", &self.usage())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_have_at_least_so_much_and_share_everything_out() {
        let shards = |capacity| Shards::new("some", capacity, 100, |_: &u64, _: &u64| 1);
        let counts = [0, 99, 100, 950, 1 << 20].map(|capacity| shards(capacity).0.len());
        assert_eq!(counts, [1, 1, 1, 9, 64]);
        let shards = shards(6_400);
        for number in 0..640 {
            shards.of(number).insert(number, number);
        }
        assert_eq!((shards.entries(), shards.usage()), (640, 640));
        assert!(shards.0.iter().all(|one| one.entries() == 10));
        assert!((0..640).all(|number| shards.of(number).get(&number).is_some()));
    }
}
