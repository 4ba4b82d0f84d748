//! Reads of a disk that take no thread: whoever asks hands them to the kernel (`io_submit(2)`), and a task of the same core hears
//! of what has arrived and wakes those who wait.
//!
//! Not every kernel and container allows it; then, and where this is closed, reads go through the blocking pool. What a read
//! needs (its memory, the open file, its turn) belongs to the operation until the kernel has answered, whoever has stopped
//! waiting meanwhile: the kernel writes into that memory whenever it likes.

#![expect(
    unsafe_code,
    reason = "the kernel writes into memory that no borrow can be held of"
)]

mod queues;
mod system;

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tracing::warn;

pub(super) use self::queues::{Queues, watch};
use self::system::{Answer, Room};
use super::segment::Segment;
use crate::memory::{Buffer, Writer};

/// Reads that the kernel has at a time, at most; more than a disk's turns.
const ENTRIES: usize = 64;

/// A queue of the kernel's for a disk's reads. Those who read on one core share it.
#[derive(Debug)]
pub(super) struct Aio {
    context: system::Context,
    /// An eventfd: the kernel writes to it with every answer.
    told: OwnedFd,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What the kernel has not answered, by the order of asking.
    running: BTreeMap<u64, Arc<Operation>>,
    /// How many there were.
    count: u64,
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

/// A read that the kernel has, or had. Owned by whoever waits for it and, until it has answered, by the list of what runs.
#[derive(Debug)]
struct Operation {
    length: usize,
    started: Instant,
    progress: Mutex<Progress>,
    /// Keeps the file open.
    segment: Arc<Segment>,
}

struct Progress {
    /// None once it was taken.
    writer: Option<Writer>,
    /// Held until the disk has answered, however long nobody has been waiting any more.
    turn: Option<OwnedSemaphorePermit>,
    end: Option<End>,
    waker: Option<Waker>,
}

/// How a read ended for whoever waits for it.
enum End {
    /// How many bytes were read, and when that was known.
    Answered(io::Result<usize>, Instant),
    Late,
}

/// A read under way. Dropping it leaves it to the kernel.
#[derive(Debug)]
pub(super) struct Reading(Arc<Operation>);

/// What is heard of a read.
pub(super) enum Heard {
    Arrived(Arrived),
    /// The kernel would have had to wait before it could begin: it is for a thread to do.
    Back(OwnedSemaphorePermit, Writer),
    /// Nothing, for too long.
    Late,
}

/// What has arrived, not checked yet.
pub(super) struct Arrived {
    writer: Writer,
    length: usize,
    read: io::Result<usize>,
    /// When it had.
    pub(super) at: Instant,
}

impl Aio {
    /// A queue, if the system allows one.
    ///
    /// # Errors
    /// As the system says.
    pub(super) fn new() -> io::Result<Arc<Self>> {
        let entries = u32::try_from(ENTRIES).expect("there are few");
        Ok(Arc::new(Self {
            context: system::Context::new(entries)?,
            told: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            state: Mutex::default(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a read to the kernel. Gives it back where it has to be made another way.
    pub(super) fn start(&self, mut read: Read) -> Result<Reading, Read> {
        let segment = Arc::clone(&read.segment);
        let (Some(file), Some(room)) = (
            segment.file.descriptor(),
            read.writer.spare(read.length).map(room_of),
        ) else {
            return Err(read);
        };
        let offset = read.offset;
        let operation = Arc::new(Operation::new(read));
        let Some(id) = self.enter(&operation) else {
            return Err(Operation::into_read(operation, offset));
        };
        // SAFETY: of the room the operation's writer alone has the use, and has none before the kernel has answered. Memory and
        // file belong to the operation, which is in the list of what runs until then.
        let submitted = unsafe {
            let told = self.told.as_fd();
            self.context.read(file, offset, room, id, told)
        };
        let Err(error) = submitted else {
            return Ok(Reading(operation));
        };
        // The kernel has not taken it, and will not answer.
        let mut state = self.lock();
        state.running.remove(&id);
        if error.kind() != io::ErrorKind::WouldBlock && !std::mem::replace(&mut state.closed, true)
        {
            warn!(%error, "the kernel takes no more asynchronous reads: {error}; disks are read from threads from now on");
        }
        drop(state);
        Err(Operation::into_read(operation, offset))
    }

    /// Puts an operation on the list of what runs, where there is room.
    fn enter(&self, operation: &Arc<Operation>) -> Option<u64> {
        let mut state = self.lock();
        if state.closed || state.running.len() == ENTRIES {
            return None;
        }
        state.count += 1;
        let id = state.count;
        state.running.insert(id, Arc::clone(operation));
        Some(id)
    }

    /// Wakes those whose reads have arrived.
    fn reap(&self) {
        let answers = self.context.answers();
        let mut state = self.lock();
        let answered = answers.into_iter().filter_map(|Answer { id, result }| {
            let operation = state.running.remove(&id)?;
            Some((operation, result))
        });
        let answered: Vec<_> = answered.collect();
        drop(state);
        for (operation, result) in answered {
            operation.answered(result);
        }
    }

    /// Wakes those who have waited for longer than `patience`.
    pub(super) fn give_up(&self, patience: Duration) {
        let now = Instant::now();
        let state = self.lock();
        let late = |operation: &&Arc<Operation>| now - operation.started > patience;
        let late = state.running.values().take_while(late);
        let wakers: Vec<_> = late.filter_map(|operation| operation.give_up()).collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Takes no more reads.
    fn close(&self) {
        self.lock().closed = true;
    }

    fn is_idle(&self) -> bool {
        self.lock().running.is_empty()
    }
}

fn room_of(room: &mut [std::mem::MaybeUninit<u8>]) -> Room {
    Room {
        length: room.len(),
        start: NonNull::from(room).cast(),
    }
}

impl Operation {
    fn new(read: Read) -> Self {
        Self {
            length: read.length,
            started: Instant::now(),
            progress: Mutex::new(Progress {
                writer: Some(read.writer),
                turn: Some(read.turn),
                end: None,
                waker: None,
            }),
            segment: read.segment,
        }
    }

    /// The read that the operation was made of. Nobody else has it.
    fn into_read(operation: Arc<Self>, offset: u64) -> Read {
        let operation = Arc::into_inner(operation).expect("it is not on the list");
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

    /// Notes what the kernel has answered, and wakes whoever waits for it.
    fn answered(&self, result: io::Result<usize>) {
        let mut progress = self.progress();
        if !must_wait(&result) {
            progress.turn = None;
        }
        progress
            .end
            .get_or_insert(End::Answered(result, Instant::now()));
        let waker = progress.waker.take();
        drop(progress);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Notes that the disk takes too long.
    fn give_up(&self) -> Option<Waker> {
        let mut progress = self.progress();
        progress.end.get_or_insert(End::Late);
        progress.waker.take()
    }
}

/// Whether the kernel could not begin without waiting, or knows no reads that do not wait.
fn must_wait(result: &io::Result<usize>) -> bool {
    let kind = result.as_ref().map_err(io::Error::kind);
    matches!(
        kind,
        Err(io::ErrorKind::WouldBlock | io::ErrorKind::Unsupported)
    )
}

#[cfg(test)]
impl Reading {
    /// A read that was answered so.
    pub(super) fn answered(read: Read, result: io::Result<usize>) -> Self {
        let operation = Operation::new(read);
        operation.answered(result);
        Self(Arc::new(operation))
    }
}

impl Future for Reading {
    type Output = Heard;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Heard> {
        let mut progress = self.0.progress();
        let (read, at) = match progress.end.take() {
            None => {
                progress.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
            Some(End::Late) => {
                progress.end = Some(End::Late);
                return Poll::Ready(Heard::Late);
            }
            Some(End::Answered(read, at)) => (read, at),
        };
        let writer = progress.writer.take().expect("it is taken once");
        Poll::Ready(match progress.turn.take() {
            Some(turn) => Heard::Back(turn, writer),
            None => Heard::Arrived(Arrived {
                writer,
                length: self.0.length,
                read,
                at,
            }),
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

/// Hears of what arrives, until `end` and until nothing is under way any more.
pub(super) async fn attend(aio: Arc<Aio>, end: impl Future<Output = ()>) {
    // However this task ends: nobody would hear of what is asked for from then on.
    let attended = Attended(Arc::clone(&aio));
    // SAFETY: the eventfd is open, and the same, for as long as its owner is there, which is attended for as long.
    let registered = unsafe { AsyncFd::register_with_interest(attended, Interest::READABLE) };
    let told = match registered {
        Ok(told) => told,
        Err(error) => {
            warn!(%error, "asynchronous reads cannot be waited for: {error}; disks are read from threads");
            return;
        }
    };
    let mut end = std::pin::pin!(end);
    let mut ending = false;
    while !(ending && aio.is_idle()) {
        tokio::select! {
            readable = told.readable() => {
                let Ok(mut readable) = readable else { return };
                // Before the look: every answer is told of anew, though nobody reads the count of them.
                readable.clear_ready();
                aio.reap();
            }
            () = &mut end, if !ending => {
                ending = true;
                aio.close();
            }
        }
    }
}

struct Attended(Arc<Aio>);

impl AsRawFd for Attended {
    fn as_raw_fd(&self) -> RawFd {
        self.0.told.as_raw_fd()
    }
}

impl Drop for Attended {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress").finish_non_exhaustive()
    }
}
