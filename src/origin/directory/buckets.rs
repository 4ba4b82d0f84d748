//! CreateBucket and DeleteBucket: a bucket is a folder.
//!
//! Removing one is a single `rmdir`, which fails where an object was put in the meantime: no object is ever lost to it.

use std::net::Ipv4Addr;
use std::sync::Arc;

use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::answer::{Answer, Code, Failure, Fault, bare};
use super::store::Store;
use super::tree::Kind;
use super::{acl, blocking, path, put, xml};
use crate::origin::Payload;
use crate::types::BucketName;

/// The longest name that S3 gives a new bucket.
const MAX_NAME: usize = 63;

/// Makes the bucket's folder.
///
/// # Errors
/// `BucketAlreadyOwnedByYou` where it is there, `InvalidBucketName` where S3 would not make it, `NotImplemented` where it
/// should have more than a folder has (object lock, ACLs).
pub(super) async fn create(
    store: &Arc<Store>,
    bucket: BucketName,
    headers: HeaderMap,
    payload: Payload,
) -> Result<Answer, Failure> {
    check_name(&bucket)?;
    check_headers(&headers)?;
    let document = put::document(&headers, payload).await?;
    if !document.is_empty() {
        // Wherever it should be, the folder is here.
        xml::parse(&document, "CreateBucketConfiguration")?;
    }
    let store = Arc::clone(store);
    blocking(move || {
        if !store.tree.make_top(bucket.as_str())? {
            let fault = Fault::new(Code::BucketAlreadyOwnedByYou);
            return Err(fault.detail("BucketName", bucket.as_str()).into());
        }
        // What was kept of a bucket of this name that somebody else removed.
        store.tree.remove(&path::bucket_state(&bucket))?;
        let mut answer = bare(StatusCode::OK);
        let place = HeaderValue::from_str(&format!("/{bucket}"));
        let place = place.expect("a bucket's name is a header's value");
        answer.headers_mut().insert(LOCATION, place);
        Ok(answer)
    })
    .await
}

/// The rules for new buckets: folders that are there already may have older names.
fn check_name(bucket: &BucketName) -> Result<(), Fault> {
    let name = bucket.as_str();
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let fits = name.len() <= MAX_NAME
        && name
            .bytes()
            .all(|byte| inside(byte) || matches!(byte, b'.' | b'-'))
        && name.parse::<Ipv4Addr>().is_err();
    if fits {
        Ok(())
    } else {
        Err(Fault::new(Code::InvalidBucketName).detail("BucketName", name))
    }
}

fn check_headers(headers: &HeaderMap) -> Result<(), Fault> {
    acl::check_headers(headers)?;
    for (name, taken) in [
        ("x-amz-bucket-object-lock-enabled", "false"),
        ("x-amz-object-ownership", "BucketOwnerEnforced"),
    ] {
        if headers.get(name).is_some_and(|value| value != taken) {
            return Err(Fault::header_not_implemented(name));
        }
    }
    Ok(())
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
        store.tree.remove(&path::bucket_state(&bucket))?;
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
