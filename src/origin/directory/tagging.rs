//! The tags of an object that is there, and those of a bucket.
//!
//! An object's tags are part of its description, which is replaced in one step beside the file that it describes; the file,
//! and so ETag and date, stay as they are. A file that somebody else put there gets a description with its first tags.
//! A bucket's tags are a file of their own.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Code, Failure, Fault, bare};
use super::meta::Identity;
use super::read::check_version;
use super::store::Store;
use super::tags::{Carrier, Tags};
use super::{blocking, path, put};
use crate::origin::Payload;
use crate::types::{BucketName, ObjectKey};

/// The object whose tags are meant.
pub(super) struct Tagged {
    pub(super) bucket: BucketName,
    pub(super) key: ObjectKey,
    pub(super) version: Option<String>,
}

/// GetObjectTagging.
pub(super) async fn get(store: &Arc<Store>, object: Tagged) -> Result<Answer, Failure> {
    let store = Arc::clone(store);
    blocking(move || {
        check_version(object.version.as_deref())?;
        let found = store.read(&object.bucket, &object.key)?;
        Ok(found.meta.description.tags().document().answer())
    })
    .await
}

/// PutObjectTagging.
pub(super) async fn put(
    store: &Arc<Store>,
    object: Tagged,
    headers: HeaderMap,
    payload: Payload,
) -> Result<Answer, Failure> {
    let document = put::document(&headers, payload).await?;
    let tags = Tags::of_document(&document, Carrier::Object)?;
    set(store, object, tags, StatusCode::OK).await
}

/// DeleteObjectTagging.
pub(super) async fn delete(store: &Arc<Store>, object: Tagged) -> Result<Answer, Failure> {
    set(store, object, Tags::default(), StatusCode::NO_CONTENT).await
}

async fn set(
    store: &Arc<Store>,
    object: Tagged,
    tags: Tags,
    status: StatusCode,
) -> Result<Answer, Failure> {
    let store = Arc::clone(store);
    blocking(move || {
        check_version(object.version.as_deref())?;
        store.describe(&store, (&object.bucket, &object.key), |description| {
            description.tags = tags.to_stored();
        })?;
        Ok(bare(status))
    })
    .await
}

/// What is kept of a bucket beside its folder.
#[derive(Debug, Serialize, Deserialize)]
struct BucketState {
    /// The folder that it is about: one that somebody else made anew has no tags.
    inode: u64,
    tags: String,
}

/// GetBucketTagging.
pub(super) async fn get_bucket(store: &Arc<Store>, bucket: BucketName) -> Result<Answer, Failure> {
    let store = Arc::clone(store);
    blocking(move || {
        let inode = inode(&store, &bucket)?;
        let state = store.tree.read(&path::bucket_state(&bucket))?;
        let state = state.and_then(|bytes| serde_json::from_slice::<BucketState>(&bytes).ok());
        let state = state
            .filter(|state| state.inode == inode)
            .ok_or_else(|| Fault::new(Code::NoSuchTagSet).detail("BucketName", bucket.as_str()))?;
        Ok(Tags::stored(&state.tags).document().answer())
    })
    .await
}

/// PutBucketTagging.
pub(super) async fn put_bucket(
    store: &Arc<Store>,
    bucket: BucketName,
    headers: HeaderMap,
    payload: Payload,
) -> Result<Answer, Failure> {
    let document = put::document(&headers, payload).await?;
    let tags = Tags::of_document(&document, Carrier::Bucket)?;
    let store = Arc::clone(store);
    blocking(move || {
        let state = BucketState {
            inode: inode(&store, &bucket)?,
            tags: tags.to_stored().unwrap_or_default(),
        };
        let staged = store.stage_json(&store, &state)?;
        staged.keep(&path::bucket_state(&bucket))?;
        Ok(bare(StatusCode::NO_CONTENT))
    })
    .await
}

/// DeleteBucketTagging.
pub(super) async fn delete_bucket(
    store: &Arc<Store>,
    bucket: BucketName,
) -> Result<Answer, Failure> {
    let store = Arc::clone(store);
    blocking(move || {
        store.require(&bucket)?;
        store.tree.remove(&path::bucket_state(&bucket))?;
        Ok(bare(StatusCode::NO_CONTENT))
    })
    .await
}

fn inode(store: &Store, bucket: &BucketName) -> Result<u64, Failure> {
    store.require(bucket)?;
    let folder = std::fs::File::from(store.tree.folder(bucket.as_str())?);
    Ok(Identity::of(&folder.metadata()?).inode)
}
