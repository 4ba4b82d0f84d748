//! One segment: its file, and where its slots and their entries lie in it.

use std::io;
use std::sync::Arc;

use super::format::{Geometry, Header};
use super::medium::{ALIGN, File};
use super::scratch::{self, Aligned};
use crate::types::layout::PAGE;

/// A segment in one incarnation.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u32,
    pub(super) geometry: Geometry,
    pub(super) incarnation: u64,
    pub(super) file: Arc<dyn File>,
}

impl Segment {
    /// The segment that a header tells of.
    pub(super) fn new(header: &Header, file: Arc<dyn File>) -> Self {
        Self {
            number: header.number,
            geometry: header.geometry,
            incarnation: header.incarnation,
            file,
        }
    }

    /// Where a page lies that has this position in its slot.
    pub(super) fn page_offset(&self, slot: u32, position: u32) -> u64 {
        self.geometry.slot_offset(slot) + u64::from(position) * PAGE
    }
}

/// Writes bytes at a multiple of [`ALIGN`], wherever they lie and however long they are: what is missing to the next
/// multiple is written as zeros.
pub(super) fn write(file: &dyn File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let whole = bytes.len() / ALIGN * ALIGN;
    let (front, rest) = bytes.split_at(whole);
    if scratch::is_aligned(front) {
        if !front.is_empty() {
            file.write_at(front, offset)?;
        }
        if !rest.is_empty() {
            file.write_at(Aligned::copy(rest).as_ref(), offset + whole as u64)?;
        }
        Ok(())
    } else {
        file.write_at(Aligned::copy(bytes).as_ref(), offset)
    }
}
