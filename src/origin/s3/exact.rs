//! A body of a known length: one that ends short or goes on ends in an error.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::types::BoxError;

/// Yields exactly the announced number of bytes, or an error.
pub(super) struct Exact<B> {
    body: B,
    left: u64,
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
        Self { body, left: length }
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
                None if self.left == 0 => return Poll::Ready(None),
                None => return Poll::Ready(Some(Err(WrongLength::Short(self.left).into()))),
            };
            // Trailers tell nothing that is used; the next frame is the end.
            let Ok(data) = frame.into_data() else {
                continue;
            };
            return Poll::Ready(Some(match self.left.checked_sub(data.len() as u64) {
                Some(left) => {
                    self.left = left;
                    Ok(Frame::data(data))
                }
                None => Err(WrongLength::Long.into()),
            }));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0 && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::types::body;

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
