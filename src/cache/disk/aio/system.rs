//! The kernel's asynchronous I/O (`io_submit(2)` and its like), as far as reads need it. There is no crate for it that is kept
//! well; the interface is four calls and two structures that have not changed since Linux 4.13.

#![expect(
    unsafe_code,
    reason = "the calls have no safe wrapper, and the kernel writes into memory that no borrow can be held of"
)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use libc::{SYS_io_destroy, SYS_io_getevents, SYS_io_setup, SYS_io_submit, c_long, c_ulong};

/// `IOCB_CMD_PREAD`.
const READ: u16 = 0;
/// `IOCB_FLAG_RESFD`: an eventfd is told of the answer.
const TELLS: u32 = 1;
/// `RWF_NOWAIT`: an answer `EAGAIN` rather than a caller that waits for a lock or for room in the device's queue.
const DO_NOT_WAIT: u32 = 8;

/// Answers that are fetched in one call.
const BATCH: usize = 32;

/// `struct iocb` of `linux/aio_abi.h`.
#[repr(C)]
#[derive(Default)]
struct Request {
    data: u64,
    #[cfg(target_endian = "big")]
    rw_flags: u32,
    key: u32,
    #[cfg(target_endian = "little")]
    rw_flags: u32,
    opcode: u16,
    priority: i16,
    file: u32,
    buffer: u64,
    bytes: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    told: u32,
}

/// `struct io_event` of `linux/aio_abi.h`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Event {
    data: u64,
    request: u64,
    result: i64,
    result2: i64,
}

/// What the kernel has answered to a read.
#[derive(Debug)]
pub(super) struct Answer {
    /// As it was asked with.
    pub(super) id: u64,
    /// Bytes that were read.
    pub(super) result: io::Result<usize>,
}

/// A queue of the kernel's. Given up when dropped, which waits for what is under way.
#[derive(Debug)]
pub(super) struct Context(c_ulong);

/// Where a read goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) start: NonNull<u8>,
    pub(super) length: usize,
}

impl Context {
    /// A queue for so many reads at a time.
    ///
    /// # Errors
    /// As the system says: `EAGAIN` where `fs.aio-max-nr` is used up, `EPERM` or `ENOSYS` where it allows none.
    pub(super) fn new(reads: u32) -> io::Result<Self> {
        let mut context: c_ulong = 0;
        // SAFETY: the kernel writes to the context only, which is there.
        let made = unsafe { libc::syscall(SYS_io_setup, c_ulong::from(reads), &raw mut context) };
        checked(made).map(|_| Self(context))
    }

    /// Has the kernel read from `offset` of a file into `room`, and `told`, an eventfd, when it has. What the kernel
    /// cannot do without waiting is answered `EAGAIN`.
    ///
    /// # Errors
    /// As the system says: there is no answer then.
    ///
    /// # Safety
    /// Nobody touches the room before the answer is fetched, and it is there until then. So is the file.
    pub(super) unsafe fn read(
        &self,
        file: BorrowedFd<'_>,
        offset: u64,
        room: Room,
        id: u64,
        told: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let number = |file: BorrowedFd<'_>| u32::try_from(file.as_raw_fd()).unwrap_or(u32::MAX);
        let mut request = Request {
            data: id,
            rw_flags: DO_NOT_WAIT,
            opcode: READ,
            file: number(file),
            buffer: room.start.as_ptr().expose_provenance() as u64,
            bytes: room.length as u64,
            offset: i64::try_from(offset).map_err(io::Error::other)?,
            flags: TELLS,
            told: number(told),
            ..Request::default()
        };
        let mut requests = [&raw mut request];
        // SAFETY: the requests are read during the call only; what becomes of the room is the caller's promise.
        let taken =
            unsafe { libc::syscall(SYS_io_submit, self.0, c_long::from(1), &raw mut requests) };
        match checked(taken)? {
            1 => Ok(()),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// What was answered since the last call. Does not wait.
    pub(super) fn answers(&self) -> Vec<Answer> {
        let mut answers = Vec::new();
        loop {
            let mut events = [Event::default(); BATCH];
            let mut at_once = libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            let (least, most): (c_long, c_long) = (0, BATCH as c_long);
            // SAFETY: the kernel writes at most so many events.
            let fetched = unsafe {
                let (events, time) = (&raw mut events, &raw mut at_once);
                libc::syscall(SYS_io_getevents, self.0, least, most, events, time)
            };
            let fetched = checked(fetched).unwrap_or(0);
            answers.extend(events[..fetched].iter().map(Answer::of));
            if fetched < BATCH {
                return answers;
            }
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: nobody uses the context any more.
        unsafe { libc::syscall(SYS_io_destroy, self.0) };
    }
}

impl Answer {
    fn of(event: &Event) -> Self {
        let result = usize::try_from(event.result).map_err(|_| {
            let code = i32::try_from(-event.result).unwrap_or(libc::EIO);
            io::Error::from_raw_os_error(code)
        });
        Self {
            id: event.data,
            result,
        }
    }
}

/// What a call returned.
fn checked(returned: c_long) -> io::Result<usize> {
    usize::try_from(returned).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structures_are_the_kernels() {
        assert_eq!((size_of::<Request>(), size_of::<Event>()), (64, 32));
        assert_eq!(std::mem::offset_of!(Request, buffer), 24);
        assert_eq!(std::mem::offset_of!(Request, told), 60);
    }
}
