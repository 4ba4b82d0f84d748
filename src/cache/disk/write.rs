//! Writing to a disk that is open. One task of a disk does it; all calls block.
//!
//! The order of writes is what makes a crash harmless. A slot's old entry is freed before its data is overwritten; data is
//! written before the entry that tells of it; pages that a block gains go where no page of it lies. So an entry on the disk
//! tells of data that was written before it, or its pages fail their checks. No write is waited for to reach the platters:
//! what a loss of power reorders is found by the same checks.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::data::Data;
use super::format::{Entry, PAGES};
use super::opened::{self, Found, NotRead, Opened, PAGE_BYTES};
use super::pages;
use super::queue::{self, Pending, Run};
use super::scratch::{Aligned, Scratch};
use super::segment::Segment;
use super::space::{Contents, Positions, SlotNumber};
use super::{Epoch, checksum};
use crate::types::outcome::DiskWrite;

/// The time of day, as it is written into entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    micros: u64,
}

impl Stamp {
    pub(super) fn new(now: SystemTime) -> Self {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        Self { micros }
    }

    pub(super) fn seconds(self) -> u64 {
        self.micros / 1_000_000
    }
}

/// What to do with a pending block.
enum Plan {
    /// Nothing.
    Drop(DiskWrite),
    /// Its pages fit into the slot that it has.
    Gain(Found, Pending),
    /// It outgrows its slot.
    Move(Found, Pending),
    /// A slot of its own.
    Fresh(Pending),
}

/// A block with a slot that is reserved for it.
struct Placed {
    pending: Pending,
    slot: SlotNumber,
    entry: Option<Entry>,
}

impl Opened {
    /// Writes what is worth it, and counts what became of each.
    ///
    /// # Errors
    /// What the disk failed with. What was not written by then is counted as failed.
    pub(super) fn write(&self, batch: Vec<Pending>, stamp: Stamp) -> io::Result<()> {
        let mut left = batch.len() as u64;
        let written = self.write_each(batch, stamp, &mut left);
        self.metrics.writes(DiskWrite::Failed).add(left);
        written
    }

    fn write_each(&self, batch: Vec<Pending>, stamp: Stamp, left: &mut u64) -> io::Result<()> {
        let mut fresh = Vec::new();
        for pending in batch {
            match self.plan(pending) {
                Plan::Drop(outcome) => self.done(outcome, left),
                Plan::Fresh(pending) => fresh.push(pending),
                Plan::Gain(found, pending) => match self.gain(found, &pending, stamp) {
                    Ok(()) => self.done(DiskWrite::Written, left),
                    // What it had is lost; what is new is not.
                    Err(NotRead::Absent | NotRead::Damaged(_)) => fresh.push(pending),
                    Err(NotRead::Failed(error)) => return Err(error),
                },
                Plan::Move(found, pending) => {
                    let whole = self.with_old_pages(found, pending)?;
                    self.write_fresh(vec![whole], stamp, left)?;
                }
            }
        }
        self.write_fresh(fresh, stamp, left)
    }

    fn done(&self, outcome: DiskWrite, left: &mut u64) {
        self.metrics.writes(outcome).increment();
        *left -= 1;
    }

    fn plan(&self, pending: Pending) -> Plan {
        let Some(found) = self.find(pending.block, Epoch::default()) else {
            return Plan::Fresh(pending);
        };
        if pending.epoch < found.epoch {
            return Plan::Drop(DiskWrite::Stale);
        }
        // Pages that are held were asked for again: since a purge they are not there any more for whoever asked.
        if pending.epoch > found.epoch && !pending.pages.shared(found.pages).is_empty() {
            return Plan::Fresh(pending);
        }
        let pending = pending.without(found.pages);
        if pending.pages.is_empty() {
            return Plan::Drop(DiskWrite::Held);
        }
        let class = self.space().class(found.slot);
        let pages = found.pages.union(pending.pages).count();
        if class.is_some_and(|class| pages <= class.pages()) {
            Plan::Gain(found, pending)
        } else {
            Plan::Move(found, pending)
        }
    }

