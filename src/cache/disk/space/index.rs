//! From a block to its slot: a hash table of slot numbers, four bytes and one of control each.
//!
//! The block itself is in the slot, so the table is told how to compare. It is split by the hash, so that a table that
//! grows, while every reader of the disk waits, moves only a part of the numbers.

use hashbrown::HashTable;

use super::super::BlockId;
use super::slot::SlotNumber;

const SHARDS: usize = 64;

/// A block's hash. Digests are uniform already; the index is spread and mixed in.
pub(super) fn hash(block: &BlockId) -> u64 {
    let low = u64::try_from(block.body.0 & u128::from(u64::MAX)).expect("64 bits");
    let spread = u64::from(block.index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (low ^ spread).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ mixed >> 32
}

#[derive(Debug)]
pub(super) struct Index {
    shards: Box<[HashTable<u32>]>,
}

impl Index {
    pub(super) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| HashTable::new()).collect();
        Self { shards }
    }

    /// The number under `hash` whose slot holds the block that `same` knows.
    pub(super) fn find(&self, hash: u64, same: impl Fn(SlotNumber) -> bool) -> Option<SlotNumber> {
        let found = self.shards[shard(hash)].find(hash, |bits| same(SlotNumber::from_bits(*bits)));
        found.copied().map(SlotNumber::from_bits)
    }

    /// Adds a number that is not there. `rehash` tells the hash of any number.
    pub(super) fn insert(
        &mut self,
        hash: u64,
        number: SlotNumber,
        rehash: impl Fn(SlotNumber) -> u64,
    ) {
        let rehash = |bits: &u32| rehash(SlotNumber::from_bits(*bits));
        self.shards[shard(hash)].insert_unique(hash, number.bits(), rehash);
    }

    pub(super) fn remove(&mut self, hash: u64, number: SlotNumber) {
        let table = &mut self.shards[shard(hash)];
        if let Ok(entry) = table.find_entry(hash, |bits| *bits == number.bits()) {
            entry.remove();
        }
    }

    /// Gives memory back where far fewer numbers are left than there is room for.
    pub(super) fn shrink(&mut self, rehash: impl Fn(SlotNumber) -> u64) {
        for table in &mut self.shards {
            if table.capacity() > 4 * table.len() {
                table.shrink_to(0, |bits| rehash(SlotNumber::from_bits(*bits)));
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(HashTable::len).sum()
    }

    pub(super) fn bytes(&self) -> usize {
        let tables = self.shards.iter().map(HashTable::allocation_size);
        tables.sum::<usize>() + size_of_val(&*self.shards)
    }
}

/// Other bits than those that the table itself looks at first, which are the lowest and the highest.
fn shard(hash: u64) -> usize {
    usize::try_from(hash >> 40).expect("24 bits") % SHARDS
}
