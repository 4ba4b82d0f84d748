//! Listings: of buckets, and of a bucket's objects in both versions of S3's API.
//!
//! [`walk`] finds the keys in order; here are the parameters, the tokens and the documents.

#[cfg(test)]
mod tests;
mod versions;
mod walk;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::answer::{Answer, Failure, Fault};
use super::document::{Xml, iso_date};
use super::meta::{Identity, Meta};
use super::store::Store;
use super::tree::Kind;
use super::{Request, blocking, query};
use crate::types::BucketName;

use walk::{Entry, Page, Query, walk};

pub(super) use versions::versions;

/// S3's limit on the entries of a page, and the default.
pub(super) const MAX_ENTRIES: usize = 1000;
/// Who owns everything: id and name.
pub(super) const OWNER: &str = "directory";
/// What `encoding-type=url` leaves as it is.
const UNENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/');

/// ListBuckets: the sub-folders whose names are bucket names.
pub(super) async fn buckets(store: &Arc<Store>, call: &Request) -> Result<Answer, Failure> {
    let prefix = query(call, "prefix").unwrap_or_default().to_owned();
    let after = token(query(call, "continuation-token"))?.unwrap_or_default();
    let limit = limit(call, "max-buckets")?.unwrap_or(usize::MAX);
    let store = Arc::clone(store);
    blocking(move || {
        let mut names: Vec<_> = store
            .tree
            .names("")?
            .unwrap_or_default()
            .into_iter()
            .filter(|(name, kind)| *kind == Kind::Folder && name.parse::<BucketName>().is_ok())
            .map(|(name, _)| name)
            .filter(|name| name.starts_with(&prefix) && *name > after)
            .collect();
        names.sort_unstable();
        let more = names.len() > limit;
        names.truncate(limit);
        let mut answer = Xml::new("ListAllMyBucketsResult");
        owner(&mut answer, "Owner");
        answer.open("Buckets");
        for name in &names {
            let folder = std::fs::File::from(store.tree.folder(name)?);
            answer.open("Bucket");
            answer.text("Name", name);
            let made = Identity::of(&folder.metadata()?).seconds;
            answer.text("CreationDate", &iso_date(made));
            answer.close();
        }
        answer.close();
        if let (true, Some(last)) = (more, names.last()) {
            answer.text("ContinuationToken", &URL_SAFE_NO_PAD.encode(last));
        }
        Ok(answer.answer())
    })
    .await
}

/// Writes the one owner that a folder knows.
pub(super) fn owner(answer: &mut Xml, element: &'static str) {
    answer.open(element);
    answer.text("ID", OWNER);
    answer.text("DisplayName", OWNER);
    answer.close();
}

/// What a listing's answer repeats, and how it writes keys.
pub(super) struct Encoding(bool);

impl Encoding {
    /// # Errors
    /// `InvalidArgument` for an encoding that S3 has not.
    pub(super) fn of(call: &Request) -> Result<Self, Fault> {
        match query(call, "encoding-type") {
            None | Some("") => Ok(Self(false)),
            Some(url) if url.eq_ignore_ascii_case("url") => Ok(Self(true)),
            Some(other) => {
                let message = "Invalid Encoding Method specified in Request";
                Err(Fault::argument("encoding-type", other, message))
            }
        }
    }

    /// A key, or what is part of one.
    pub(super) fn text(&self, answer: &mut Xml, element: &str, value: &str) {
        if self.0 {
            answer.text(element, &utf8_percent_encode(value, UNENCODED).to_string());
        } else {
            answer.text(element, value);
        }
    }

    pub(super) fn name(&self, answer: &mut Xml) {
        if self.0 {
            answer.text("EncodingType", "url");
        }
    }
}

