//! Forwarding: an S3 request as it came, under the origin's names, signed by this gateway.
//!
//! One attempt. What the client said stays as it is, but for what belongs to its own connection and signature; a checksum
//! that follows the body goes on as a trailer of the same algorithm.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};

use super::S3;
use super::chunked::{Chunked, content_encoding};
use super::exact::Exact;
use super::hop::remove_hop_by_hop;
use super::sign::{Signed, sign};
use crate::origin::{Call, Error, Payload, Stream};
use crate::telemetry::origin::RequestKind;
use crate::types::{Body, BoxError, BucketName, ObjectKey, OperationName, body};

const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");
const TRAILER: HeaderName = HeaderName::from_static("x-amz-trailer");

/// Headers that the request to the origin gets anew.
const MADE_ANEW: [HeaderName; 9] = [
    header::AUTHORIZATION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    HeaderName::from_static("x-amz-date"),
    HeaderName::from_static("x-amz-security-token"),
    CONTENT_SHA256,
    DECODED_LENGTH,
    TRAILER,
];

/// What of a call can be sent again: all but its payload, which may be a stream.
pub(super) struct Envelope {
    operation: OperationName,
    method: Method,
    pub(super) bucket: Option<BucketName>,
    key: Option<ObjectKey>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
}

/// A body ready to be sent, with the headers that describe it.
struct Load {
    body: Body,
    signed: Signed,
    headers: HeaderMap,
}

impl Envelope {
    /// Splits the payload from the rest.
    pub(super) fn seal(call: Call) -> (Self, Payload) {
        let envelope = Self {
            operation: call.operation,
            method: call.method,
            bucket: call.bucket,
            key: call.key,
            query: call.query,
            headers: call.headers,
        };
        (envelope, call.payload)
    }

    fn kind(&self) -> RequestKind {
        match self.method {
            Method::GET | Method::HEAD => RequestKind::CallRead,
            _ => RequestKind::CallWrite,
        }
    }

    /// The client's headers, without those that are made anew.
    fn headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        remove_hop_by_hop(&mut headers);
        for name in &MADE_ANEW {
            headers.remove(name);
        }
        headers
    }

    fn load(&self, payload: Payload) -> Result<Load, Error> {
        let Stream {
            body,
            length,
            sha256,
            trailer,
        } = match payload {
            Payload::Whole(bytes) => return Ok(self.load_whole(bytes)),
            Payload::Stream(stream) => stream,
        };
        let mut headers = HeaderMap::new();
        let Some(trailer) = trailer else {
            headers.insert(header::CONTENT_LENGTH, length.into());
            return Ok(Load {
                body: Exact::new(body, length).boxed_unsync(),
                signed: sha256.map_or(Signed::Unsigned, Signed::Hash),
                headers,
            });
        };
        let name = trailer.name.clone();
        let chunked =
            Chunked::new(body, length, trailer).ok_or(Error::Unsupported(self.operation))?;
        let coding = HeaderValue::try_from(content_encoding(&self.headers)).map_err(unsendable)?;
        headers.insert(header::CONTENT_LENGTH, chunked.length().into());
        headers.insert(header::CONTENT_ENCODING, coding);
        headers.insert(DECODED_LENGTH, length.into());
        headers.insert(TRAILER, name.into());
        Ok(Load {
            body: chunked.boxed_unsync(),
            signed: Signed::UnsignedTrailer,
            headers,
        })
    }

    fn load_whole(&self, bytes: Bytes) -> Load {
        let mut headers = HeaderMap::new();
        let may_have_body = matches!(self.method, Method::PUT | Method::POST);
        if may_have_body || !bytes.is_empty() {
            headers.insert(header::CONTENT_LENGTH, bytes.len().into());
        }
        let signed = Signed::Hash(hex::encode(Sha256::digest(&bytes)));
        let body = match bytes.is_empty() {
            true => body::empty(),
            false => body::full(bytes),
        };
        Load {
            body,
            signed,
            headers,
        }
    }
}

impl S3 {
    /// Sends the call once.
    pub(super) async fn call_once(
        &self,
        envelope: &Envelope,
        payload: Payload,
        region: &str,
    ) -> Result<Response<Body>, Error> {
        let Load {
            body,
            signed,
            headers,
        } = envelope.load(payload)?;
        let Envelope {
            method,
            bucket,
            key,
            query,
            ..
        } = envelope;
        let uri = self
            .addresses
            .uri(region, bucket.as_ref(), key.as_ref(), query)
            .map_err(unsendable)?;
        let mut request = Request::new(body);
        *request.method_mut() = method.clone();
        *request.headers_mut() = envelope.headers();
        for (name, value) in &headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        let host = host(&uri).map_err(unsendable)?;
        request.headers_mut().insert(header::HOST, host);
        *request.uri_mut() = uri;
        self.sign(&mut request, &signed, region).await?;
        let answer = self.transport.send(envelope.kind(), request).await;
        let answer = answer.map_err(|error| Error::Unreachable(error.into()))?;
        let mut answer = answer.map(BodyExt::boxed_unsync);
        remove_hop_by_hop(answer.headers_mut());
        Ok(answer)
    }

    async fn sign(
        &self,
        request: &mut Request<Body>,
        signed: &Signed,
        region: &str,
    ) -> Result<(), Error> {
        let Some(wallet) = &self.wallet else {
            if *signed == Signed::UnsignedTrailer {
                // Without it the store would take the frames for content.
                let value = HeaderValue::from_static("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
                request.headers_mut().insert(CONTENT_SHA256, value);
            }
            return Ok(());
        };
        let credentials = wallet
            .current()
            .await
            .map_err(|error| Error::Unreachable(NoCredentials(error.into()).into()))?;
        sign(request, &credentials, region, signed, self.clock.wall()).map_err(unsendable)
    }
}

/// The credentials cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("the credentials for the origin cannot be had")]
struct NoCredentials(#[source] BoxError);

/// The request cannot be expressed.
#[derive(Debug, thiserror::Error)]
#[error("the request cannot be sent to the origin")]
struct Unsendable(#[source] BoxError);

fn unsendable(error: impl Into<BoxError>) -> Error {
    Error::Unreachable(Unsendable(error.into()).into())
}

/// The `Host` header: the port is left out where it is the scheme's own.
fn host(uri: &Uri) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    let host = uri.host().unwrap_or_default();
    match (uri.port_u16(), uri.scheme_str()) {
        (None, _) | (Some(80), Some("http")) | (Some(443), Some("https")) => {
            HeaderValue::from_str(host)
        }
        (Some(port), _) => HeaderValue::from_str(&format!("{host}:{port}")),
    }
}
