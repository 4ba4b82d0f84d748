//! Listings of buckets, objects, versions and uploads; and the deletion of many keys at once.

use std::collections::BTreeSet;

use http::{Method, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use forebay::types::body::Body;

use super::TestOrigin;
use super::answer::{Refused, element, inner, status, text, xml};
use super::asked::Asked;
use super::payload::Arrived;
use super::store::{Bucket, MODIFIED_ISO, State, Version};

/// How S3 encodes keys where `encoding-type=url` is asked for.
const ENCODED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'*')
    .remove(b'/');

/// What a listing is cut down to.
struct Frame<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
    most: usize,
    encode: bool,
}

/// One line of a listing.
struct Entry {
    /// What it is sorted by, and where the next listing goes on.
    key: String,
    id: String,
    xml: String,
}

/// A page of a listing.
struct Page {
    entries: Vec<Entry>,
    prefixes: BTreeSet<String>,
    truncated: bool,
    last: (String, String),
}

impl<'a> Frame<'a> {
    fn of(asked: &'a Asked, most: &str) -> Result<Self, Refused> {
        Ok(Self {
            prefix: asked.param("prefix").unwrap_or_default(),
            delimiter: asked.param("delimiter").filter(|it| !it.is_empty()),
            most: asked.number(most, 1000)?.min(1000),
            encode: asked.param("encoding-type") == Some("url"),
        })
    }

    fn key(&self, key: &str) -> String {
        match self.encode {
            true => utf8_percent_encode(key, &ENCODED).to_string(),
            false => key.to_owned(),
        }
    }

    /// The common prefix that stands for `key`, where one does.
    fn folded(&self, key: &str) -> Option<String> {
        let delimiter = self.delimiter?;
        let rest = key.strip_prefix(self.prefix)?;
        let end = rest.find(delimiter)? + delimiter.len();
        Some(key[..self.prefix.len() + end].to_owned())
    }

    /// Cuts sorted entries down to a page.
    fn page(&self, entries: Vec<Entry>, after: &str) -> Page {
        let mut page = Page {
            entries: Vec::new(),
            prefixes: BTreeSet::new(),
            truncated: false,
            last: Default::default(),
        };
        for entry in entries {
            if !entry.key.starts_with(self.prefix) {
                continue;
            }
            let folded = self.folded(&entry.key);
            let known = folded.as_ref().is_some_and(|it| page.prefixes.contains(it));
            if known || folded.as_deref().is_some_and(|it| it <= after) {
                continue;
            }
            if page.entries.len() + page.prefixes.len() == self.most {
                page.truncated = self.most > 0;
                break;
            }
            match folded {
                Some(prefix) => {
                    page.last = (prefix.clone(), String::new());
                    page.prefixes.insert(prefix);
                }
                None => {
                    page.last = (entry.key.clone(), entry.id.clone());
                    page.entries.push(entry);
                }
            }
        }
        page
    }

    /// The elements that every listing has, and its entries.
    fn inner(&self, asked: &Asked, most: &str, page: &Page) -> String {
        let mut inner = element("Name", &asked.bucket);
        inner += &element("Prefix", &self.key(self.prefix));
        inner += &element(most, &self.most.to_string());
        inner += &element("IsTruncated", &page.truncated.to_string());
        if let Some(delimiter) = self.delimiter {
            inner += &element("Delimiter", &self.key(delimiter));
        }
        if self.encode {
            inner += &element("EncodingType", "url");
        }
        for entry in &page.entries {
            inner += &entry.xml;
        }
        for prefix in &page.prefixes {
            let prefix = element("Prefix", &self.key(prefix));
            inner += &format!("<CommonPrefixes>{prefix}</CommonPrefixes>");
        }
        inner
    }
}

impl TestOrigin {
    pub(super) fn list_buckets(&self) -> Response<Body> {
        let state = self.state();
        let names = state.buckets.keys().map(|name| {
            let inner = element("Name", name) + &element("CreationDate", MODIFIED_ISO);
            format!("<Bucket>{inner}</Bucket>")
        });
        let buckets: String = names.collect();
        let owner = "<Owner><ID>owner</ID></Owner>";
        xml(
            "ListAllMyBucketsResult",
            &format!("{owner}<Buckets>{buckets}</Buckets>"),
        )
    }

