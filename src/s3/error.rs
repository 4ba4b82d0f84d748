//! The only map from failures to S3's codes, statuses and messages.
//!
//! A [`Refusal`] is an answer that the door words itself; a [`Failure::Relayed`] is the origin's own error, of which only the
//! request's ids are exchanged.

use std::borrow::Cow;

use http::StatusCode;

use crate::auth::Denied;
use crate::gateway;
use crate::origin;

/// S3's error codes, as far as this gateway words them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    AccessDenied,
    AuthorizationHeaderMalformed,
    AuthorizationQueryParametersError,
    BadDigest,
    EntityTooLarge,
    EntityTooSmall,
    IncompleteBody,
    InternalError,
    InvalidAccessKeyId,
    InvalidArgument,
    InvalidBucketName,
    InvalidDigest,
    InvalidPolicyDocument,
    InvalidRequest,
    InvalidUri,
    KeyTooLong,
    MalformedPostRequest,
    MalformedTrailer,
    MalformedXml,
    MaxPostPreDataLengthExceeded,
    MethodNotAllowed,
    MissingContentLength,
    NoSuchBucket,
    NoSuchUpload,
    NotImplemented,
    PreconditionFailed,
    RequestTimeTooSkewed,
    RequestTimeout,
    ServiceUnavailable,
    SignatureDoesNotMatch,
    SlowDown,
    XAmzContentSha256Mismatch,
}

/// An error answer in the door's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) message: Cow<'static, str>,
    /// Further elements of the XML.
    pub(super) fields: Vec<(&'static str, String)>,
}

/// Why a request gets an error answer.
#[derive(Debug)]
pub(super) enum Failure {
    Refused(Refusal),
    /// The origin's answer is the client's.
    Relayed(Box<origin::Refusal>),
    /// The node or its origin failed; the cause is for the log.
    Broken(Refusal, gateway::Error),
}

