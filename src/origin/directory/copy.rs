//! CopyObject, and the source of UploadPartCopy.

use std::ops::Range;
use std::sync::Arc;

use http::HeaderMap;
use percent_encoding::percent_decode_str;

use super::answer::{Answer, Code, Failure, Fault};
use super::blocking;
use super::checksum::Algorithm;
use super::conditions;
use super::document::{Xml, iso_date};
use super::meta::{self, Description};
use super::put::{MAX_UPLOAD, Writer, Written};
use super::read::{Reader, check_version};
use super::store::{Draft, Found, Store};
use crate::types::{BucketName, ObjectKey};

const TAGGING_DIRECTIVE: &str = "x-amz-tagging-directive";

/// An object that is copied.
pub(super) struct Source {
    pub(super) bucket: BucketName,
    pub(super) key: ObjectKey,
}

impl Source {
    /// Reads `x-amz-copy-source`: `BUCKET/KEY`, with or without a leading slash, URL-encoded, and maybe a version.
    ///
    /// # Errors
    /// `InvalidArgument` where it names no object, `NoSuchVersion` where it asks for an old version.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Fault> {
        let value = headers
            .get("x-amz-copy-source")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let invalid = || {
            let message =
                "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
            Fault::argument("x-amz-copy-source", value, message)
        };
        let (path, version) = match value.rsplit_once("?versionId=") {
            Some((path, version)) => (path, Some(version)),
            None => (value, None),
        };
        check_version(version)?;
        let path = percent_decode_str(path.strip_prefix('/').unwrap_or(path))
            .decode_utf8()
            .map_err(|_| invalid())?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').ok_or_else(invalid)?;
        Ok(Self {
            bucket: bucket.parse().map_err(|_| invalid())?,
            key: key.parse().map_err(|_| invalid())?,
        })
    }

    /// The source's object, where its conditions hold. Blocking.
    pub(super) fn open(&self, store: &Store, headers: &HeaderMap) -> Result<Found, Failure> {
        let found = store.read(&self.bucket, &self.key)?;
        conditions::copy_source(headers, found.meta.validators())?;
        Ok(found)
    }
}

/// What becomes of the source's metadata or tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Directive {
    Copy,
    Replace,
}

impl Directive {
    fn of(headers: &HeaderMap, name: &'static str) -> Result<Self, Fault> {
        match headers.get(name).map(|value| value.as_bytes()) {
            None | Some(b"COPY") => Ok(Self::Copy),
            Some(b"REPLACE") => Ok(Self::Replace),
            Some(other) => Err(Fault::argument(
                name,
                &String::from_utf8_lossy(other),
                match name {
                    TAGGING_DIRECTIVE => "Unknown tagging directive.",
                    _ => "Unknown metadata directive.",
                },
            )),
        }
    }
}

/// Copies a range of a found object into a staged file. Blocking.
pub(super) fn stage(
    store: &Arc<Store>,
    found: Found,
    range: Range<u64>,
    sum: Algorithm,
) -> Result<Written, Failure> {
    if range.end - range.start > MAX_UPLOAD {
        let message = "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120";
        return Err(Fault::because(Code::InvalidRequest, message).into());
    }
    let mut reader = Reader::new(found, range);
    let mut writer = Writer::new(store, sum)?;
    while let Some(bytes) = reader.next()? {
        writer.write(&bytes)?;
    }
    Ok(writer.finish())
}

/// CopyObject.
pub(super) async fn copy(
    store: &Arc<Store>,
    bucket: BucketName,
    key: ObjectKey,
    headers: HeaderMap,
) -> Result<Answer, Failure> {
    let store = Arc::clone(store);
    blocking(move || {
        let source = Source::of(&headers)?;
        let conditions = conditions::Write::of(&headers)?;
        let directive = Directive::of(&headers, "x-amz-metadata-directive")?;
        store.require(&bucket)?;
        refuse_idle(&source, (&bucket, &key), directive, &headers)?;
        let found = source.open(&store, &headers)?;
        let description = describe(&found, directive, &headers)?;
        let kept = found.meta.checksum.as_ref().map(|sum| sum.algorithm);
        let sum = Algorithm::requested(&headers)?.or(kept);
        let sum = sum.unwrap_or(Algorithm::DEFAULT);
        let size = found.meta.identity.size;
        let written = stage(&store, found, 0..size, sum)?;
        let draft = Draft {
            etag: hex::encode(written.md5),
            description,
            checksum: Some(written.checksum),
            parts: Vec::new(),
            part_sums: Vec::new(),
            upload: None,
        };
        let meta = store.commit((&bucket, &key), written.staging, draft, &conditions)?;
        let (modified, etag) = (meta.identity.seconds, meta.quoted_etag());
        let mut answer = result("CopyObjectResult", modified, &etag);
        if let Some(checksum) = &meta.checksum {
            answer.text("ChecksumType", checksum.scope.as_str());
            answer.text(checksum.algorithm.element(), &checksum.value);
        }
        Ok(answer.answer())
    })
    .await
}

/// The document that answers a copy.
pub(super) fn result(root: &'static str, modified: i64, etag: &str) -> Xml {
    let mut answer = Xml::new(root);
    answer.text("LastModified", &iso_date(modified));
    answer.text("ETag", etag);
    answer
}

/// Refuses a copy onto itself that changes nothing.
fn refuse_idle(
    source: &Source,
    (bucket, key): (&BucketName, &ObjectKey),
    directive: Directive,
    headers: &HeaderMap,
) -> Result<(), Fault> {
    let changes = directive == Directive::Replace
        || headers.contains_key("x-amz-storage-class")
        || headers.contains_key("x-amz-website-redirect-location");
    if changes || source.bucket != *bucket || source.key != *key {
        return Ok(());
    }
    let message = "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.";
    Err(Fault::because(Code::InvalidRequest, message))
}

fn describe(
    found: &Found,
    directive: Directive,
    headers: &HeaderMap,
) -> Result<Description, Fault> {
    let told = Description::of(headers)?;
    let mut description = match directive {
        Directive::Replace => told,
        Directive::Copy => found.meta.description.for_copy(told),
    };
    description.tags = match Directive::of(headers, TAGGING_DIRECTIVE)? {
        Directive::Copy => found.meta.description.tags.clone(),
        Directive::Replace => meta::tags(headers)?,
    };
    Ok(description)
}
