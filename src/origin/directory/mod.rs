//! A local folder served as an origin: for a first try, for tests, and for sites without an object store.
//!
//! Buckets are the folders in it and keys are the plain files below them, so that a folder that exists already can be
//! served as it is. `.forebay/` in it holds what plain files cannot: descriptions, keys that no path can hold, uploads.
//! Answers are S3's, down to codes and documents. Signs and checks no requests.

mod answer;
mod buckets;
mod checksum;
mod conditions;
mod copy;
mod delete;
mod document;
mod list;
mod meta;
mod multipart;
mod path;
mod put;
mod read;
mod staging;
mod store;
#[cfg(test)]
mod tests;
mod tree;
mod xml;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, StatusCode};

use self::answer::{Answer, Failure, Fault, bare};
use self::document::Xml;
use self::multipart::Slot;
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

    async fn dispatch(&self, call: Call) -> Result<Answer, Failure> {
        let store = &self.store;
        let (call, payload) = Request::of(call);
        match call.operation {
            OperationName::ListBuckets => list::buckets(store, &call).await,
            OperationName::CreateBucket => buckets::create(store, bucket(&call)?).await,
            OperationName::DeleteBucket => buckets::delete(store, bucket(&call)?).await,
            OperationName::HeadBucket => self.head_bucket(bucket(&call)?).await,
            OperationName::GetBucketLocation => self.location(bucket(&call)?).await,
            OperationName::ListObjects => list::objects(store, bucket(&call)?, &call, false).await,
            OperationName::ListObjectsV2 => list::objects(store, bucket(&call)?, &call, true).await,
            OperationName::DeleteObjects => {
                delete::many(store, bucket(&call)?, call.headers, payload).await
            }
            OperationName::ListMultipartUploads => {
                multipart::list_uploads(store, bucket(&call)?, &call).await
            }
            OperationName::GetObject
            | OperationName::HeadObject
            | OperationName::PutObject
            | OperationName::CopyObject
            | OperationName::DeleteObject => self.dispatch_object(call, payload).await,
            OperationName::CreateMultipartUpload
            | OperationName::UploadPart
            | OperationName::UploadPartCopy
            | OperationName::CompleteMultipartUpload
            | OperationName::AbortMultipartUpload
            | OperationName::ListParts => self.dispatch_upload(call, payload).await,
            other => Err(Failure::Unsupported(other)),
        }
    }

    async fn dispatch_object(&self, call: Request, payload: Payload) -> Result<Answer, Failure> {
        let store = &self.store;
        let (bucket, key) = (bucket(&call)?, key(&call)?);
        match call.operation {
            OperationName::PutObject => put::put(store, bucket, key, call.headers, payload).await,
            OperationName::CopyObject => copy::copy(store, bucket, key, call.headers).await,
            OperationName::DeleteObject => {
                let version = query(&call, "versionId").map(str::to_owned);
                delete::one(store, bucket, key, version, call.headers).await
            }
            _ => {
                let bodiless = call.method == Method::HEAD;
                read::answer(store, bucket, key, &call, bodiless).await
            }
        }
    }

    async fn dispatch_upload(&self, call: Request, payload: Payload) -> Result<Answer, Failure> {
        let store = &self.store;
        let (bucket, key) = (bucket(&call)?, key(&call)?);
        let upload = query(&call, "uploadId").unwrap_or_default().to_owned();
        match call.operation {
            OperationName::CreateMultipartUpload => {
                multipart::create(store, bucket, key, call.headers).await
            }
            OperationName::CompleteMultipartUpload => {
                let object = (bucket, key);
                multipart::complete(store, object, upload, call.headers, payload).await
            }
            OperationName::AbortMultipartUpload => {
                multipart::abort(store, bucket, key, upload).await
            }
            OperationName::ListParts => {
                multipart::list_parts(store, (bucket, key), upload, &call).await
            }
            operation => {
                let number = read::part_number(query(&call, "partNumber").unwrap_or_default())?;
                let slot = Slot {
                    bucket,
                    key,
                    upload,
                    number,
                };
                if operation == OperationName::UploadPartCopy {
                    multipart::upload_copy(store, slot, call.headers).await
                } else {
                    multipart::upload(store, slot, call.headers, payload).await
                }
            }
        }
    }

    async fn head_bucket(&self, bucket: BucketName) -> Result<Answer, Failure> {
        self.require(bucket).await?;
        let mut answer = bare(StatusCode::OK);
        let region = HeaderValue::from_static("us-east-1");
        answer.headers_mut().insert("x-amz-bucket-region", region);
        Ok(answer)
    }

    async fn location(&self, bucket: BucketName) -> Result<Answer, Failure> {
        self.require(bucket).await?;
        // An empty element is S3's way to say us-east-1.
        Ok(Xml::new("LocationConstraint").answer())
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

fn bucket(call: &Request) -> Result<BucketName, Fault> {
    let missing = || Fault::because(answer::Code::InvalidRequest, "The request names no bucket");
    call.bucket.clone().ok_or_else(missing)
}

fn key(call: &Request) -> Result<ObjectKey, Fault> {
    let missing = || Fault::because(answer::Code::InvalidRequest, "The request names no key");
    call.key.clone().ok_or_else(missing)
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
