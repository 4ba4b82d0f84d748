//! A fill: one origin request for a run of bytes that nobody holds, followed by as many readers as come.
//!
//! The fill writes what arrives into accounted buffers that readers see at once, and hands full ones to the tier. It keeps
//! only what its fastest reader has still to come to; whoever is slower finds the bytes in the tier. It runs one window
//! ahead of the fastest reader, then stops reading from the origin; after a while it hangs up, so that slow readers do not
//! take up the origin's connections. It belongs to no reader: it is its own task, goes on when the one that caused it leaves,
//! and when all have left ends with its current request.
//!
//! An origin that breaks off is asked again for the rest, under the same version, at most twice; readers do not notice.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::sync::Notify;

use super::bodies::{BodyState, Turn, lock};
use super::source::Source;
use crate::memory::buffer::allocated;
use crate::memory::{Buffer, Exhausted, Pool, Writer};
use crate::origin;
use crate::types::Body;
use crate::types::layout::{BLOCK, PAGE};

/// How often a request for bytes is sent again after it failed.
pub(super) const RETRIES: u32 = 2;

/// How long a fill with readers waits for memory.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long a fill holds its origin's connection while no reader wants more.
const PAUSE: Duration = Duration::from_secs(5);

/// Why a fill ended short. Every reader gets the same.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Failure {
    /// The version is no longer at the origin.
    #[error("the version is gone")]
    Gone,
    /// The origin failed, also when asked again.
    #[error("the origin failed")]
    Origin(#[source] Arc<origin::Error>),
    /// No memory was free for too long.
    #[error("no memory is free")]
    NoMemory,
    /// Nobody read any more, and memory was short.
    #[error("nobody read any more")]
    Deserted,
}

/// A run of bytes on its way from the origin.
#[derive(Debug)]
pub(super) struct Fill {
    pub(super) range: Range<u64>,
    progress: Mutex<Progress>,
    moved: Notify,
}

#[derive(Debug, Default)]
struct Progress {
    /// In order, without gaps; the last one may still be written.
    extents: VecDeque<Extent>,
    outcome: Option<Result<(), Failure>>,
}

#[derive(Debug)]
struct Extent {
    start: u64,
    buffer: Buffer,
}

impl Extent {
    fn end(&self) -> u64 {
        self.start + self.buffer.filled() as u64
    }
}

/// What a fill has for a reader at some offset.
#[derive(Debug)]
pub(super) enum Found {
    Bytes(Bytes),
    /// Not yet: wait for the fill to move.
    Pending,
    /// No longer: look in the tier.
    Passed,
    Failed(Failure),
}

impl Fill {
    /// A fill of `range` that has not begun.
    pub(super) fn new(range: Range<u64>) -> Arc<Self> {
        Arc::new(Self {
            range,
            progress: Mutex::default(),
            moved: Notify::new(),
        })
    }

    /// The bytes that a reader can still get from this fill.
    pub(super) fn claim(&self) -> Range<u64> {
        let progress = lock(&self.progress);
        let start = progress
            .extents
            .front()
            .map_or(self.range.start, |first| first.start);
        if matches!(progress.outcome, Some(Err(_))) {
            start..start
        } else {
            start..self.range.end
        }
    }

    /// What there is at `offset`, which lies in the range.
    pub(super) fn find(&self, offset: u64) -> Found {
        let progress = lock(&self.progress);
        for extent in progress.extents.iter().rev() {
            if extent.start <= offset && offset < extent.end() {
                let from =
                    usize::try_from(offset - extent.start).expect("an extent fits in memory");
                return Found::Bytes(extent.buffer.bytes(from..extent.buffer.filled()));
            }
        }
        if progress
            .extents
            .front()
            .is_some_and(|first| offset < first.start)
        {
            return Found::Passed;
        }
        match &progress.outcome {
            None => Found::Pending,
            Some(Ok(())) => Found::Passed,
            Some(Err(failure)) => Found::Failed(failure.clone()),
        }
    }

    /// Waits until there is something to say about `offset`.
    pub(super) async fn wait(&self, offset: u64) -> Found {
        loop {
            let mut moved = std::pin::pin!(self.moved.notified());
            moved.as_mut().enable();
            match self.find(offset) {
                Found::Pending => moved.await,
                found => return found,
            }
        }
    }

