//! Bodies, made while they are sent: at the connection's pace, and with a pause half-way where the terms say so.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::counters::add;
use super::{Pace, State};
use crate::content::Content;

/// How far a body that was held up may hurry after its pace: a timer is late by up to its tick, and without this, a chunk that
/// is due within two of them would make every connection as slow as the tick.
const CATCH_UP: Duration = Duration::from_millis(20);

/// Made at a time: large enough for the cost of a write to vanish, small enough for the pace to be smooth.
const CHUNK: u64 = 128 * 1024;

/// A body that is a range of an object, or bytes as they are.
pub(super) enum Answer {
    Range(Box<Range>),
    Bytes(Option<Bytes>),
}

impl Answer {
    pub(super) fn empty() -> Self {
        Self::Bytes(None)
    }

    pub(super) fn text(text: impl Into<Bytes>) -> Self {
        Self::Bytes(Some(text.into()))
    }
}

pub(super) struct Range {
    pub(super) state: Arc<State>,
    pub(super) pace: Pace,
    pub(super) content: Content,
    pub(super) next: u64,
    pub(super) end: u64,
    /// In bytes a second; 0 is as fast as can be.
    pub(super) bandwidth: u64,
    /// A pause to come, and the offset before which it is.
    pub(super) stall: Option<(u64, Duration)>,
    pub(super) waiting: Option<Pin<Box<Sleep>>>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = match &mut *self {
            Self::Bytes(bytes) => bytes.take().filter(|bytes| !bytes.is_empty()),
            Self::Range(range) => ready!(range.poll_chunk(context)),
        };
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Bytes(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Self::Range(range) => range.end - range.next,
        })
    }
}

impl Range {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(waiting) = &mut self.waiting {
            ready!(waiting.as_mut().poll(context));
            self.waiting = None;
        } else if self.next < self.end
            && let Some(wait) = self.wait()
        {
            let mut sleep = Box::pin(tokio::time::sleep(wait));
            if sleep.as_mut().poll(context).is_pending() {
                self.waiting = Some(sleep);
                return Poll::Pending;
            }
        }
        if self.next == self.end {
            return Poll::Ready(None);
        }
        let length = CHUNK.min(self.end - self.next);
        let mut bytes = vec![0; usize::try_from(length).expect("a chunk is small")];
        self.content.fill(self.next, &mut bytes);
        self.next += length;
        add(&self.state.counters.sent_bytes, length);
        Poll::Ready(Some(bytes.into()))
    }

    /// How long the next chunk must wait, asked once for each.
    fn wait(&mut self) -> Option<Duration> {
        let pause = self.stall.take_if(|(before, _)| *before <= self.next);
        let pause = pause.map(|(_, pause)| pause);
        if pause.is_some() {
            add(&self.state.counters.stalls, 1);
        }
        if self.bandwidth == 0 {
            return pause;
        }
        let length = CHUNK.min(self.end - self.next);
        let takes = Duration::from_secs_f64(length as f64 / self.bandwidth as f64);
        let now = Instant::now();
        let mut free = self.pace.lock().expect("no holder panics");
        let earliest = match pause {
            Some(pause) => now + pause,
            None => now.checked_sub(CATCH_UP).unwrap_or(now),
        };
        let begins = (*free).max(earliest);
        *free = begins + takes;
        Some((begins + takes).saturating_duration_since(now))
    }
}
