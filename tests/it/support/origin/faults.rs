//! What goes wrong, as data; and the bodies of answers, in which some of it shows.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::{Semaphore, mpsc};

use forebay::types::body::{Body, BoxError};

use super::TestOrigin;
use super::store::Content;
use crate::support::spawn;

/// What goes wrong with a request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// An error answer.
    Status(StatusCode, &'static str),
    /// An error answer before the request's body has been read, which is read all the same.
    Early(StatusCode, &'static str),
    /// The connection is reset after this many bytes of the body.
    ResetAfter(u64),
    /// `Content-Length` promises this many bytes more than come.
    Promise(u64),
    /// Nothing comes after this many bytes until a permit is given.
    StallAfter(u64, Arc<Semaphore>),
    /// The work is done, but the answer waits for a permit.
    Late(Arc<Semaphore>),
    /// The work is done, but the connection ends without an answer.
    Lost,
    /// 200 and an error document with this code in the body.
    ErrorInside(&'static str),
    /// 503 with `Retry-After`, in seconds.
    RetryAfter(u32),
    /// An error status with a body that is no document.
    Garbage(StatusCode),
}

/// The size of the frames that bodies are sent in.
const FRAME: u64 = 64 << 10;

impl TestOrigin {
    /// The body of an answer.
    pub(super) fn body(
        &self,
        content: Content,
        range: Range<u64>,
        fault: Option<Fault>,
        gate: Option<Arc<Semaphore>>,
    ) -> Body {
        let (sender, mut receiver) = mpsc::channel::<Result<Frame<Bytes>, BoxError>>(1);
        let origin = self.clone();
        spawn(async move {
            let mut sent = 0;
            let mut at = range.start;
            while at < range.end {
                if let Some(gate) = &gate {
                    let Ok(permit) = gate.acquire().await else {
                        return;
                    };
                    permit.forget();
                }
                let frame = content.slice(at..(at + FRAME).min(range.end));
                match &fault {
                    Some(Fault::ResetAfter(limit)) if sent + frame.len() as u64 > *limit => {
                        drop(sender.send(Err("reset, as asked".into())).await);
                        return;
                    }
                    Some(Fault::StallAfter(limit, until)) if sent + frame.len() as u64 > *limit => {
                        pass(until).await;
                    }
                    _ => {}
                }
                let length = frame.len() as u64;
                if sender.send(Ok(Frame::data(frame))).await.is_err() {
                    return;
                }
                (sent, at) = (sent + length, at + length);
                origin.state().body_bytes += length;
            }
        });
        let stream = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
        StreamBody::new(stream).boxed_unsync()
    }
}

/// Waits for a permit and takes it.
pub(super) async fn pass(gate: &Semaphore) {
    if let Ok(permit) = gate.acquire().await {
        permit.forget();
    }
}
