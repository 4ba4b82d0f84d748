//! A body of a known length: one that ends short or goes on ends in an error.
//!
//! The last bytes are held back until the body has ended: HTTP counts bytes, so that whoever has got them all takes the
//! body for complete and never sees the error after them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::types::BoxError;

/// Yields exactly the announced number of bytes, or an error.
pub(super) struct Exact<B> {
    body: B,
    /// Bytes that are still to come out of `body`.
    left: u64,
    /// The last bytes, until the body has ended.
    last: Option<Bytes>,
}

/// The body is not as long as it was announced.
#[derive(Debug, thiserror::Error)]
pub(super) enum WrongLength {
    #[error("the body ended {0} bytes short")]
    Short(u64),
    #[error("the body is longer than announced")]
    Long,
}

impl<B> Exact<B> {
    /// Holds `body` to `length` bytes.
    pub(super) fn new(body: B, length: u64) -> Self {
        Self {
            body,
            left: length,
            last: None,
        }
    }
}

impl<B> Body for Exact<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None if self.left > 0 => {
                    return Poll::Ready(Some(Err(WrongLength::Short(self.left).into())));
                }
                None => return Poll::Ready(self.last.take().map(|last| Ok(Frame::data(last)))),
            };
            // Trailers tell nothing that is used; the next frame is the end.
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let Some(left) = self.left.checked_sub(data.len() as u64) else {
                return Poll::Ready(Some(Err(WrongLength::Long.into())));
            };
            self.left = left;
            if left > 0 {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            if !data.is_empty() {
                self.last = Some(data);
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0 && self.last.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.last.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(self.left + held as u64)
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;
    use crate::types::body;

    #[tokio::test]
    async fn the_last_bytes_wait_for_the_end() {
        let frames: [Result<_, BoxError>; 3] = [
            Ok(Frame::data(Bytes::from_static(b"ab"))),
            Ok(Frame::data(Bytes::from_static(b"c"))),
            Err("the hash is wrong".into()),
        ];
        let mut exact = Exact::new(StreamBody::new(stream::iter(frames)), 3);
        assert_eq!(exact.size_hint().exact(), Some(3));
        let first = exact.frame().await.expect("a frame").expect("its bytes");
        assert_eq!(first.into_data().expect("data"), "ab");
        assert!(exact.frame().await.expect("a frame").is_err());
    }

    async fn read(bytes: &'static str, length: u64) -> Result<Bytes, BoxError> {
        let exact = Exact::new(body::full(bytes), length);
        exact.collect().await.map(|body| body.to_bytes())
    }

    #[tokio::test]
    async fn only_the_announced_length_passes() {
        assert_eq!(read("abc", 3).await.expect("as announced"), "abc");
        assert_eq!(read("", 0).await.expect("as announced"), "");
        let short = read("abc", 5).await.expect_err("two bytes are missing");
        assert_eq!(short.to_string(), "the body ended 2 bytes short");
        let long = read("abc", 2).await.expect_err("one byte too many");
        assert_eq!(long.to_string(), "the body is longer than announced");
    }
}