    /// Whether a reader that has come to `offset` is past a full extent.
    pub(super) fn is_passed(&self, offset: u64) -> bool {
        let progress = lock(&self.progress);
        let mut extents = progress.extents.iter();
        let first = extents.next();
        extents.next().is_some() && first.is_some_and(|first| first.end() <= offset)
    }

    /// Lets go of the full extents that end at or before `offset`.
    pub(super) fn trim(&self, offset: u64) {
        let mut progress = lock(&self.progress);
        while progress.extents.len() > 1
            && progress
                .extents
                .front()
                .is_some_and(|first| first.end() <= offset)
        {
            progress.extents.pop_front();
        }
    }

    fn is_over(&self) -> bool {
        lock(&self.progress).outcome.is_some()
    }

    fn push(&self, start: u64, buffer: Buffer) {
        lock(&self.progress)
            .extents
            .push_back(Extent { start, buffer });
    }

    fn finish(&self, outcome: Result<(), Failure>) {
        lock(&self.progress).outcome.get_or_insert(outcome);
        self.moved.notify_waiters();
    }
}

/// The task behind a fill. However it ends, readers are told: they wait for as long as the fill says nothing.
pub(super) struct Run {
    pub(super) fill: Arc<Fill>,
    pub(super) body: Arc<BodyState>,
    pub(super) source: Arc<Source>,
    /// Whether the fill came with the first request for the object: its reader has not taken a seat yet, but will.
    pub(super) adopted: bool,
}

impl Run {
    /// Fills to the end, or gives every reader the reason why not. `first` is the answer that is already there, where the
    /// fill came with the first request for the object.
    pub(super) async fn run(self, first: Option<Body>) {
        let outcome = self.transfer(first).await;
        if let Err(failure) = &outcome {
            self.source.fill_failed(&self.body.id, failure);
        }
        self.end(outcome);
    }

    fn end(&self, outcome: Result<(), Failure>) {
        // The tier holds the last bytes before the fill leaves the list: who finds neither has really missed.
        lock(&self.body.fills).retain(|fill| !Arc::ptr_eq(fill, &self.fill));
        self.fill.finish(outcome);
    }

    async fn transfer(&self, mut first: Option<Body>) -> Result<(), Failure> {
        let mut at = self.fill.range.start;
        let (mut failed, mut paused) = (0, false);
        while at < self.fill.range.end {
            let answer = match first.take() {
                Some(body) => Ok(body),
                None => {
                    self.wait_to_ask(at, paused).await?;
                    let rest = at..self.fill.range.end;
                    self.source.open(&self.body.id, rest).await
                }
            };
            let before = at;
            let stop = match answer {
                Ok(body) => self.copy(body, &mut at).await?,
                Err(error) => Stop::Broken(error),
            };
            let error = match stop {
                Stop::End => return Ok(()),
                Stop::Paused => {
                    (failed, paused) = (0, true);
                    continue;
                }
                Stop::Broken(error) => error,
            };
            // What arrived counts: a long body over a poor line may break more often than a short one.
            failed = if at > before { 1 } else { failed + 1 };
            if failed > RETRIES || is_gone(&error) || !error.is_retryable() {
                return Err(Failure::from(error));
            }
            self.source.pause_before_retry(failed, &error).await;
        }
        Ok(())
    }

