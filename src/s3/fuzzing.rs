//! What the fuzz targets of `tests/fuzz` see of the door: its parsers, in the order in which a request meets them.
//!
//! Compiled with the feature `fuzzing` only. Refusals are S3's codes.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, Method};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use jiff::Timestamp;

use super::auth::Verifier;
use super::claim::Claim;
use super::claim::time::TIME;
use super::error::{Failure, Refusal};
use super::query::{self, Query};
use super::{form, headers, payload, target};
use crate::auth::{Auth, Identity};
use crate::clock::Clock;
use crate::per_core::Copies;
use crate::types::{BoxError, Operation, Principal, Secret, Target};

pub use super::form::fuzzing::allows;

/// S3's code of a refusal.
pub type Code = &'static str;

/// A request's head as it comes.
#[derive(Debug, Clone)]
pub struct Head<'a> {
    pub method: Method,
    pub path: &'a str,
    pub query: &'a str,
    pub headers: HeaderMap,
}

/// What the door makes of a head: the operation whose rights are checked, and what is handed on.
#[derive(Debug, Clone)]
pub struct Routed {
    pub operation: Operation,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
}

/// What was read of a body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    pub bytes: Vec<u8>,
    /// The bytes of the largest piece that was handed on.
    pub largest: usize,
    /// How the body ended: with these trailers, or with this error.
    pub end: Option<Result<Option<HeaderMap>, String>>,
}

/// Reads what a request is aimed at.
///
/// # Errors
/// S3's code.
pub fn target(path: &str, host: Option<&str>, domains: &[String]) -> Result<Target, Code> {
    target::parse(path, host, domains).map_err(code)
}

/// Decodes a path.
///
/// # Errors
/// S3's code.
pub fn decode(raw: &str) -> Result<String, Code> {
    query::decode(raw).map(Cow::into_owned).map_err(code)
}

/// Decodes a query.
///
/// # Errors
/// S3's code.
pub fn query(raw: &str) -> Result<Vec<(String, String)>, Code> {
    Query::parse(raw).map(|query| query.0).map_err(code)
}

/// The access key that a request claims to be signed with; none where it is anonymous.
///
/// # Errors
/// S3's code.
pub fn claim(headers: &HeaderMap, query: &str) -> Result<Option<String>, Code> {
    let query = Query::parse(query).map_err(code)?;
    match Claim::parse(headers, &query).map_err(code)? {
        Claim::Anonymous => Ok(None),
        Claim::Signed(signed) => Ok(Some(signed.access_key_id)),
    }
}

/// Does with a head what [`super::Door`] does once its signature holds.
///
/// # Errors
/// S3's code.
pub fn route(head: Head<'_>) -> Result<Routed, Code> {
    let mut head = head;
    let target = target::parse(head.path, None, &[]).map_err(code)?;
    let mut query = Query::parse(head.query).map_err(code)?;
    let operation = super::operation(&head.method, target, &mut query, &mut head.headers);
    let operation = operation.map_err(code)?;
    headers::refuse_boundless(&head.headers).map_err(code)?;
    Ok(Routed {
        operation,
        query: query.0,
        headers: headers::meaningful(&head.headers),
    })
}

/// Signs a head as the lean lane would have it signed, and gives whom the lane and s3s take it to be from; none where it is
/// nothing for the lane. In its headers `@` stands where the signature goes, `TIME` and `DATE` for now.
pub async fn lane(head: Head<'_>) -> Option<[Option<String>; 2]> {
    let (clock, secret) = (Clock::system(), Secret::new("secret"));
    let identity = Identity {
        access_key_id: "FB".to_owned(),
        principal: Arc::new(Principal::anonymous()),
        secret: secret.clone(),
    };
    let auth = Arc::new(Auth::new(vec![(identity, Vec::new())], Vec::new()));
    let swapped = Arc::new(Copies::new(&*auth));
    let verifier = Verifier::new(swapped, Duration::from_secs(900), clock.clone());
    let now = Timestamp::try_from(clock.wall()).ok()?;
    let now = now.strftime(TIME).to_string();
    let uri = format!("{}?{}", head.path, head.query);
    let mut request = http::Request::builder().method(head.method).uri(uri);
    for (name, value) in &head.headers {
        let value = value.to_str().ok()?;
        let value = value.replace("TIME", &now).replace("DATE", &now[..8]);
        request = request.header(name, value);
    }
    let (mut parts, ()) = request.body(()).ok()?.into_parts();
    verifier.both(&mut parts, &auth, &secret).await
}

/// The headers that are handed on.
pub fn meaningful(all: &HeaderMap) -> HeaderMap {
    headers::meaningful(all)
}

/// Reads a body that comes in `frames`; `secret` is that of whoever signed.
///
/// # Errors
/// S3's code where the headers are refused; what is wrong with the body is told in [`Received::end`].
pub async fn upload(
    headers: &HeaderMap,
    frames: Vec<Bytes>,
    secret: Option<&str>,
) -> Result<Received, Code> {
    let claim = Claim::parse(headers, &Query::default()).map_err(code)?;
    let frames = frames.into_iter().map(|bytes| Ok(Frame::data(bytes)));
    let body = StreamBody::new(stream::iter(frames.collect::<Vec<Result<_, BoxError>>>()));
    let secret = secret.map(Secret::new);
    let body = BodyExt::boxed_unsync(body);
    let upload = payload::upload(headers, body, &claim, secret.as_ref()).map_err(code)?;
    let (mut body, mut received) = (upload.body, Received::default());
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(bytes)) => {
                received.largest = received.largest.max(bytes.len());
                received.bytes.extend_from_slice(&bytes);
            }
            Ok(Err(_)) => {}
            Err(error) => {
                received.end = Some(Err(error.to_string()));
                return Ok(received);
            }
        }
    }
    let trailers = upload.trailers.and_then(|trailers| trailers());
    received.end = Some(Ok(trailers));
    Ok(received)
}

/// A browser's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// What precedes the file.
    pub fields: Vec<(String, String)>,
    pub file_name: Option<String>,
    /// The file's length as it is known before its first byte, and its bytes.
    pub file: (u64, Vec<u8>),
}

/// Reads a form that comes in `frames`, of which `look_ahead` bytes may be read before its file goes on; none where it is
/// refused, be it at its end.
pub async fn form(boundary: &str, frames: Vec<Bytes>, look_ahead: u64) -> Option<Form> {
    let length: usize = frames.iter().map(Bytes::len).sum();
    let frames = frames.into_iter().map(|bytes| Ok(Frame::data(bytes)));
    let body = StreamBody::new(stream::iter(frames.collect::<Vec<Result<_, BoxError>>>()));
    let body = BodyExt::boxed_unsync(body);
    let read: Result<_, Failure> = form::read(boundary, body, length as u64, look_ahead).await;
    let (fields, file_name, length, file) = read.ok()?;
    let bytes = file.collect().await.ok()?.to_bytes();
    Some(Form {
        fields,
        file_name,
        file: (length, bytes.to_vec()),
    })
}

fn code(refusal: Refusal) -> Code {
    refusal.code.as_str()
}
