//! What the disk tier asks of a file system: the one seam at which tests put in faults.
//!
//! All calls block; they are made on the blocking pool. Two kinds of files: *segments*, which are read and written in place at
//! multiples of [`ALIGN`], past the page cache where the file system allows that; and small ones, which are read and
//! replaced whole. Nothing here knows what the bytes mean.

pub mod faulty;
mod real;

use std::any::Any;
use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

pub use real::Real;

/// Offsets, lengths and memory of what is read and written in place are multiples of this: the block size that direct I/O
/// asks for on every disk in use.
pub const ALIGN: usize = 4096;

/// What is written in one call is in at most so many pieces: a quarter of what Linux takes.
pub const MOST_PARTS: usize = 256;

/// How the bytes of a segment travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Past the page cache (`O_DIRECT`).
    Direct,
    /// Through the page cache, where the file system refuses the other.
    Buffered,
}

/// How the room of a file was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Taken from the file system: writing into it needs no more.
    Reserved,
    /// Only promised, because the file system cannot reserve.
    Sparse,
}

/// A file system.
pub trait Medium: Debug + Send + Sync {
    /// Makes a folder in one that exists; does nothing where there is one.
    ///
    /// # Errors
    /// As the system says.
    fn make_folder(&self, path: &Path) -> io::Result<()>;

    /// The names of what is in a folder.
    ///
    /// # Errors
    /// As the system says.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Opens a file for reading and writing in place.
    ///
    /// # Errors
    /// As the system says; `InvalidInput` where it has no such mode.
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>>;

    /// As [`Medium::open`], but for reading only.
    ///
    /// # Errors
    /// As for [`Medium::open`].
    fn open_to_read(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>>;

    /// As [`Medium::open`], and makes the file where there is none.
    ///
    /// # Errors
    /// As for [`Medium::open`].
    fn create(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>>;

    /// Reads a small file.
    ///
    /// # Errors
    /// As the system says.
    fn load(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Puts a small file in the place of another, whole or not at all, and returns when it would survive a loss of power.
    ///
    /// # Errors
    /// As the system says; the old file is then still there.
    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Locks a file against every other holder, this process' own included, until what is returned is dropped.
    ///
    /// # Errors
    /// `WouldBlock` where it is locked already; else as the system says.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>>;
}

/// A file that is read and written in place.
pub trait File: Debug + Send + Sync {
    /// What the kernel knows the open file by, where it may be read past this seam, without a thread; none where
    /// [`File::read_at`] is the only way.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;

    /// Its length in bytes.
    ///
    /// # Errors
    /// As the system says.
    fn length(&self) -> io::Result<u64>;

    /// Gives the file room for `length` bytes. What it gains reads as zeros.
    ///
    /// # Errors
    /// `StorageFull` where the file system has no room; else as the system says.
    fn allocate(&self, length: u64) -> io::Result<Room>;

    /// Reads from `offset` on, and gives back what was read: less than all only at the file's end.
    ///
    /// # Errors
    /// As the system says.
    fn read_at<'a>(&self, into: &'a mut [MaybeUninit<u8>], offset: u64)
    -> io::Result<&'a mut [u8]>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// As the system says; a part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Writes all of `parts`, one behind the other, from `offset` on. Each is a multiple of [`ALIGN`] long; there are at most
    /// [`MOST_PARTS`].
    ///
    /// # Errors
    /// As the system says; a part may have been written.
    fn write_parts_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()>;
}
