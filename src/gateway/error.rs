//! Why the gateway cannot give a client what it asked for. A variant exists where the door answers differently.

use crate::origin;
use crate::routes::UnusableKey;
use crate::types::BucketName;

/// A request's failure, before any byte of the answer was sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The origin's error answer is the client's, or the origin gave none.
    #[error("the origin failed")]
    Origin(#[from] origin::Error),
    #[error("nothing stands behind bucket {0}")]
    NoSuchBucket(BucketName),
    #[error("the key is too long")]
    KeyTooLong,
    /// Memory and the bypass lane are full.
    #[error("the node is overloaded")]
    SlowDown,
    /// The caller may not do this to one of the resources that the body names.
    #[error("access denied")]
    AccessDenied,
    /// A body of unknown length.
    #[error("the length of the body is not known")]
    MissingContentLength,
    /// The body does not match `Content-MD5` or an `x-amz-checksum-*`.
    #[error("the body does not match its checksum {0}")]
    BadDigest(&'static str),
    /// `Content-MD5` is not the base64 of 16 bytes.
    #[error("Content-MD5 is not valid")]
    InvalidDigest,
    /// A checksum in a header or trailer is not the base64 of one of its algorithm.
    #[error("the value of {name} is not valid")]
    InvalidChecksum { name: &'static str, trailing: bool },
    /// The body does not match the SHA-256 that was signed.
    #[error("the body does not match its signed hash")]
    PayloadMismatch,
    /// A chunk of the body, or its trailer, does not match its signature.
    #[error("the body does not match its chunks' signatures")]
    ChunkSignatureMismatch,
    /// The chunks of the body are not as aws-chunked has them.
    #[error("the aws-chunked body is malformed")]
    MalformedChunks,
    /// What follows the chunks is malformed, or not what was announced.
    #[error("the trailer of the body is malformed or missing")]
    MalformedTrailer,
    /// The body ended before its length.
    #[error("the body ended early")]
    IncompleteBody,
    /// A browser's form does not end as forms end, or not where its length says.
    #[error("the form is not well-formed")]
    MalformedForm,
    /// The client stopped sending.
    #[error("the client sent nothing for too long")]
    RequestTimeout,
    #[error("the XML is not well-formed or not what the operation takes")]
    MalformedXml,
    /// A header or parameter that S3 refuses.
    #[error("{message}")]
    InvalidArgument {
        name: &'static str,
        message: &'static str,
    },
    #[error("{0}")]
    InvalidRequest(&'static str),
    #[error("{0} is not implemented")]
    NotImplemented(&'static str),
}

impl From<UnusableKey> for Error {
    fn from(key: UnusableKey) -> Self {
        match key {
            UnusableKey::TooLong => Self::KeyTooLong,
            UnusableKey::DotSegment => Self::InvalidArgument {
                name: "Key",
                message: DOT_SEGMENT,
            },
        }
    }
}

/// What a client hears of a key with such a segment.
pub(crate) const DOT_SEGMENT: &str = "The key has a segment that is \".\" or \"..\", which the store behind this bucket does not keep.";
