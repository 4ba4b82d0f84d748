//! A disk that is open: its folder, its segments, its index, and reading from it. All calls that read block.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, RwLock};

use hashbrown::HashMap;
use tracing::warn;

use super::folder::Folder;
use super::format::Entry;
use super::medium::ALIGN;
use super::scratch::Scratch;
use super::segment::Segment;
use super::space::{Slot, SlotNumber, Space};
use super::tables::Tables;
use super::{BlockId, Epoch, Miss, Pages, checksum, pages};
use crate::memory::Writer;
use crate::telemetry::disk::OneDisk;

/// See the module.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) folder: Folder,
    pub(super) tables: Tables,
    pub(super) metrics: Arc<OneDisk>,
    space: Mutex<Space>,
    segments: RwLock<HashMap<u32, Arc<Segment>>>,
    sequence: AtomicU64,
    sparse: Once,
    most_segments: u32,
    purges_written: Mutex<Option<Vec<u8>>>,
}

/// A block that is held, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) slot: SlotNumber,
    /// The slot's at the time.
    pub(super) generation: u16,
    pub(super) epoch: Epoch,
    pub(super) pages: Pages,
}

/// A part of a block that is held. It begins where a page does and ends where a page or the block does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) found: Found,
    pub(super) block: BlockId,
    pub(super) range: Range<u32>,
}

/// Where such a part lies, in one run.
#[derive(Debug)]
pub(super) struct Aim {
    pub(super) segment: Arc<Segment>,
    pub(super) offset: u64,
    entry: Entry,
    run: Run,
}

/// Why bytes could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotRead {
    /// It is not held, or no longer.
    #[error("it is not held")]
    Absent,
    /// It was held; what was there is not what was written.
    #[error("page {0} is damaged")]
    Damaged(u32),
    #[error("the disk failed")]
    Failed(#[from] io::Error),
}

impl From<&NotRead> for Miss {
    fn from(why: &NotRead) -> Self {
        match why {
            NotRead::Absent => Self::Absent,
            NotRead::Damaged(_) => Self::Damaged,
            NotRead::Failed(_) => Self::Failed,
        }
    }
}

impl Opened {
    /// With nothing in the index; `table_bytes` of slot tables are kept in memory.
    pub(super) fn new(
        folder: Folder,
        capacity: u64,
        table_bytes: usize,
        metrics: Arc<OneDisk>,
    ) -> Self {
        let segment_bytes = folder.identity.segment_bytes;
        let most = u32::try_from(capacity / segment_bytes).unwrap_or(u32::MAX);
        Self {
            space: Mutex::new(Space::new(segment_bytes, most)),
            tables: Tables::new(table_bytes),
            metrics,
            segments: RwLock::default(),
            sequence: AtomicU64::new(0),
            sparse: Once::new(),
            most_segments: most,
            purges_written: Mutex::default(),
            folder,
        }
    }

    /// The index. Nobody waits for a disk while holding it.
    pub(super) fn space(&self) -> MutexGuard<'_, Space> {
        self.space.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A segment whose slots are known.
    pub(super) fn segment(&self, number: u32) -> Option<Arc<Segment>> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        segments.get(&number).map(Arc::clone)
    }

    /// The numbers of the segments that are or were known.
    pub(super) fn numbers(&self) -> Vec<u32> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        segments.keys().copied().collect()
    }

    /// Makes a segment known, in the place of another of its number.
    pub(super) fn know(&self, segment: Segment) {
        let mut segments = self
            .segments
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        segments.insert(segment.number, Arc::new(segment));
    }

    /// The next sequence number: later than all before, and than those of earlier runs as far as `micros`, the time of day, is.
    pub(super) fn next_sequence(&self, micros: u64) -> u64 {
        let next = |last: u64| Some(micros.max(last + 1));
        let order = Ordering::Relaxed;
        let last = self.sequence.fetch_update(order, order, next);
        micros.max(last.unwrap_or_else(|last| last) + 1)
    }

    /// Notes that a number was used.
    pub(super) fn saw_sequence(&self, number: u64) {
        self.sequence.fetch_max(number, Ordering::Relaxed);
    }

    /// The most segments that the disk's capacity allows.
    pub(super) fn most_segments(&self) -> u32 {
        self.most_segments
    }

    /// What the disk's list of purges is known to be. Held while it is written, so that an older one never comes last.
    pub(super) fn purges_written(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        let written = self.purges_written.lock();
        written.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn warn_of_sparse_files(&self) {
        self.sparse.call_once(|| {
            let path = self.folder.path();
            warn!(disk = %path.display(), "the file system cannot reserve room: the disk may get full in use");
        });
    }

    /// The block, if it is held and was fetched at `floor` or later.
    pub(super) fn find(&self, block: BlockId, floor: Epoch) -> Option<Found> {
        let space = self.space();
        let number = space.find(block)?;
        let slot = space.slot(number)?;
        let contents = slot.contents();
        (contents.epoch >= floor).then_some(Found {
            slot: number,
            generation: slot.generation(),
            epoch: contents.epoch,
            pages: contents.pages,
        })
    }

    /// Reads a part of a block. The writer is empty.
    pub(super) fn read(&self, place: &Place, writer: &mut Writer) -> Result<(), NotRead> {
        let read = self.read_from(place, writer);
        self.conclude(place.found, read)
    }

    /// Notes how a read of what was `found` went. What was read counts only where it is still there.
    pub(super) fn conclude<T>(&self, found: Found, read: Result<T, NotRead>) -> Result<T, NotRead> {
        let mut space = self.space();
        let slot = space.slot(found.slot);
        let same = |it: &Slot| it.generation() == found.generation;
        if !slot.is_some_and(same) {
            // Whatever was read: it was not this block any more, or soon would not have been.
            return Err(NotRead::Absent);
        }
        match read {
            Ok(_) => space.touch(found.slot),
            // The rest of the block may be right, but the disk has changed what it was given.
            Err(NotRead::Damaged(_)) => space.free(found.slot),
            Err(NotRead::Absent | NotRead::Failed(_)) => {}
        }
        read
    }

    /// The entry of a block that was found.
    pub(super) fn entry(
        &self,
        found: Found,
        block: BlockId,
    ) -> Result<(Arc<Segment>, Entry), NotRead> {
        let segment = self.segment(found.slot.segment()).ok_or(NotRead::Absent)?;
        let entry = self.tables.entry(&segment, found.slot.slot())?;
        Ok((segment, told(entry, found, block)?))
    }

    /// Where the part of a block lies, if that is known without a look at the disk, and is one place.
    pub(super) fn aim(&self, place: &Place) -> Result<Option<Aim>, NotRead> {
        let found = place.found;
        let segment = self.segment(found.slot.segment()).ok_or(NotRead::Absent)?;
        let Some(entry) = self.tables.known(&segment, found.slot.slot()) else {
            return Ok(None);
        };
        // What is wrong with the entry is the other way's to tell.
        let Ok(entry) = told(entry, found, place.block) else {
            return Ok(None);
        };
        let mut runs = runs(&entry, place.wanted(&entry)?);
        let Some(run) = runs.pop().filter(|_| runs.is_empty()) else {
            return Ok(None);
        };
        let offset = segment.page_offset(found.slot.slot(), run.position);
        Ok(Some(Aim {
            segment,
            offset,
            entry,
            run,
        }))
    }

    fn read_from(&self, place: &Place, writer: &mut Writer) -> Result<(), NotRead> {
        let slot = place.found.slot.slot();
        let (segment, entry) = self.entry(place.found, place.block)?;
        for run in runs(&entry, place.wanted(&entry)?) {
            let offset = segment.page_offset(slot, run.position);
            writer.fill_with(run.bytes, |room| {
                let read = segment.file.read_at(room, offset)?;
                check(&entry, &run, read)?;
                Ok::<_, NotRead>(read)
            })?;
        }
        Ok(())
    }
}