    /// Adds pages to a block in its slot.
    fn gain(&self, found: Found, pending: &Pending, stamp: Stamp) -> Result<(), NotRead> {
        let (segment, mut entry) = self.held_entry(found, pending)?;
        // The entry may tell of more than the index does, where a write of it was taken for failed.
        let pending = pending.clone().without(entry.pages);
        let pages = entry.pages.union(pending.pages).count();
        if pages > segment.geometry.class.pages() {
            return Err(NotRead::Absent);
        }
        let mut data = Data::default();
        self.note_pages(&segment, found.slot, &mut entry, &pending, &mut data);
        data.write()?;
        entry.epoch = entry.epoch.min(pending.epoch);
        entry.pinned |= pending.pinned;
        self.seal(&mut entry, stamp);
        let slot = found.slot.slot();
        self.tables.change(&segment, &[(slot, Some(entry))])?;
        let contents = contents(&entry);
        if !self.space().gain(found.slot, found.generation, contents) {
            return Err(NotRead::Absent);
        }
        self.metrics.gains.increment();
        Ok(())
    }

    /// The entry of a block that is held. One that is damaged is held no longer.
    fn held_entry(
        &self,
        found: Found,
        pending: &Pending,
    ) -> Result<(Arc<Segment>, Entry), NotRead> {
        let read = self.entry(found, pending.block);
        if let Err(NotRead::Damaged(_)) = read {
            self.space().free(found.slot);
        }
        let (segment, entry) = read?;
        // A block has one length; pages of two would not fit together.
        if entry.block_length != pending.block_length {
            return Err(NotRead::Absent);
        }
        Ok((segment, entry))
    }

    /// A block with all that its old slot holds of it; without, where that cannot be read.
    fn with_old_pages(&self, found: Found, mut pending: Pending) -> io::Result<Pending> {
        let old = self.old_pages(found, &pending);
        let (entry, bytes) = match old {
            Ok(old) => old,
            Err(NotRead::Failed(error)) => return Err(error),
            Err(NotRead::Absent | NotRead::Damaged(_)) => return Ok(pending),
        };
        let carried = entry.pages.without(pending.pages);
        for (first, range) in queue::ranges(carried, pending.block_length) {
            let bytes = bytes.slice(range.start as usize..range.end as usize);
            pending.runs.push(Run { first, bytes });
        }
        pending.pages = pending.pages.union(carried);
        pending.epoch = pending.epoch.min(entry.epoch);
        pending.pinned |= entry.pinned;
        self.metrics.moves.increment();
        Ok(pending)
    }

    /// What a slot holds of its block, each page where it is in the block.
    fn old_pages(&self, found: Found, pending: &Pending) -> Result<(Entry, Bytes), NotRead> {
        let (segment, entry) = self.held_entry(found, pending)?;
        let mut bytes = Aligned::zeros(PAGES * PAGE_BYTES);
        let mut scratch = Scratch::new(PAGE_BYTES);
        for page in entry.pages.iter() {
            let read = opened::read_page(&segment, found.slot.slot(), &entry, page, &mut scratch);
            if let Err(NotRead::Damaged(_)) = read {
                self.space().free(found.slot);
            }
            let (start, read) = (page as usize * PAGE_BYTES, read?);
            bytes.as_mut()[start..start + read.len()].copy_from_slice(read);
        }
        Ok((entry, Bytes::from_owner(bytes)))
    }

    /// Writes blocks into slots of their own.
    fn write_fresh(&self, blocks: Vec<Pending>, stamp: Stamp, left: &mut u64) -> io::Result<()> {
        let mut placed = Vec::new();
        let written = self
            .place(blocks, &mut placed, stamp, left)
            .and_then(|()| self.fill(&mut placed, stamp));
        if let Err(error) = written {
            let mut space = self.space();
            placed.iter().for_each(|it| space.free(it.slot));
            return Err(error);
        }
        let mut freed = Vec::new();
        for Placed {
            pending,
            slot,
            entry,
        } in placed
        {
            let contents = contents(&entry.expect("it was filled"));
            let other = self.space().publish(slot, pending.block, contents);
            let outcome = if other == Some(slot) {
                DiskWrite::Held
            } else {
                DiskWrite::Written
            };
            freed.extend(other);
            self.done(outcome, left);
        }
        self.change(freed.into_iter().map(|slot| (slot, None)))
    }

