//! Reads of a disk that take no thread: whoever asks hands them to the kernel through an io_uring, and one task hears of
//! what has arrived and wakes those who wait.
//!
//! Not every kernel and container allows it; then, and where the ring is closed, reads go through the blocking pool. What a
//! read needs (its memory, the open file, its turn) belongs to the operation until the kernel has answered, whoever has
//! stopped waiting meanwhile: the kernel writes into that memory whenever it likes.

#![expect(
    unsafe_code,
    reason = "the kernel writes into memory that no borrow can be held of"
)]

use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use io_uring::{IoUring, opcode, types};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tracing::warn;

use super::segment::Segment;
use crate::memory::{Buffer, Writer};

/// Reads that are handed to the kernel at a time, at most; more than a disk's turns.
const ENTRIES: u32 = 64;

/// A disk's ring. Those who read share it.
pub(super) struct Ring {
    descriptor: RawFd,
    state: Mutex<State>,
}

struct State {
    uring: IoUring,
    /// Reads that the kernel has not answered.
    running: usize,
    /// Takes no more.
    closed: bool,
}

/// A read of pages that follow one another in a segment.
pub(super) struct Read {
    pub(super) segment: Arc<Segment>,
    /// A multiple of [`super::medium::ALIGN`].
    pub(super) offset: u64,
    pub(super) length: usize,
    /// Empty, with room for the length.
    pub(super) writer: Writer,
    pub(super) turn: OwnedSemaphorePermit,
}

/// A read that the kernel has, or had. Owned by whoever waits for it and, until it has answered, by the kernel.
struct Operation {
    length: usize,
    progress: Mutex<Progress>,
    /// Keeps the file open.
    segment: Arc<Segment>,
}

struct Progress {
    /// None once it was taken.
    writer: Option<Writer>,
    /// Held until the disk has answered, however long nobody has been waiting any more.
    turn: Option<OwnedSemaphorePermit>,
    /// How many bytes were read, and when that was known.
    result: Option<(io::Result<usize>, Instant)>,
    waker: Option<Waker>,
}

/// A read under way. Dropping it leaves it to the kernel.
pub(super) struct Reading(Arc<Operation>);

/// What has arrived, not checked yet.
pub(super) struct Arrived {
    writer: Writer,
    length: usize,
    read: io::Result<usize>,
    /// When it had.
    pub(super) at: Instant,
}

