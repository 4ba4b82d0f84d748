//! DeleteObject and DeleteObjects.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, StatusCode};

use super::answer::{Answer, Code, Failure, Fault, bare};
use super::document::Xml;
use super::read::NULL_VERSION;
use super::store::Store;
use super::xml::{self, Element};
use super::{blocking, put};
use crate::origin::Payload;
use crate::types::{BucketName, ObjectKey};

/// S3's limit on the keys of one request.
const MAX_KEYS: usize = 1000;

/// DeleteObject: of a key that has no object, too, and of a version that is not there.
pub(super) async fn one(
    store: &Arc<Store>,
    bucket: BucketName,
    key: ObjectKey,
    version: Option<String>,
    headers: HeaderMap,
) -> Result<Answer, Failure> {
    let store = Arc::clone(store);
    blocking(move || {
        store.require(&bucket)?;
        let tag = headers
            .get(http::header::IF_MATCH)
            .map(|tag| tag.to_str().unwrap_or_default());
        if version
            .as_deref()
            .is_none_or(|version| version == NULL_VERSION)
        {
            store.remove(&bucket, &key, tag)?;
        }
        let mut answer = bare(StatusCode::NO_CONTENT);
        if let Some(version) = version {
            let name = HeaderName::from_static("x-amz-version-id");
            put::insert(answer.headers_mut(), name, &version);
        }
        Ok(answer)
    })
    .await
}

/// DeleteObjects: each key for itself; the answer names those that failed, and the others unless it is to be quiet.
pub(super) async fn many(
    store: &Arc<Store>,
    bucket: BucketName,
    headers: HeaderMap,
    payload: Payload,
) -> Result<Answer, Failure> {
    let document = put::document(&headers, payload).await?;
    let tree = xml::parse(&document, "Delete")?;
    let objects: Vec<_> = tree.all("Object").collect();
    if objects.is_empty() || objects.len() > MAX_KEYS {
        return Err(Code::MalformedXML.into());
    }
    if objects
        .iter()
        .any(|object| object.get("Key").is_none_or(str::is_empty))
    {
        return Err(Code::MalformedXML.into());
    }
    let store = Arc::clone(store);
    blocking(move || {
        store.require(&bucket)?;
        let quiet = tree
            .get("Quiet")
            .is_some_and(|quiet| quiet.trim().eq_ignore_ascii_case("true"));
        let mut answer = Xml::new("DeleteResult");
        for object in tree.all("Object") {
            report(&mut answer, object, remove(&store, &bucket, object), quiet);
        }
        Ok(answer.answer())
    })
    .await
}

fn remove(store: &Store, bucket: &BucketName, object: &Element) -> Result<(), Failure> {
    let key = object.get("Key").unwrap_or_default();
    let key: ObjectKey = key.parse().map_err(|_| Code::KeyTooLongError)?;
    match object.get("VersionId") {
        None | Some(NULL_VERSION) => {
            store.remove(bucket, &key, object.get("ETag"))?;
            Ok(())
        }
        Some(_) => Err(Code::NoSuchVersion.into()),
    }
}

fn report(answer: &mut Xml, object: &Element, outcome: Result<(), Failure>, quiet: bool) {
    let element = match outcome {
        Ok(()) if quiet => return,
        Ok(()) => "Deleted",
        Err(_) => "Error",
    };
    answer.open(element);
    answer.text("Key", object.get("Key").unwrap_or_default());
    if let Some(version) = object.get("VersionId") {
        answer.text("VersionId", version);
    }
    match outcome.map_err(Failure::classified) {
        Ok(()) => {}
        Err(Failure::Fault(fault)) => write_fault(answer, &fault),
        Err(Failure::Io(_) | Failure::Body(_) | Failure::Unsupported(_)) => {
            answer.text("Code", "InternalError");
            answer.text(
                "Message",
                "We encountered an internal error. Please try again.",
            );
        }
    }
    answer.close();
}

fn write_fault(answer: &mut Xml, fault: &Fault) {
    answer.text("Code", fault.code.as_str());
    answer.text("Message", fault.message());
}
