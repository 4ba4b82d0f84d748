//! Uploads on their way to the origin: what the client claimed is verified before the last bytes go out.
//!
//! [`Verified`] holds back one frame. It lets the last one go only when the inner body has ended cleanly (which is where
//! a signature that does not match shows), the length is as declared and every digest matches; otherwise it ends in an
//! error, the origin's request stays short of its length and nothing is stored. Why it did so is left in [`Fault`], so
//! that the client hears its own mistake and not that the origin is unreachable. Does not compare the signed SHA-256:
//! the signature's layer does.

use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;

use crate::gateway::write::digest::{Algorithm, Hasher};
use crate::gateway::{Error, Trailers, Upload};
use crate::origin::{Payload, Stream, Trailer};
use crate::types::{Body, BoxError};

/// The header that announces a trailing checksum.
pub(crate) const ANNOUNCED: &str = "x-amz-trailer";

/// Why a body was refused, once it was.
#[derive(Clone, Default)]
pub(crate) struct Fault(Arc<Mutex<Option<Error>>>);

impl Fault {
    fn record(&self, error: Error) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert(error);
    }

    /// The client's mistake, where the body ended in one.
    pub(crate) fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What the origin's client sees of a refused body; the reason is in [`Fault`].
#[derive(Debug, thiserror::Error)]
#[error("the client's body was refused")]
struct Refused;

/// Which headers speak about the body that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claims {
    /// `Content-MD5`, every `x-amz-checksum-*`, and the trailer.
    All,
    /// `Content-MD5` only: on CompleteMultipartUpload `x-amz-checksum-*` is the object's.
    Md5,
}

/// The payload of an origin's request that carries `upload`, and where its fault will be.
///
/// An empty body is verified here, before an origin's request opens; its trailing checksum becomes a header.
///
/// # Errors
/// [`Error::MissingContentLength`] where the length is not known, and whatever is wrong with the claims, or with an
/// empty body.
pub(crate) async fn payload(
    headers: &mut HeaderMap,
    upload: Upload,
) -> Result<(Payload, Fault), Error> {
    let length = upload.length.ok_or(Error::MissingContentLength)?;
    let sha256 = upload.sha256.clone();
    let (body, trailer) = Verified::new(headers, upload, Claims::All)?;
    let fault = body.fault.clone();
    if length == 0 {
        collect(body, 0).await?;
        if let Some((name, value)) = trailer.and_then(known) {
            headers.insert(name, value);
        }
        return Ok((Payload::Whole(Bytes::new()), fault));
    }
    let stream = Stream {
        body: body.boxed_unsync(),
        length,
        sha256,
        trailer,
    };
    Ok((Payload::Stream(stream), fault))
}

/// Reads a document of at most `limit` bytes and verifies it; its trailing checksum becomes a header.
///
/// # Errors
/// [`Error::MalformedXml`] where it is longer, and whatever is wrong with the claims or the body.
pub(crate) async fn document(
    headers: &mut HeaderMap,
    upload: Upload,
    limit: usize,
    claims: Claims,
) -> Result<Bytes, Error> {
    if upload.length.is_some_and(|length| length > limit as u64) {
        return Err(Error::MalformedXml);
    }
    let (body, trailer) = Verified::new(headers, upload, claims)?;
    let document = collect(body, limit).await?;
    if claims == Claims::All
        && let Some((name, value)) = trailer.and_then(known)
    {
        headers.insert(name, value);
    }
    Ok(document)
}

async fn collect(mut body: Verified, limit: usize) -> Result<Bytes, Error> {
    let mut document = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(body.fault.take().unwrap_or(Error::IncompleteBody));
        };
        if let Some(data) = frame.data_ref() {
            if document.len() + data.len() > limit {
                return Err(Error::MalformedXml);
            }
            document.extend_from_slice(data);
        }
    }
    Ok(document.freeze())
}

fn known(trailer: Trailer) -> Option<(HeaderName, HeaderValue)> {
    let value = HeaderValue::from_str(trailer.value.get()?).ok()?;
    Some((trailer.name, value))
}

struct Check {
    algorithm: Algorithm,
    hasher: Hasher,
    /// None where the trailer brings it.
    expected: Option<Vec<u8>>,
}

/// A body whose last frame proves that all of it is what the client claimed.
pub(crate) struct Verified {
    inner: Body,
    length: Option<u64>,
    received: u64,
    yielded: u64,
    held: Option<Bytes>,
    checks: Vec<Check>,
    trailers: Option<Trailers>,
    trailer: Option<Trailer>,
    fault: Fault,
    ended: bool,
}

