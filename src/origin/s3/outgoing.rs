//! The body of a request on its way to the origin, watched while it goes.
//!
//! An upload may take hours, so that no fixed deadline fits it. [`Progress`] tells who is being waited for: the client,
//! whose slowness is the door's business, or the origin, which has to take bytes and then to answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::watch;

use crate::telemetry::Metrics;
use crate::telemetry::origin::RequestKind;
use crate::types::{Body, BoxError};

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// The origin is to take what was yielded. Once the body is dropped: to answer.
    Origin,
    /// The client is to send more.
    Client,
}

/// A request's body. Its end is told by the closing of the channel.
pub(super) struct Outgoing {
    body: Body,
    progress: watch::Sender<Progress>,
    count: Option<(Arc<Metrics>, RequestKind)>,
}

impl Outgoing {
    /// Watches `body`, and counts its bytes where a kind is given.
    pub(super) fn new(
        body: Body,
        count: Option<(Arc<Metrics>, RequestKind)>,
    ) -> (Self, watch::Receiver<Progress>) {
        let (progress, watched) = watch::channel(Progress::Origin);
        let outgoing = Self {
            body,
            progress,
            count,
        };
        (outgoing, watched)
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Pending => {
                self.progress
                    .send_if_modified(|now| std::mem::replace(now, Progress::Client) != *now);
            }
            Poll::Ready(frame) => {
                if let (Some(Ok(frame)), Some((metrics, kind))) = (frame, &self.count)
                    && let Some(data) = frame.data_ref()
                {
                    metrics.origin.sent(*kind).add(data.len() as u64);
                }
                self.progress.send_replace(Progress::Origin);
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
