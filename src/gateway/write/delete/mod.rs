//! DeleteObjects: many keys in one document, each with a right of its own.
//!
//! What the caller may not delete becomes an `<Error>` of the answer; the rest goes to the origin in one new document.

mod document;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;

use std::mem;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};

use super::digest::Algorithm;
use super::late;
use super::verify::{self, Claims, Fault};
use crate::gateway::error::DOT_SEGMENT;
use crate::gateway::forward::Forward;
use crate::gateway::forward::rename::escape_text;
use crate::gateway::{Context, Error, Request, Upload};
use crate::origin::Payload;
use crate::routes::{Route, UnusableKey};
use crate::types::body::full;
use crate::types::{
    Body, BucketName, CanonicalObject, Extra, ObjectKey, Operation, OperationName, Subject, Target,
};
use document::{Deletion, Entry};

/// S3's own bound on the document.
const MAX_DOCUMENT: usize = 2 << 20;

/// Why one key of many is not even tried.
struct Refusal<'a> {
    entry: &'a Entry,
    code: &'static str,
    message: &'static str,
}

impl Forward<'_> {
    pub(crate) async fn delete_many(&self, mut request: Request) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        let digests = claimed(&request.headers);
        let upload = mem::replace(&mut request.upload, Upload::none());
        let bytes =
            verify::document(&mut request.headers, upload, MAX_DOCUMENT, Claims::All).await?;
        let asked = Deletion::parse(&bytes).ok_or(Error::MalformedXml)?;
        let bucket = match &request.operation.target {
            Target::Bucket(bucket) | Target::Object(bucket, _) => bucket.clone(),
            Target::Service => return Err(Error::MalformedXml),
        };
        let extras = mem::take(&mut request.operation.extras);
        let may = |entry: &Entry, key: &ObjectKey| self.may_delete(&bucket, entry, key, &extras);
        let sorted = Sorted::of(&asked, &route, may);
        if sorted.subjects.is_empty() {
            return Ok(answer(sorted.without_origin()));
        }
        let document = Bytes::from(document::write(asked.quiet, &sorted.passed));
        claim(&mut request.headers, &digests, &document);
        let call = Self::call(&route, &mut request, Payload::Whole(document))?;
        let told = self.write(&route, sorted.subjects.clone(), call, Fault::default());
        let (parts, body) = late::received(told.await)?.into_parts();
        let mut response = answer(sorted.merged(&body)?);
        response.headers_mut().extend(parts.headers);
        response.headers_mut().remove(header::CONTENT_LENGTH);
        Ok(response)
    }

    fn may_delete(
        &self,
        bucket: &BucketName,
        entry: &Entry,
        key: &ObjectKey,
        extras: &[Extra],
    ) -> bool {
        let deletion = Operation {
            name: OperationName::DeleteObject,
            target: Target::Object(bucket.clone(), key.clone()),
            copy_source: None,
            prefix: String::new(),
            versioned: entry.is_versioned(),
            extras: extras.iter().copied().chain(entry.condition()).collect(),
        };
        let Context {
            auth, principal, ..
        } = self.context;
        auth.authorize(principal, &deletion).is_ok()
    }
}

/// What was asked, split into what goes to the origin and what does not.
struct Sorted<'a> {
    /// The entries for the origin, with its keys.
    passed: Vec<(ObjectKey, &'a Entry)>,
    subjects: Vec<Subject>,
    refused: Vec<Refusal<'a>>,
}

impl<'a> Sorted<'a> {
    fn of(asked: &'a Deletion, route: &Route, may: impl Fn(&Entry, &ObjectKey) -> bool) -> Self {
        let mut sorted = Self {
            passed: Vec::new(),
            subjects: Vec::new(),
            refused: Vec::new(),
        };
        for entry in &asked.entries {
            match aim(entry, route, &may) {
                Ok((key, object)) => {
                    sorted.passed.push((key, entry));
                    let version_id = entry.version().map(Into::into);
                    sorted.subjects.push(Subject { object, version_id });
                }
                Err(refusal) => sorted.refused.push(refusal),
            }
        }
        sorted
    }

    fn without_origin(&self) -> Vec<u8> {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{}</DeleteResult>",
            self.errors()
        )
        .into_bytes()
    }

    /// The origin's document with what it was not asked at its end.
    fn merged(&self, answer: &[u8]) -> Result<Vec<u8>, Error> {
        if self.refused.is_empty() {
            return Ok(answer.to_vec());
        }
        document::insert_at_end(answer, &self.errors()).ok_or_else(|| {
            crate::origin::Error::Nonsense("its answer is not well-formed XML").into()
        })
    }

    fn errors(&self) -> String {
        self.refused.iter().map(Refusal::render).collect()
    }
}

fn aim<'a>(
    entry: &'a Entry,
    route: &Route,
    may: impl Fn(&Entry, &ObjectKey) -> bool,
) -> Result<(ObjectKey, CanonicalObject), Refusal<'a>> {
    let refuse = |code, message| Refusal {
        entry,
        code,
        message,
    };
    let unusable = |key| match key {
        UnusableKey::TooLong => refuse("KeyTooLongError", "Your key is too long"),
        UnusableKey::DotSegment => refuse("InvalidArgument", DOT_SEGMENT),
    };
    let key = entry.key.parse();
    let key: ObjectKey = key.map_err(|_| unusable(UnusableKey::TooLong))?;
    if !may(entry, &key) {
        return Err(refuse("AccessDenied", "Access Denied"));
    }
    let object = route.canonical(&key).map_err(unusable)?;
    Ok((object.key.clone(), object))
}

impl Refusal<'_> {
    fn render(&self) -> String {
        let Self {
            entry,
            code,
            message,
        } = self;
        let version = entry.version().map_or_else(String::new, |version| {
            format!("<VersionId>{}</VersionId>", escape_text(version))
        });
        format!(
            "<Error><Key>{}</Key>{version}<Code>{code}</Code><Message>{message}</Message></Error>",
            escape_text(&entry.key)
        )
    }
}

fn answer(document: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(full(document));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/xml"),
    );
    response
}

/// The digests that the client claimed, by header or by trailer.
fn claimed(headers: &HeaderMap) -> Vec<Algorithm> {
    let trailer = headers.get(verify::ANNOUNCED);
    let trailer = trailer.and_then(|name| name.to_str().ok()).map(str::trim);
    Algorithm::ALL
        .into_iter()
        .filter(|algorithm| {
            headers.contains_key(algorithm.header())
                || trailer.is_some_and(|name| name.eq_ignore_ascii_case(algorithm.header()))
        })
        .collect()
}

/// Puts the same digests of the new document in their place. S3 refuses a document without any.
fn claim(headers: &mut HeaderMap, digests: &[Algorithm], document: &[u8]) {
    for algorithm in digests {
        let value = algorithm.of(document);
        let value = HeaderValue::from_str(&value).expect("base64 is a header's value");
        headers.insert(algorithm.header(), value);
    }
}

#[cfg(test)]
mod tests;
