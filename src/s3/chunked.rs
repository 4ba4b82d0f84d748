//! The aws-chunked coding: chunks with or without signatures, then trailers.
//!
//! Bytes are handed on as they arrive, and each chunk's signature is checked when the chunk ends, so that memory does not
//! depend on the size of a chunk. Whoever reads must not act on the last bytes before the body has ended.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{Context as Digest, SHA256};
use bytes::{Buf, Bytes};
use futures::stream;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::payload::{incomplete, next_data};
use super::signing::ChunkSigner;
use crate::gateway;
use crate::types::{Body, BoxError};

/// The longest line between chunks, and the longest trailer, in bytes: real ones have about 100.
const MAX_LINE: usize = 8 << 10;
/// The most trailers.
const MAX_TRAILERS: usize = 32;
/// The trailer that signs the others.
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// A body being decoded.
pub(super) struct Chunked {
    source: Body,
    /// Bytes that came but were not looked at.
    pending: Bytes,
    state: State,
    /// Bytes of the decoded body still to come.
    left: u64,
    signer: Option<ChunkSigner>,
    /// Names of trailers that must come.
    announced: Vec<String>,
    trailers: Arc<OnceLock<HeaderMap>>,
}

enum State {
    Size,
    Data {
        left: u64,
        sha256: Digest,
        signature: Option<String>,
    },
    Ended,
}

impl Chunked {
    /// Decodes `source` into exactly `length` bytes; the trailers are put into `trailers` before the body ends.
    pub(super) fn new(
        source: Body,
        length: u64,
        signer: Option<ChunkSigner>,
        announced: Vec<String>,
        trailers: Arc<OnceLock<HeaderMap>>,
    ) -> Self {
        Self {
            source,
            pending: Bytes::new(),
            state: State::Size,
            left: length,
            signer,
            announced,
            trailers,
        }
    }