    /// Reserves a slot for each block that may have one, and frees its old entry.
    fn place(
        &self,
        blocks: Vec<Pending>,
        placed: &mut Vec<Placed>,
        stamp: Stamp,
        left: &mut u64,
    ) -> io::Result<()> {
        for pending in blocks {
            match self.slot_for(&pending, stamp)? {
                Ok(slot) => placed.push(Placed {
                    pending,
                    slot,
                    entry: None,
                }),
                Err(refused) => self.done(refused, left),
            }
        }
        self.change(placed.iter().map(|it| (it.slot, None)))
    }

    /// Writes the data of blocks, then their entries.
    fn fill(&self, placed: &mut [Placed], stamp: Stamp) -> io::Result<()> {
        let mut data = Data::default();
        for Placed {
            pending,
            slot,
            entry,
        } in placed.iter_mut()
        {
            let segment = self
                .segment(slot.segment())
                .ok_or(io::ErrorKind::NotFound)?;
            let mut fresh = Entry {
                incarnation: segment.incarnation,
                block: pending.block,
                block_length: pending.block_length,
                epoch: pending.epoch,
                pinned: pending.pinned,
                pages: pages::Pages::default(),
                positions: Positions::default(),
                sequence: 0,
                written_at: 0,
                sums: [0; PAGES],
            };
            self.note_pages(&segment, *slot, &mut fresh, pending, &mut data);
            self.seal(&mut fresh, stamp);
            *entry = Some(fresh);
        }
        data.write()?;
        self.change(placed.iter().map(|it| (it.slot, it.entry)))
    }

    /// Notes in the entry pages that are to be written behind those that the slot has.
    fn note_pages(
        &self,
        segment: &Arc<Segment>,
        slot: SlotNumber,
        entry: &mut Entry,
        pending: &Pending,
        data: &mut Data,
    ) {
        let mut runs: Vec<&Run> = pending.runs.iter().collect();
        runs.sort_by_key(|run| run.first);
        for run in runs {
            let position = entry.pages.count();
            data.add(segment, slot.slot(), position, &run.bytes);
            for (page, bytes) in (run.first..).zip(run.bytes.chunks(PAGE_BYTES)) {
                let position = entry.pages.count();
                entry.positions = entry.positions.with(position, page);
                entry.pages = entry.pages.with(page);
                entry.sums[page as usize] = checksum::page(entry.block, page, bytes);
            }
            self.metrics.written_bytes.add(run.bytes.len() as u64);
        }
    }

    fn seal(&self, entry: &mut Entry, stamp: Stamp) {
        entry.sequence = self.next_sequence(stamp.micros);
        entry.written_at = stamp.seconds();
    }

    /// Writes entries, those of one table page in one write.
    fn change(&self, changes: impl Iterator<Item = (SlotNumber, Option<Entry>)>) -> io::Result<()> {
        let mut by_segment: BTreeMap<u32, Vec<(u32, Option<Entry>)>> = BTreeMap::new();
        for (slot, entry) in changes {
            let changes = by_segment.entry(slot.segment()).or_default();
            changes.push((slot.slot(), entry));
        }
        for (number, changes) in by_segment {
            // A segment that is not known has no entries that count.
            if let Some(segment) = self.segment(number) {
                self.tables.change(&segment, &changes)?;
            }
        }
        Ok(())
    }
}

/// What the index knows of an entry.
pub(super) fn contents(entry: &Entry) -> Contents {
    let bytes = |page| pages::bytes_of(page, entry.block_length).len();
    let bytes: usize = entry.pages.iter().map(bytes).sum();
    Contents {
        epoch: entry.epoch,
        pages: entry.pages,
        positions: entry.positions,
        bytes: u32::try_from(bytes).expect("a block has 2^20 bytes"),
        pinned: entry.pinned,
    }
}