    /// Copies an answer's bytes into buffers, from `at` to the end of the range.
    async fn copy(&self, mut answer: Body, at: &mut u64) -> Result<Stop, Failure> {
        let end = self.fill.range.end;
        let mut writing: Option<(u64, Writer)> = None;
        let stop = 'answer: loop {
            if *at == end {
                break Stop::End;
            }
            let mut data = match answer.frame().await {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(error)) => break Stop::Broken(origin::Error::Unreachable(error)),
                None => break Stop::Broken(origin::Error::Nonsense("its body ended early")),
            };
            self.source.received(data.len() as u64);
            data.truncate(usize::try_from(end - *at).unwrap_or(usize::MAX));
            while !data.is_empty() {
                let (start, mut writer) = match writing.take() {
                    Some(open) => open,
                    None => match self.open_extent(*at).await? {
                        Some(writer) => (*at, writer),
                        None => break 'answer Stop::Paused,
                    },
                };
                let taken = writer.write(&data);
                data.advance(taken);
                *at += taken as u64;
                if writer.room() == 0 {
                    self.close_extent(start, &writer);
                } else {
                    writing = Some((start, writer));
                }
                self.fill.moved.notify_waiters();
            }
        };
        if let Some((start, writer)) = writing {
            self.close_extent(start, &writer);
        }
        Ok(stop)
    }

    /// A new buffer for the bytes from `at` on, once a reader wants them and there is memory; none where no reader wants
    /// them for long.
    async fn open_extent(&self, at: u64) -> Result<Option<Writer>, Failure> {
        let Ok(turn) = tokio::time::timeout(PAUSE, self.wait_for_turn(at)).await else {
            return Ok(None);
        };
        let expected = self.adopted && at == self.fill.range.start;
        let deserted = turn == Turn::Deserted && !expected;
        let capacity = self.extent_length(at);
        let size = allocated(capacity);
        let memory = &self.source.memory;
        let reserved = if deserted {
            memory.try_reserve(Pool::Fill, size)
        } else {
            memory.reserve(Pool::Fill, size, PATIENCE).await
        };
        let reservation = reserved.map_err(|Exhausted| {
            if deserted {
                Failure::Deserted
            } else {
                Failure::NoMemory
            }
        })?;
        let writer = Writer::new(capacity, reservation);
        self.fill.push(at, writer.buffer());
        Ok(Some(writer))
    }

    /// Waits until a reader wants the bytes at `at`, before the origin is asked for them. A fill that had to wait, now or
    /// `before`, and whose readers have left meanwhile ends here.
    async fn wait_to_ask(&self, at: u64, before: bool) -> Result<(), Failure> {
        let waits = before || self.body.turn(&self.fill.range, at) == Turn::Ahead;
        match self.wait_for_turn(at).await {
            Turn::Deserted if waits => Err(Failure::Deserted),
            Turn::Deserted | Turn::Wanted | Turn::Ahead => Ok(()),
        }
    }

    /// Waits while the fastest reader has a window of bytes before it.
    async fn wait_for_turn(&self, at: u64) -> Turn {
        loop {
            let mut moved = std::pin::pin!(self.body.moved.notified());
            moved.as_mut().enable();
            match self.body.turn(&self.fill.range, at) {
                Turn::Ahead => moved.await,
                turn => return turn,
            }
        }
    }

    /// To the end of the block or of the fill, and no more than a window.
    fn extent_length(&self, at: u64) -> usize {
        let block_end = (at / BLOCK + 1) * BLOCK;
        let window = self.source.memory.window().max(PAGE);
        let length = block_end
            .min(self.fill.range.end)
            .min((at + window) / PAGE * PAGE)
            - at;
        usize::try_from(length).expect("an extent is at most a block")
    }

    fn close_extent(&self, start: u64, writer: &Writer) {
        self.source.keep(&self.body, start, writer.buffer());
        self.fill.trim(self.body.fastest(&self.fill.range));
    }
}

impl Drop for Run {
    /// Of a task that was cancelled, or that panicked.
    fn drop(&mut self) {
        if !self.fill.is_over() {
            let cancelled = origin::Error::Unreachable("the fill was cancelled".into());
            self.end(Err(Failure::Origin(Arc::new(cancelled))));
        }
    }
}

/// Why no more of an answer is copied.
enum Stop {
    /// All is there.
    End,
    /// No reader has wanted more for some time.
    Paused,
    Broken(origin::Error),
}

impl From<origin::Error> for Failure {
    fn from(error: origin::Error) -> Self {
        if is_gone(&error) {
            Self::Gone
        } else {
            Self::Origin(Arc::new(error))
        }
    }
}

/// Whether the origin says that the version is no longer there. The bytes asked for lie within the version, so that a range
/// beyond the end is one of another version: some stores look at the range before they look at the pin.
fn is_gone(error: &origin::Error) -> bool {
    matches!(
        error.status(),
        Some(
            StatusCode::PRECONDITION_FAILED
                | StatusCode::NOT_FOUND
                | StatusCode::RANGE_NOT_SATISFIABLE
        )
    )
}
