//! The body of an answer on its way from the origin.
//!
//! It holds the request's slot until it ends or is dropped, counts its bytes, and ends in an error when it yields nothing
//! for too long *while somebody polls it*: a reader that pauses is no stall.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use crate::telemetry::Metrics;
use crate::telemetry::origin::RequestKind;
use crate::types::BoxError;

/// A request's place among the connections of its origin. Dropping it lets the next request in.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) metrics: Arc<Metrics>,
    pub(super) kind: RequestKind,
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    /// Takes the place.
    pub(super) fn new(
        metrics: Arc<Metrics>,
        kind: RequestKind,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        metrics.origin.in_flight.add(1);
        Self {
            metrics,
            kind,
            _permit: permit,
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.metrics.origin.in_flight.add(-1);
    }
}

/// The origin sent nothing for too long.
#[derive(Debug, thiserror::Error)]
#[error("the origin's body stalled for {0:?}")]
pub(super) struct Stalled(Duration);

/// An answer's body.
pub(super) struct Incoming<B = hyper::body::Incoming> {
    body: B,
    stall: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the timer runs: somebody polled and got nothing since the last bytes.
    waiting: bool,
    slot: Option<Slot>,
}

impl<B: Body> Incoming<B> {
    /// Wraps a body that may be silent for `stall`.
    pub(super) fn new(body: B, stall: Duration, slot: Option<Slot>) -> Self {
        let slot = slot.filter(|_| !body.is_end_stream());
        Self {
            body,
            stall,
            timer: None,
            waiting: false,
            slot,
        }
    }

    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<Stalled> {
        let stall = self.stall;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        if !self.waiting {
            timer.as_mut().reset(Instant::now() + stall);
            self.waiting = true;
        }
        timer.as_mut().poll(cx).map(|()| Stalled(stall))
    }
}

impl<B> Body for Incoming<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            let stalled = std::task::ready!(self.poll_stalled(cx));
            self.slot = None;
            return Poll::Ready(Some(Err(stalled.into())));
        };
        self.waiting = false;
        if let (Some(Ok(frame)), Some(slot)) = (&frame, &self.slot)
            && let Some(data) = frame.data_ref()
        {
            let received = slot.metrics.origin.received(slot.kind);
            received.add(data.len() as u64);
        }
        let ended = !matches!(frame, Some(Ok(_))) || self.body.is_end_stream();
        if ended {
            self.slot = None;
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::{StreamExt, stream};
    use http_body_util::{BodyExt, StreamBody};
    use tokio::sync::Semaphore;

    use super::*;

    fn silent_after(
        frames: &[&'static str],
    ) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
        let frames: Vec<_> = frames
            .iter()
            .map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes()))))
            .collect();
        StreamBody::new(stream::iter(frames).chain(stream::pending()))
    }

    fn slot(slots: &Arc<Semaphore>) -> Option<Slot> {
        let permit = slots.clone().try_acquire_owned().ok()?;
        let kind = RequestKind::Get;
        Some(Slot::new(Arc::default(), kind, permit))
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_body_ends_in_an_error_and_gives_its_slot_back() {
        let slots = Arc::new(Semaphore::new(1));
        let stall = Duration::from_secs(20);
        let mut body = Incoming::new(silent_after(&["abc"]), stall, slot(&slots));
        let first = body.frame().await.expect("a frame").expect("its bytes");
        assert_eq!(first.into_data().expect("data"), "abc");
        assert_eq!(slots.available_permits(), 0);
        let started = Instant::now();
        let error = body.frame().await.expect("a frame").expect_err("a stall");
        assert!(error.is::<Stalled>());
        assert_eq!(started.elapsed().as_secs(), 20);
        assert_eq!(slots.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_pauses_is_no_stall() {
        let stall = Duration::from_secs(20);
        let mut body = Incoming::new(silent_after(&["abc", "def"]), stall, None);
        for expected in ["abc", "def"] {
            tokio::time::advance(Duration::from_secs(3600)).await;
            let frame = body.frame().await.expect("a frame").expect("its bytes");
            assert_eq!(frame.into_data().expect("data"), expected);
        }
    }

    #[tokio::test]
    async fn a_dropped_body_gives_its_slot_back() {
        let slots = Arc::new(Semaphore::new(1));
        let body = Incoming::new(silent_after(&[]), Duration::from_secs(1), slot(&slots));
        assert_eq!(slots.available_permits(), 0);
        drop(body);
        assert_eq!(slots.available_permits(), 1);
    }
}
