//! CreateBucket and DeleteBucket: a bucket is a folder.
//!
//! Removing one is a single `rmdir`, which fails where an object was put in the meantime: no object is ever lost to it.

use std::sync::Arc;

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};

use super::answer::{Answer, Code, Failure, Fault, bare};
use super::blocking;
use super::path;
use super::store::Store;
use super::tree::Kind;
use crate::types::BucketName;

/// Makes the bucket's folder.
///
/// # Errors
/// `BucketAlreadyOwnedByYou` where it is there.
pub(super) async fn create(store: &Arc<Store>, bucket: BucketName) -> Result<Answer, Failure> {
    let store = Arc::clone(store);
    blocking(move || {
        if !store.tree.make_top(bucket.as_str())? {
            let fault = Fault::new(Code::BucketAlreadyOwnedByYou);
            return Err(fault.detail("BucketName", bucket.as_str()).into());
        }
        let mut answer = bare(StatusCode::OK);
        let place = HeaderValue::from_str(&format!("/{bucket}"));
        let place = place.expect("a bucket's name is a header's value");
        answer.headers_mut().insert(LOCATION, place);
        Ok(answer)
    })
    .await
}

/// Removes the bucket's folder, and what was kept beside it: empty folders, uploads that nobody completed.
///
/// # Errors
/// `NoSuchBucket`; `BucketNotEmpty` where an object is in it.
pub(super) async fn delete(store: &Arc<Store>, bucket: BucketName) -> Result<Answer, Failure> {
    let store = Arc::clone(store);
    blocking(move || {
        store.require(&bucket)?;
        let full = || {
            let fault = Fault::new(Code::BucketNotEmpty);
            Failure::from(fault.detail("BucketName", bucket.as_str()))
        };
        if !store.odd_keys(&bucket)?.is_empty() {
            return Err(full());
        }
        remove_empty_folders(&store, bucket.as_str())?;
        if store.tree.kind(bucket.as_str())?.is_some() {
            return Err(full());
        }
        remove_all(&store, &path::uploads(&bucket))?;
        // A description that is left there describes nothing.
        store.tree.remove_folder(&path::meta_folder(&bucket));
        store.tree.remove_folder(&path::odd_folder(&bucket));
        Ok(bare(StatusCode::NO_CONTENT))
    })
    .await
}

/// Removes a folder and those below it, as far as they hold nothing but folders.
fn remove_empty_folders(store: &Store, folder: &str) -> Result<(), Failure> {
    for (name, kind) in store.tree.names(folder)?.unwrap_or_default() {
        if kind == Kind::Folder {
            remove_empty_folders(store, &format!("{folder}/{name}"))?;
        }
    }
    store.tree.remove_folder(folder);
    Ok(())
}

/// Removes a folder of the origin's own state.
fn remove_all(store: &Store, folder: &str) -> Result<(), Failure> {
    for (name, kind) in store.tree.names(folder)?.unwrap_or_default() {
        let path = format!("{folder}/{name}");
        match kind {
            Kind::Folder => remove_all(store, &path)?,
            Kind::File | Kind::Other => store.tree.remove(&path)?,
        }
    }
    store.tree.remove_folder(folder);
    Ok(())
}
