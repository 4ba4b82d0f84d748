//! The disk tier: blocks of bodies in preallocated segment files, one set of files for each configured disk.
//!
//! What is held is known in memory and told without I/O ([`Disks::held`]); reading ([`Disks::read`]) checks every page that
//! it returns; writing ([`Disks::offer`]) is off the request's path, bounded, and drops what it cannot follow. Each disk is
//! its own failure domain: one that errs is not written, then not read any more, and the node goes on without it.

pub mod placement;
pub mod purges;
pub mod space;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use crate::memory::{Buffer, Writer};
use crate::types::BodyDigest;

/// A configured disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The folder that the disk is used under. Exists, and is nobody else's.
    pub path: PathBuf,
    /// Bytes of files that the node may keep there.
    pub capacity: u64,
}

/// A block of a body: the unit of caching, 1 MiB but for the body's last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockId {
    pub body: BodyDigest,
    /// From the body's start, in blocks.
    pub index: u32,
}

/// Pages of a block: bit 0 is its first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pages(pub u16);

/// When something was fetched, counted in purges: what is older than a purge that covers its object is not there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Epoch(pub u32);

/// Why a block could not be read. The reader asks the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    /// It is not held, or no longer.
    #[error("not held")]
    Absent,
    /// What is on the disk is not what was written.
    #[error("the page is damaged")]
    Damaged,
    /// The disk failed.
    #[error("the disk failed")]
    Failed,
    /// The disk did not answer in time.
    #[error("the disk is slow")]
    Slow,
}

/// Bytes that may be kept.
#[derive(Debug)]
pub struct Offer {
    pub block: BlockId,
    /// The block's length in bytes: [`crate::types::layout::BLOCK`], or less where the body ends in it.
    pub block_length: u32,
    /// Where the buffer begins in the block. Only the whole pages in it are kept (the body's last page may be short).
    pub start: u32,
    pub buffer: Buffer,
    /// The purges that were known when the origin was asked for these bytes.
    pub epoch: Epoch,
    /// Whether a rule says that these bytes are not to be evicted for others.
    pub pinned: bool,
}

/// The disks.
#[derive(Debug, Default)]
pub struct Disks {}

impl Disks {
    /// No disks.
    pub fn none() -> Arc<Self> {
        Arc::default()
    }

    /// The pages of a block that are held and were fetched at `floor` or later. No I/O.
    pub fn held(&self, _block: BlockId, _floor: Epoch) -> Pages {
        Pages::default()
    }

    /// Reads `range` of a block into an empty `writer` of that length, and gives back what can be read from it. The range
    /// begins where a page does and ends where a page or the block does.
    ///
    /// # Errors
    /// [`Miss`]: the bytes are to be had elsewhere. Never takes longer than the disk's deadline.
    pub async fn read(
        &self,
        _block: BlockId,
        _range: Range<u32>,
        _floor: Epoch,
        _writer: Writer,
    ) -> Result<Buffer, Miss> {
        Err(Miss::Absent)
    }

    /// Takes bytes that a reader has just missed, if they are worth keeping and the disk can follow. Never waits.
    pub fn offer(&self, _offer: Offer) {}
}
