//! What a segment's header and the entries of its slot table look like on the disk. `docs/DISK-FORMAT.md` has every field.
//!
//! Numbers are little-endian. A header or entry whose sum is wrong, or whose version is another, is none; what an entry says
//! holds only in the *incarnation* of its segment that it names: making a segment anew in another class voids all its
//! entries by writing one header.

use super::medium::ALIGN;
use super::space::class::{self, Class};
use super::space::slot::Positions;
use super::{BlockId, Epoch, Pages, checksum};
use crate::types::BodyDigest;
use crate::types::layout::{BLOCK, PAGE};

/// The version of the format. Another one is not read.
pub(super) const VERSION: u8 = 1;

/// Bytes of a segment's header.
pub(super) const HEADER: usize = 4096;

/// Bytes of an entry.
pub(super) const ENTRY: usize = 256;

/// Entries in 4 KiB of a table.
pub(super) const ENTRIES_A_PAGE: u32 = 16;

const _: () = assert!(
    ENTRIES_A_PAGE as usize * ENTRY == ALIGN,
    "entries do not cross pages"
);

/// Pages in a block.
pub(super) const PAGES: usize = 16;

const _: () = assert!(PAGE * PAGES as u64 == BLOCK, "an entry has a sum a page");

/// A segment's header begins so.
const MAGIC: [u8; 8] = *b"FBSEGMNT";

/// A used entry begins so.
const USED: u8 = 1;

/// Where things are in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Bytes of the file.
    pub(super) segment_bytes: u64,
    /// What its slots hold.
    pub(super) class: Class,
}

impl Geometry {
    /// Where the slots begin, behind the table, in bytes from the segment's start.
    pub(super) fn data_start(self) -> u64 {
        class::data_start(self.slots())
    }

    /// Slots in the segment: as many as fit behind their table.
    pub(super) fn slots(self) -> u32 {
        class::slots_in(self.segment_bytes, self.class)
    }

    /// Where the data of a slot begins.
    pub(super) fn slot_offset(self, slot: u32) -> u64 {
        self.data_start() + u64::from(slot) * self.class.bytes()
    }
}

/// The head of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// The id of the disk that the segment was made on.
    pub(super) disk: u128,
    /// The segment's number, which is its file's name too.
    pub(super) number: u32,
    pub(super) geometry: Geometry,
    /// Greater than that of every entry that was there before.
    pub(super) incarnation: u64,
    /// Seconds since 1970.
    pub(super) made_at: u64,
}

/// Why there is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoHeader {
    #[error("it is none")]
    Foreign,
    #[error("it is of format version {0}")]
    Version(u32),
    #[error("its checksum is wrong")]
    Damaged,
    #[error("blocks, pages or slots have other sizes")]
    Shape,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let mut fields = Fields(&mut bytes);
        fields.put(0, MAGIC);
        fields.put(8, u32::from(VERSION).to_le_bytes());
        fields.put(16, self.disk.to_le_bytes());
        fields.put(32, self.number.to_le_bytes());
        fields.put(36, self.geometry.slots().to_le_bytes());
        fields.put(40, self.geometry.segment_bytes.to_le_bytes());
        fields.put(48, self.geometry.class.bytes().to_le_bytes());
        fields.put(56, BLOCK.to_le_bytes());
        fields.put(64, PAGE.to_le_bytes());
        fields.put(72, self.geometry.data_start().to_le_bytes());
        fields.put(80, self.incarnation.to_le_bytes());
        fields.put(88, self.made_at.to_le_bytes());
        let sum = checksum::seeded(&[], &bytes[..HEADER - 4]);
        bytes[HEADER - 4..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads a header.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, NoHeader> {
        if bytes.len() < HEADER || bytes[..8] != MAGIC {
            return Err(NoHeader::Foreign);
        }
        let version = u32_at(bytes, 8);
        if version != u32::from(VERSION) {
            return Err(NoHeader::Version(version));
        }
        if checksum::seeded(&[], &bytes[..HEADER - 4]) != u32_at(bytes, HEADER - 4) {
            return Err(NoHeader::Damaged);
        }
        let slot_bytes = u64_at(bytes, 48);
        let mut classes = Class::ALL.into_iter();
        let class = classes.find(|class| class.bytes() == slot_bytes);
        let header = Self {
            disk: u128_at(bytes, 16),
            number: u32_at(bytes, 32),
            geometry: Geometry {
                segment_bytes: u64_at(bytes, 40),
                class: class.ok_or(NoHeader::Shape)?,
            },
            incarnation: u64_at(bytes, 80),
            made_at: u64_at(bytes, 88),
        };
        // The sum is right: what differs now was written by somebody with other constants.
        let possible = (1..=class::MOST_SEGMENT).contains(&header.geometry.segment_bytes);
        if possible && header.encode()[..] == bytes[..HEADER] {
            Ok(header)
        } else {
            Err(NoHeader::Shape)
        }
    }
}

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// The segment's at the time of writing.
    pub(super) incarnation: u64,
    pub(super) block: BlockId,
    pub(super) block_length: u32,
    pub(super) epoch: Epoch,
    pub(super) pinned: bool,
    pub(super) pages: Pages,
    pub(super) positions: Positions,
    /// Greater than that of everything written before on this disk.
    pub(super) sequence: u64,
    /// Seconds since 1970.
    pub(super) written_at: u64,
    /// By page; zero where a page is not held.
    pub(super) sums: [u32; PAGES],
}

