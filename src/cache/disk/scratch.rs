//! Aligned memory for what passes through: table pages, padded last pages, and what is not aligned where it lies.

use std::io;

use super::medium::{ALIGN, File};

/// Room to read into.
#[derive(Debug)]
pub(super) struct Scratch {
    /// Stays empty: only its room is used.
    room: Vec<u8>,
    size: usize,
}

impl Scratch {
    /// For up to `size` bytes at a time.
    pub(super) fn new(size: usize) -> Self {
        Self {
            room: Vec::with_capacity(size + ALIGN),
            size,
        }
    }

    /// Reads `length` bytes of a file. Offset and length are multiples of [`ALIGN`].
    pub(super) fn read(
        &mut self,
        file: &dyn File,
        offset: u64,
        length: usize,
    ) -> io::Result<&mut [u8]> {
        assert!(length <= self.size, "the scratch was made for less");
        let room = self.room.spare_capacity_mut();
        let start = room.as_ptr().align_offset(ALIGN);
        let read = file.read_at(&mut room[start..start + length], offset)?;
        if read.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(read)
    }
}

/// Aligned bytes to write from.
#[derive(Debug)]
pub(super) struct Aligned {
    room: Vec<u8>,
    start: usize,
    length: usize,
}

impl Aligned {
    /// Zeros, up to the next multiple of [`ALIGN`].
    pub(super) fn zeros(length: usize) -> Self {
        let length = length.next_multiple_of(ALIGN);
        let room = vec![0; length + ALIGN];
        let start = room.as_ptr().align_offset(ALIGN);
        Self {
            room,
            start,
            length,
        }
    }

    /// A copy of `bytes`, with zeros up to the next multiple of [`ALIGN`].
    pub(super) fn copy(bytes: &[u8]) -> Self {
        let mut aligned = Self::zeros(bytes.len());
        aligned.as_mut()[..bytes.len()].copy_from_slice(bytes);
        aligned
    }
}

impl AsRef<[u8]> for Aligned {
    fn as_ref(&self) -> &[u8] {
        &self.room[self.start..self.start + self.length]
    }
}

impl AsMut<[u8]> for Aligned {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.room[self.start..self.start + self.length]
    }
}

/// Whether `bytes` can be written past the page cache from where they lie.
pub(super) fn is_aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(ALIGN) && bytes.len().is_multiple_of(ALIGN)
}
