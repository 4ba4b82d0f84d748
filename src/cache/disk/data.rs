//! Bytes of slots on their way to segments: gathered, so that what lies side by side is written in one call.

use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::Bytes;

use super::medium::{ALIGN, MOST_PARTS};
use super::scratch::{self, Aligned};
use super::segment::Segment;

/// The most bytes of one call: enough to keep a disk busy, and little enough that a read of it waits for milliseconds only.
const MOST_BYTES: usize = 4 << 20;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Data {
    pieces: Vec<Piece>,
}

/// Aligned bytes, and where they go.
#[derive(Debug)]
struct Piece {
    segment: Arc<Segment>,
    offset: u64,
    bytes: Bytes,
}

impl Data {
    /// Adds pages that follow one another in a slot, from `position` on. Behind a short last page zeros are written.
    pub(super) fn add(&mut self, segment: &Arc<Segment>, slot: u32, position: u32, bytes: &Bytes) {
        let offset = segment.page_offset(slot, position);
        let whole = bytes.len() / ALIGN * ALIGN;
        if scratch::is_aligned(&bytes[..whole]) {
            self.push(segment, offset, bytes.slice(..whole));
            let rest = Aligned::copy(&bytes[whole..]);
            self.push(segment, offset + whole as u64, Bytes::from_owner(rest));
        } else {
            let copy = Aligned::copy(bytes);
            self.push(segment, offset, Bytes::from_owner(copy));
        }
    }

    fn push(&mut self, segment: &Arc<Segment>, offset: u64, bytes: Bytes) {
        if !bytes.is_empty() {
            let segment = Arc::clone(segment);
            self.pieces.push(Piece {
                segment,
                offset,
                bytes,
            });
        }
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// The first; what was not written by then is not.
    pub(super) fn write(mut self) -> io::Result<()> {
        let place = |piece: &Piece| (piece.segment.number, piece.offset);
        self.pieces.sort_by_key(place);
        for neighbours in self.pieces.chunk_by(Piece::is_followed_by) {
            let mut rest = neighbours;
            while let Some(first) = rest.first() {
                let (call, later) = rest.split_at(fitting(rest));
                let parts = call.iter().map(|piece| IoSlice::new(&piece.bytes));
                let mut parts: Vec<_> = parts.collect();
                first
                    .segment
                    .file
                    .write_parts_at(&mut parts, first.offset)?;
                rest = later;
            }
        }
        Ok(())
    }
}

impl Piece {
    fn is_followed_by(&self, next: &Self) -> bool {
        let end = self.offset + self.bytes.len() as u64;
        Arc::ptr_eq(&self.segment, &next.segment) && end == next.offset
    }
}

/// How many of the pieces go into one call: one at least.
fn fitting(pieces: &[Piece]) -> usize {
    let mut bytes = 0;
    let fits = |piece: &&Piece| {
        bytes += piece.bytes.len();
        bytes <= MOST_BYTES
    };
    let count = pieces.iter().take(MOST_PARTS).take_while(fits).count();
    count.max(1)
}
