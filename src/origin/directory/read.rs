//! GetObject and HeadObject: which version, which bytes of it, and the body.
//!
//! The file is opened once: conditions, headers and bytes are of the same version. A file that somebody else changes while
//! it is read ends the body in an error.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, LAST_MODIFIED, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use super::answer::{Answer, Code, Failure, Fault, bare};
use super::checksum::{Checksum, Scope};
use super::conditions::{self, Verdict};
use super::document::http_date;
use super::meta::{Identity, Meta};
use super::put::insert;
use super::store::{Found, Store};
use super::{Request, blocking, query};
use crate::origin::{Fetched, Get, Head, ObjectHead};
use crate::types::range::Parsed;
use crate::types::{Body, BoxError, BucketName, ETag, ObjectKey, RangeSpec};

/// How much of a file is read at once, in bytes.
const CHUNK: u64 = 256 << 10;
/// The version of every object, as S3 calls those of buckets without versioning.
pub(super) const NULL_VERSION: &str = "null";
/// The length of a version's id as S3 makes them.
const VERSION_ID_DIGITS: usize = 32;
/// S3's largest part number.
const MAX_PART: u32 = 10_000;

/// `response-*` parameters and the headers that they set.
const OVERRIDES: [(&str, HeaderName); 6] = [
    ("response-cache-control", http::header::CACHE_CONTROL),
    (
        "response-content-disposition",
        http::header::CONTENT_DISPOSITION,
    ),
    ("response-content-encoding", http::header::CONTENT_ENCODING),
    ("response-content-language", http::header::CONTENT_LANGUAGE),
    ("response-content-type", http::header::CONTENT_TYPE),
    ("response-expires", http::header::EXPIRES),
];

/// The typed read of a body.
pub(super) async fn get(store: &Arc<Store>, get: Get) -> Result<Fetched, Failure> {
    let store = Arc::clone(store);
    blocking(move || {
        check_version(get.version_id.as_deref())?;
        let found = store.read(&get.bucket, &get.key)?;
        if let Some(pin) = &get.pin {
            check_pin(pin, &found.meta)?;
        }
        let size = found.meta.identity.size;
        let range = match get.range {
            Some(spec) => resolve(spec, size)?,
            None => 0..size,
        };
        let whole = get.checksums && get.range.is_none();
        let head = object_head(&found.meta, whole);
        let body = stream(found, range.clone());
        Ok(Fetched { head, range, body })
    })
    .await
}

/// The typed read of headers.
pub(super) async fn head(store: &Arc<Store>, head: Head) -> Result<ObjectHead, Failure> {
    let store = Arc::clone(store);
    blocking(move || {
        check_version(head.version_id.as_deref())?;
        let found = store.read(&head.bucket, &head.key)?;
        Ok(object_head(&found.meta, head.checksums))
    })
    .await
}

fn object_head(meta: &Meta, checksums: bool) -> ObjectHead {
    ObjectHead {
        size: meta.identity.size,
        etag: ETag::new(&meta.quoted_etag()),
        version_id: None,
        headers: describe(meta, meta.checksum.as_ref().filter(|_| checksums)),
    }
}

fn check_pin(pin: &ETag, meta: &Meta) -> Result<(), Fault> {
    if pin.opaque() == meta.etag {
        Ok(())
    } else {
        Err(Fault::condition("If-Match"))
    }
}

/// Makes sure that a request means the one version that there is.
///
/// # Errors
/// `NoSuchVersion` for the id of another one, `InvalidArgument` for what is no id.
pub(super) fn check_version(version: Option<&str>) -> Result<(), Fault> {
    match version {
        None | Some(NULL_VERSION) => Ok(()),
        Some("") => {
            let message = "Version id cannot be the empty string";
            Err(Fault::argument("versionId", "", message))
        }
        Some(other) if is_version_id(other) => {
            Err(Fault::new(Code::NoSuchVersion).detail("VersionId", other))
        }
        Some(other) => {
            let message = "Invalid version id specified";
            Err(Fault::argument("versionId", other, message))
        }
    }
}

