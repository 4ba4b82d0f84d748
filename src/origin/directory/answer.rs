//! Answers in S3's shape, and the one table of error codes.
//!
//! A [`Fault`] is an error that S3 has a code for; a [`Failure`] is that, or the folder's or the request body's own failure.
//! The ids of the request are empty in these documents: who faces the client fills them in.

use std::borrow::Cow;
use std::io;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::document::Xml;
use crate::origin::{Error, Refusal};
use crate::types::{Body, BoxError, ObjectKey, OperationName, body};

/// An answer as [`crate::origin::Origin::call`] gives it.
pub(super) type Answer = Response<Body>;

macro_rules! codes {
    ($($code:ident $status:literal $message:literal)*) => {
        /// S3's error codes, as far as a folder needs them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Code {
            $($code,)*
        }

        impl Code {
            /// The text in `<Code>`.
            pub(super) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => stringify!($code),)*
                }
            }

            fn status_and_message(self) -> (u16, &'static str) {
                match self {
                    $(Self::$code => ($status, $message),)*
                }
            }
        }
    };
}

codes! {
    AccessControlListNotSupported 400 "The bucket does not allow ACLs"
    AccessDenied 403 "Access Denied"
    BucketAlreadyOwnedByYou 409 "Your previous request to create the named bucket succeeded and you already own it."
    BucketNotEmpty 409 "The bucket you tried to delete is not empty"
    BadDigest 400 "The Content-MD5 you specified did not match what we received."
    BadRequest 400 "Bad Request"
    EntityTooLarge 400 "Your proposed upload exceeds the maximum allowed size"
    EntityTooSmall 400 "Your proposed upload is smaller than the minimum allowed size"
    IncompleteBody 400 "You did not provide the number of bytes specified by the Content-Length HTTP header"
    InvalidArgument 400 "Invalid Argument"
    InvalidBucketName 400 "The specified bucket is not valid."
    InvalidDigest 400 "The Content-MD5 you specified was invalid."
    InvalidObjectState 403 "The operation is not valid for the current state of the object."
    InvalidPart 400 "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
    InvalidPartNumber 416 "The requested partnumber is not satisfiable"
    InvalidPartOrder 400 "The list of parts was not in ascending order. Parts must be ordered by part number."
    InvalidRange 416 "The requested range is not satisfiable"
    InvalidRequest 400 "Invalid Request"
    InvalidStorageClass 400 "The storage class you specified is not valid"
    InvalidTag 400 "The TagValue you have provided is invalid"
    KeyTooLongError 400 "Your key is too long"
    MalformedXML 400 "The XML you provided was not well-formed or did not validate against our published schema"
    MissingSecurityHeader 400 "Your request was missing a required header"
    MetadataTooLarge 400 "Your metadata headers exceed the maximum allowed metadata size"
    NoSuchBucket 404 "The specified bucket does not exist"
    NoSuchBucketPolicy 404 "The bucket policy does not exist"
    NoSuchCORSConfiguration 404 "The CORS configuration does not exist"
    NoSuchConfiguration 404 "The specified configuration does not exist."
    NoSuchKey 404 "The specified key does not exist."
    NoSuchLifecycleConfiguration 404 "The lifecycle configuration does not exist"
    NoSuchPublicAccessBlockConfiguration 404 "The public access block configuration was not found"
    NoSuchTagSet 404 "The TagSet does not exist"
    NoSuchUpload 404 "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
    NoSuchVersion 404 "The specified version does not exist."
    NoSuchWebsiteConfiguration 404 "The specified bucket does not have a website configuration"
    NotImplemented 501 "A header you provided implies functionality that is not implemented"
    ObjectLockConfigurationNotFoundError 404 "Object Lock configuration does not exist for this bucket"
    PreconditionFailed 412 "At least one of the pre-conditions you specified did not hold"
    ReplicationConfigurationNotFoundError 404 "The replication configuration was not found"
    ServerSideEncryptionConfigurationNotFoundError 404 "The server side encryption configuration was not found"
}

/// An error that S3 has a code for.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) code: Code,
    message: Cow<'static, str>,
    details: Vec<(&'static str, String)>,
    headers: HeaderMap,
}

impl Fault {
    /// The error with S3's own message.
    pub(super) fn new(code: Code) -> Self {
        Self {
            code,
            message: Cow::Borrowed(code.status_and_message().1),
            details: Vec::new(),
            headers: HeaderMap::new(),
        }
    }