/// A page's limit: a number from 0, of which at most [`MAX_ENTRIES`] counts.
///
/// # Errors
/// `InvalidArgument` where it is none.
pub(super) fn limit(call: &Request, name: &'static str) -> Result<Option<usize>, Fault> {
    let Some(text) = query(call, name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    match text.parse::<i32>() {
        Ok(number) if number >= 0 => {
            let number = usize::try_from(number).unwrap_or(MAX_ENTRIES);
            Ok(Some(number.min(MAX_ENTRIES)))
        }
        Ok(_) => {
            let message = "Argument must be an integer between 0 and 2147483647";
            Err(Fault::argument(name, text, message))
        }
        Err(_) => {
            let message = "Provided value not an integer or within integer range";
            Err(Fault::argument(name, text, message))
        }
    }
}

/// Where a listing goes on.
fn token(text: Option<&str>) -> Result<Option<String>, Fault> {
    let Some(text) = text else {
        return Ok(None);
    };
    let decoded = URL_SAFE_NO_PAD.decode(text).ok();
    decoded
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .filter(|after| !after.is_empty())
        .map(Some)
        .ok_or_else(|| {
            let message = "The continuation token provided is incorrect";
            Fault::argument("continuation-token", text, message)
        })
}

/// A listing's parameters.
struct Listing {
    bucket: BucketName,
    second: bool,
    query: Query,
    encoding: Encoding,
    marker: Option<String>,
    start_after: Option<String>,
    token: Option<String>,
    owners: bool,
}

impl Listing {
    fn of(bucket: BucketName, call: &Request, second: bool) -> Result<Self, Fault> {
        let text = |name| query(call, name).map(str::to_owned);
        let token_text = text("continuation-token").filter(|_| second);
        let (marker, start_after) = (text("marker"), text("start-after"));
        let after = match (second, token(token_text.as_deref())?) {
            (false, _) => marker.clone(),
            (true, None) => start_after.clone(),
            (true, token) => token,
        };
        Ok(Self {
            bucket,
            second,
            query: Query {
                prefix: text("prefix").unwrap_or_default(),
                delimiter: text("delimiter").filter(|delimiter| !delimiter.is_empty()),
                after: after.unwrap_or_default(),
                limit: limit(call, "max-keys")?.unwrap_or(MAX_ENTRIES),
            },
            encoding: Encoding::of(call)?,
            marker,
            start_after,
            token: token_text,
            owners: !second || query(call, "fetch-owner") == Some("true"),
        })
    }

    fn write(&self, page: &Page, described: &[(usize, Meta)]) -> Answer {
        let mut answer = Xml::new("ListBucketResult");
        answer.text("Name", self.bucket.as_str());
        self.encoding
            .text(&mut answer, "Prefix", &self.query.prefix);
        let prefixes = page
            .entries
            .iter()
            .filter(|entry| entry.is_prefix())
            .count();
        if self.second {
            self.write_second(&mut answer, page, described.len() + prefixes);
        } else {
            let marker = self.marker.as_deref().unwrap_or_default();
            self.encoding.text(&mut answer, "Marker", marker);
            let next = page.last().filter(|_| page.truncated);
            // S3 tells the next marker only where it is not the last key.
            if let (Some(next), true) = (next, self.query.delimiter.is_some()) {
                self.encoding.text(&mut answer, "NextMarker", next);
            }
        }
        answer.text("MaxKeys", &self.query.limit.to_string());
        if let Some(delimiter) = &self.query.delimiter {
            self.encoding.text(&mut answer, "Delimiter", delimiter);
        }
        self.encoding.name(&mut answer);
        answer.flag("IsTruncated", page.truncated);
        for (index, meta) in described {
            if let Some(Entry::Key(key)) = page.entries.get(*index) {
                answer.open("Contents");
                self.encoding.text(&mut answer, "Key", key);
                write_object(&mut answer, meta, self.owners);
                answer.close();
            }
        }
        common_prefixes(&mut answer, &self.encoding, page);
        answer.answer()
    }

    fn write_second(&self, answer: &mut Xml, page: &Page, count: usize) {
        answer.text("KeyCount", &count.to_string());
        if let Some(token) = &self.token {
            answer.text("ContinuationToken", token);
        }
        if let Some(last) = page.last().filter(|_| page.truncated) {
            answer.text("NextContinuationToken", &URL_SAFE_NO_PAD.encode(last));
        }
        if let Some(start_after) = &self.start_after {
            self.encoding.text(answer, "StartAfter", start_after);
        }
    }
}

/// Writes what a listing says of an object behind its key.
fn write_object(answer: &mut Xml, meta: &Meta, owners: bool) {
    answer.text("LastModified", &iso_date(meta.identity.seconds));
    answer.text("ETag", &meta.quoted_etag());
    if let Some(checksum) = &meta.checksum {
        answer.text("ChecksumAlgorithm", checksum.algorithm.as_str());
        answer.text("ChecksumType", checksum.scope.as_str());
    }
    answer.text("Size", &meta.identity.size.to_string());
    if owners {
        owner(answer, "Owner");
    }
    answer.text("StorageClass", meta.storage_class());
}

/// Writes the common prefixes of a page.
fn common_prefixes(answer: &mut Xml, encoding: &Encoding, page: &Page) {
    for entry in &page.entries {
        if let Entry::Prefix(prefix) = entry {
            answer.open("CommonPrefixes");
            encoding.text(answer, "Prefix", prefix);
            answer.close();
        }
    }
}

/// ListObjects, or where `second` says so ListObjectsV2.
pub(super) async fn objects(
    store: &Arc<Store>,
    bucket: BucketName,
    call: &Request,
    second: bool,
) -> Result<Answer, Failure> {
    let listing = Listing::of(bucket, call, second)?;
    let store = Arc::clone(store);
    blocking(move || {
        store.require(&listing.bucket)?;
        let page = walk(&store, &listing.bucket, &listing.query)?;
        let described = describe(&store, &listing.bucket, &page)?;
        Ok(listing.write(&page, &described))
    })
    .await
}

/// What is known of the objects of a page, each with the index of its entry. One that has vanished since is left out.
fn describe(
    store: &Store,
    bucket: &BucketName,
    page: &Page,
) -> Result<Vec<(usize, Meta)>, Failure> {
    let mut described = Vec::new();
    for (index, entry) in page.entries.iter().enumerate() {
        if let Entry::Key(key) = entry
            && let Ok(key) = key.parse()
            && let Some(found) = store.look(bucket, &key)?
        {
            described.push((index, found.meta));
        }
    }
    Ok(described)
}
