//! A request's body that ends in an error once the client has sent nothing for too long.
//!
//! Without it a client that stops sending would hold its upload's memory, and the origin's connection, for ever. Only the
//! time in which somebody waits for the client counts.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::gateway;
use crate::types::{Body, BoxError};

/// How long a client may send nothing: as long as it may take nothing of an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A body whose frames come within [`PATIENCE`] of each other, or an error.
pub(super) struct Patient {
    body: Body,
    /// Made when the client first lets wait, then used again.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the client lets wait and the timer runs.
    waiting: bool,
}

impl Patient {
    pub(super) fn new(body: Body) -> Self {
        Self {
            body,
            timer: None,
            waiting: false,
        }
    }
}

impl http_body::Body for Patient {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.waiting = false;
            return Poll::Ready(frame);
        }
        let waiting = std::mem::replace(&mut self.waiting, true);
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(PATIENCE)));
        if !waiting {
            timer.as_mut().reset(Instant::now() + PATIENCE);
        }
        ready!(timer.as_mut().poll(cx));
        self.waiting = false;
        Poll::Ready(Some(Err(gateway::Error::RequestTimeout.into())))
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
    use super::*;
    use futures::StreamExt;
    use http_body_util::{BodyExt, StreamBody};

    /// A body of `frames` bytes, each of which comes after `pause`; then nothing more comes.
    fn slow(frames: usize, pause: Duration) -> Body {
        let bytes = futures::stream::iter(0..frames).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok(Frame::data(Bytes::from_static(b"x")))
        });
        BodyExt::boxed_unsync(StreamBody::new(bytes.chain(futures::stream::pending())))
    }

    async fn read(body: Body) -> (usize, BoxError) {
        let mut body = Patient::new(body);
        let mut got = 0;
        loop {
            match body.frame().await.expect("it never ends by itself") {
                Ok(_) => got += 1,
                Err(error) => return (got, error),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stops_sending_is_given_up() {
        let start = Instant::now();
        let (got, error) = read(slow(3, PATIENCE / 2)).await;
        assert_eq!(got, 3, "slow is not silent");
        let error = error.downcast_ref::<gateway::Error>();
        assert!(matches!(error, Some(gateway::Error::RequestTimeout)));
        assert_eq!(start.elapsed(), PATIENCE / 2 * 3 + PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_waits_does_not_count() {
        let mut body = Patient::new(slow(2, PATIENCE / 2));
        assert!(body.frame().await.expect("a frame").is_ok());
        tokio::time::advance(PATIENCE * 2).await;
        assert!(body.frame().await.expect("a frame").is_ok());
    }
}
