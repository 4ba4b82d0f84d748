//! Making the index anew from the slot tables: one segment after the other, while the disk is in use already.
//!
//! Nothing but headers and tables is read. A segment that is not recovered yet holds nothing that is found, and is not written.
//! A file that is no segment of this disk, of this format and this size is removed: room for a new one.

use std::collections::HashSet;
use std::io;

use tracing::warn;

use super::format::{ENTRIES_A_PAGE, ENTRY, Entry, Geometry, HEADER, Header, NoHeader};
use super::medium::{ALIGN, File};
use super::opened::Opened;
use super::scratch::Scratch;
use super::segment::Segment;
use super::space::SlotNumber;
use super::{Epoch, write};

/// Bytes of a table that are read at once.
const AT_ONCE: usize = 1 << 20;

/// What a segment's table tells.
#[derive(Debug)]
pub(super) struct Table {
    /// The entries that count, with their slots.
    pub(super) entries: Vec<(u32, Entry)>,
    /// Entries that are neither free nor of this incarnation nor right.
    pub(super) wrong: u32,
}

impl Opened {
    /// The segments that are there: their room is taken from now on. Those beyond the capacity are removed.
    pub(super) fn announce(&self) -> io::Result<Vec<u32>> {
        let mut numbers = self.folder.segments()?;
        let most = usize::try_from(self.most_segments()).unwrap_or(usize::MAX);
        let surplus = numbers.split_off(numbers.len().min(most));
        let impossible = |number: &u32| *number >= SlotNumber::MOST_SEGMENTS;
        for number in surplus
            .iter()
            .chain(numbers.iter().filter(|it| impossible(it)))
        {
            self.folder.remove_segment(*number)?;
        }
        numbers.retain(|number| !impossible(number));
        let mut space = self.space();
        numbers.iter().for_each(|number| space.announce(*number));
        Ok(numbers)
    }

    /// Reads a segment's header and table, and knows its blocks from now on. Gives back how many there are.
    ///
    /// What was written after more purges than `latest` belongs to a list that is lost: what else that list said, nobody
    /// knows, so that the block is given up.
    pub(super) fn recover(&self, number: u32, latest: Epoch) -> io::Result<usize> {
        let file = self.folder.open_segment(number)?;
        let Some(header) = self.header_of(number, &*file)? else {
            drop(file);
            self.folder.remove_segment(number)?;
            self.space().forget(number);
            return Ok(0);
        };
        let segment = Segment::new(&header, file);
        let table = read_table(&segment)?;
        let held: Vec<_> = table
            .entries
            .iter()
            .filter(|(_, entry)| entry.epoch <= latest)
            .map(|(slot, entry)| (*slot, entry.block, write::contents(entry)))
            .collect();
        for (_, entry) in &table.entries {
            self.saw_sequence(entry.sequence);
        }
        self.know(segment);
        let freed = self.space().restore(number, header.geometry.class, &held);
        Ok(held.len() - freed.len().min(held.len()))
    }

    /// Recovers the segments that were to be made anew and were not, because writing failed. Nobody writes meanwhile.
    pub(super) fn recover_lost(&self, latest: Epoch) -> io::Result<()> {
        let known: HashSet<u32> = self.space().segments().map(|(number, ..)| number).collect();
        for number in self.numbers() {
            if !known.contains(&number) {
                self.recover(number, latest)?;
            }
        }
        Ok(())
    }

    /// The header, if it is one of a segment that can be used here.
    fn header_of(&self, number: u32, file: &dyn File) -> io::Result<Option<Header>> {
        let identity = self.folder.identity;
        let path = self.folder.path().display();
        if file.length()? < identity.segment_bytes {
            warn!(disk = %path, segment = number, "segment {number} is too short; it is given up");
            return Ok(None);
        }
        match read_header(file)? {
            Ok(header)
                if header.number == number
                    && header.disk == identity.id
                    && header.geometry.segment_bytes == identity.segment_bytes =>
            {
                Ok(Some(header))
            }
            Ok(_) => {
                warn!(disk = %path, segment = number, "segment {number} is of another disk; it is given up");
                Ok(None)
            }
            Err(error) => {
                warn!(disk = %path, segment = number, %error, "the header of segment {number} cannot be used: {error}; it is given up");
                Ok(None)
            }
        }
    }
}

/// Reads a header.
pub(super) fn read_header(file: &dyn File) -> io::Result<Result<Header, NoHeader>> {
    let mut scratch = Scratch::new(HEADER);
    let bytes = scratch.read(file, 0, HEADER)?;
    Ok(Header::decode(bytes))
}

/// Reads one entry of a segment's table, past any cache.
pub(super) fn read_entry(segment: &Segment, slot: u32) -> io::Result<Option<Entry>> {
    let mut scratch = Scratch::new(ALIGN);
    let page = slot / ENTRIES_A_PAGE;
    let offset = HEADER as u64 + u64::from(page) * ALIGN as u64;
    let bytes = scratch.read(&*segment.file, offset, ALIGN)?;
    let start = (slot % ENTRIES_A_PAGE) as usize * ENTRY;
    let entry = Entry::decode(&bytes[start..start + ENTRY], segment.number, slot);
    Ok(entry.filter(|entry| entry.incarnation == segment.incarnation))
}

/// Reads a segment's table.
pub(super) fn read_table(segment: &Segment) -> io::Result<Table> {
    let Geometry { class, .. } = segment.geometry;
    let slots = segment.geometry.slots();
    let mut table = Table {
        entries: Vec::new(),
        wrong: 0,
    };
    let mut scratch = Scratch::new(AT_ONCE);
    let mut slot = 0;
    while slot < slots {
        let left = (slots - slot) as usize * ENTRY;
        let length = left.next_multiple_of(ALIGN).min(AT_ONCE);
        let offset = HEADER as u64 + u64::from(slot) * ENTRY as u64;
        let bytes = scratch.read(&*segment.file, offset, length)?;
        for bytes in bytes.chunks_exact(ENTRY) {
            if slot == slots {
                break;
            }
            let entry = Entry::decode(bytes, segment.number, slot);
            match entry {
                Some(entry) if entry.incarnation != segment.incarnation => {}
                Some(entry) if entry.fits(class) => table.entries.push((slot, entry)),
                Some(_) => table.wrong += 1,
                None => table.wrong += u32::from(bytes.iter().any(|byte| *byte != 0)),
            }
            slot += 1;
        }
    }
    Ok(table)
}