    /// The decoded body.
    pub(super) fn into_body(self) -> Body {
        let frames = stream::try_unfold(self, |mut chunked| async move {
            let bytes = chunked.next().await?;
            Ok(bytes.map(|bytes| (Frame::data(bytes), chunked)))
        });
        BodyExt::boxed_unsync(StreamBody::new(frames))
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BoxError> {
        loop {
            match &mut self.state {
                State::Size => self.begin_chunk().await?,
                State::Data { left: 0, .. } => self.end_chunk().await?,
                State::Data { left, sha256, .. } => {
                    if self.pending.is_empty() {
                        self.pending = next_data(&mut self.source).await?.ok_or_else(incomplete)?;
                    }
                    let take = usize::try_from(*left)
                        .unwrap_or(usize::MAX)
                        .min(self.pending.len());
                    let bytes = self.pending.split_to(take);
                    *left -= take as u64;
                    if self.signer.is_some() {
                        sha256.update(&bytes);
                    }
                    return Ok(Some(bytes));
                }
                State::Ended => return Ok(None),
            }
        }
    }

    async fn begin_chunk(&mut self) -> Result<(), BoxError> {
        let line = self.line().await?.ok_or_else(incomplete)?;
        let (size, signature) = parse_size(&line).ok_or_else(malformed)?;
        self.left = self.left.checked_sub(size).ok_or_else(incomplete)?;
        if size > 0 {
            self.state = State::Data {
                left: size,
                sha256: Digest::new(&SHA256),
                signature,
            };
            return Ok(());
        }
        self.check_chunk(Digest::new(&SHA256), signature)?;
        self.read_trailers().await?;
        if self.left > 0 {
            return Err(incomplete());
        }
        self.state = State::Ended;
        Ok(())
    }

    /// The signature first: it covers the size, which tells where the line's end has to be.
    async fn end_chunk(&mut self) -> Result<(), BoxError> {
        if let State::Data {
            sha256, signature, ..
        } = std::mem::replace(&mut self.state, State::Size)
        {
            self.check_chunk(sha256, signature)?;
        }
        match self.line().await?.ok_or_else(incomplete)?.is_empty() {
            true => Ok(()),
            false => Err(malformed()),
        }
    }

    fn check_chunk(&mut self, sha256: Digest, signature: Option<String>) -> Result<(), BoxError> {
        let Some(signer) = &mut self.signer else {
            return Ok(());
        };
        if signer.chunk(sha256, &signature.ok_or_else(malformed)?) {
            Ok(())
        } else {
            Err(gateway::Error::ChunkSignatureMismatch.into())
        }
    }

    async fn read_trailers(&mut self) -> Result<(), BoxError> {
        let mut trailers = HeaderMap::new();
        let (mut canonical, mut signature) = (String::new(), None);
        while let Some(line) = self.line().await? {
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(malformed_trailer)?;
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            if name == TRAILER_SIGNATURE {
                if signature.replace(value.to_owned()).is_some() {
                    return Err(malformed_trailer());
                }
                continue;
            }
            canonical.push_str(&format!("{name}:{value}\n"));
            let name: HeaderName = name.parse().map_err(|_| malformed_trailer())?;
            let value = HeaderValue::from_str(value).map_err(|_| malformed_trailer())?;
            if trailers.insert(name, value).is_some() || trailers.len() > MAX_TRAILERS {
                return Err(malformed_trailer());
            }
        }
        if !self.pending.is_empty() || next_data(&mut self.source).await?.is_some() {
            return Err(malformed());
        }
        if let Some(signer) = &mut self.signer
            && !(trailers.is_empty() && self.announced.is_empty())
            && !signer.trailers(&canonical, &signature.ok_or_else(malformed_trailer)?)
        {
            return Err(gateway::Error::ChunkSignatureMismatch.into());
        }
        let announced =
            |name: &HeaderName| self.announced.iter().any(|other| other == name.as_str());
        if trailers.len() != self.announced.len() || !trailers.keys().all(announced) {
            return Err(malformed_trailer());
        }
        self.trailers.get_or_init(|| trailers);
        Ok(())
    }

    /// The next line without its end; `None` where the body has ended and nothing is left.
    async fn line(&mut self) -> Result<Option<String>, BoxError> {
        let mut line = Vec::new();
        loop {
            let end = self.pending.iter().position(|byte| *byte == b'\n');
            let take = end.unwrap_or(self.pending.len());
            if line.len() + take > MAX_LINE {
                return Err(malformed());
            }
            line.extend_from_slice(&self.pending.split_to(take));
            if end.is_some() {
                self.pending.advance(1);
                break;
            }
            match next_data(&mut self.source).await? {
                Some(bytes) => self.pending = bytes,
                None if line.is_empty() => return Ok(None),
                None => break,
            }
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        String::from_utf8(line).map(Some).map_err(|_| malformed())
    }
}

/// `SIZE` in hexadecimal digits, or `SIZE;chunk-signature=SIGNATURE`.
fn parse_size(line: &str) -> Option<(u64, Option<String>)> {
    let (size, extension) = match line.split_once(';') {
        Some((size, extension)) => (size, Some(extension)),
        None => (line, None),
    };
    let digits = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
    let size = u64::from_str_radix(size, 16).ok().filter(|_| digits)?;
    let signature = extension.and_then(|text| text.trim().strip_prefix("chunk-signature="));
    Some((size, signature.map(str::to_owned)))
}

fn malformed() -> BoxError {
    gateway::Error::MalformedChunks.into()
}

fn malformed_trailer() -> BoxError {
    gateway::Error::MalformedTrailer.into()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use proptest::prelude::*;

    use super::*;

    /// Decodes `wire`, which arrives in pieces of `piece` bytes.
    async fn decode(wire: &str, length: u64, piece: usize) -> Result<String, String> {
        let pieces: Vec<Result<_, BoxError>> = wire
            .as_bytes()
            .chunks(piece)
            .map(|bytes| Ok(Frame::data(Bytes::copy_from_slice(bytes))))
            .collect();
        let source = BodyExt::boxed_unsync(StreamBody::new(stream::iter(pieces)));
        let chunked = Chunked::new(source, length, None, vec![], Arc::default());
        let collected = chunked.into_body().collect().await;
        let bytes = collected.map_err(|error| error.to_string())?.to_bytes();
        Ok(String::from_utf8(bytes.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn chunks_are_joined_however_they_arrive() {
        let wire = "A\r\n0123456789\r\n1;chunk-signature=x\r\na\r\n0\r\n\r\n";
        for piece in [1, 2, 3, 7, 1000] {
            assert_eq!(
                decode(wire, 11, piece).await,
                Ok("0123456789a".to_owned()),
                "{piece}"
            );
        }
    }

    #[tokio::test]
    async fn a_body_that_ends_early_never_looks_whole() {
        let early = gateway::Error::IncompleteBody.to_string();
        for (wire, length) in [
            ("", 0),
            ("5\r\nhello\r\n", 5),
            ("5\r\nhel", 5),
            ("5\r\nhello\r\n0\r\n\r\n", 6),
            ("5\r\nhello\r\n0\r\n\r\n", 4),
        ] {
            assert_eq!(
                decode(wire, length, 1000).await,
                Err(early.clone()),
                "{wire:?} {length}"
            );
        }
    }

    fn decoded(wire: &str, length: u64, piece: usize) -> Result<String, String> {
        let decoded = decode(wire, length, piece).now_or_never();
        decoded.expect("everything is there")
    }

    proptest! {
        #[test]
        fn a_body_is_read_the_same_however_it_is_cut(
            chunks in proptest::collection::vec("[ -~\r\n\u{e9}]{1,40}", 0..6),
            piece in 1..60usize,
            cut in any::<prop::sample::Index>(),
        ) {
            let body = chunks.concat();
            let chunk = |chunk: &String| format!("{:x}\r\n{chunk}\r\n", chunk.len());
            let written: String = chunks.iter().map(chunk).collect();
            // Pieces are cut between bytes, not between characters: the decoder sees bytes only.
            let length = body.len() as u64;
            prop_assert_eq!(decoded(&format!("{written}0\r\n\r\n"), length, piece), Ok(body));
            let end = cut.index(written.len() + 1);
            if let Some(short) = written.get(..end) {
                prop_assert!(decoded(short, length, piece).is_err(), "{short:?}");
            }
        }

        #[test]
        fn nothing_longer_than_its_length_is_let_out(wire in "([0-9a-f]{1,2}\r\n[a-z\r\n]{0,20}){0,4}", length in 0..40u64) {
            if let Ok(body) = decoded(&wire, length, 7) {
                prop_assert_eq!(body.len() as u64, length);
            }
        }
    }

    #[tokio::test]
    async fn malformed_chunks_are_refused() {
        let long = format!("{}\r\n", "0".repeat(MAX_LINE + 1));
        for wire in [
            "x\r\n",
            "+5\r\nhello\r\n0\r\n\r\n",
            "5\r\nhelloworld\r\n0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\nmore",
            &long,
        ] {
            let error = decode(wire, 5, 1000).await.expect_err(wire);
            assert_eq!(
                error,
                gateway::Error::MalformedChunks.to_string(),
                "{wire:?}"
            );
        }
        for wire in [
            "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:surprise\r\n\r\n",
            "5\r\nhello\r\n0\r\nnonsense\r\n\r\n",
            "5\r\nhello\r\n0\r\nx-amz-trailer-signature:a\r\nx-amz-trailer-signature:a\r\n\r\n",
        ] {
            let error = decode(wire, 5, 1000).await.expect_err(wire);
            assert_eq!(
                error,
                gateway::Error::MalformedTrailer.to_string(),
                "{wire:?}"
            );
        }
    }
}