impl Code {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "AccessDenied",
            Self::AuthorizationHeaderMalformed => "AuthorizationHeaderMalformed",
            Self::AuthorizationQueryParametersError => "AuthorizationQueryParametersError",
            Self::BadDigest => "BadDigest",
            Self::EntityTooLarge => "EntityTooLarge",
            Self::EntityTooSmall => "EntityTooSmall",
            Self::IncompleteBody => "IncompleteBody",
            Self::InternalError => "InternalError",
            Self::InvalidAccessKeyId => "InvalidAccessKeyId",
            Self::InvalidArgument => "InvalidArgument",
            Self::InvalidBucketName => "InvalidBucketName",
            Self::InvalidDigest => "InvalidDigest",
            Self::InvalidPolicyDocument => "InvalidPolicyDocument",
            Self::InvalidRequest => "InvalidRequest",
            Self::InvalidUri => "InvalidURI",
            Self::KeyTooLong => "KeyTooLongError",
            Self::MalformedPostRequest => "MalformedPOSTRequest",
            Self::MalformedTrailer => "MalformedTrailerError",
            Self::MalformedXml => "MalformedXML",
            Self::MaxPostPreDataLengthExceeded => "MaxPostPreDataLengthExceeded",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::MissingContentLength => "MissingContentLength",
            Self::NoSuchBucket => "NoSuchBucket",
            Self::NoSuchUpload => "NoSuchUpload",
            Self::NotImplemented => "NotImplemented",
            Self::PreconditionFailed => "PreconditionFailed",
            Self::RequestTimeTooSkewed => "RequestTimeTooSkewed",
            Self::RequestTimeout => "RequestTimeout",
            Self::ServiceUnavailable => "ServiceUnavailable",
            Self::SignatureDoesNotMatch => "SignatureDoesNotMatch",
            Self::SlowDown => "SlowDown",
            Self::XAmzContentSha256Mismatch => "XAmzContentSHA256Mismatch",
        }
    }

    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::AccessDenied
            | Self::InvalidAccessKeyId
            | Self::RequestTimeTooSkewed
            | Self::SignatureDoesNotMatch => StatusCode::FORBIDDEN,
            Self::AuthorizationHeaderMalformed
            | Self::AuthorizationQueryParametersError
            | Self::BadDigest
            | Self::EntityTooLarge
            | Self::EntityTooSmall
            | Self::IncompleteBody
            | Self::InvalidArgument
            | Self::InvalidBucketName
            | Self::InvalidDigest
            | Self::InvalidPolicyDocument
            | Self::InvalidRequest
            | Self::InvalidUri
            | Self::KeyTooLong
            | Self::MalformedPostRequest
            | Self::MalformedTrailer
            | Self::MalformedXml
            | Self::MaxPostPreDataLengthExceeded
            | Self::RequestTimeout
            | Self::XAmzContentSha256Mismatch => StatusCode::BAD_REQUEST,
            Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::MissingContentLength => StatusCode::LENGTH_REQUIRED,
            Self::NoSuchBucket | Self::NoSuchUpload => StatusCode::NOT_FOUND,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::ServiceUnavailable | Self::SlowDown => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::AccessDenied => "Access Denied",
            Self::AuthorizationHeaderMalformed => {
                "The authorization header that you provided is not valid."
            }
            Self::AuthorizationQueryParametersError => {
                "Query-string authentication requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, \
                 X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
            }
            Self::BadDigest => {
                "The Content-MD5 or checksum value that you specified did not match what the server received."
            }
            Self::EntityTooLarge => "Your proposed upload exceeds the maximum allowed size",
            Self::EntityTooSmall => "Your proposed upload is smaller than the minimum allowed size",
            Self::IncompleteBody => {
                "You did not provide the number of bytes specified by the Content-Length HTTP header."
            }
            Self::InternalError => "We encountered an internal error. Please try again.",
            Self::InvalidAccessKeyId => {
                "The AWS Access Key Id you provided does not exist in our records."
            }
            Self::InvalidArgument => "Invalid Argument",
            Self::InvalidBucketName => "The specified bucket is not valid.",
            Self::InvalidDigest => {
                "The Content-MD5 or checksum value that you specified is not valid."
            }
            Self::InvalidPolicyDocument => {
                "The content of the form does not meet the conditions specified in the policy document."
            }
            Self::InvalidRequest => "Invalid Request",
            Self::InvalidUri => "Couldn't parse the specified URI.",
            Self::KeyTooLong => "Your key is too long",
            Self::MalformedPostRequest => {
                "The body of your POST request is not well-formed multipart/form-data."
            }
            Self::MalformedTrailer => {
                "The request contained trailing data that was not well-formed or did not conform to our published schema."
            }
            Self::MalformedXml => {
                "The XML you provided was not well-formed or did not validate against our published schema"
            }
            Self::MaxPostPreDataLengthExceeded => {
                "Your POST request fields preceeding the upload file was too large."
            }
            Self::MethodNotAllowed => "The specified method is not allowed against this resource.",
            Self::MissingContentLength => "You must provide the Content-Length HTTP header.",
            Self::NoSuchBucket => "The specified bucket does not exist",
            Self::NoSuchUpload => {
                "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
            }
            Self::NotImplemented => {
                "A header or query you provided implies functionality that is not implemented."
            }
            Self::PreconditionFailed => {
                "At least one of the pre-conditions you specified did not hold"
            }
            Self::RequestTimeTooSkewed => {
                "The difference between the request time and the server's time is too large."
            }
            Self::RequestTimeout => {
                "Your socket connection to the server was not read from or written to within the timeout period."
            }
            Self::ServiceUnavailable => "Service is unable to handle request.",
            Self::SignatureDoesNotMatch => {
                "The request signature we calculated does not match the signature you provided. Check your key and \
                 signing method."
            }
            Self::SlowDown => "Please reduce your request rate.",
            Self::XAmzContentSha256Mismatch => {
                "The provided 'x-amz-content-sha256' header does not match what was computed."
            }
        }
    }
}

impl Refusal {
    pub(super) fn new(code: Code) -> Self {
        Self::because(code, code.message())
    }