impl Ring {
    /// A ring, if the system allows one and it works.
    ///
    /// # Errors
    /// As the system says; containers often say `PermissionDenied`.
    pub(super) fn new() -> io::Result<Arc<Self>> {
        // The thread that submitted need not be interrupted for what it will see at its next call. Older kernels (before 5.19)
        // know only the other way.
        let quiet = IoUring::builder().setup_coop_taskrun().build(ENTRIES);
        let mut uring = quiet.or_else(|_| IoUring::new(ENTRIES))?;
        let nothing = opcode::Nop::new().build();
        // SAFETY: the operation has no memory.
        unsafe { uring.submission().push(&nothing) }.map_err(io::Error::other)?;
        uring.submit_and_wait(1)?;
        let answered = uring.completion().next();
        if answered.is_none_or(|answer| answer.result() != 0) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Arc::new(Self {
            descriptor: uring.as_raw_fd(),
            state: Mutex::new(State {
                uring,
                running: 0,
                closed: false,
            }),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a read to the kernel. Gives it back where it has to be made another way.
    pub(super) fn start(&self, mut read: Read) -> Result<Reading, Read> {
        let file = read.segment.file.descriptor().map(|file| file.as_raw_fd());
        let (Some(file), Some(room)) = (file, read.writer.spare(read.length)) else {
            return Err(read);
        };
        let Ok(size) = u32::try_from(room.len()) else {
            return Err(read);
        };
        let start: *mut MaybeUninit<u8> = room.as_mut_ptr();
        let mut state = self.lock();
        if state.closed || state.uring.submission().is_full() {
            return Err(read);
        }
        let operation = Arc::new(Operation {
            length: read.length,
            progress: Mutex::new(Progress {
                writer: Some(read.writer),
                turn: Some(read.turn),
                result: None,
                waker: None,
            }),
            segment: read.segment,
        });
        let kernels = Arc::into_raw(Arc::clone(&operation)).expose_provenance();
        let entry = opcode::Read::new(types::Fd(file), start.cast(), size)
            .offset(read.offset)
            .build()
            .user_data(kernels as u64);
        // SAFETY: the kernel writes at most `size` bytes from `start` on, into room that the operation's writer alone may
        // touch and does not before the kernel has answered. Memory and file belong to the operation, which lives until then:
        // a reference to it was given away just now, and is taken back with the answer, or never.
        let pushed = unsafe { state.uring.submission().push(&entry) };
        pushed.expect("it was not full");
        let submitted = state.submit();
        if submitted.is_ok() {
            state.running += 1;
        }
        let arrived = state.arrived();
        drop(state);
        arrived.into_iter().for_each(Answer::deliver);
        let Err(error) = submitted else {
            return Ok(Reading(operation));
        };
        warn!(%error, "the kernel takes no more reads through io_uring: {error}; disks are read from threads from now on");
        // SAFETY: the kernel has not taken the entry, and nothing is submitted any more: the reference is nobody else's.
        drop(unsafe { Arc::from_raw(std::ptr::with_exposed_provenance::<Operation>(kernels)) });
        Err(Operation::into_read(operation, read.offset))
    }

    /// Wakes those whose reads have arrived.
    fn reap(&self) {
        let arrived = self.lock().arrived();
        arrived.into_iter().for_each(Answer::deliver);
    }

    /// Takes no more reads.
    fn close(&self) {
        self.lock().closed = true;
    }

    fn is_idle(&self) -> bool {
        self.lock().running == 0
    }
}

impl State {
    /// Submits the one entry that was pushed. Where that fails the kernel has not taken it, and nothing is submitted any more.
    fn submit(&mut self) -> io::Result<()> {
        loop {
            match self.uring.submit() {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.closed = true;
                    return Err(error);
                }
            }
        }
    }

    fn arrived(&mut self) -> Vec<Answer> {
        let answers = self.uring.completion().map(|answer| {
            let address = usize::try_from(answer.user_data()).expect("it was an address");
            // SAFETY: the number was made of a reference that was given away for this one answer.
            let operation = unsafe { Arc::from_raw(std::ptr::with_exposed_provenance(address)) };
            let result = answer.result();
            Answer { operation, result }
        });
        let answers: Vec<_> = answers.collect();
        self.running -= answers.len();
        answers
    }
}

// A ring that goes while reads run leaves their memory to the kernel for good: nobody takes the references back.

/// What the kernel has answered.
struct Answer {
    operation: Arc<Operation>,
    result: i32,
}

impl Answer {
    fn deliver(self) {
        let read = usize::try_from(self.result);
        let result = read.map_err(|_| io::Error::from_raw_os_error(-self.result));
        let waker = {
            let mut progress = self.operation.progress();
            progress.turn = None;
            progress.result = Some((result, Instant::now()));
            progress.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Operation {
    /// The read that the operation was made of. Nobody else has it.
    fn into_read(operation: Arc<Self>, offset: u64) -> Read {
        let operation = Arc::into_inner(operation).expect("the kernel's reference was taken back");
        let progress = operation.progress.into_inner();
        let progress = progress.unwrap_or_else(PoisonError::into_inner);
        Read {
            segment: operation.segment,
            offset,
            length: operation.length,
            writer: progress.writer.expect("nobody has taken it"),
            turn: progress.turn.expect("nobody has ended it"),
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future for Reading {
    type Output = Arrived;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Arrived> {
        let mut progress = self.0.progress();
        let Some((read, at)) = progress.result.take() else {
            progress.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        Poll::Ready(Arrived {
            writer: progress.writer.take().expect("it is taken once"),
            length: self.0.length,
            read,
            at,
        })
    }
}

impl Arrived {
    /// The bytes, once `check` has passed all that was read: at most the length that was asked for, rounded up as direct I/O
    /// does.
    pub(super) fn check<E: From<io::Error>>(
        mut self,
        check: impl FnOnce(&[u8]) -> Result<(), E>,
    ) -> Result<Buffer, E> {
        let read = self.read?;
        self.writer.fill_with(self.length, |room| {
            let filled = room.get_mut(..read).ok_or(io::ErrorKind::InvalidData);
            // SAFETY: the kernel has filled so many bytes from the room's start on, and is done with them.
            let filled = unsafe { filled.map_err(io::Error::from)?.assume_init_mut() };
            check(filled)?;
            Ok::<_, E>(filled)
        })?;
        Ok(self.writer.buffer())
    }
}

/// Hears of what arrives at a ring, until `end` and until nothing is under way any more.
pub(super) async fn attend(ring: Arc<Ring>, end: impl Future<Output = ()>) {
    // However this task ends: nobody would hear of what is asked for from then on.
    let attended = Attended(Arc::clone(&ring));
    // SAFETY: the ring has this descriptor, open, for as long as it is there, and is there for as long as it is attended.
    let registered = unsafe { AsyncFd::register_with_interest(attended, Interest::READABLE) };
    let descriptor = match registered {
        Ok(descriptor) => descriptor,
        Err(error) => {
            warn!(%error, "io_uring cannot be waited for: {error}; disks are read from threads");
            return;
        }
    };
    let mut end = std::pin::pin!(end);
    let mut ending = false;
    while !(ending && ring.is_idle()) {
        tokio::select! {
            readable = descriptor.readable() => {
                let Ok(mut readable) = readable else { return };
                // Before the look: what comes after it is told again.
                readable.clear_ready();
                ring.reap();
            }
            () = &mut end, if !ending => {
                ending = true;
                ring.close();
            }
        }
    }
}

struct Attended(Arc<Ring>);

impl AsRawFd for Attended {
    fn as_raw_fd(&self) -> RawFd {
        self.0.descriptor
    }
}

impl Drop for Attended {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.lock();
        f.debug_struct("Ring")
            .field("running", &state.running)
            .field("closed", &state.closed)
            .finish()
    }
}
