//! ListParts and ListMultipartUploads.

use std::sync::Arc;

use super::Upload;
use crate::origin::directory::answer::{Answer, Failure, Fault};
use crate::origin::directory::document::{Xml, iso_date};
use crate::origin::directory::list::{Encoding, MAX_ENTRIES, limit, owner};
use crate::origin::directory::store::Store;
use crate::origin::directory::{Request, blocking, path, query};
use crate::types::{BucketName, ObjectKey};

/// ListParts.
pub(in crate::origin::directory) async fn list_parts(
    store: &Arc<Store>,
    (bucket, key): (BucketName, ObjectKey),
    id: String,
    call: &Request,
) -> Result<Answer, Failure> {
    let limit = limit(call, "max-parts")?.unwrap_or(MAX_ENTRIES);
    let encoding = Encoding::of(call)?;
    let marker = part_marker(call)?;
    let store = Arc::clone(store);
    blocking(move || {
        let upload = Upload::find(&store, &bucket, &key, &id)?;
        let mut parts = upload.parts(&store)?;
        parts.retain(|part| part.number > marker);
        let truncated = parts.len() > limit;
        parts.truncate(limit);
        let mut answer = Xml::new("ListPartsResult");
        answer.text("Bucket", bucket.as_str());
        encoding.text(&mut answer, "Key", key.as_str());
        answer.text("UploadId", &id);
        owner(&mut answer, "Initiator");
        owner(&mut answer, "Owner");
        let class = upload.terms.description.storage_class.as_deref();
        answer.text("StorageClass", class.unwrap_or("STANDARD"));
        answer.text("PartNumberMarker", &marker.to_string());
        let next = parts.last().map_or(0, |part| part.number);
        answer.text("NextPartNumberMarker", &next.to_string());
        answer.text("MaxParts", &limit.to_string());
        answer.flag("IsTruncated", truncated);
        if let Some((algorithm, scope)) = upload.terms.checksum {
            answer.text("ChecksumAlgorithm", algorithm.as_str());
            answer.text("ChecksumType", scope.as_str());
        }
        for part in &parts {
            answer.open("Part");
            answer.text("PartNumber", &part.number.to_string());
            answer.text("LastModified", &iso_date(part.modified));
            answer.text("ETag", &format!("\"{}\"", part.etag()));
            answer.text("Size", &part.size.to_string());
            if let Some(checksum) = &part.checksum {
                answer.text(checksum.algorithm.element(), &checksum.value);
            }
            answer.close();
        }
        Ok(answer.answer())
    })
    .await
}

fn part_marker(call: &Request) -> Result<u32, Fault> {
    let Some(text) = query(call, "part-number-marker").filter(|text| !text.is_empty()) else {
        return Ok(0);
    };
    text.parse().map_err(|_| {
        let message = "Provided part-number-marker not an integer or within integer range";
        Fault::argument("part-number-marker", text, message)
    })
}

/// ListMultipartUploads: by key, and those of one key by their age.
pub(in crate::origin::directory) async fn list_uploads(
    store: &Arc<Store>,
    bucket: BucketName,
    call: &Request,
) -> Result<Answer, Failure> {
    let text = |name| query(call, name).unwrap_or_default().to_owned();
    let (marker, id_marker) = (text("key-marker"), text("upload-id-marker"));
    let asked = Asked {
        prefix: text("prefix"),
        delimiter: Some(text("delimiter")).filter(|delimiter| !delimiter.is_empty()),
        limit: limit(call, "max-uploads")?.unwrap_or(MAX_ENTRIES),
    };
    let encoding = Encoding::of(call)?;
    let store = Arc::clone(store);
    blocking(move || {
        store.require(&bucket)?;
        let uploads = behind(all(&store, &bucket)?, (&marker, &id_marker));
        let uploads = Page::of(uploads, &asked, &marker);
        let mut answer = Xml::new("ListMultipartUploadsResult");
        answer.text("Bucket", bucket.as_str());
        encoding.text(&mut answer, "KeyMarker", &marker);
        answer.text("UploadIdMarker", &id_marker);
        if let (true, Some((key, id))) = (uploads.truncated, &uploads.last) {
            encoding.text(&mut answer, "NextKeyMarker", key);
            answer.text("NextUploadIdMarker", id);
        }
        encoding.text(&mut answer, "Prefix", &asked.prefix);
        if let Some(delimiter) = &asked.delimiter {
            encoding.text(&mut answer, "Delimiter", delimiter);
        }
        encoding.name(&mut answer);
        answer.text("MaxUploads", &asked.limit.to_string());
        answer.flag("IsTruncated", uploads.truncated);
        for upload in &uploads.uploads {
            write(&mut answer, &encoding, upload);
        }
        for prefix in &uploads.prefixes {
            answer.open("CommonPrefixes");
            encoding.text(&mut answer, "Prefix", prefix);
            answer.close();
        }
        Ok(answer.answer())
    })
    .await
}

