//! Accounted buffers: memory that is filled once, from the front, while others already read what is there.
//!
//! The code is `unsafe` in part. Frames from an origin are copied once, into the buffer that the tiers keep and that
//! hyper writes from; a lock or a channel per frame would cost a copy or an allocation more (a copy of a GB costs about as
//! much CPU as sending it). The idea is small: bytes below `filled` never change again and may be read by anybody, bytes
//! above it belong to the one [`Writer`].

#![expect(
    unsafe_code,
    reason = "shares the filled front of a buffer whose back is still written, without a copy"
)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::slots::{self, Slot};
use super::{Charge, Reservation};

/// Buffers begin at and are multiples of this, as direct I/O asks for.
const ALIGN: usize = 4096;

/// A readable, cheaply cloned handle to a buffer. Its memory is given back when the last handle, and the last [`Bytes`]
/// made from it, is dropped.
#[derive(Clone)]
pub struct Buffer {
    inner: Arc<Inner>,
}

/// What finds a buffer again as long as somebody has a handle to it. Keeps no memory but a few bytes.
#[derive(Debug, Clone)]
pub struct WeakBuffer(Weak<Inner>);

/// The one handle that writes.
pub struct Writer {
    inner: Arc<Inner>,
}

struct Inner {
    start: NonNull<u8>,
    layout: Layout,
    /// Where the bytes are; on the heap where there is none.
    slot: Option<Slot>,
    /// The bytes that may be filled; at most the layout's size.
    capacity: usize,
    filled: AtomicUsize,
    charge: Charge,
}

// SAFETY: `start` is owned by this value alone. Bytes at `filled` and above are touched only through the one `Writer` (by
// `&mut self`), bytes below are never written again; `filled` is stored with Release after the bytes and loaded with
// Acquire before them.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        match self.slot.take() {
            Some(slot) => self.charge.account.slots.give_back(slot),
            // SAFETY: `start` came from `alloc` with this layout, and nobody has a handle any more.
            None => unsafe { dealloc(self.start.as_ptr(), self.layout) },
        }
    }
}

/// The bytes that a buffer of `capacity` really takes.
pub fn allocated(capacity: usize) -> u64 {
    capacity.next_multiple_of(ALIGN) as u64
}

impl Writer {
    /// An empty buffer for `capacity` bytes, more than none, on the account of `reservation`.
    pub fn new(capacity: usize, reservation: Reservation) -> Self {
        let size = capacity.max(1).next_multiple_of(ALIGN);
        let layout =
            Layout::from_size_align(size, ALIGN).expect("the size is far below the address space");
        let charge = Charge::new(reservation);
        let in_slot = (slots::SMALLEST..=slots::LARGEST).contains(&size);
        let slot = in_slot.then(|| charge.account.slots.take(size));
        let start = match &slot {
            Some(slot) => slot.start(),
            None => heap(layout),
        };
        let inner = Inner {
            start,
            layout,
            slot,
            capacity,
            filled: AtomicUsize::new(0),
            charge,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Appends as much of `bytes` as there is room for, and returns how much that was.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        let filled = self.inner.filled.load(Ordering::Relaxed);
        let taken = bytes.len().min(self.inner.capacity - filled);
        // SAFETY: `filled + taken <= capacity`, the bytes from `filled` on belong to this only writer, and a `&[u8]` that
        // the caller holds cannot overlap them.
        unsafe {
            self.inner
                .start
                .as_ptr()
                .add(filled)
                .copy_from_nonoverlapping(bytes.as_ptr(), taken);
        }
        self.inner.filled.store(filled + taken, Ordering::Release);
        taken
    }

    /// Appends `length` bytes that `fill` puts in their place, as a read from a file does. It is given room for them and for
    /// the rest of their last 4 KiB, since direct I/O knows no less, and gives back the front of it, filled. Where it fails,
    /// or fills less than `length`, nothing is appended.
    ///
    /// # Errors
    /// Those of `fill`; `UnexpectedEof` where it fills less; `InvalidInput` where `length` bytes do not fit.
    pub fn fill_with<E: From<io::Error>>(
        &mut self,
        length: usize,
        fill: impl FnOnce(&mut [MaybeUninit<u8>]) -> Result<&mut [u8], E>,
    ) -> Result<(), E> {
        let from = self.inner.filled.load(Ordering::Relaxed);
        let room = self.spare(length);
        let room = room.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let start = room.as_ptr().addr();
        let filled = fill(room)?;
        // Another slice than the front of the room would be a fault of `fill`.
        if filled.as_ptr().addr() != start || filled.len() < length {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        self.inner.filled.store(from + length, Ordering::Release);
        Ok(())
    }

    /// Room for the next `length` bytes and for the rest of their last 4 KiB; none where they do not fit.
    pub fn spare(&mut self, length: usize) -> Option<&mut [MaybeUninit<u8>]> {
        if length > self.room() {
            return None;
        }
        let from = self.inner.filled.load(Ordering::Relaxed);
        let until = (from + length).next_multiple_of(ALIGN);
        let until = until.min(self.inner.layout.size());
        // SAFETY: the bytes from `filled` to the layout's end belong to this only writer, and need no value before they are
        // filled.
        Some(unsafe {
            let start = self.inner.start.add(from).cast::<MaybeUninit<u8>>();
            std::slice::from_raw_parts_mut(start.as_ptr(), until - from)
        })
    }

    /// Bytes that still fit.
    pub fn room(&self) -> usize {
        self.inner.capacity - self.inner.filled.load(Ordering::Relaxed)
    }

    /// A handle to read with.
    pub fn buffer(&self) -> Buffer {
        Buffer {
            inner: Arc::clone(&self.inner),
        }
    }
}

fn heap(layout: Layout) -> NonNull<u8> {
    // SAFETY: the size of a buffer's layout is not zero.
    NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
}

impl Buffer {
    /// Bytes filled so far.
    pub fn filled(&self) -> usize {
        self.inner.filled.load(Ordering::Acquire)
    }

    /// Bytes of memory that the buffer takes.
    pub fn weight(&self) -> usize {
        self.inner.layout.size()
    }

    /// The bytes of `range`, not copied; they keep the whole buffer alive. The range lies within what is filled.
    pub fn bytes(&self, range: Range<usize>) -> Bytes {
        debug_assert!(
            range.start <= range.end && range.end <= self.filled(),
            "a read beyond what is filled"
        );
        Bytes::from_owner(Filled {
            buffer: self.clone(),
            length: self.filled(),
        })
        .slice(range)
    }

    /// What is filled.
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: the first `filled` bytes never change again, and are there as long as the handle.
        unsafe { std::slice::from_raw_parts(self.inner.start.as_ptr(), self.filled()) }
    }

    /// What finds this buffer again.
    pub fn downgrade(&self) -> WeakBuffer {
        WeakBuffer(Arc::downgrade(&self.inner))
    }

    /// Moves the buffer to the memory tier's account.
    pub fn enter_tier(&self) {
        self.inner.charge.enter_tier();
    }

    /// Moves the buffer back to the working account: a body may still be reading it.
    pub fn leave_tier(&self) {
        self.inner.charge.leave_tier();
    }
}

impl WeakBuffer {
    /// The buffer, if it is still there.
    pub fn upgrade(&self) -> Option<Buffer> {
        self.0.upgrade().map(|inner| Buffer { inner })
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("filled", &self.filled())
            .field("capacity", &self.inner.capacity)
            .finish()
    }
}

struct Filled {
    buffer: Buffer,
    length: usize,
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the first `length` bytes are filled and never change again; the handle keeps them alive.
        unsafe { std::slice::from_raw_parts(self.buffer.inner.start.as_ptr(), self.length) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Memory, Pool};
    use super::*;

