//! The gateway: reads go through the cache, writes through to the origin.
//!
//! The doors hand over requests that are parsed, authenticated and authorised; [`Gateway::read`] answers GetObject and
//! HeadObject, [`Gateway::forward`] everything else.

pub mod error;
pub mod forward;
pub mod list;
pub mod multipart;
pub mod read;
pub mod write;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderMap;

use crate::auth::Auth;
use crate::records::Records;
use crate::routes::Routes;
use crate::tasks::Tasks;
use crate::types::{Body, Operation, Principal, Source};

pub use error::Error;

/// What serves requests once they are authorised.
pub struct Gateway {
    pub(crate) routes: ArcSwap<Routes>,
    pub(crate) records: Arc<Records>,
    pub(crate) tasks: Tasks,
    pub(crate) buckets: forward::Buckets,
}

/// On whose behalf a request is served. Travels with every internal call.
#[derive(Debug, Clone)]
pub struct Context {
    pub principal: Arc<Principal>,
    /// For the rights over resources that only a request's body names (DeleteObjects, ListBuckets).
    pub auth: Arc<Auth>,
    /// `x-amz-request-id` of the answer and of the log line.
    pub request_id: Arc<str>,
}

/// A request in S3's own shape, under the names that the client used.
#[derive(Debug)]
pub struct Request {
    pub operation: Operation,
    pub method: http::Method,
    /// The decoded query in the client's order, without what signed it.
    pub query: Vec<(String, String)>,
    /// The client's headers, without those of the transport and of the signature, but with `x-amz-trailer`.
    pub headers: HeaderMap,
    pub upload: Upload,
}

/// A request's body, decoded from aws-chunked where it was.
pub struct Upload {
    /// Ends in an error where the signed payload hash or a chunk's signature does not match.
    pub body: Body,
    /// The decoded length in bytes, where the client declared one.
    pub length: Option<u64>,
    /// The SHA-256 in hex of the whole body, where the client signed it.
    pub sha256: Option<String>,
    /// Gives the trailers once the body has ended; none where the client announced none.
    pub trailers: Option<Trailers>,
}

/// Reads the trailers of a body that has ended.
pub type Trailers = Box<dyn Fn() -> Option<HeaderMap> + Send + Sync>;

impl Upload {
    /// No body.
    pub fn none() -> Self {
        Self {
            body: crate::types::body::empty(),
            length: Some(0),
            sha256: None,
            trailers: None,
        }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// What a client gets: status, headers and body, and where they came from.
#[derive(Debug)]
pub struct Answer {
    pub response: http::Response<Body>,
    pub source: Source,
}
