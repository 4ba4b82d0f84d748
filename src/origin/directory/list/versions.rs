//! ListObjectVersions: a folder keeps one version of each object, `null`, as S3 does in buckets without versioning.

use std::sync::Arc;

use super::walk::{Entry, Page, Query, walk};
use super::{Encoding, MAX_ENTRIES, common_prefixes, describe, limit, write_object};
use crate::origin::directory::answer::{Answer, Failure, Fault};
use crate::origin::directory::document::Xml;
use crate::origin::directory::meta::Meta;
use crate::origin::directory::read::NULL_VERSION;
use crate::origin::directory::store::Store;
use crate::origin::directory::{Request, blocking, query};
use crate::types::BucketName;

/// A listing's parameters.
struct Listing {
    bucket: BucketName,
    query: Query,
    encoding: Encoding,
    version_marker: Option<String>,
}

impl Listing {
    fn of(bucket: BucketName, call: &Request) -> Result<Self, Fault> {
        let text = |name| query(call, name).map(str::to_owned);
        let marker = text("key-marker").filter(|marker| !marker.is_empty());
        let version_marker = text("version-id-marker");
        let refused = |message: &'static str| {
            let marker = version_marker.as_deref().unwrap_or_default();
            Err(Fault::argument("version-id-marker", marker, message))
        };
        match (&marker, version_marker.as_deref()) {
            (_, Some("")) => return refused("A version-id marker cannot be empty."),
            (None, Some(_)) => {
                return refused("A version-id marker cannot be specified without a key marker.");
            }
            (_, None) | (Some(_), Some(_)) => {}
        }
        Ok(Self {
            bucket,
            query: Query {
                prefix: text("prefix").unwrap_or_default(),
                delimiter: text("delimiter").filter(|delimiter| !delimiter.is_empty()),
                // Behind the one version of a key comes the next key.
                after: marker.unwrap_or_default(),
                limit: limit(call, "max-keys")?.unwrap_or(MAX_ENTRIES),
            },
            encoding: Encoding::of(call)?,
            version_marker,
        })
    }

    fn write(&self, page: &Page, described: &[(usize, Meta)]) -> Answer {
        let mut answer = Xml::new("ListVersionsResult");
        let Query { prefix, after, .. } = &self.query;
        answer.text("Name", self.bucket.as_str());
        self.encoding.text(&mut answer, "Prefix", prefix);
        self.encoding.text(&mut answer, "KeyMarker", after);
        let marker = self.version_marker.as_deref().unwrap_or_default();
        answer.text("VersionIdMarker", marker);
        if let Some(last) = page.entries.last().filter(|_| page.truncated) {
            self.encoding
                .text(&mut answer, "NextKeyMarker", last.text());
            if !last.is_prefix() {
                answer.text("NextVersionIdMarker", NULL_VERSION);
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
                answer.open("Version");
                self.encoding.text(&mut answer, "Key", key);
                answer.text("VersionId", NULL_VERSION);
                answer.flag("IsLatest", true);
                write_object(&mut answer, meta, true);
                answer.close();
            }
        }
        common_prefixes(&mut answer, &self.encoding, page);
        answer.answer()
    }
}

/// ListObjectVersions.
pub(in crate::origin::directory) async fn versions(
    store: &Arc<Store>,
    bucket: BucketName,
    call: &Request,
) -> Result<Answer, Failure> {
    let listing = Listing::of(bucket, call)?;
    let store = Arc::clone(store);
    blocking(move || {
        store.require(&listing.bucket)?;
        let page = walk(&store, &listing.bucket, &listing.query)?;
        let described = describe(&store, &listing.bucket, &page)?;
        Ok(listing.write(&page, &described))
    })
    .await
}
