//! A local folder served as an origin: for a first try, for tests, and for sites without an object store.
//!
//! Buckets are the folders in it and keys are the plain files below them, so that a folder that exists already can be
//! served as it is. `.forebay/` in it holds what plain files cannot: descriptions, keys that no path can hold, uploads.
//! Answers are S3's, down to codes and documents. Signs and checks no requests.

mod acl;
mod answer;
mod attributes;
mod buckets;
mod checksum;
mod conditions;
mod copy;
mod delete;
mod dispatch;
mod document;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod list;
mod meta;
mod multipart;
mod path;
mod put;
mod read;
mod settings;
mod staging;
mod store;
mod tagging;
mod tags;
#[cfg(test)]
mod tests;
mod tree;
mod xml;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use http::{HeaderMap, Method};

use self::answer::{Answer, Failure};
use self::store::Store;
use super::{Call, Error, Fetched, Get, Head, ObjectHead, Origin, Payload};
use crate::types::{BucketName, ObjectKey, OperationName, OriginFingerprint};

/// The settings of a `directory` origin.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder, whose sub-folders are the buckets. It must exist.
    pub path: PathBuf,
}

/// A folder as an origin.
#[derive(Debug)]
pub struct Directory {
    store: Arc<Store>,
    /// The folder's canonical path.
    endpoint: String,
}

impl Directory {
    /// Opens the folder. Blocking, and quick.
    ///
    /// # Errors
    /// Where there is no folder at the path, or it may not be entered.
    pub fn open(config: &Config) -> io::Result<Self> {
        let folder = config.path.canonicalize()?;
        Ok(Self {
            store: Arc::new(Store::open(&folder)?),
            endpoint: folder.to_string_lossy().into_owned(),
        })
    }

    async fn require(&self, bucket: BucketName) -> Result<(), Failure> {
        let store = Arc::clone(&self.store);
        blocking(move || store.require(&bucket)).await
    }
}

#[async_trait::async_trait]
impl Origin for Directory {
    fn fingerprint(&self, bucket: &BucketName) -> OriginFingerprint {
        OriginFingerprint::new("directory", &self.endpoint, "", bucket)
    }

    fn keeps_dot_segments(&self) -> bool {
        true
    }

    async fn get(&self, get: Get) -> Result<Fetched, Error> {
        let fetched = read::get(&self.store, get).await;
        fetched.map_err(|failure| failure.into_error(false))
    }

    async fn head(&self, head: Head) -> Result<ObjectHead, Error> {
        let head = read::head(&self.store, head).await;
        head.map_err(|failure| failure.into_error(true))
    }

    async fn call(&self, call: Call) -> Result<Answer, Error> {
        let silent = call.method == Method::HEAD;
        match self.dispatch(call).await {
            Ok(answer) => Ok(answer),
            Err(failure) => failure.into_answer(silent),
        }
    }

    async fn probe(&self, bucket: Option<&BucketName>) -> Result<(), Error> {
        let done = match bucket {
            Some(bucket) => self.require(bucket.clone()).await,
            None => {
                let store = Arc::clone(&self.store);
                blocking(move || Ok(store.tree.names("").map(drop)?)).await
            }
        };
        done.map_err(|failure| failure.into_error(false))
    }
}

/// A call without its body, which only writers take.
#[derive(Debug)]
struct Request {
    operation: OperationName,
    method: Method,
    bucket: Option<BucketName>,
    key: Option<ObjectKey>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
}

impl Request {
    fn of(call: Call) -> (Self, Payload) {
        let request = Self {
            operation: call.operation,
            method: call.method,
            bucket: call.bucket,
            key: call.key,
            query: call.query,
            headers: call.headers,
        };
        (request, call.payload)
    }
}

/// The first parameter of this name.
fn query<'a>(call: &'a Request, name: &str) -> Option<&'a str> {
    let found = call.query.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str())
}

/// Does work that may block on the file system.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::Io(io::Error::other(error)))?
}
