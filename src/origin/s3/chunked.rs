//! The aws-chunked framing of a body whose checksum follows as a trailer.
//!
//! The framing is fixed, so that the encoded length is known before the first byte: chunks of [`CHUNK`] bytes, a shorter
//! last one, an empty one, the trailer. A chunk's header is written before its bytes have come, as nothing but its length
//! is in it; no byte is copied or held.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderName, header};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::exact::Exact;
use crate::origin::Trailer;
use crate::types::{Body, BoxError};

/// Bytes in a chunk. S3 takes 8 KiB and more; stores hold a chunk in memory.
const CHUNK: u64 = 128 << 10;

/// A body in its frames.
pub(super) struct Chunked {
    body: Exact<Body>,
    trailer: Trailer,
    /// Bytes of the body that no chunk header has announced.
    unannounced: u64,
    /// Bytes that the current chunk still lacks.
    chunk: u64,
    /// Bytes of a frame that go into the next chunks.
    rest: Bytes,
    /// Encoded bytes still to come.
    left: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A chunk header, or the end, comes next. `true` where a chunk before it needs its line end.
    Between(bool),
    Inside,
    Ended,
}

/// The trailer was not set when the body had ended.
#[derive(Debug, thiserror::Error)]
#[error("the body's checksum {0} is missing or has a wrong length")]
struct NoTrailer(HeaderName);

impl Chunked {
    /// Frames `body` of `length` bytes; none where the trailer is no checksum that is known.
    pub(super) fn new(body: Body, length: u64, trailer: Trailer) -> Option<Self> {
        let left = encoded_length(length, &trailer.name)?;
        Some(Self {
            body: Exact::new(body, length),
            trailer,
            unannounced: length,
            chunk: 0,
            rest: Bytes::new(),
            left,
            state: State::Between(false),
        })
    }

    /// The exact length of the framed body in bytes.
    pub(super) fn length(&self) -> u64 {
        self.left
    }

    fn chunk_header(&mut self, line_end: bool) -> Bytes {
        self.chunk = self.unannounced.min(CHUNK);
        self.unannounced -= self.chunk;
        self.state = State::Inside;
        let before = if line_end { "\r\n" } else { "" };
        format!("{before}{:x}\r\n", self.chunk).into()
    }

    fn take(&mut self, mut data: Bytes) -> Bytes {
        let inside = usize::try_from(self.chunk).map_or(data.len(), |chunk| chunk.min(data.len()));
        self.rest = data.split_off(inside);
        self.chunk -= data.len() as u64;
        if self.chunk == 0 {
            self.state = State::Between(true);
        }
        data
    }

    fn end(&mut self, line_end: bool) -> Result<Bytes, NoTrailer> {
        self.state = State::Ended;
        let name = &self.trailer.name;
        let value = self.trailer.value.get().map(String::as_str).unwrap_or("");
        if Some(value.len() as u64) != checksum_length(name) {
            return Err(NoTrailer(name.clone()));
        }
        let before = if line_end { "\r\n" } else { "" };
        Ok(format!("{before}0\r\n{name}:{value}\r\n\r\n").into())
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        loop {
            match self.state {
                State::Ended => return Poll::Ready(None),
                State::Between(line_end) if self.unannounced > 0 => {
                    return Poll::Ready(Some(Ok(self.chunk_header(line_end))));
                }
                // The body has its length; its own end tells whether it was all right.
                State::Between(line_end) => match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(Some(self.end(line_end).map_err(Into::into))),
                },
                State::Inside if !self.rest.is_empty() => {
                    let rest = std::mem::take(&mut self.rest);
                    return Poll::Ready(Some(Ok(self.take(rest))));
                }
                State::Inside => {
                    let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
                    let frame = frame.expect("an exact body does not end before its length")?;
                    self.rest = frame.into_data().unwrap_or_default();
                }
            }
        }
    }
}