/// What to list.
struct Asked {
    prefix: String,
    delimiter: Option<String>,
    limit: usize,
}

/// A page of uploads.
#[derive(Default)]
struct Page {
    uploads: Vec<Upload>,
    prefixes: Vec<String>,
    /// The markers of the next page.
    last: Option<(String, String)>,
    truncated: bool,
}

impl Page {
    fn of(uploads: Vec<Upload>, asked: &Asked, marker: &str) -> Self {
        let mut page = Self::default();
        let matching = uploads
            .into_iter()
            .filter(|upload| upload.terms.key.starts_with(&asked.prefix));
        for upload in matching {
            let common = common_prefix(&upload.terms.key, asked);
            if let Some(common) = &common
                && (common == marker || page.prefixes.last() == Some(common))
            {
                continue;
            }
            if page.uploads.len() + page.prefixes.len() >= asked.limit {
                page.truncated = asked.limit > 0;
                break;
            }
            match common {
                Some(common) => {
                    page.last = Some((common.clone(), String::new()));
                    page.prefixes.push(common);
                }
                None => {
                    page.last = Some((upload.terms.key.clone(), upload.id.clone()));
                    page.uploads.push(upload);
                }
            }
        }
        page
    }
}

fn common_prefix(key: &str, asked: &Asked) -> Option<String> {
    let delimiter = asked.delimiter.as_ref()?;
    let start = asked.prefix.len();
    let at = key[start..].find(delimiter.as_str())?;
    Some(key[..start + at + delimiter.len()].to_owned())
}

/// All uploads of a bucket, by key and age.
fn all(store: &Store, bucket: &BucketName) -> Result<Vec<Upload>, Failure> {
    let mut uploads = Vec::new();
    for (id, _) in store
        .tree
        .names(&path::uploads(bucket))?
        .unwrap_or_default()
    {
        uploads.extend(Upload::read(store, bucket, &id)?);
    }
    uploads.sort_by(|one, other| {
        let order = |upload: &Upload| (upload.begun, upload.id.clone());
        one.terms
            .key
            .cmp(&other.terms.key)
            .then_with(|| order(one).cmp(&order(other)))
    });
    Ok(uploads)
}

/// The uploads behind a key, or behind one upload of it. One that has ended in the meantime hides none of its key.
fn behind(uploads: Vec<Upload>, (key, id): (&str, &str)) -> Vec<Upload> {
    let is_marker = |upload: &Upload| upload.terms.key == key && upload.id == id;
    if !id.is_empty()
        && let Some(at) = uploads.iter().position(is_marker)
    {
        return uploads.into_iter().skip(at + 1).collect();
    }
    let later = |upload: &Upload| {
        let upload = upload.terms.key.as_str();
        upload > key || (upload == key && !id.is_empty())
    };
    uploads.into_iter().filter(later).collect()
}

fn write(answer: &mut Xml, encoding: &Encoding, upload: &Upload) {
    answer.open("Upload");
    encoding.text(answer, "Key", &upload.terms.key);
    answer.text("UploadId", &upload.id);
    owner(answer, "Initiator");
    owner(answer, "Owner");
    let class = upload.terms.description.storage_class.as_deref();
    answer.text("StorageClass", class.unwrap_or("STANDARD"));
    answer.text("Initiated", &iso_date(upload.begun));
    if let Some((algorithm, scope)) = upload.terms.checksum {
        answer.text("ChecksumAlgorithm", algorithm.as_str());
        answer.text("ChecksumType", scope.as_str());
    }
    answer.close();
}
