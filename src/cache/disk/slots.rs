//! Where a block is written: what the books say, and the segments that they ask for.

use std::io;
use std::sync::Arc;

use super::format::{Geometry, Header};
use super::medium::Room;
use super::opened::Opened;
use super::queue::Pending;
use super::segment::{self, Segment};
use super::space::class::HEADER;
use super::space::{Class, Place, Reason, SlotNumber};
use super::write::Stamp;
use crate::types::outcome::DiskWrite;

/// Bytes of a table that are cleared at once.
const CLEARED: usize = 1 << 20;

impl Opened {
    /// A slot for a block, reserved for it; or why it has none.
    pub(super) fn slot_for(
        &self,
        pending: &Pending,
        stamp: Stamp,
    ) -> io::Result<Result<SlotNumber, DiskWrite>> {
        let class = Class::for_pages(pending.pages.count());
        let mut full = false;
        loop {
            match self.ask_for_place(class, pending) {
                Place::Slot(slot) | Place::Instead(slot) => return Ok(Ok(slot)),
                Place::NewSegment(number) => full = !self.make_segment(number, class, stamp)?,
                Place::Recycle(number) => self.make_anew(number, class, stamp)?,
                Place::Refused(_) if full => return Ok(Err(DiskWrite::NoSpace)),
                Place::Refused(Reason::Colder) => return Ok(Err(DiskWrite::Refused)),
                Place::Refused(Reason::Full) => return Ok(Err(DiskWrite::Full)),
            }
        }
    }

    fn ask_for_place(&self, class: Class, pending: &Pending) -> Place {
        let mut space = self.space();
        let before = space.blocks();
        let place = space.place(class, pending.block, pending.pinned);
        let gone = before.saturating_sub(space.blocks());
        self.metrics.evictions.add(gone as u64);
        place
    }

    /// Makes a segment's file. False where the file system has no room for it: then there are no more than there are.
    fn make_segment(&self, number: u32, class: Class, stamp: Stamp) -> io::Result<bool> {
        let file = self.folder.create_segment(number)?;
        match file.allocate(self.folder.identity.segment_bytes) {
            Ok(Room::Reserved) => {}
            Ok(Room::Sparse) => self.warn_of_sparse_files(),
            Err(error) if is_full(&error) => {
                drop(file);
                self.folder.remove_segment(number)?;
                let mut space = self.space();
                let files = space.files();
                space.limit(files);
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        let header = self.header(number, class, 1, stamp);
        segment::write(&*file, 0, &header.encode())?;
        self.know(Segment::new(&header, file));
        self.space().add_segment(number, class);
        Ok(true)
    }

    /// Makes a segment anew in another class: what was in it is void with its new header.
    fn make_anew(&self, number: u32, class: Class, stamp: Stamp) -> io::Result<()> {
        let old = self.segment(number).ok_or(io::ErrorKind::NotFound)?;
        let header = self.header(number, class, old.incarnation + 1, stamp);
        // A longer table lies where bodies lay: nobody's bytes must ever be read as entries.
        for at in (HEADER..header.geometry.data_start()).step_by(CLEARED) {
            let length = (header.geometry.data_start() - at).min(CLEARED as u64);
            let length = usize::try_from(length).expect("at most what is cleared at once");
            segment::write(&*old.file, at, &vec![0; length])?;
        }
        segment::write(&*old.file, 0, &header.encode())?;
        self.know(Segment::new(&header, Arc::clone(&old.file)));
        self.space().add_segment(number, class);
        Ok(())
    }

    fn header(&self, number: u32, class: Class, incarnation: u64, stamp: Stamp) -> Header {
        let identity = self.folder.identity;
        Header {
            disk: identity.id,
            number,
            geometry: Geometry {
                segment_bytes: identity.segment_bytes,
                class,
            },
            incarnation,
            made_at: stamp.seconds(),
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