    pub(super) fn look_at_bucket(&self, asked: &Asked) -> Result<Response<Body>, Refused> {
        let mut state = self.state();
        let bucket = state.bucket(&asked.bucket)?;
        if asked.method == Method::HEAD {
            return Ok(status(200));
        }
        if let Some(answer) = bucket.document(asked) {
            return answer;
        }
        if asked.has("location") {
            return Ok(xml("LocationConstraint", ""));
        }
        if asked.has("versions") {
            return list_versions(asked, bucket);
        }
        if asked.has("uploads") {
            return list_uploads(asked, bucket);
        }
        match asked.param("list-type") {
            None => list_objects(asked, bucket),
            Some("2") => list_objects_v2(asked, bucket),
            Some(_) => Err(Refused::argument("list-type")),
        }
    }

    pub(super) fn change_bucket(
        &self,
        asked: &Asked,
        arrived: &Arrived,
    ) -> Result<Response<Body>, Refused> {
        let mut state = self.state();
        if asked.query.is_empty() && asked.method == Method::PUT {
            if state.buckets.contains_key(&asked.bucket) {
                return Err(Refused::new(409, "BucketAlreadyOwnedByYou"));
            }
            state
                .buckets
                .insert(asked.bucket.clone(), Bucket::default());
            return Ok(status(200));
        }
        if asked.query.is_empty() && asked.method == Method::DELETE {
            if !state.bucket(&asked.bucket)?.objects.is_empty() {
                return Err(Refused::new(409, "BucketNotEmpty"));
            }
            state.buckets.remove(&asked.bucket);
            return Ok(status(204));
        }
        if asked.method == Method::POST && asked.has("delete") {
            return delete_many(&mut state, asked, arrived);
        }
        state.bucket(&asked.bucket)?.change_document(asked, arrived)
    }
}

fn list_objects(asked: &Asked, bucket: &Bucket) -> Result<Response<Body>, Refused> {
    let frame = Frame::of(asked, "max-keys")?;
    let marker = asked.param("marker").unwrap_or_default();
    let page = frame.page(contents(&frame, bucket, marker, true), marker);
    let mut inner = frame.inner(asked, "MaxKeys", &page);
    inner += &element("Marker", &frame.key(marker));
    if page.truncated && frame.delimiter.is_some() {
        inner += &element("NextMarker", &frame.key(&page.last.0));
    }
    Ok(xml("ListBucketResult", &inner))
}

fn list_objects_v2(asked: &Asked, bucket: &Bucket) -> Result<Response<Body>, Refused> {
    let frame = Frame::of(asked, "max-keys")?;
    let start = asked.param("start-after").unwrap_or_default();
    // A token is opaque to clients: here it is the last key, in hexadecimal digits.
    let token = asked.param("continuation-token").map(hex::decode);
    let token = token
        .transpose()
        .map_err(|_| Refused::argument("continuation-token"))?
        .map(|token| String::from_utf8_lossy(&token).into_owned());
    let after = token.as_deref().unwrap_or(start);
    let owner = asked.param("fetch-owner") == Some("true");
    let page = frame.page(contents(&frame, bucket, after, owner), after);
    let mut inner = frame.inner(asked, "MaxKeys", &page);
    let count = page.entries.len() + page.prefixes.len();
    inner += &element("KeyCount", &count.to_string());
    if let Some(token) = asked.param("continuation-token") {
        inner += &element("ContinuationToken", token);
    }
    if !start.is_empty() {
        inner += &element("StartAfter", &frame.key(start));
    }
    if page.truncated {
        inner += &element("NextContinuationToken", &hex::encode(&page.last.0));
    }
    Ok(xml("ListBucketResult", &inner))
}

fn contents(frame: &Frame<'_>, bucket: &Bucket, after: &str, owner: bool) -> Vec<Entry> {
    let keys = bucket.objects.keys().filter(|key| key.as_str() > after);
    keys.filter_map(|key| {
        let version = bucket.current(key)?;
        let inner = described(frame, key, version, owner);
        Some(Entry {
            key: key.clone(),
            id: String::new(),
            xml: format!("<Contents>{inner}</Contents>"),
        })
    })
    .collect()
}

/// The elements that describe an object in a listing.
fn described(frame: &Frame<'_>, key: &str, version: &Version, owner: bool) -> String {
    let mut inner = element("Key", &frame.key(key));
    inner += &element("LastModified", MODIFIED_ISO);
    if !version.marker {
        inner += &element("ETag", &version.etag);
        for checksum in &version.checksums {
            inner += &element("ChecksumAlgorithm", &checksum.algorithm.to_uppercase());
        }
        inner += &element("Size", &version.content.size().to_string());
        inner += &element("StorageClass", "STANDARD");
    }
    if owner {
        inner += "<Owner><ID>owner</ID></Owner>";
    }
    inner
}

