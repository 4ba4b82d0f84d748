//! The memory tier: accounted buffers in a foyer cache, one entry a block, evicted by bytes.
//!
//! A block's entry is a short list of extents. Filling more of a block makes a new entry that shares the old extents, so
//! that an entry, once read, never changes. Entries are weighed by the memory that they take. Eviction is S3-FIFO: a block
//! that is read once on the way through does not push out what is read again and again. What was fetched before a purge has
//! another key than what is fetched after it, so that it is never found again and goes in its turn.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::Wanted;
use super::disk::{Epoch, Pages};
use super::shards::{Entry, Shards};
use crate::memory::Buffer;
use crate::types::BodyDigest;
use crate::types::layout::{BLOCK, PAGE, block_of};

/// A block of a body, as fetched since a purge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    body: BodyDigest,
    block: u32,
    floor: Epoch,
}

impl Key {
    fn of(wanted: &Wanted, block: u32) -> Self {
        Self {
            body: wanted.body,
            block,
            floor: wanted.floor,
        }
    }

    fn hash64(&self) -> u64 {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&self.body.0.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.block.to_be_bytes());
        bytes[20..].copy_from_slice(&self.floor.0.to_be_bytes());
        xxh3_64(&bytes)
    }
}

/// What is held of one block, in the order of the extents' starts.
#[derive(Debug, Default)]
struct Block {
    extents: Vec<Arc<Extent>>,
}

/// A run of bytes of a body, inside one block.
#[derive(Debug)]
struct Extent {
    range: Range<u64>,
    buffer: Buffer,
    /// Whether its first reader is to be told that he is that.
    marked: AtomicBool,
}

/// Bytes that are held.
#[derive(Debug)]
pub struct Held {
    pub bytes: Bytes,
    /// Whether they were marked, and this is the first read of them since.
    pub marked: bool,
}

impl Extent {
    fn new(start: u64, buffer: Buffer, marked: bool) -> Self {
        buffer.enter_tier();
        Self {
            range: start..start + buffer.filled() as u64,
            buffer,
            marked: AtomicBool::new(marked),
        }
    }
}

impl Drop for Extent {
    fn drop(&mut self) {
        self.buffer.leave_tier();
    }
}

impl Block {
    /// The extent that holds `offset` and reaches furthest.
    fn find(&self, offset: u64) -> Option<&Arc<Extent>> {
        self.extents
            .iter()
            .filter(|extent| extent.range.contains(&offset))
            .max_by_key(|extent| extent.range.end)
    }

    /// Whether all of `range` lies in one extent.
    fn covers(&self, range: &Range<u64>) -> bool {
        self.extents.iter().any(|held| covers(&held.range, range))
    }

    /// This block with one extent more, less those that it covers.
    fn with(&self, extent: Extent) -> Self {
        let kept = |held: &&Arc<Extent>| !covers(&extent.range, &held.range);
        let mut extents: Vec<_> = self.extents.iter().filter(kept).cloned().collect();
        extents.push(Arc::new(extent));
        extents.sort_by_key(|extent| extent.range.start);
        Self { extents }
    }

    fn weight(&self) -> usize {
        self.extents
            .iter()
            .map(|extent| extent.buffer.weight())
            .sum::<usize>()
            .max(1)
    }
}