impl Entry {
    /// The entry as it stands in the table of segment `number` for its slot `slot`.
    pub(super) fn encode(&self, number: u32, slot: u32) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        bytes[0] = USED;
        let mut fields = Fields(&mut bytes);
        fields.put(1, [VERSION]);
        // 2 and 4: cipher and key, none as yet.
        fields.put(8, self.incarnation.to_le_bytes());
        fields.put(16, self.block.body.0.to_le_bytes());
        fields.put(32, self.block.index.to_le_bytes());
        fields.put(36, self.block_length.to_le_bytes());
        fields.put(40, self.epoch.0.to_le_bytes());
        fields.put(44, u16::from(self.pinned).to_le_bytes());
        fields.put(46, self.pages.0.to_le_bytes());
        fields.put(48, self.positions.bits().to_le_bytes());
        fields.put(56, self.sequence.to_le_bytes());
        fields.put(64, self.written_at.to_le_bytes());
        for (page, sum) in self.sums.iter().enumerate() {
            fields.put(72 + 4 * page, sum.to_le_bytes());
        }
        let sum = checksum::seeded(&place(number, slot), &bytes[..ENTRY - 4]);
        bytes[ENTRY - 4..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Whether the entry can be that of a slot of `class`.
    pub(super) fn fits(&self, class: Class) -> bool {
        let count = self.pages.count();
        let placed = (0..count).map(|position| 1 << self.positions.page(position));
        (1..=BLOCK).contains(&u64::from(self.block_length))
            && (1..=class.pages()).contains(&count)
            && Pages::all(self.block_length).covers(self.pages)
            // As many positions as pages: they are the same pages, each once.
            && placed.fold(0, |pages: u16, page| pages | page) == self.pages.0
    }

    /// The sum of a page.
    pub(super) fn sum(&self, page: u32) -> u32 {
        self.sums[page as usize]
    }

    /// Reads the entry of a slot, unless the slot is free.
    pub(super) fn decode(bytes: &[u8], number: u32, slot: u32) -> Option<Self> {
        let bytes: &[u8; ENTRY] = bytes.try_into().ok()?;
        if bytes[0] != USED || bytes[1] != VERSION || bytes[2..8] != [0; 6] {
            return None;
        }
        if checksum::seeded(&place(number, slot), &bytes[..ENTRY - 4]) != u32_at(bytes, ENTRY - 4) {
            return None;
        }
        let sums = std::array::from_fn(|page| u32_at(bytes, 72 + 4 * page));
        Some(Self {
            incarnation: u64_at(bytes, 8),
            block: BlockId {
                body: BodyDigest(u128_at(bytes, 16)),
                index: u32_at(bytes, 32),
            },
            block_length: u32_at(bytes, 36),
            epoch: Epoch(u32_at(bytes, 40)),
            pinned: u16_at(bytes, 44) & 1 == 1,
            pages: Pages(u16_at(bytes, 46)),
            positions: Positions::from_bits(u64_at(bytes, 48)),
            sequence: u64_at(bytes, 56),
            written_at: u64_at(bytes, 64),
            sums,
        })
    }
}

/// The seed of an entry's sum: an entry that was written elsewhere is none.
fn place(number: u32, slot: u32) -> [u8; 8] {
    let mut place = [0; 8];
    place[..4].copy_from_slice(&number.to_le_bytes());
    place[4..].copy_from_slice(&slot.to_le_bytes());
    place
}

struct Fields<'a>(&'a mut [u8]);

impl Fields<'_> {
    fn put<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        self.0[at..at + N].copy_from_slice(&bytes);
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("N bytes are N bytes")
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(field(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(field(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(field(bytes, at))
}

fn u128_at(bytes: &[u8], at: usize) -> u128 {
    u128::from_le_bytes(field(bytes, at))
}

#[cfg(test)]
mod tests;
