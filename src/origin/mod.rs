//! Origins: the stores that hold the truth.
//!
//! One small trait. [`Origin::get`] and [`Origin::head`] are typed, because they fill the cache; [`Origin::call`] takes
//! everything else S3-shaped and raw, so that no header, XML element or error body is lost on the way. The types of the
//! cloud SDKs stay inside the modules below.

pub(crate) mod answer;
#[cfg(test)]
pub(crate) mod conformance;
pub mod directory;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod s3;

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode};

use crate::types::{
    Body, BodyId, BoxError, BucketName, CanonicalObject, ETag, ObjectKey, OperationName,
};
use crate::types::{OriginFingerprint, RangeSpec, Version};

/// A store of objects. Every implementation and wrapper passes one conformance suite.
#[async_trait::async_trait]
pub trait Origin: Send + Sync + fmt::Debug {
    /// Tells this origin's `bucket` apart from every other bucket of every other origin.
    fn fingerprint(&self, bucket: &BucketName) -> OriginFingerprint;

    /// Whether a key with a segment `.` or `..` names an object of its own. Stores on file systems take it for another
    /// key, or for one of another bucket: the gateway refuses such keys unless this is true.
    fn keeps_dot_segments(&self) -> bool {
        false
    }

    /// Reads a body or a range of it. Returns as soon as the origin has answered; the body streams.
    async fn get(&self, get: Get) -> Result<Fetched, Error>;

    /// Asks for an object's headers.
    async fn head(&self, head: Head) -> Result<ObjectHead, Error>;

    /// Passes an S3 request on, under the origin's own bucket and key, and gives back the origin's answer as it came,
    /// error answers included. One attempt, never retried: the body is a stream and may be a write.
    async fn call(&self, call: Call) -> Result<http::Response<Body>, Error>;

    /// Whether the origin can be reached with the configured credentials (`forebay check`): lists its buckets, or looks
    /// at `bucket` where one is given.
    async fn probe(&self, bucket: Option<&BucketName>) -> Result<(), Error>;
}

/// A read of a body.
#[derive(Debug, Clone)]
pub struct Get {
    pub bucket: BucketName,
    pub key: ObjectKey,
    /// The version to read; the current one where there is none.
    pub version_id: Option<Arc<str>>,
    /// The bytes asked for; the whole body where there is none.
    pub range: Option<RangeSpec>,
    /// Holds the read to the body with this ETag (`If-Match`).
    pub pin: Option<ETag>,
    /// Whether to ask for the stored checksums (`x-amz-checksum-mode`); S3 tells them on whole reads only.
    pub checksums: bool,
    /// Whether the gateway's account pays for the request (`x-amz-request-payer`).
    pub requester_pays: bool,
}

impl Get {
    /// A read of the whole current body, whatever it is.
    pub fn of(bucket: BucketName, key: ObjectKey) -> Self {
        Self {
            bucket,
            key,
            version_id: None,
            range: None,
            pin: None,
            checksums: false,
            requester_pays: false,
        }
    }
}

/// A read of headers.
#[derive(Debug, Clone)]
pub struct Head {
    pub bucket: BucketName,
    pub key: ObjectKey,
    /// The version to ask about; the current one where there is none.
    pub version_id: Option<Arc<str>>,
    pub checksums: bool,
    /// As for a [`Get`].
    pub requester_pays: bool,
}

impl Head {
    /// A look at the current object.
    pub fn of(bucket: BucketName, key: ObjectKey) -> Self {
        Self {
            bucket,
            key,
            version_id: None,
            checksums: false,
            requester_pays: false,
        }
    }
}

/// The answer to a [`Get`].
pub struct Fetched {
    pub head: ObjectHead,
    /// Which bytes of the body follow.
    pub range: Range<u64>,
    /// Exactly these bytes, or an error: a body that ends short ends in an error.
    pub body: Body,
}