impl Place {
    /// The pages to read, all of which are held.
    fn wanted(&self, entry: &Entry) -> Result<Pages, NotRead> {
        let wanted = pages::touched(&self.range);
        let whole = Pages::within(self.range.clone(), entry.block_length);
        let inside = self.range.end <= entry.block_length;
        if self.found.pages.covers(wanted) && whole == wanted && inside {
            Ok(wanted)
        } else {
            Err(NotRead::Absent)
        }
    }
}

impl Aim {
    /// Checks what was read.
    pub(super) fn check(&self, read: &[u8]) -> Result<(), NotRead> {
        check(&self.entry, &self.run, read)
    }
}

/// The entry, if it tells of the block that was found.
fn told(entry: Option<Entry>, found: Found, block: BlockId) -> Result<Entry, NotRead> {
    let entry = entry.filter(|it| it.block == block && it.pages.covers(found.pages));
    let first = found.pages.iter().next().unwrap_or_default();
    entry.ok_or(NotRead::Damaged(first))
}

/// Reads a page that an entry tells of, and checks it.
pub(super) fn read_page<'a>(
    segment: &Segment,
    slot: u32,
    entry: &Entry,
    page: u32,
    scratch: &'a mut Scratch,
) -> Result<&'a [u8], NotRead> {
    let run = runs(entry, Pages::default().with(page)).remove(0);
    let offset = segment.page_offset(slot, run.position);
    let read = scratch.read(&*segment.file, offset, run.bytes.next_multiple_of(ALIGN))?;
    check(entry, &run, read)?;
    Ok(&read[..run.bytes])
}

/// Bytes of a page.
pub(super) const PAGE_BYTES: usize = 64 << 10;

/// Pages that follow one another in the block and in the slot.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    pages: Range<u32>,
    position: u32,
    bytes: usize,
}

/// Where some pages of a block lie, in as few runs as there are.
fn runs(entry: &Entry, wanted: Pages) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for page in wanted.iter() {
        let count = entry.pages.count();
        let position = entry.positions.find(page, count).unwrap_or_default();
        let bytes = pages::bytes_of(page, entry.block_length).len();
        match runs.last_mut() {
            Some(last)
                if last.pages.end == page
                    && last.position + last.pages.end - last.pages.start == position =>
            {
                last.pages.end += 1;
                last.bytes += bytes;
            }
            _ => runs.push(Run {
                pages: page..page + 1,
                position,
                bytes,
            }),
        }
    }
    runs
}

/// Checks what was read of a run: that it is all there, and that each page is what was written.
fn check(entry: &Entry, run: &Run, read: &[u8]) -> Result<(), NotRead> {
    let read = read.get(..run.bytes);
    let read = read.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    for (page, bytes) in run.pages.clone().zip(read.chunks(PAGE_BYTES)) {
        if checksum::page(entry.block, page, bytes) != entry.sum(page) {
            return Err(NotRead::Damaged(page));
        }
    }
    Ok(())
}
