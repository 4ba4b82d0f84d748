//! Request bodies: decoded, and verified while they stream.
//!
//! A body whose hash or signature does not hold ends in a [`gateway::Error`] instead of ending; whoever passes it on must
//! hold back its last bytes until it has ended. Nothing is read before the body is first polled, so that hyper sends
//! `100 Continue` only then.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::chunked::Chunked;
use super::claim::{Claim, Signed};
use super::error::{Code, Refusal};
use super::patience::Patient;
use super::signing::ChunkSigner;
use crate::gateway::{self, Trailers, Upload};
use crate::types::{Body, BoxError, Secret};

const CONTENT_SHA256: &str = "x-amz-content-sha256";
const DECODED_LENGTH: &str = "x-amz-decoded-content-length";

/// How a body is framed and what vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Framing {
    Plain,
    Hashed(String),
    Chunked { signed: bool, trailer: bool },
}

/// Makes an upload of a request's body. `secret` is that of the identity that signed, where one did.
///
/// # Errors
/// Where the headers contradict each other or name a form that is not spoken.
pub(super) fn upload(
    headers: &HeaderMap,
    body: Body,
    claim: &Claim,
    secret: Option<&Secret>,
) -> Result<Upload, Refusal> {
    let body = Patient::new(body.map_err(|_| incomplete()).boxed_unsync()).boxed_unsync();
    match framing(headers)? {
        Framing::Plain => Ok(Upload {
            body,
            length: content_length(headers)?,
            sha256: None,
            trailers: None,
        }),
        Framing::Hashed(sha256) => Ok(Upload {
            body: hashed(body, sha256.clone()),
            length: content_length(headers)?,
            sha256: Some(sha256),
            trailers: None,
        }),
        Framing::Chunked { signed, trailer } => {
            let length = number(headers, DECODED_LENGTH)?
                .ok_or_else(|| Refusal::new(Code::MissingContentLength))?;
            let signer = match (signed, claim, secret) {
                (false, _, _) => None,
                (true, Claim::Signed(claim), Some(secret)) => Some(signer(claim, secret)),
                (true, _, _) => return Err(Refusal::new(Code::AccessDenied)),
            };
            let announced = if trailer {
                announced(headers)?
            } else {
                Vec::new()
            };
            let slot = Arc::new(OnceLock::new());
            let chunked = Chunked::new(body, length, signer, announced, Arc::clone(&slot));
            let trailers: Trailers = Box::new(move || slot.get().cloned());
            Ok(Upload {
                body: chunked.into_body(),
                length: Some(length),
                sha256: None,
                trailers: trailer.then_some(trailers),
            })
        }
    }
}

fn framing(headers: &HeaderMap) -> Result<Framing, Refusal> {
    let Some(value) = text(headers, CONTENT_SHA256)? else {
        return Ok(Framing::Plain);
    };
    let chunked = |signed, trailer| Ok(Framing::Chunked { signed, trailer });
    match value {
        "UNSIGNED-PAYLOAD" => Ok(Framing::Plain),
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => chunked(false, true),
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => chunked(true, false),
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => chunked(true, true),
        _ if value.starts_with("STREAMING-AWS4-ECDSA-") => Err(Refusal::not_implemented(value)),
        _ if value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(Framing::Hashed(value.to_ascii_lowercase()))
        }
        _ => Err(Refusal::argument(
            CONTENT_SHA256,
            value,
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
             STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
        )),
    }
}

fn signer(signed: &Signed, secret: &Secret) -> ChunkSigner {
    ChunkSigner::new(
        secret,
        &signed.time,
        &signed.date,
        &signed.region,
        &signed.signature,
    )
}

/// The names in `x-amz-trailer`, lower-cased.
fn announced(headers: &HeaderMap) -> Result<Vec<String>, Refusal> {
    let names = text(headers, "x-amz-trailer")?.ok_or_else(|| {
        Refusal::because(Code::InvalidRequest, "The x-amz-trailer header is missing.")
    })?;
    let names = names
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase());
    Ok(names.filter(|name| !name.is_empty()).collect())
}

/// The length of a body that is not chunked. `Transfer-Encoding` wins over `Content-Length`, as it does in hyper.
pub(super) fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return Ok(None);
    }
    number(headers, header::CONTENT_LENGTH.as_str())
}

fn number(headers: &HeaderMap, name: &str) -> Result<Option<u64>, Refusal> {
    let Some(value) = text(headers, name)? else {
        return Ok(None);
    };
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::argument(
            name,
            value,
            "The length is not a number.",
        ));
    }
    let parsed = value.parse();
    parsed
        .map(Some)
        .map_err(|_| Refusal::argument(name, value, "The length is too large."))
}

/// The one value of a header; `None` where it is absent.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    match (value.to_str(), values.next()) {
        (Ok(value), None) => Ok(Some(value)),
        (Ok(_) | Err(_), _) => Err(Refusal::argument(name, "", "The header is not valid.")),
    }
}