/// An object's description as its origin gave it.
#[derive(Debug, Clone)]
pub struct ObjectHead {
    /// The size of the whole body in bytes.
    pub size: u64,
    /// As written; empty where the origin sent none.
    pub etag: ETag,
    pub version_id: Option<Arc<str>>,
    /// All headers of the answer but those of the transport, the range and the moment (Connection, Content-Length,
    /// Content-Range, Date, Keep-Alive, Server, Transfer-Encoding, x-amz-id-2, x-amz-request-id,
    /// x-ratelimit-remaining).
    pub headers: HeaderMap,
}

impl ObjectHead {
    /// The identity of the body that is described, or none where the ETag cannot pin it.
    pub fn body_id(&self, object: &CanonicalObject) -> Option<BodyId> {
        let version = Version::S3 {
            etag: self.etag.clone(),
            size: self.size,
            version_id: self.version_id.clone(),
        };
        self.etag
            .is_strong()
            .then(|| BodyId::new(object.clone(), version))
    }
}

/// A request in S3's own shape, under the origin's bucket and key.
pub struct Call {
    pub operation: OperationName,
    pub method: Method,
    pub bucket: Option<BucketName>,
    pub key: Option<ObjectKey>,
    /// The decoded query, in the client's order, without what signed it.
    pub query: Vec<(String, String)>,
    /// The client's headers, without those of the transport and of the signature.
    pub headers: HeaderMap,
    pub payload: Payload,
}

/// The body of a [`Call`].
pub enum Payload {
    Whole(Bytes),
    Stream(Stream),
}

/// A body that streams through. It yields its last bytes only once everything that the client claimed about it has been
/// verified, and ends in an error otherwise, so that a request that carries it is never complete and nothing is stored.
pub struct Stream {
    pub body: Body,
    /// Exact length in bytes.
    pub length: u64,
    /// The SHA-256 of the bytes in hex, where the client signed it.
    pub sha256: Option<String>,
    /// The checksum that follows the body as a trailer.
    pub trailer: Option<Trailer>,
}

/// A checksum in a trailer: known only when the body has been read.
#[derive(Debug, Clone)]
pub struct Trailer {
    /// `x-amz-checksum-*`.
    pub name: HeaderName,
    /// Set before the body yields its last bytes.
    pub value: Arc<OnceLock<String>>,
}

/// Why an origin gave no answer, or not the one that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The origin answered with an error, which is the client's answer too.
    #[error("the origin answered {}", .0.status)]
    Refused(Box<Refusal>),
    /// No answer came: nothing is known of what the origin did.
    #[error("the origin did not answer")]
    Unreachable(#[source] BoxError),
    /// The answer contradicts the request or itself.
    #[error("the origin's answer makes no sense: {0}")]
    Nonsense(&'static str),
    /// The origin has no such operation.
    #[error("the origin does not support {}", .0.as_str())]
    Unsupported(OperationName),
}

/// An error answer, as it came.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The XML document; empty on HEAD.
    pub body: Bytes,
}

impl Error {
    /// What an origin that ignores `If-Match` should have said: the version asked for is not there.
    pub fn other_version() -> Self {
        let (status, headers, body) = (
            StatusCode::PRECONDITION_FAILED,
            HeaderMap::new(),
            Bytes::new(),
        );
        Self::Refused(Box::new(Refusal {
            status,
            headers,
            body,
        }))
    }

    /// The same error for one more of those who wait for it.
    pub fn shared(error: &Arc<Self>) -> Self {
        match &**error {
            Self::Refused(refusal) => Self::Refused(refusal.clone()),
            Self::Unreachable(_) => Self::Unreachable(Arc::clone(error).into()),
            Self::Nonsense(what) => Self::Nonsense(what),
            Self::Unsupported(operation) => Self::Unsupported(*operation),
        }
    }

    /// Whether the same read may succeed if it is sent again.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(refusal) => {
                refusal.status.is_server_error() && refusal.status != StatusCode::NOT_IMPLEMENTED
            }
            Self::Unreachable(_) | Self::Nonsense(_) => true,
            Self::Unsupported(_) => false,
        }
    }

    /// The status of the origin's answer, where it gave one.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused(refusal) => Some(refusal.status),
            Self::Unreachable(_) | Self::Nonsense(_) | Self::Unsupported(_) => None,
        }
    }
}