/// Whether S3 could have given this id to a version.
fn is_version_id(text: &str) -> bool {
    text.len() == VERSION_ID_DIGITS
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

fn resolve(spec: RangeSpec, size: u64) -> Result<Range<u64>, Fault> {
    spec.resolve(size).map_err(|_| {
        let fault = Fault::new(Code::InvalidRange)
            .detail("RangeRequested", spec.to_header())
            .detail("ActualObjectSize", size.to_string());
        match HeaderValue::from_str(&format!("bytes */{size}")) {
            Ok(value) => fault.header(CONTENT_RANGE, value),
            Err(_) => fault,
        }
    })
}

/// The headers that describe an object.
fn describe(meta: &Meta, checksum: Option<&Checksum>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    meta.description.write(&mut headers);
    insert(&mut headers, ETAG, &meta.quoted_etag());
    insert(
        &mut headers,
        LAST_MODIFIED,
        &http_date(meta.identity.seconds),
    );
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(checksum) = checksum {
        checksum.write(&mut headers);
    }
    headers
}

/// The checksum of what an answer carries. Of a part it is that part's own, which only uploads with composite checksums
/// have; of another range there is none.
fn checksum(meta: &Meta, part: Option<u32>, ranged: bool) -> Option<Checksum> {
    let whole = meta.checksum.as_ref()?;
    match (part, whole.scope) {
        (None, _) if ranged => None,
        (None, _) => Some(whole.clone()),
        (Some(number), Scope::Composite) => Some(Checksum {
            value: meta.part_sums.get(number as usize - 1)?.clone(),
            ..whole.clone()
        }),
        (Some(_), Scope::FullObject) => (meta.parts.len() <= 1).then(|| whole.clone()),
    }
}

/// GetObject and HeadObject as S3 answers them; `bodiless` for the latter.
pub(super) async fn answer(
    store: &Arc<Store>,
    bucket: BucketName,
    key: ObjectKey,
    call: &Request,
    bodiless: bool,
) -> Result<Answer, Failure> {
    check_version(query(call, "versionId"))?;
    let part = query(call, "partNumber").map(part_number).transpose()?;
    let store = Arc::clone(store);
    let headers = call.headers.clone();
    let mut answer = blocking(move || {
        let found = store.read(&bucket, &key)?;
        select(found, &headers, part, bodiless)
    })
    .await?;
    for (parameter, name) in OVERRIDES {
        if let Some(value) = query(call, parameter) {
            let value = HeaderValue::from_bytes(value.as_bytes())
                .map_err(|_| Fault::argument(parameter, value, "Invalid header value"))?;
            answer.headers_mut().insert(name, value);
        }
    }
    Ok(answer)
}

/// A part's number.
///
/// # Errors
/// `InvalidArgument` where no upload can have such a part.
pub(super) fn part_number(text: &str) -> Result<u32, Fault> {
    let number = text.parse().ok();
    number
        .filter(|number| (1..=MAX_PART).contains(number))
        .ok_or_else(|| {
            let message = "Part number must be an integer between 1 and 10000, inclusive";
            Fault::argument("partNumber", text, message)
        })
}

fn select(
    found: Found,
    headers: &HeaderMap,
    part: Option<u32>,
    bodiless: bool,
) -> Result<Answer, Failure> {
    let meta = &found.meta;
    let size = meta.identity.size;
    match conditions::read(headers, meta.validators()) {
        Verdict::Serve => {}
        Verdict::NotModified => {
            let mut answer = bare(StatusCode::NOT_MODIFIED);
            *answer.headers_mut() = describe(meta, None);
            answer.headers_mut().remove(http::header::CONTENT_TYPE);
            return Ok(answer);
        }
        Verdict::Failed(condition) => return Err(Fault::condition(condition).into()),
    }
    let spec = asked_range(headers, meta);
    if part.is_some() && headers.contains_key(RANGE) {
        let message = "Cannot specify both Range header and partNumber query parameter";
        return Err(Fault::because(Code::InvalidRequest, message).into());
    }
    let range = match (part, spec) {
        (Some(number), _) => Some(part_range(meta, number)?),
        (None, Some(spec)) => Some(resolve(spec, size)?),
        (None, None) => None,
    };
    let checksum = headers
        .get("x-amz-checksum-mode")
        .filter(|mode| mode.as_bytes().eq_ignore_ascii_case(b"enabled"))
        .and_then(|_| checksum(meta, part, range.is_some()));
    let mut answered = describe(meta, checksum.as_ref());
    if part.is_some() && !meta.parts.is_empty() {
        answered.insert("x-amz-mp-parts-count", HeaderValue::from(meta.parts.len()));
    }
    // The only part of an empty object has no bytes that a Content-Range could name.
    let partial = range.clone().filter(|range| !range.is_empty());
    if let Some(Range { start, end }) = partial {
        let value = format!("bytes {start}-{}/{size}", end - 1);
        insert(&mut answered, CONTENT_RANGE, &value);
    }
    let status = match partial {
        Some(_) => StatusCode::PARTIAL_CONTENT,
        None => StatusCode::OK,
    };
    let range = range.unwrap_or(0..size);
    answered.insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    let mut answer = bare(status);
    *answer.headers_mut() = answered;
    if !bodiless {
        *answer.body_mut() = stream(found, range);
    }
    Ok(answer)
}

/// The range that a request asks for; S3 ignores what it does not understand, and several ranges at once.
fn asked_range(headers: &HeaderMap, meta: &Meta) -> Option<RangeSpec> {
    let value = headers.get(RANGE)?.to_str().ok()?;
    match RangeSpec::parse(value) {
        Parsed::Single(spec) => {
            conditions::range_stands(headers, meta.validators()).then_some(spec)
        }
        Parsed::Ignored | Parsed::Several => None,
    }
}

/// The bytes of a part; an object that was uploaded in one piece has one.
fn part_range(meta: &Meta, number: u32) -> Result<Range<u64>, Fault> {
    let whole = [meta.identity.size];
    let parts = if meta.parts.is_empty() {
        &whole[..]
    } else {
        &meta.parts[..]
    };
    let index = number as usize - 1;
    let Some(size) = parts.get(index) else {
        return Err(Fault::new(Code::InvalidPartNumber)
            .detail("ActualPartCount", parts.len().to_string())
            .detail("PartNumberRequested", number.to_string()));
    };
    let start = parts[..index].iter().sum();
    Ok(start..start + size)
}

/// A file that is being read.
pub(super) struct Reader {
    file: File,
    identity: Identity,
    at: u64,
    end: u64,
}

impl Reader {
    pub(super) fn new(found: Found, range: Range<u64>) -> Self {
        Self {
            file: found.file,
            identity: found.meta.identity,
            at: range.start,
            end: range.end,
        }
    }

    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// Where the file ends early or is no longer the one that was found.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let length = CHUNK.min(self.end - self.at);
        if length == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, self.at)?;
        // Asked after the read: what was read then is of the version that was found.
        if Identity::of(&self.file.metadata()?) != self.identity {
            return Err(io::Error::other("the file changed while it was read"));
        }
        self.at += length;
        Ok(Some(bytes))
    }
}

fn stream(found: Found, range: Range<u64>) -> Body {
    let reader = Reader::new(found, range);
    let chunks = futures::stream::try_unfold(reader, |mut reader| async move {
        let read = blocking(move || Ok((reader.next()?, reader))).await;
        match read {
            Ok((Some(bytes), reader)) => Ok(Some((Frame::data(Bytes::from(bytes)), reader))),
            Ok((None, _)) => Ok(None),
            Err(failure) => Err(BoxError::from(failure)),
        }
    });
    StreamBody::new(chunks).boxed_unsync()
}
