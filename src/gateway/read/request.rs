//! A read of an object as the door hands it over: parsed, authenticated, authorised.

use std::time::SystemTime;

use http::HeaderMap;

use crate::types::range::Parsed;
use crate::types::{BucketName, ObjectKey, PartNumber};

/// GetObject or HeadObject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMethod {
    Get,
    Head,
}

/// How fresh the answer has to be (`Cache-Control` of the request).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Demand {
    /// As fresh as the bucket's rule says.
    #[default]
    Normal,
    /// `no-cache`: confirmed by the origin in this request.
    Revalidate,
    /// `no-store`: answered by the origin, past the cache.
    Bypass,
}

/// The conditions of a read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
    pub if_modified_since: Option<SystemTime>,
    pub if_unmodified_since: Option<SystemTime>,
    pub if_range: Option<String>,
}

/// A read of an object or of its headers, under the names that the client used.
#[derive(Debug, Clone)]
pub struct Read {
    pub method: ReadMethod,
    pub bucket: BucketName,
    pub key: ObjectKey,
    /// The `Range` header as understood; `headers` has it as written.
    pub range: Option<Parsed>,
    pub conditions: Conditions,
    /// `x-amz-checksum-mode: ENABLED`.
    pub checksum_mode: bool,
    pub part_number: Option<PartNumber>,
    pub version_id: Option<String>,
    pub freshness: Demand,
    /// Whether all that decides the answer is here and has one meaning. Where a header is repeated, malformed or no text the
    /// origin has to make of it what it does.
    pub is_clear: bool,
    /// The decoded query without what signed it, for passing through.
    pub query: Vec<(String, String)>,
    /// The client's headers without those of the transport and of the signature, for passing through.
    pub headers: HeaderMap,
}