fn covers(outer: &Range<u64>, inner: &Range<u64>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// Bytes of a shard at least: it evicts by itself, and must hold many blocks to choose well.
const LEAST_SHARD: u64 = 128 << 20;

/// Locks for read-modify-write of entries; a power of two, and more than the cores of any machine.
const LOCKS: usize = 256;

/// The tier.
pub struct Tier {
    blocks: Shards<Key, Arc<Block>>,
    locks: Vec<Mutex<()>>,
}

impl Tier {
    /// A tier of `capacity` bytes.
    pub fn new(capacity: u64) -> Self {
        let weight = |_: &Key, block: &Arc<Block>| block.weight();
        Self {
            blocks: Shards::new("blocks", capacity, LEAST_SHARD, weight),
            locks: (0..LOCKS).map(|_| Mutex::default()).collect(),
        }
    }

    /// The bytes from `offset` on, as far as they lie together in one buffer; none where `offset` is not held.
    pub fn read(&self, wanted: &Wanted, offset: u64) -> Option<Held> {
        let entry = self.get(&Key::of(wanted, block_of(offset)))?;
        let extent = entry.value().find(offset)?;
        let from = usize::try_from(offset - extent.range.start).expect("an extent fits in memory");
        let marked = &extent.marked;
        Some(Held {
            bytes: extent.buffer.bytes(from..extent.buffer.filled()),
            // Hardly ever: who only looks leaves the line to all cores.
            marked: marked.load(Ordering::Relaxed) && marked.swap(false, Ordering::Relaxed),
        })
    }

    /// Says that the block of `offset` was not read for the last time: it outlives those that nobody has asked for since they came.
    pub fn touch(&self, wanted: &Wanted, offset: u64) {
        // Looking is an access.
        drop(self.get(&Key::of(wanted, block_of(offset))));
    }

    fn get(&self, key: &Key) -> Option<Entry<Key, Arc<Block>>> {
        self.blocks.of(key.hash64()).get(key)
    }

    /// The first run of bytes in `range` that is not held, cut at the end of `range`; none where all of it is held.
    pub fn missing(&self, wanted: &Wanted, range: Range<u64>) -> Option<Range<u64>> {
        let start = self.held_until(wanted, range.start, range.end);
        if start >= range.end {
            return None;
        }
        let mut end = start;
        while end < range.end {
            let block_end = (u64::from(block_of(end)) + 1) * BLOCK;
            let next = self.next_held(wanted, end).unwrap_or(block_end);
            end = next.min(range.end);
            if next < block_end {
                break;
            }
        }
        Some(start..end)
    }

    /// Keeps a filled buffer, whose first byte is `start` of the body and which lies inside one block.
    pub fn insert(&self, wanted: &Wanted, start: u64, buffer: Buffer) {
        self.put(wanted, start, buffer, false);
    }

    /// The same, and marks it.
    pub fn insert_marked(&self, wanted: &Wanted, start: u64, buffer: Buffer) {
        self.put(wanted, start, buffer, true);
    }

    fn put(&self, wanted: &Wanted, start: u64, buffer: Buffer, marked: bool) {
        let key = Key::of(wanted, block_of(start));
        let lock = &self.locks[usize::try_from(key.hash64() >> 32).unwrap_or(usize::MAX) % LOCKS];
        let _serial = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let held = self.get(&key);
        let held = held.map_or_else(Arc::default, |entry| Arc::clone(entry.value()));
        // What adds nothing never enters the tier's account: on the way out it would go past the limit.
        if !held.covers(&(start..start + buffer.filled() as u64)) {
            let block = held.with(Extent::new(start, buffer, marked));
            self.blocks.of(key.hash64()).insert(key, Arc::new(block));
        }
    }

    /// The pages of a block that are held from their first to their last byte.
    pub fn pages(&self, wanted: &Wanted, block: u32) -> Pages {
        let key = Key::of(wanted, block);
        // Looked for first, as that does not count as an access.
        if !self.blocks.of(key.hash64()).contains(&key) {
            return Pages::default();
        }
        let start = u64::from(block) * BLOCK;
        let is_held = |page: &u32| {
            let at = start + u64::from(*page) * PAGE;
            let end = (at + PAGE).min(wanted.size);
            at < end && self.held_until(wanted, at, end) >= end
        };
        let held = (0..u16::BITS).filter(is_held);
        Pages(held.fold(0, |pages, page| pages | 1 << page))
    }

    /// Bytes held.
    pub fn usage(&self) -> u64 {
        self.blocks.usage() as u64
    }

    /// Blocks held, whole or in part.
    pub fn entries(&self) -> u64 {
        self.blocks.entries() as u64
    }

    fn held_until(&self, wanted: &Wanted, mut offset: u64, end: u64) -> u64 {
        while offset < end {
            let entry = self.get(&Key::of(wanted, block_of(offset)));
            match entry.as_ref().and_then(|entry| entry.value().find(offset)) {
                Some(extent) => offset = extent.range.end,
                None => break,
            }
        }
        offset
    }

    /// Where the next extent at or after `offset` begins, in the same block.
    fn next_held(&self, wanted: &Wanted, offset: u64) -> Option<u64> {
        let entry = self.get(&Key::of(wanted, block_of(offset)))?;
        entry
            .value()
            .extents
            .iter()
            .map(|extent| extent.range.start)
            .filter(|start| *start >= offset)
            .min()
    }
}

impl fmt::Debug for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tier")
            .field("usage", &self.usage())
            .field("entries", &self.entries())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::buffer::allocated;
    use crate::memory::{Config, Memory, Pool, Writer};

    const BODY: &Wanted = &Wanted {
        body: BodyDigest(7),
        size: 1 << 30,
        floor: Epoch(0),
    };

    fn buffer(memory: &Memory, length: u64, byte: u8) -> Buffer {
        let length = usize::try_from(length).expect("a small buffer");
        let reservation = memory
            .try_reserve(Pool::Fill, allocated(length))
            .expect("there is room");
        let mut writer = Writer::new(length, reservation);
        writer.write(&vec![byte; length]);
        writer.buffer()
    }

    fn memory() -> Memory {
        Memory::new(Config { limit: 64 << 20 })
    }

    #[test]
    fn a_block_gains_extents_and_reads_run_to_the_end_of_one() {
        let (memory, tier) = (memory(), Tier::new(16 << 20));
        tier.insert(BODY, 0, buffer(&memory, PAGE, 1));
        tier.insert(BODY, 3 * PAGE, buffer(&memory, PAGE, 2));
        assert_eq!(
            tier.read(BODY, 10).expect("held").bytes.len() as u64,
            PAGE - 10
        );
        assert!(tier.read(BODY, PAGE).is_none());
        assert_eq!(tier.missing(BODY, 0..BLOCK * 2), Some(PAGE..3 * PAGE));
        assert_eq!(
            tier.missing(BODY, 3 * PAGE..BLOCK * 2),
            Some(4 * PAGE..BLOCK * 2)
        );
        assert_eq!(tier.missing(BODY, 0..PAGE), None);
        tier.insert(BODY, 0, buffer(&memory, BLOCK, 3));
        assert_eq!(tier.read(BODY, 0).expect("held").bytes.len() as u64, BLOCK);
        assert_eq!(
            (tier.usage(), memory.tier(), memory.used(Pool::Fill)),
            (BLOCK, BLOCK, 0)
        );
    }

    #[test]
    fn what_was_fetched_before_a_purge_is_another_bodys() {
        let (memory, tier) = (memory(), Tier::new(16 << 20));
        tier.insert(BODY, 0, buffer(&memory, PAGE, 1));
        let purged = &Wanted {
            floor: Epoch(1),
            ..*BODY
        };
        assert!(tier.read(purged, 0).is_none());
        assert_eq!(tier.missing(purged, 0..PAGE), Some(0..PAGE));
        tier.insert(purged, 0, buffer(&memory, PAGE, 2));
        assert_eq!(tier.read(purged, 0).expect("held").bytes[0], 2);
        assert_eq!(
            tier.read(BODY, 0).expect("held").bytes[0],
            1,
            "its readers go on"
        );
    }

    #[test]
    fn the_first_who_reads_what_is_marked_is_told() {
        let (memory, tier) = (memory(), Tier::new(16 << 20));
        tier.insert(BODY, 0, buffer(&memory, PAGE, 1));
        tier.insert_marked(BODY, PAGE, buffer(&memory, PAGE, 2));
        let marked = |at| tier.read(BODY, at).expect("held").marked;
        assert!(!marked(0));
        assert!(marked(PAGE + 5));
        assert!(!marked(PAGE));
    }

    #[test]
    fn pages_are_those_that_are_held_whole() {
        let (memory, tier) = (memory(), Tier::new(16 << 20));
        let body = &Wanted {
            size: BLOCK + 2 * PAGE + 5,
            ..*BODY
        };
        assert_eq!(tier.pages(body, 0), Pages(0));
        tier.insert(body, PAGE, buffer(&memory, PAGE + 7, 1));
        assert_eq!(tier.pages(body, 0), Pages(0b10));
        tier.insert(body, 2 * PAGE + 7, buffer(&memory, PAGE - 7, 1));
        assert_eq!(tier.pages(body, 0), Pages(0b110), "of two extents");
        tier.insert(body, BLOCK + 2 * PAGE, buffer(&memory, 5, 1));
        assert_eq!(tier.pages(body, 1), Pages(0b100), "the body ends there");
    }

    #[test]
    fn a_run_of_missing_bytes_crosses_blocks() {
        let (memory, tier) = (memory(), Tier::new(16 << 20));
        tier.insert(BODY, 2 * BLOCK + PAGE, buffer(&memory, PAGE, 1));
        assert_eq!(
            tier.missing(BODY, PAGE..4 * BLOCK),
            Some(PAGE..2 * BLOCK + PAGE)
        );
        assert_eq!(tier.missing(BODY, PAGE..BLOCK + 5), Some(PAGE..BLOCK + 5));
        tier.insert(BODY, BLOCK, buffer(&memory, PAGE, 1));
        assert_eq!(tier.missing(BODY, PAGE..4 * BLOCK), Some(PAGE..BLOCK));
    }

    #[test]
    fn bytes_that_are_held_already_stay_out_of_the_accounts() {
        let (memory, tier) = (memory(), Tier::new(16 << 20));
        tier.insert(BODY, 0, buffer(&memory, BLOCK, 1));
        let again = buffer(&memory, PAGE, 1);
        tier.insert(BODY, PAGE, again.clone());
        assert_eq!((memory.tier(), memory.used(Pool::Fill)), (BLOCK, PAGE));
        drop(again);
        assert_eq!((memory.tier(), memory.used(Pool::Fill)), (BLOCK, 0));
    }

    #[test]
    fn the_tier_stays_within_its_capacity_and_gives_evicted_bytes_back() {
        let (memory, tier) = (memory(), Tier::new(8 << 20));
        let mut reading = None;
        for block in 0..32 {
            tier.insert(BODY, block * BLOCK, buffer(&memory, BLOCK, 1));
            reading = reading.or_else(|| tier.read(BODY, 0));
        }
        assert!(tier.usage() <= 8 << 20);
        assert_eq!(memory.tier(), tier.usage());
        let lingering = if tier.read(BODY, 0).is_some() {
            0
        } else {
            BLOCK
        };
        assert_eq!(
            memory.used(Pool::Fill),
            lingering,
            "an evicted block is charged while it is read"
        );
        drop(reading);
        assert_eq!(memory.used(Pool::Fill), 0);
    }
}
