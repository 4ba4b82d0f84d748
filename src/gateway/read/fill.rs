//! A fill: one origin request for a run of bytes that nobody holds, followed by as many readers as come.
//!
//! The fill writes what arrives into accounted buffers that readers see at once, and hands full ones to the tier. It keeps
//! only what its fastest reader has still to come to; whoever is slower finds the bytes in the tier. It runs one window
//! ahead of the fastest reader, then stops reading from the origin. It belongs to no reader: it is its own task, goes on when the one
//! that caused it leaves, and when all have left ends with its current request.
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

/// How often a fill asks again after its first request failed.
const RETRIES: u32 = 2;

/// How long a fill with readers waits for memory.
const PATIENCE: Duration = Duration::from_secs(10);

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

    fn push(&self, start: u64, buffer: Buffer) {
        lock(&self.progress)
            .extents
            .push_back(Extent { start, buffer });
    }

    fn finish(&self, outcome: Result<(), Failure>) {
        lock(&self.progress).outcome = Some(outcome);
        self.moved.notify_waiters();
    }
}

/// The task behind a fill.
pub(super) struct Run {
    pub(super) fill: Arc<Fill>,
    pub(super) body: Arc<BodyState>,
    pub(super) source: Arc<Source>,
}

impl Run {
    /// Fills to the end, or gives every reader the reason why not. `first` is the answer that is already there, where the
    /// fill came with the first request for the object.
    pub(super) async fn run(self, first: Option<Body>) {
        let outcome = self.transfer(first).await;
        if let Err(failure) = &outcome {
            self.source.fill_failed(&self.body.id, failure);
        }
        // The tier holds the last bytes before the fill leaves the list: who finds neither has really missed.
        lock(&self.body.fills).retain(|fill| !Arc::ptr_eq(fill, &self.fill));
        self.fill.finish(outcome);
    }

    async fn transfer(&self, mut first: Option<Body>) -> Result<(), Failure> {
        let mut at = self.fill.range.start;
        let mut failed = 0;
        loop {
            let answer = match first.take() {
                Some(body) => Ok(body),
                None => {
                    self.source
                        .open(&self.body.id, at..self.fill.range.end)
                        .await
                }
            };
            let before = at;
            let error = match answer {
                Ok(body) => match self.copy(body, &mut at).await? {
                    Ok(()) => return Ok(()),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if is_gone(&error) {
                return Err(Failure::Gone);
            }
            // What arrived counts: a long body over a poor line may break more often than a short one.
            failed = if at > before { 1 } else { failed + 1 };
            if failed > RETRIES || !error.is_retryable() {
                return Err(Failure::Origin(Arc::new(error)));
            }
            self.source.pause_before_retry(failed, &error).await;
        }
    }

    /// Copies an answer's bytes into buffers, from `at` to the end of the range. The inner error is the origin's.
    async fn copy(
        &self,
        mut answer: Body,
        at: &mut u64,
    ) -> Result<Result<(), origin::Error>, Failure> {
        let end = self.fill.range.end;
        let mut writing: Option<(u64, Writer)> = None;
        let result = loop {
            if *at == end {
                break Ok(());
            }
            let mut data = match answer.frame().await {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(error)) => break Err(origin::Error::Unreachable(error)),
                None => break Err(origin::Error::Nonsense("its body ended early")),
            };
            self.source.received(data.len() as u64);
            data.truncate(usize::try_from(end - *at).unwrap_or(usize::MAX));
            while !data.is_empty() {
                let (start, mut writer) = match writing.take() {
                    Some(open) => open,
                    None => (*at, self.open_extent(*at).await?),
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
        Ok(result)
    }

    /// A new buffer for the bytes from `at` on, once a reader wants them and there is memory.
    async fn open_extent(&self, at: u64) -> Result<Writer, Failure> {
        let deserted = self.wait_for_turn(at).await == Turn::Deserted;
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
        Ok(writer)
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
        self.source
            .tier
            .insert(self.body.digest, start, writer.buffer());
        self.fill.trim(self.body.fastest(&self.fill.range));
    }
}

/// Whether the origin says that the version is no longer there.
fn is_gone(error: &origin::Error) -> bool {
    matches!(
        error.status(),
        Some(StatusCode::PRECONDITION_FAILED | StatusCode::NOT_FOUND)
    )
}