impl Verified {
    /// Reads the claims out of `headers`, and takes [`ANNOUNCED`] from them.
    fn new(
        headers: &mut HeaderMap,
        upload: Upload,
        claims: Claims,
    ) -> Result<(Self, Option<Trailer>), Error> {
        let announced = headers.remove(ANNOUNCED);
        let mut checks = claimed(headers, claims)?;
        let mut trailer = None;
        if upload.trailers.is_some() {
            let (announced, algorithm) = announced_trailer(announced.as_ref())?;
            trailer = Some(announced);
            checks.push(Check {
                algorithm,
                hasher: algorithm.hasher(),
                expected: None,
            });
        }
        let body = Self {
            inner: upload.body,
            length: upload.length,
            received: 0,
            yielded: 0,
            held: None,
            checks,
            trailers: upload.trailers,
            trailer: trailer.clone(),
            fault: Fault::default(),
            ended: false,
        };
        Ok((body, trailer))
    }

    /// Takes the next bytes and gives back those that were held before.
    fn take(&mut self, data: Bytes) -> Result<Option<Bytes>, Error> {
        self.received += data.len() as u64;
        if self.length.is_some_and(|length| self.received > length) {
            return Err(Error::InvalidRequest(
                "The body is longer than the length that was declared.",
            ));
        }
        for check in &mut self.checks {
            check.hasher.update(&data);
        }
        Ok(self.held.replace(data))
    }

    /// Compares the whole body with what was claimed about it.
    fn verify(&mut self) -> Result<(), Error> {
        if self.length.is_some_and(|length| self.received < length) {
            return Err(Error::IncompleteBody);
        }
        let trailing = self.trailing()?;
        for check in self.checks.drain(..) {
            let algorithm = check.algorithm;
            let expected = check
                .expected
                .or_else(|| algorithm.decode(trailing.as_deref()?))
                .ok_or(Error::InvalidChecksum {
                    name: algorithm.header(),
                    trailing: true,
                })?;
            if check.hasher.finish() != expected {
                return Err(Error::BadDigest(algorithm.header()));
            }
        }
        if let (Some(trailer), Some(value)) = (&self.trailer, trailing) {
            // Nobody else sets it: the body ends once.
            let _ = trailer.value.set(value);
        }
        Ok(())
    }

    /// The value of the announced trailer; none where none was announced.
    fn trailing(&self) -> Result<Option<String>, Error> {
        let (Some(trailer), Some(trailers)) = (&self.trailer, &self.trailers) else {
            return Ok(None);
        };
        let headers = trailers();
        let value = headers
            .as_ref()
            .and_then(|headers| headers.get(&trailer.name)?.to_str().ok())
            .ok_or(Error::MalformedTrailer)?;
        Ok(Some(value.trim().to_owned()))
    }

    fn refuse(&mut self, error: Error) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.ended = true;
        self.held = None;
        self.fault.record(error);
        Poll::Ready(Some(Err(Box::new(Refused))))
    }
}

fn claimed(headers: &HeaderMap, claims: Claims) -> Result<Vec<Check>, Error> {
    let mut checks = Vec::new();
    for algorithm in Algorithm::ALL {
        let is_md5 = algorithm == Algorithm::ContentMd5;
        let Some(value) = headers.get(algorithm.header()) else {
            continue;
        };
        if !is_md5 && claims == Claims::Md5 {
            continue;
        }
        let expected = value
            .to_str()
            .ok()
            .and_then(|value| algorithm.decode(value));
        let expected = match expected {
            Some(expected) => expected,
            None if is_md5 => return Err(Error::InvalidDigest),
            None => {
                return Err(Error::InvalidChecksum {
                    name: algorithm.header(),
                    trailing: false,
                });
            }
        };
        checks.push(Check {
            algorithm,
            hasher: algorithm.hasher(),
            expected: Some(expected),
        });
    }
    Ok(checks)
}

/// The one checksum that is announced: S3 takes no two, and one that nobody here can verify is not let through, as the
/// length of its value, which the framing must know, is not known either.
fn announced_trailer(announced: Option<&HeaderValue>) -> Result<(Trailer, Algorithm), Error> {
    let algorithm = announced
        .and_then(|value| value.to_str().ok())
        .map(|names| names.trim().trim_end_matches(','))
        .and_then(Algorithm::of_header)
        .filter(|algorithm| *algorithm != Algorithm::ContentMd5)
        .ok_or(Error::InvalidRequest(
            "The value specified in the x-amz-trailer header is not supported",
        ))?;
    let trailer = Trailer {
        name: HeaderName::from_static(algorithm.header()),
        value: Arc::new(OnceLock::new()),
    };
    Ok((trailer, algorithm))
}

/// The client's mistake in a body's error: the signature's layer boxes the gateway's own; any other is a lost connection.
fn clients(error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(_) => Error::IncompleteBody,
    }
}

impl http_body::Body for Verified {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        while !self.ended {
            let out = match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => self.take(data),
                    _ => Ok(None),
                },
                Some(Err(error)) => Err(clients(error)),
                None => self.verify().map(|()| {
                    self.ended = true;
                    self.held.take()
                }),
            };
            match out {
                Ok(Some(data)) => {
                    self.yielded += data.len() as u64;
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Ok(None) => {}
                Err(error) => return self.refuse(error),
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, |length| {
            SizeHint::with_exact(length - self.yielded)
        })
    }
}

#[cfg(test)]
mod tests;
