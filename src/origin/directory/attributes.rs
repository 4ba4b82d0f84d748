//! GetObjectAttributes: what is known of an object, without its body.
//!
//! Parts are listed as AWS lists them: one by one where they have checksums of their own (a composite checksum), else only
//! their number is told.

use std::str::FromStr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::LAST_MODIFIED;

use super::answer::{Answer, Code, Failure, Fault};
use super::blocking;
use super::checksum::Scope;
use super::document::{Xml, http_date};
use super::list::MAX_ENTRIES;
use super::meta::Meta;
use super::put::insert;
use super::read::check_version;
use super::store::Store;
use crate::types::{BucketName, ObjectKey};

const ASKED: &str = "x-amz-object-attributes";

/// An attribute that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attribute {
    ETag,
    Checksum,
    ObjectParts,
    StorageClass,
    ObjectSize,
}

impl FromStr for Attribute {
    type Err = Fault;

    fn from_str(name: &str) -> Result<Self, Fault> {
        match name {
            "ETag" => Ok(Self::ETag),
            "Checksum" => Ok(Self::Checksum),
            "ObjectParts" => Ok(Self::ObjectParts),
            "StorageClass" => Ok(Self::StorageClass),
            "ObjectSize" => Ok(Self::ObjectSize),
            other => Err(Fault::argument(
                ASKED,
                other,
                "Invalid attribute name specified.",
            )),
        }
    }
}

/// What a request asks for.
#[derive(Debug)]
struct Asked {
    attributes: Vec<Attribute>,
    /// The parts behind this number.
    marker: usize,
    max_parts: usize,
}

impl Asked {
    /// # Errors
    /// `InvalidRequest` where no attribute is named, `InvalidArgument` where one is unknown.
    fn of(headers: &HeaderMap) -> Result<Self, Fault> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        // S3 takes a number that is none for one that was not given.
        let number = |name: &str| text(name).and_then(|value| value.parse().ok());
        let mut attributes = Vec::new();
        for value in headers.get_all(ASKED) {
            let names = value.to_str().unwrap_or_default().split(',').map(str::trim);
            for name in names.filter(|name| !name.is_empty()) {
                attributes.push(name.parse()?);
            }
        }
        if attributes.is_empty() {
            let message = "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty";
            return Err(Fault::because(Code::InvalidRequest, message));
        }
        Ok(Self {
            attributes,
            marker: number("x-amz-part-number-marker").unwrap_or(0),
            max_parts: number("x-amz-max-parts").map_or(MAX_ENTRIES, |max| max.min(MAX_ENTRIES)),
        })
    }

    fn has(&self, attribute: Attribute) -> bool {
        self.attributes.contains(&attribute)
    }

    fn document(&self, meta: &Meta) -> Xml {
        let mut document = Xml::new("GetObjectAttributesResponse");
        if self.has(Attribute::ETag) {
            document.text("ETag", &meta.etag);
        }
        if let Some(checksum) = &meta.checksum
            && self.has(Attribute::Checksum)
        {
            document.open("Checksum");
            // Here a composite checksum has no number of parts behind it.
            let value = checksum.value.split('-').next().unwrap_or_default();
            document.text(checksum.algorithm.element(), value);
            document.text("ChecksumType", checksum.scope.as_str());
            document.close();
        }
        if !meta.parts.is_empty() && self.has(Attribute::ObjectParts) {
            self.parts(meta, &mut document);
        }
        if self.has(Attribute::StorageClass) {
            document.text("StorageClass", meta.storage_class());
        }
        if self.has(Attribute::ObjectSize) {
            document.text("ObjectSize", &meta.identity.size.to_string());
        }
        document
    }

    fn parts(&self, meta: &Meta, document: &mut Xml) {
        document.open("ObjectParts");
        let composite = meta
            .checksum
            .as_ref()
            .filter(|sum| sum.scope == Scope::Composite);
        if let Some(checksum) = composite {
            let all = meta.parts.iter().zip(&meta.part_sums).enumerate();
            let behind = all.skip(self.marker).take(self.max_parts);
            let page: Vec<_> = behind.map(|(index, part)| (index + 1, part)).collect();
            let next = page.last().map_or(self.marker, |(number, _)| *number);
            let truncated = !page.is_empty() && next < meta.parts.len();
            document.flag("IsTruncated", truncated);
            document.text("MaxParts", &self.max_parts.to_string());
            document.text("NextPartNumberMarker", &next.to_string());
            document.text("PartNumberMarker", &self.marker.to_string());
            for (number, (size, sum)) in page {
                document.open("Part");
                document.text(checksum.algorithm.element(), sum);
                document.text("PartNumber", &number.to_string());
                document.text("Size", &size.to_string());
                document.close();
            }
        }
        document.text("PartsCount", &meta.parts.len().to_string());
        document.close();
    }
}

/// GetObjectAttributes.
pub(super) async fn answer(
    store: &Arc<Store>,
    (bucket, key): (BucketName, ObjectKey),
    version: Option<String>,
    headers: HeaderMap,
) -> Result<Answer, Failure> {
    let store = Arc::clone(store);
    blocking(move || {
        check_version(version.as_deref())?;
        let asked = Asked::of(&headers)?;
        let found = store.read(&bucket, &key)?;
        let mut answer = asked.document(&found.meta).answer();
        let modified = http_date(found.meta.identity.seconds);
        insert(answer.headers_mut(), LAST_MODIFIED, &modified);
        Ok(answer)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&'static str, &'static str)]) -> Result<Asked, Code> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, http::HeaderValue::from_static(value));
        }
        Asked::of(&headers).map_err(|fault| fault.code)
    }

    #[test]
    fn attributes_are_asked_for_by_name() {
        let both = asked(&[(ASKED, "ETag, ObjectSize"), (ASKED, "Checksum,")]).expect("attributes");
        let expected = [Attribute::ETag, Attribute::ObjectSize, Attribute::Checksum];
        assert_eq!(both.attributes, expected);
        assert_eq!(asked(&[]).err(), Some(Code::InvalidRequest));
        assert_eq!(asked(&[(ASKED, ",")]).err(), Some(Code::InvalidRequest));
        assert_eq!(asked(&[(ASKED, "etag")]).err(), Some(Code::InvalidArgument));
        let odd = asked(&[(ASKED, "ETag"), ("x-amz-max-parts", "-1")]).expect("attributes");
        assert_eq!(odd.max_parts, MAX_ENTRIES);
    }
}
