//! The tiers: where blocks of bodies are kept.
//!
//! Two, asked in this order: memory and disks. A tier is asked by the body's digest and an offset or block, and answers with
//! bytes that are handed to the client without a copy. What is read from a disk goes into memory; what is fetched from the
//! origin goes into memory and is offered to the disks. There blocks lie in the segment store ([`disk`]), and bodies of one
//! page with the records in another store ([`small`]), which packs them.

pub mod disk;
pub mod memory;
pub mod shards;
pub mod small;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use crate::memory::{Buffer, Writer};
use crate::types::layout::{BLOCK, PAGE, block_of, page_ceil, page_floor};
use crate::types::{BodyDigest, CanonicalObject};
use disk::{BlockId, Disks, Epoch, Miss, Offer, Pages, Turn};
use small::{Kind, Small};

/// What a read is about in the tiers: a body, as it was fetched since some purge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub body: BodyDigest,
    /// The body's length in bytes.
    pub size: u64,
    /// Before which purge nothing counts.
    pub floor: Epoch,
}

/// Bytes that came from the origin.
#[derive(Debug)]
pub struct Fetched {
    pub wanted: Wanted,
    /// Of the buffer's first byte in the body. The buffer lies inside one block.
    pub start: u64,
    pub buffer: Buffer,
    /// The purges that were known when the origin was asked.
    pub epoch: Epoch,
    /// Whether a rule says that it is not to be evicted from disks.
    pub pinned: bool,
}

/// Where a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'t> {
    /// Its pages in memory.
    pub memory: Pages,
    /// Its pages on a disk.
    pub disk: Pages,
    /// That disk's folder; none for a body that is kept with other small things.
    pub path: Option<&'t Path>,
}

/// All tiers of a node.
#[derive(Debug)]
pub struct Tiers {
    pub memory: memory::Tier,
    pub disks: Arc<Disks>,
    pub small: Arc<Small>,
}

impl Tiers {
    /// Tiers with `memory` bytes of memory.
    pub fn new(memory: u64, disks: Arc<Disks>, small: Arc<Small>) -> Self {
        Self {
            memory: memory::Tier::new(memory),
            disks,
            small,
        }
    }

    /// The purge before which nothing of `object` counts, and the latest purge of all.
    pub fn purges(&self, object: &CanonicalObject) -> (Epoch, Epoch) {
        // The floor after the epoch: a purge in between makes what is fetched now old, never what is old new.
        let latest = self.disks.epoch();
        (self.disks.floor(object), latest)
    }

    /// Whether all of `range` is held, in whichever tier. No I/O.
    pub fn hold(&self, wanted: &Wanted, range: Range<u64>) -> bool {
        let mut at = range.start;
        while at < range.end {
            let missing = self.memory.missing(wanted, at..range.end);
            let Some(run) = missing else { return true };
            match self.run_on_disk(wanted, run.start) {
                Some(end) => at = end,
                None => return false,
            }
        }
        true
    }

    /// Where the run of pages that a disk holds ends, from the page of `offset` on, inside its block; none where the disks do
    /// not hold that page. No I/O.
    pub fn run_on_disk(&self, wanted: &Wanted, offset: u64) -> Option<u64> {
        if wanted.is_small() {
            let may_be_held = self.small.may_hold(Kind::Body, wanted.name());
            return may_be_held.then_some(wanted.size);
        }
        let (block, first) = (block_of(offset), page_of(offset));
        let held = self.disks.held(id(wanted, block), wanted.floor);
        let run = held.run(first);
        let end = u64::from(block) * BLOCK + u64::from(first + run) * PAGE;
        (run > 0).then_some(end.min(wanted.size))
    }

    /// A turn at the disk that holds the page of `offset`, if one is free.
    pub fn turn(&self, wanted: &Wanted, offset: u64) -> Option<Turn> {
        self.disks.turn(id(wanted, block_of(offset)), wanted.floor)
    }