fn list_versions(asked: &Asked, bucket: &Bucket) -> Result<Response<Body>, Refused> {
    let frame = Frame::of(asked, "max-keys")?;
    let marker = asked.param("key-marker").unwrap_or_default();
    let id_marker = asked.param("version-id-marker").unwrap_or_default();
    let mut entries = Vec::new();
    for (key, versions) in &bucket.objects {
        let mut passed = key.as_str() > marker;
        for (age, version) in versions.iter().rev().enumerate() {
            if passed {
                let name = match version.marker {
                    true => "DeleteMarker",
                    false => "Version",
                };
                let mut inner = described(&frame, key, version, true);
                inner += &element("VersionId", &version.id);
                inner += &element("IsLatest", &(age == 0).to_string());
                entries.push(Entry {
                    key: key.clone(),
                    id: version.id.clone(),
                    xml: format!("<{name}>{inner}</{name}>"),
                });
            }
            passed |= key == marker && version.id == id_marker;
        }
    }
    let page = frame.page(entries, marker);
    let mut inner = frame.inner(asked, "MaxKeys", &page);
    inner += &element("KeyMarker", &frame.key(marker));
    inner += &element("VersionIdMarker", id_marker);
    if page.truncated {
        inner += &element("NextKeyMarker", &frame.key(&page.last.0));
        inner += &element("NextVersionIdMarker", &page.last.1);
    }
    Ok(xml("ListVersionsResult", &inner))
}

fn list_uploads(asked: &Asked, bucket: &Bucket) -> Result<Response<Body>, Refused> {
    let frame = Frame::of(asked, "max-uploads")?;
    let marker = asked.param("key-marker").unwrap_or_default();
    let id_marker = asked.param("upload-id-marker").unwrap_or_default();
    let mut uploads: Vec<_> = bucket.uploads.iter().collect();
    uploads.sort_by_key(|(id, upload)| (upload.key.clone(), (*id).clone()));
    let passed = |key: &str, id: &str| {
        key > marker || (key == marker && !id_marker.is_empty() && id > id_marker)
    };
    let entries = uploads
        .into_iter()
        .filter(|(id, upload)| passed(&upload.key, id))
        .map(|(id, upload)| {
            let mut inner = element("Key", &frame.key(&upload.key));
            inner += &element("UploadId", id);
            inner += &element("Initiated", MODIFIED_ISO);
            Entry {
                key: upload.key.clone(),
                id: id.clone(),
                xml: format!("<Upload>{inner}</Upload>"),
            }
        });
    let page = frame.page(entries.collect(), marker);
    let mut inner = frame.inner(asked, "MaxUploads", &page);
    inner = inner
        .replacen("<Name>", "<Bucket>", 1)
        .replacen("</Name>", "</Bucket>", 1);
    inner += &element("KeyMarker", &frame.key(marker));
    inner += &element("UploadIdMarker", id_marker);
    if page.truncated {
        inner += &element("NextKeyMarker", &frame.key(&page.last.0));
        inner += &element("NextUploadIdMarker", &page.last.1);
    }
    Ok(xml("ListMultipartUploadsResult", &inner))
}

fn delete_many(
    state: &mut State,
    asked: &Asked,
    arrived: &Arrived,
) -> Result<Response<Body>, Refused> {
    if arrived.checksums.is_empty() && !asked.headers.contains_key("content-md5") {
        return Err(Refused::new(400, "InvalidRequest"));
    }
    let document = arrived.content.whole();
    let malformed = || Refused::new(400, "MalformedXML");
    let document = std::str::from_utf8(&document).map_err(|_| malformed())?;
    let quiet = text(document, "Quiet").as_deref() == Some("true");
    let mut result = String::new();
    for object in inner(document, "Object") {
        let key = text(object, "Key").ok_or_else(malformed)?;
        let id = text(object, "VersionId");
        let next = state.next();
        let bucket = state.bucket(&asked.bucket)?;
        let (gone, marker) = bucket.delete(&key, id.as_deref(), next);
        let mut inner = element("Key", &key);
        inner += &id
            .as_ref()
            .map_or(String::new(), |id| element("VersionId", id));
        if marker {
            inner += &element("DeleteMarker", "true");
            inner += &element("DeleteMarkerVersionId", &gone.unwrap_or_default());
        }
        if !quiet {
            result += &format!("<Deleted>{inner}</Deleted>");
        }
    }
    Ok(xml("DeleteResult", &result))
}