    pub(super) fn because(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            fields: Vec::new(),
        }
    }

    /// A parameter or header whose value S3 refuses.
    pub(super) fn argument(
        name: impl Into<String>,
        value: impl Into<String>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::because(Code::InvalidArgument, message)
            .with("ArgumentName", name)
            .with("ArgumentValue", value)
    }

    /// Something that S3 has and this gateway has not.
    pub(super) fn not_implemented(what: &str) -> Self {
        Self::because(Code::NotImplemented, format!("{what} is not implemented."))
    }

    pub(super) fn with(mut self, element: &'static str, text: impl Into<String>) -> Self {
        self.fields.push((element, text.into()));
        self
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Denied> for Failure {
    fn from(_: Denied) -> Self {
        Refusal::new(Code::AccessDenied).into()
    }
}

impl From<gateway::Error> for Failure {
    fn from(error: gateway::Error) -> Self {
        match error {
            gateway::Error::Origin(origin::Error::Refused(refusal)) => Self::Relayed(refusal),
            gateway::Error::Origin(cause) => {
                Self::Broken(from_origin(&cause), gateway::Error::Origin(cause))
            }
            error => Self::Refused(from_gateway(&error)),
        }
    }
}

/// How the door words a failure of the gateway.
fn from_gateway(error: &gateway::Error) -> Refusal {
    match error {
        gateway::Error::Origin(cause) => from_origin(cause),
        gateway::Error::NoSuchBucket(bucket) => {
            Refusal::new(Code::NoSuchBucket).with("BucketName", bucket.as_str())
        }
        gateway::Error::KeyTooLong => Refusal::new(Code::KeyTooLong).with(
            "MaxSizeAllowed",
            crate::types::names::MAX_KEY_BYTES.to_string(),
        ),
        gateway::Error::SlowDown => Refusal::new(Code::SlowDown),
        gateway::Error::MissingContentLength => Refusal::new(Code::MissingContentLength),
        gateway::Error::BadDigest(header) => Refusal::because(Code::BadDigest, mismatch(header)),
        gateway::Error::InvalidDigest => Refusal::new(Code::InvalidDigest),
        gateway::Error::InvalidChecksum { name, trailing } => {
            let place = if *trailing {
                "trailing header"
            } else {
                "header"
            };
            let message = format!("Value for {name} {place} is invalid.");
            Refusal::because(Code::InvalidRequest, message)
        }
        gateway::Error::PayloadMismatch => Refusal::new(Code::XAmzContentSha256Mismatch),
        gateway::Error::ChunkSignatureMismatch => Refusal::new(Code::SignatureDoesNotMatch),
        gateway::Error::MalformedChunks => Refusal::because(
            Code::IncompleteBody,
            "The request body terminated unexpectedly",
        ),
        gateway::Error::MalformedTrailer => Refusal::new(Code::MalformedTrailer),
        gateway::Error::IncompleteBody => Refusal::new(Code::IncompleteBody),
        gateway::Error::MalformedForm => Refusal::new(Code::MalformedPostRequest),
        gateway::Error::RequestTimeout => Refusal::new(Code::RequestTimeout),
        gateway::Error::MalformedXml => Refusal::new(Code::MalformedXml),
        gateway::Error::InvalidArgument { name, message } => {
            Refusal::because(Code::InvalidArgument, *message).with("ArgumentName", *name)
        }
        gateway::Error::InvalidRequest(message) => Refusal::because(Code::InvalidRequest, *message),
        gateway::Error::NotImplemented(what) => Refusal::not_implemented(what),
    }
}

/// S3 words `Content-MD5` and the additional checksums differently.
fn mismatch(header: &str) -> String {
    match header.strip_prefix("x-amz-checksum-") {
        Some(algorithm) => format!(
            "The {} you specified did not match the calculated checksum.",
            algorithm.to_uppercase()
        ),
        None => "The Content-MD5 you specified did not match what we received.".to_owned(),
    }
}

fn from_origin(error: &origin::Error) -> Refusal {
    match error {
        // Relayed as it came wherever that is possible; worded here only for a match without holes.
        origin::Error::Refused(_) | origin::Error::Nonsense(_) => Refusal::new(Code::InternalError),
        // SDKs retry a 503.
        origin::Error::Unreachable(_) => Refusal::new(Code::ServiceUnavailable),
        origin::Error::Unsupported(operation) => Refusal::not_implemented(operation.as_str()),
    }
}
