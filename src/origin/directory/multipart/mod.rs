//! Multipart uploads: begun, listed, aborted. [`parts`] takes the parts in, [`complete`] makes the object of them.
//!
//! An upload is a folder with its terms (`upload.json`), and per part a file of bytes and a description that names it. The
//! description is renamed into place, so that a part is replaced in one step; a lock per upload keeps its ending apart from
//! its parts' arrivals.

mod complete;
mod listing;
mod parts;

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Code, Failure, Fault, bare};
use super::checksum::{Algorithm, Checksum, Scope};
use super::document::Xml;
use super::meta::{Description, Identity};
use super::store::Store;
use super::{blocking, path, put};
use crate::types::{BucketName, ObjectKey};

pub(super) use complete::complete;
pub(super) use listing::{list_parts, list_uploads};
pub(super) use parts::{Slot, upload, upload_copy};

const TERMS: &str = "upload.json";
const UPLOAD_ID_DIGITS: usize = 32;

/// What was agreed on when an upload began.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Terms {
    key: String,
    description: Description,
    checksum: Option<(Algorithm, Scope)>,
}

/// A part that has arrived.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Part {
    number: u32,
    /// The name of the file of its bytes.
    file: String,
    md5: [u8; 16],
    size: u64,
    /// Seconds since 1970.
    modified: i64,
    /// What was agreed on, or claimed for this part.
    checksum: Option<Checksum>,
    /// Of the default algorithm, in base64.
    #[serde(default)]
    default_sum: String,
}

impl Part {
    fn etag(&self) -> String {
        hex::encode(self.md5)
    }
}

/// An upload that is under way.
#[derive(Debug)]
struct Upload {
    id: String,
    folder: String,
    terms: Terms,
    /// Seconds since 1970.
    begun: i64,
}

impl Upload {
    /// Finds the upload of a key. Blocking.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchUpload`.
    fn find(
        store: &Store,
        bucket: &BucketName,
        key: &ObjectKey,
        id: &str,
    ) -> Result<Self, Failure> {
        store.require(bucket)?;
        let upload = Self::read(store, bucket, id)?;
        upload
            .filter(|upload| upload.terms.key == key.as_str())
            .ok_or_else(|| Fault::new(Code::NoSuchUpload).detail("UploadId", id).into())
    }

    fn read(store: &Store, bucket: &BucketName, id: &str) -> Result<Option<Self>, Failure> {
        if id.len() != UPLOAD_ID_DIGITS || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let folder = format!("{}/{id}", path::uploads(bucket));
        let terms = format!("{folder}/{TERMS}");
        let (Some(file), Some(bytes)) = (store.tree.look(&terms)?, store.tree.read(&terms)?) else {
            return Ok(None);
        };
        let begun = Identity::of(&file.metadata()?).seconds;
        let terms = serde_json::from_slice(&bytes).map_err(std::io::Error::from)?;
        Ok(Some(Self {
            id: id.to_owned(),
            folder,
            terms,
            begun,
        }))
    }

    fn part_path(&self, number: u32) -> String {
        format!("{}/part.{number:05}.json", self.folder)
    }

    fn data_path(&self, part: &Part) -> String {
        format!("{}/{}", self.folder, part.file)
    }

    fn part(&self, store: &Store, number: u32) -> Result<Option<Part>, Failure> {
        let bytes = store.tree.read(&self.part_path(number))?;
        let part = bytes
            .map(|bytes| serde_json::from_slice(&bytes))
            .transpose();
        Ok(part.map_err(std::io::Error::from)?)
    }

    /// All parts, by number.
    fn parts(&self, store: &Store) -> Result<Vec<Part>, Failure> {
        let names = store.tree.names(&self.folder)?.unwrap_or_default();
        let mut parts = Vec::new();
        for (name, _) in names {
            let number = name
                .strip_prefix("part.")
                .and_then(|name| name.strip_suffix(".json"))
                .and_then(|number| number.parse().ok());
            if let Some(number) = number {
                parts.extend(self.part(store, number)?);
            }
        }
        parts.sort_unstable_by_key(|part: &Part| part.number);
        Ok(parts)
    }

    /// Removes the upload and its parts: the terms first, which ends it.
    fn remove(&self, store: &Store) -> Result<(), Failure> {
        store.tree.remove(&format!("{}/{TERMS}", self.folder))?;
        for (name, _) in store.tree.names(&self.folder)?.unwrap_or_default() {
            store.tree.remove(&format!("{}/{name}", self.folder))?;
        }
        store.tree.remove_folder(&self.folder);
        Ok(())
    }
}

/// CreateMultipartUpload.
pub(super) async fn create(
    store: &Arc<Store>,
    bucket: BucketName,
    key: ObjectKey,
    headers: HeaderMap,
) -> Result<Answer, Failure> {
    let terms = Terms {
        key: key.as_str().to_owned(),
        description: Description::of(&headers)?,
        checksum: agreed_checksum(&headers)?,
    };
    let store = Arc::clone(store);
    blocking(move || {
        store.require(&bucket)?;
        let id = store.unique();
        let folder = format!("{}/{id}", path::uploads(&bucket));
        store
            .stage_json(&store, &terms)?
            .keep(&format!("{folder}/{TERMS}"))?;
        let mut answer = Xml::new("InitiateMultipartUploadResult");
        answer.text("Bucket", bucket.as_str());
        answer.text("Key", key.as_str());
        answer.text("UploadId", &id);
        let mut answer = answer.answer();
        if let Some((algorithm, scope)) = terms.checksum {
            let headers = answer.headers_mut();
            let name = http::HeaderName::from_static;
            put::insert(
                headers,
                name("x-amz-checksum-algorithm"),
                algorithm.as_str(),
            );
            put::insert(headers, name("x-amz-checksum-type"), scope.as_str());
        }
        Ok(answer)
    })
    .await
}

fn agreed_checksum(headers: &HeaderMap) -> Result<Option<(Algorithm, Scope)>, Fault> {
    let refused = |message: &'static str| Err(Fault::because(Code::InvalidRequest, message));
    let scope = match headers
        .get("x-amz-checksum-type")
        .map(|value| value.as_bytes())
    {
        None => None,
        Some(b"COMPOSITE") => Some(Scope::Composite),
        Some(b"FULL_OBJECT") => Some(Scope::FullObject),
        Some(_) => return refused("Value for x-amz-checksum-type header is invalid."),
    };
    let algorithm = Algorithm::requested(headers)?;
    match (algorithm, scope) {
        (None, None) => Ok(None),
        (None, Some(_)) => refused(
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
        ),
        (Some(Algorithm::Crc64Nvme), Some(Scope::Composite)) => refused(
            "The COMPOSITE checksum type cannot be used with the crc64nvme checksum algorithm.",
        ),
        (Some(Algorithm::Sha1 | Algorithm::Sha256), Some(Scope::FullObject)) => refused(
            "The FULL_OBJECT checksum type cannot be used with the sha checksum algorithms.",
        ),
        (Some(algorithm), scope) => Ok(Some((
            algorithm,
            scope.unwrap_or(algorithm.default_scope()),
        ))),
    }
}

/// AbortMultipartUpload.
pub(super) async fn abort(
    store: &Arc<Store>,
    bucket: BucketName,
    key: ObjectKey,
    id: String,
) -> Result<Answer, Failure> {
    let store = Arc::clone(store);
    blocking(move || {
        let _guard = store.uploads.lock(&id);
        Upload::find(&store, &bucket, &key, &id)?.remove(&store)?;
        Ok(bare(StatusCode::NO_CONTENT))
    })
    .await
}