    /// Reads whole pages from a disk: `range` lies inside one block, begins where a page does and ends where a page or the body
    /// does; `writer` is empty and has room for it. With a `turn`, it does not wait for one.
    ///
    /// # Errors
    /// [`Miss`]: the bytes are to be had from the origin.
    pub async fn load(
        &self,
        wanted: &Wanted,
        range: Range<u64>,
        writer: Writer,
        turn: Option<Turn>,
    ) -> Result<Buffer, Miss> {
        debug_assert_eq!(range.start, page_floor(range.start));
        debug_assert_eq!(range.end, page_ceil(range.end, wanted.size));
        if wanted.is_small() {
            return self.load_small(wanted, writer).await;
        }
        let block = id(wanted, block_of(range.start));
        let (start, end) = (in_block(range.start), in_block(range.end - 1) + 1);
        self.disks
            .read(block, start..end, wanted.floor, writer, turn)
            .await
    }

    async fn load_small(&self, wanted: &Wanted, mut writer: Writer) -> Result<Buffer, Miss> {
        let body = self.small.get(Kind::Body, wanted.name()).await;
        let body = body.ok_or(Miss::Absent)?;
        if body.len() as u64 != wanted.size || writer.write(&body) < body.len() {
            return Err(Miss::Damaged);
        }
        Ok(writer.buffer())
    }

    /// Where a block is. A small body is looked for on its disk, as only that tells; of all else nothing is read.
    pub async fn place(&self, wanted: &Wanted, index: u32) -> Place<'_> {
        let memory = self.memory.pages(wanted, index);
        if wanted.is_small() {
            let body = self.small.get(Kind::Body, wanted.name()).await;
            return Place {
                memory,
                disk: Pages(u16::from(body.is_some())),
                path: None,
            };
        }
        let (path, disk) = self.disks.place(id(wanted, index), wanted.floor).unzip();
        Place {
            memory,
            disk: disk.unwrap_or_default(),
            path,
        }
    }

    /// Keeps what was read from a disk, marked or not.
    pub fn loaded(&self, wanted: &Wanted, start: u64, buffer: Buffer, marked: bool) {
        match marked {
            true => self.memory.insert_marked(wanted, start, buffer),
            false => self.memory.insert(wanted, start, buffer),
        }
    }

    /// Keeps what came from the origin.
    pub fn fetched(&self, fetched: Fetched) {
        let Fetched { wanted, start, .. } = fetched;
        self.memory.insert(&wanted, start, fetched.buffer.clone());
        if wanted.is_small() {
            let filled = fetched.buffer.filled();
            if self.small.is_some() && filled as u64 == wanted.size {
                // A copy, so that what waits to be written keeps no page of memory.
                let body = Bytes::copy_from_slice(&fetched.buffer.bytes(0..filled));
                self.small.put(Kind::Body, wanted.name(), body);
            }
            return;
        }
        let index = block_of(start);
        let length = (wanted.size - u64::from(index) * BLOCK).min(BLOCK);
        self.disks.offer(Offer {
            block: id(&wanted, index),
            block_length: u32::try_from(length).expect("a block is small"),
            start: in_block(start),
            buffer: fetched.buffer,
            epoch: fetched.epoch,
            pinned: fetched.pinned,
        });
    }
}

impl Wanted {
    /// Whether it lies with the records.
    fn is_small(&self) -> bool {
        self.size <= PAGE
    }

    /// The name of a small body: what was fetched before a purge has another one, and is never found again.
    fn name(&self) -> u128 {
        self.body.0 ^ (u128::from(self.floor.0) << 96)
    }
}

impl Pages {
    /// How many pages follow one another from page `first` on, it included.
    pub fn run(self, first: u32) -> u32 {
        (self.0 >> first).trailing_ones()
    }
}

fn id(wanted: &Wanted, index: u32) -> BlockId {
    BlockId {
        body: wanted.body,
        index,
    }
}

/// The page of an offset, in its block.
fn page_of(offset: u64) -> u32 {
    u32::try_from(offset % BLOCK / PAGE).expect("a block has few pages")
}

fn in_block(offset: u64) -> u32 {
    u32::try_from(offset % BLOCK).expect("a block is small")
}