    fn writer(capacity: usize) -> (Memory, Writer) {
        let memory = Memory::new(Config { limit: 64 << 20 });
        let reservation = memory
            .try_reserve(Pool::Fill, allocated(capacity))
            .expect("there is room");
        let writer = Writer::new(capacity, reservation);
        (memory, writer)
    }

    #[test]
    fn what_is_filled_can_be_read_while_the_rest_is_written() {
        let (_memory, mut writer) = writer(10);
        assert_eq!(writer.write(b"hello"), 5);
        let buffer = writer.buffer();
        let front = buffer.bytes(0..5);
        assert_eq!(writer.write(b" world"), 5);
        assert_eq!(writer.room(), 0);
        assert_eq!(front, "hello");
        assert_eq!(buffer.bytes(3..10), "lo worl");
    }

    fn fill<'a>(room: &'a mut [MaybeUninit<u8>], bytes: &[u8]) -> io::Result<&'a mut [u8]> {
        Ok(room[..bytes.len()].write_copy_of_slice(bytes))
    }

    #[test]
    fn a_buffer_is_filled_in_place() {
        let (_memory, mut writer) = writer(10);
        writer.fill_with(4, |room| fill(room, b"abcd")).unwrap();
        // More than was asked for is read where a last page is short; it is not shown.
        writer.fill_with(2, |room| fill(room, b"efgh")).unwrap();
        let buffer = writer.buffer();
        assert_eq!((buffer.as_slice(), writer.room()), (&b"abcdef"[..], 4));
    }

    #[test]
    fn what_is_filled_short_or_elsewhere_is_not_appended() {
        let (_memory, mut writer) = writer(10);
        let kind = |filled: io::Result<()>| filled.unwrap_err().kind();
        let short = writer.fill_with(2, |room| fill(room, b"e"));
        assert_eq!(kind(short), io::ErrorKind::UnexpectedEof);
        let long = writer.fill_with(11, |room| fill(room, b""));
        assert_eq!(kind(long), io::ErrorKind::InvalidInput);
        let elsewhere = writer.fill_with(2, |room| fill(&mut room[1..], b"abc"));
        assert_eq!(kind(elsewhere), io::ErrorKind::UnexpectedEof);
        let failed = writer.fill_with(2, |_| Err(io::ErrorKind::TimedOut.into()));
        assert_eq!(kind(failed), io::ErrorKind::TimedOut);
        assert_eq!(writer.buffer().filled(), 0);
    }

    #[test]
    fn memory_is_given_back_with_the_last_handle() {
        let (memory, mut writer) = writer(10);
        writer.write(b"0123456789");
        let bytes = writer.buffer().bytes(2..4);
        drop(writer);
        assert_eq!(memory.used(Pool::Fill), 4096);
        drop(bytes);
        assert_eq!(memory.used(Pool::Fill), 0);
    }

    #[test]
    fn the_tiers_account_is_apart() {
        let (memory, writer) = writer(10);
        let buffer = writer.buffer();
        buffer.enter_tier();
        assert_eq!((memory.used(Pool::Fill), memory.tier()), (0, 4096));
        buffer.leave_tier();
        assert_eq!((memory.used(Pool::Fill), memory.tier()), (4096, 0));
        buffer.enter_tier();
        drop((buffer, writer));
        assert_eq!((memory.used(Pool::Fill), memory.tier()), (0, 0));
    }
}