/// The body, ending in an error where its SHA-256 is not `expected`.
fn hashed(body: Body, expected: String) -> Body {
    let state = (body, Context::new(&SHA256));
    let frames = stream::try_unfold(state, move |(mut body, mut sha256)| {
        let expected = expected.clone();
        async move {
            if let Some(bytes) = next_data(&mut body).await? {
                sha256.update(&bytes);
                return Ok(Some((Frame::data(bytes), (body, sha256))));
            }
            if hex::encode(sha256.finish()) == expected {
                Ok(None)
            } else {
                Err(BoxError::from(gateway::Error::PayloadMismatch))
            }
        }
    });
    BodyExt::boxed_unsync(StreamBody::new(frames))
}

/// The next bytes of a body; `None` at its end.
pub(super) async fn next_data(body: &mut Body) -> Result<Option<Bytes>, BoxError> {
    while let Some(frame) = body.frame().await {
        if let Ok(bytes) = frame?.into_data()
            && !bytes.is_empty()
        {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

/// A body that the client did not finish.
pub(super) fn incomplete() -> BoxError {
    gateway::Error::IncompleteBody.into()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use proptest::prelude::*;

    use super::*;
    use crate::types::body;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let parse = |(name, value): &(&'static str, &'static str)| {
            (
                http::HeaderName::from_static(name),
                http::HeaderValue::from_static(value),
            )
        };
        pairs.iter().map(parse).collect()
    }

    async fn read(
        pairs: &[(&'static str, &'static str)],
        bytes: &'static str,
    ) -> Result<Bytes, String> {
        let upload = upload(&headers(pairs), body::full(bytes), &Claim::Anonymous, None);
        let body = upload.map_err(|refusal| refusal.message.into_owned())?.body;
        let collected = body.collect().await.map_err(|error| error.to_string())?;
        Ok(collected.to_bytes())
    }

    #[tokio::test]
    async fn a_signed_hash_is_verified_at_the_end() {
        let right = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!(
            read(&[(CONTENT_SHA256, right)], "hello").await,
            Ok("hello".into())
        );
        let error = read(&[(CONTENT_SHA256, right)], "hullo")
            .await
            .expect_err("a wrong hash");
        assert_eq!(error, gateway::Error::PayloadMismatch.to_string());
    }

    #[tokio::test]
    async fn an_unsigned_chunked_body_is_decoded_with_its_trailer() {
        let pairs = headers(&[
            (CONTENT_SHA256, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            (DECODED_LENGTH, "5"),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
        ]);
        let wire = "3\r\nhel\r\n2\r\nlo\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
        let upload = upload(&pairs, body::full(wire), &Claim::Anonymous, None).expect("an upload");
        assert_eq!(upload.length, Some(5));
        let trailers = upload.trailers.expect("a trailer is announced");
        assert!(trailers().is_none());
        let bytes = upload
            .body
            .collect()
            .await
            .expect("a whole body")
            .to_bytes();
        assert_eq!(bytes, "hello");
        assert_eq!(
            trailers().expect("trailers")["x-amz-checksum-crc32"],
            "NhCmhg=="
        );
    }

    proptest! {
        #[test]
        fn a_hashed_body_is_whole_only_where_the_hash_is_its_own(
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
            flipped in proptest::option::of(any::<prop::sample::Index>()),
            piece in 1..50usize,
        ) {
            let hash = hex::encode(aws_lc_rs::digest::digest(&SHA256, &bytes));
            let mut sent = bytes.clone();
            if let Some(at) = flipped.filter(|_| !sent.is_empty()) {
                let at = at.index(sent.len());
                sent[at] ^= 1;
            }
            let frames: Vec<Result<_, BoxError>> = sent
                .chunks(piece)
                .map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece))))
                .collect();
            let body = BodyExt::boxed_unsync(StreamBody::new(stream::iter(frames)));
            let read = hashed(body, hash).collect().now_or_never().expect("everything is there");
            prop_assert_eq!(read.is_ok(), sent == bytes);
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let code = |pairs: &[(&'static str, &'static str)]| {
            upload(&headers(pairs), body::empty(), &Claim::Anonymous, None)
                .expect_err("contradictory headers")
                .code
        };
        assert_eq!(code(&[(CONTENT_SHA256, "whatever")]), Code::InvalidArgument);
        let chunked = (CONTENT_SHA256, "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
        assert_eq!(code(&[chunked]), Code::MissingContentLength);
        assert_eq!(
            code(&[chunked, (DECODED_LENGTH, "5")]),
            Code::InvalidRequest
        );
        assert_eq!(
            code(&[chunked, (DECODED_LENGTH, "+5")]),
            Code::InvalidArgument
        );
        let signed = (CONTENT_SHA256, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
        assert_eq!(code(&[signed, (DECODED_LENGTH, "5")]), Code::AccessDenied);
        assert_eq!(
            code(&[(CONTENT_SHA256, "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD")]),
            Code::NotImplemented
        );
    }
}
