//! A read as the door hands it over: parsed, but with nothing decided.

use std::time::SystemTime;

use http::HeaderMap;

use crate::types::range::Parsed;
use crate::types::{BucketName, ObjectKey};

/// GetObject or HeadObject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMethod {
    Get,
    Head,
}

/// How fresh a client asks its answer to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Demand {
    /// As the bucket's rules say.
    #[default]
    Normal,
    /// The origin must be asked (`Cache-Control: no-cache`).
    Revalidate,
    /// The cache has no part in it (`Cache-Control: no-store`).
    Bypass,
}

/// A `Range` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeHeader {
    /// The value as it came.
    pub raw: String,
    pub parsed: Parsed,
}

/// The conditions of a read, as they came. A date that does not parse is ignored, as S3 does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
    pub if_modified_since: Option<SystemTime>,
    pub if_unmodified_since: Option<SystemTime>,
    pub if_range: Option<String>,
}

/// A read of an object, under the names that the client used.
#[derive(Debug, Clone)]
pub struct Read {
    pub method: ReadMethod,
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub range: Option<RangeHeader>,
    pub conditions: Conditions,
    /// Whether stored checksums are asked for (`x-amz-checksum-mode: ENABLED`).
    pub checksum_mode: bool,
    /// 1 to 10,000.
    pub part_number: Option<u32>,
    pub version_id: Option<String>,
    pub freshness: Demand,
    /// The decoded query without what signed it and without `response-*`.
    pub query: Vec<(String, String)>,
    /// The client's headers, without those of the transport and of the signature.
    pub headers: HeaderMap,
}