impl HttpBody for Chunked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let bytes = ready!(self.poll_bytes(cx));
        if let Some(Ok(bytes)) = &bytes {
            self.left -= bytes.len() as u64;
        }
        Poll::Ready(bytes.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Ended
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// The length of `length` bytes in their frames, with the trailer.
fn encoded_length(length: u64, name: &HeaderName) -> Option<u64> {
    let framed = |chunk: u64| chunk + u64::from(chunk.max(1).ilog(16)) + 1 + 4;
    let whole = length / CHUNK * framed(CHUNK);
    let last = match length % CHUNK {
        0 => 0,
        rest => framed(rest),
    };
    // "0\r\n", "NAME:VALUE\r\n", "\r\n".
    let end = 3 + name.as_str().len() as u64 + 1 + checksum_length(name)? + 4;
    Some(whole + last + end)
}

/// The length of a checksum in base64.
fn checksum_length(name: &HeaderName) -> Option<u64> {
    let bytes: u64 = match name.as_str().strip_prefix("x-amz-checksum-")? {
        "crc32" | "crc32c" => 4,
        "crc64nvme" | "xxhash64" | "xxhash3" => 8,
        "md5" | "xxhash128" => 16,
        "sha1" => 20,
        "sha256" => 32,
        "sha512" => 64,
        _ => return None,
    };
    Some(bytes.div_ceil(3) * 4)
}

/// The encoding that the header announces, before the content's own, which stays as the client wrote it.
pub(super) fn content_encoding(headers: &http::HeaderMap) -> String {
    let is_aws_chunked = |coding: &&str| coding.trim().eq_ignore_ascii_case("aws-chunked");
    let own = headers.get_all(header::CONTENT_ENCODING).iter();
    let own = own.filter_map(|value| value.to_str().ok()).map(|value| {
        let codings: Vec<_> = value.split(',').collect();
        match codings.iter().any(is_aws_chunked) {
            true => codings
                .into_iter()
                .filter(|coding| !is_aws_chunked(coding))
                .map(str::trim)
                .collect::<Vec<_>>()
                .join(","),
            false => value.trim().to_owned(),
        }
    });
    std::iter::once("aws-chunked".to_owned())
        .chain(own.filter(|value| !value.is_empty()))
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, OnceLock};

    use futures::{FutureExt, stream};
    use http_body_util::{BodyExt, StreamBody};
    use proptest::prelude::*;

    use super::*;
    use crate::types::body;

    /// A trailer whose value is set already.
    fn trailer(name: &'static str, value: &str) -> Trailer {
        Trailer {
            name: HeaderName::from_static(name),
            value: Arc::new(OnceLock::from(value.to_owned())),
        }
    }

    async fn encode(body: Body, length: u64, trailer: Trailer) -> Result<Bytes, BoxError> {
        let chunked = Chunked::new(body, length, trailer).expect("a known checksum");
        let announced = chunked.length();
        let bytes = chunked.collect().await?.to_bytes();
        assert_eq!(bytes.len() as u64, announced);
        Ok(bytes)
    }

    #[tokio::test]
    async fn the_frames_are_golden() {
        let crc = || trailer("x-amz-checksum-crc32", "DUoRhQ==");
        let encoded = encode(body::full("hello world"), 11, crc()).await;
        assert_eq!(
            encoded.expect("a body"),
            "b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n"
        );
        let empty = trailer("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=");
        assert_eq!(
            encode(body::empty(), 0, empty).await.expect("a body"),
            "0\r\nx-amz-checksum-crc64nvme:AAAAAAAAAAA=\r\n\r\n"
        );
        let long = "x".repeat((128 << 10) + 1);
        let expected = format!(
            "20000\r\n{}\r\n1\r\nx\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n",
            &long[1..]
        );
        let encoded = encode(body::full(long.clone()), long.len() as u64, crc()).await;
        assert_eq!(encoded.expect("a body"), expected);
    }

    #[tokio::test]
    async fn a_body_that_is_not_as_announced_never_looks_complete() {
        let crc = || trailer("x-amz-checksum-crc32", "DUoRhQ==");
        assert!(encode(body::full("hello"), 6, crc()).await.is_err());
        assert!(encode(body::full("hello"), 4, crc()).await.is_err());
        let unset = Trailer {
            value: Arc::default(),
            ..crc()
        };
        assert!(encode(body::full("hello"), 5, unset).await.is_err());
        let wrong = trailer("x-amz-checksum-sha256", "DUoRhQ==");
        assert!(encode(body::full("hello"), 5, wrong).await.is_err());
        let unknown = trailer("x-amz-checksum-unheard", "x");
        assert!(Chunked::new(body::empty(), 0, unknown).is_none());
    }

    #[test]
    fn the_contents_own_encoding_stays() {
        let mut headers = http::HeaderMap::new();
        assert_eq!(content_encoding(&headers), "aws-chunked");
        headers.insert(
            "content-encoding",
            "aws-chunked, gzip".parse().expect("a value"),
        );
        assert_eq!(content_encoding(&headers), "aws-chunked,gzip");
        headers.insert("content-encoding", "gzip, br".parse().expect("a value"));
        assert_eq!(content_encoding(&headers), "aws-chunked,gzip, br");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_cut_of_the_body_gives_the_same_frames(cuts in proptest::collection::vec(0..200_000usize, 0..6)) {
            let length: usize = cuts.iter().sum();
            let frames: Vec<Result<_, BoxError>> = cuts
                .iter()
                .map(|cut| Ok(Frame::data(Bytes::from(vec![b'x'; *cut]))))
                .collect();
            let cut = StreamBody::new(stream::iter(frames)).boxed_unsync();
            let crc = || trailer("x-amz-checksum-crc32", "DUoRhQ==");
            let whole = body::full(vec![b'x'; length]);
            let (cut, whole) = async {
                let length = length as u64;
                (encode(cut, length, crc()).await, encode(whole, length, crc()).await)
            }
            .now_or_never()
            .expect("nothing in it waits");
            prop_assert!(cut.expect("a body") == whole.expect("a body"));
        }
    }
}