    /// The error with a message of its own.
    pub(super) fn because(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: message.into(),
            ..Self::new(code)
        }
    }

    /// An argument that S3 refuses.
    pub(super) fn argument(name: &'static str, value: &str, message: &'static str) -> Self {
        Self::because(Code::InvalidArgument, message)
            .detail("ArgumentName", name)
            .detail("ArgumentValue", value)
    }

    /// Something that takes object lock, which no folder has.
    pub(super) fn no_object_lock() -> Self {
        let message = "Bucket is missing Object Lock Configuration";
        Self::because(Code::InvalidRequest, message)
    }

    /// A key without an object.
    pub(super) fn no_such_key(key: &ObjectKey) -> Self {
        Self::new(Code::NoSuchKey).detail("Key", key.as_str())
    }

    /// A header that asks for more than a folder can do.
    pub(super) fn header_not_implemented(name: &str) -> Self {
        let message = Code::NotImplemented.status_and_message().1;
        Self::because(Code::NotImplemented, format!("{message}: {name}")).detail("Header", name)
    }

    /// A condition of a request that does not hold.
    pub(super) fn condition(header: &'static str) -> Self {
        Self::new(Code::PreconditionFailed).detail("Condition", header)
    }

    /// Adds an element to the document.
    #[must_use]
    pub(super) fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub(super) fn header(mut self, name: http::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status_and_message().0).expect("the table holds statuses")
    }

    /// What `<Message>` says.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    fn document(&self) -> Bytes {
        let mut xml = Xml::plain("Error");
        xml.text("Code", self.code.as_str());
        xml.text("Message", &self.message);
        for (name, value) in &self.details {
            xml.text(name, value);
        }
        xml.text("RequestId", "");
        xml.text("HostId", "");
        xml.finish()
    }

    /// The error as an answer to [`crate::origin::Origin::call`]; `silent` where it answers a HEAD.
    pub(super) fn into_answer(self, silent: bool) -> Answer {
        let status = self.status();
        let document = if silent {
            Bytes::new()
        } else {
            self.document()
        };
        let mut answer = xml_answer(status, document);
        answer.headers_mut().extend(self.headers);
        answer
    }

    fn into_refusal(self, silent: bool) -> Refusal {
        let body = if silent {
            Bytes::new()
        } else {
            self.document()
        };
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        Refusal {
            status: self.status(),
            headers,
            body,
        }
    }
}

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// S3 has a code for it.
    #[error("{}", .0.code.as_str())]
    Fault(Box<Fault>),
    #[error("the folder failed")]
    Io(#[from] io::Error),
    /// The request's body ended in an error: nothing was stored.
    #[error("the request's body failed")]
    Body(#[source] BoxError),
    /// A folder has nothing to do it with.
    #[error("a folder does not do {}", .0.as_str())]
    Unsupported(OperationName),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(Box::new(fault))
    }
}

impl From<Code> for Fault {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Fault::new(code).into()
    }
}

impl From<rustix::io::Errno> for Failure {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}

impl Failure {
    /// The failure of a typed read; `silent` where it was a HEAD.
    pub(super) fn into_error(self, silent: bool) -> Error {
        match self.classified() {
            Self::Fault(fault) => Error::Refused(Box::new(fault.into_refusal(silent))),
            Self::Io(error) => Error::Unreachable(Box::new(error)),
            Self::Body(error) => Error::Unreachable(error),
            Self::Unsupported(operation) => Error::Unsupported(operation),
        }
    }

    /// The failure of a call: an answer where S3 has one.
    pub(super) fn into_answer(self, silent: bool) -> Result<Answer, Error> {
        match self.classified() {
            Self::Fault(fault) => Ok(fault.into_answer(silent)),
            other @ (Self::Io(_) | Self::Body(_) | Self::Unsupported(_)) => {
                Err(other.into_error(silent))
            }
        }
    }

    /// What the process may not do to a file is S3's AccessDenied: no retry helps.
    pub(super) fn classified(self) -> Self {
        use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        match self {
            Self::Io(error) if matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem) => {
                Code::AccessDenied.into()
            }
            other => other,
        }
    }
}

/// An answer of no body.
pub(super) fn bare(status: StatusCode) -> Answer {
    let mut answer = Response::new(body::empty());
    *answer.status_mut() = status;
    answer
}

/// An answer that is an XML document.
pub(super) fn xml_answer(status: StatusCode, document: Bytes) -> Answer {
    let length = document.len();
    let mut answer = Response::new(body::full(document));
    *answer.status_mut() = status;
    if length > 0 {
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_written_is_denied() {
        use rustix::io::Errno;
        for (errno, status) in [
            (Errno::ACCESS, Some(StatusCode::FORBIDDEN)),
            (Errno::ROFS, Some(StatusCode::FORBIDDEN)),
            (Errno::IO, None),
        ] {
            let answer = Failure::from(errno).into_answer(false);
            assert_eq!(answer.ok().map(|answer| answer.status()), status, "{errno}");
        }
    }

    #[test]
    fn a_document_escapes_what_it_is_given() {
        let fault = Fault::argument("marker", "<a&b>\u{1}\r", "no").detail("Key", "\"q\"");
        let text = String::from_utf8(fault.document().to_vec()).expect("text");
        assert!(text.contains("<Code>InvalidArgument</Code><Message>no</Message>"));
        assert!(text.contains("<ArgumentValue>&lt;a&amp;b&gt;&#x1;&#xd;</ArgumentValue>"));
        assert!(text.contains("<Key>&quot;q&quot;</Key><RequestId></RequestId>"));
    }
}
