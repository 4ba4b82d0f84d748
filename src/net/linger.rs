//! A request's body, and what becomes of the rest of it once nobody wants it.
//!
//! Many clients send all of a request before they look for an answer. Were the connection closed on one that is refused, it
//! would find the connection reset and never hear why. So what it still sends is read and thrown away, within limits, while
//! the answer goes out. A client that waits for `100 Continue` is not made to send anything.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{HeaderMap, header};
use tokio::runtime::Handle;

use crate::tasks::Tasks;

/// The most that is read for nothing, in bytes: SDKs send parts of 5 to 64 MiB.
const MOST: u64 = 256 << 20;
/// For how long: whoever has not sent that much by then may find out by a reset.
const PATIENCE: Duration = Duration::from_secs(30);

/// The body of a request that came over a connection of this listener.
#[derive(Debug)]
pub struct RequestBody {
    /// None once it is given to the task that reads the rest.
    incoming: Option<Incoming>,
    /// Whether the client sends nothing until it is told to.
    waits: bool,
    tasks: Arc<Tasks>,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, headers: &HeaderMap, tasks: &Arc<Tasks>) -> Self {
        Self {
            incoming: Some(incoming),
            waits: headers.contains_key(header::EXPECT),
            tasks: Arc::clone(tasks),
        }
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        // Being asked for a frame, hyper tells the client to go on.
        self.waits = false;
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        let frame = std::task::ready!(Pin::new(incoming).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            // Nothing is left to read.
            self.incoming = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let incoming = self.incoming.as_ref();
        incoming.map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(incoming) = self.incoming.take() else {
            return;
        };
        let unwanted = !self.waits && !incoming.is_end_stream();
        // Without a runtime the process is ending, and the connection with it.
        if unwanted && !self.tasks.is_stopping() && Handle::try_current().is_ok() {
            let tasks = self.tasks.clone();
            self.tasks.spawn("net.linger", async move {
                // Cancelling either loses nothing that anybody wants.
                tokio::select! {
                    () = tasks.stopping() => {}
                    _ = tokio::time::timeout(PATIENCE, read_away(incoming)) => {}
                }
            });
        }
    }
}

async fn read_away(mut incoming: Incoming) {
    let mut read = 0;
    while let Some(Ok(frame)) = incoming.frame().await {
        read += frame.data_ref().map_or(0, |data| data.len() as u64);
        if read > MOST {
            return;
        }
    }
}
