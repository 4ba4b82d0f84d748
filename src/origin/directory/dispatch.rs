//! Which of the operations is called, and what it takes of the request.

use http::{HeaderValue, Method, StatusCode};

use super::answer::{Answer, Code, Failure, Fault, bare};
use super::document::Xml;
use super::multipart::{self, Slot};
use super::tagging::{self, Tagged};
use super::{Directory, Request, query};
use super::{acl, attributes, buckets, copy, delete, list, put, read, settings};
use crate::origin::{Call, Payload};
use crate::types::{BucketName, ObjectKey, OperationName, Scope};

impl Directory {
    pub(super) async fn dispatch(&self, call: Call) -> Result<Answer, Failure> {
        let (call, payload) = Request::of(call);
        match call.operation.spec().scope {
            Scope::Service => list::buckets(&self.store, &call).await,
            Scope::Bucket => self.dispatch_bucket(call, payload).await,
            Scope::Object => self.dispatch_object(call, payload).await,
        }
    }

    async fn dispatch_bucket(&self, call: Request, payload: Payload) -> Result<Answer, Failure> {
        use OperationName as Name;
        let store = &self.store;
        let bucket = bucket(&call)?;
        match call.operation {
            Name::CreateBucket => buckets::create(store, bucket, call.headers, payload).await,
            Name::DeleteBucket => buckets::delete(store, bucket).await,
            Name::HeadBucket => self.head_bucket(bucket).await,
            Name::GetBucketLocation => self.location(bucket).await,
            Name::ListObjects => list::objects(store, bucket, &call, false).await,
            Name::ListObjectsV2 => list::objects(store, bucket, &call, true).await,
            Name::ListObjectVersions => list::versions(store, bucket, &call).await,
            Name::ListMultipartUploads => multipart::list_uploads(store, bucket, &call).await,
            Name::DeleteObjects => delete::many(store, bucket, call.headers, payload).await,
            Name::GetBucketTagging => tagging::get_bucket(store, bucket).await,
            Name::PutBucketTagging => {
                tagging::put_bucket(store, bucket, call.headers, payload).await
            }
            Name::DeleteBucketTagging => tagging::delete_bucket(store, bucket).await,
            Name::GetBucketAcl => acl::get(store, bucket, None).await,
            Name::PutBucketAcl => acl::put(store, bucket, None, call.headers, payload).await,
            other => settings::of_bucket(store, bucket, other).await,
        }
    }

    async fn dispatch_object(&self, call: Request, payload: Payload) -> Result<Answer, Failure> {
        use OperationName as Name;
        let store = &self.store;
        let (bucket, key) = (bucket(&call)?, key(&call)?);
        let version = query(&call, "versionId").map(str::to_owned);
        match call.operation {
            Name::GetObject | Name::HeadObject => {
                let bodiless = call.method == Method::HEAD;
                read::answer(store, bucket, key, &call, bodiless).await
            }
            Name::PutObject => put::put(store, bucket, key, call.headers, payload).await,
            Name::CopyObject => copy::copy(store, bucket, key, call.headers).await,
            Name::DeleteObject => delete::one(store, bucket, key, version, call.headers).await,
            Name::GetObjectAttributes => {
                attributes::answer(store, (bucket, key), version, call.headers).await
            }
            Name::GetObjectAcl => acl::get(store, bucket, Some((key, version))).await,
            Name::PutObjectAcl => {
                let object = Some((key, version));
                acl::put(store, bucket, object, call.headers, payload).await
            }
            Name::GetObjectTagging | Name::PutObjectTagging | Name::DeleteObjectTagging => {
                let object = Tagged {
                    bucket,
                    key,
                    version,
                };
                match call.operation {
                    Name::GetObjectTagging => tagging::get(store, object).await,
                    Name::PutObjectTagging => {
                        tagging::put(store, object, call.headers, payload).await
                    }
                    _ => tagging::delete(store, object).await,
                }
            }
            Name::CreateMultipartUpload
            | Name::UploadPart
            | Name::UploadPartCopy
            | Name::CompleteMultipartUpload
            | Name::AbortMultipartUpload
            | Name::ListParts => self.dispatch_upload((bucket, key), call, payload).await,
            other => settings::of_object(store, (bucket, key), version, other).await,
        }
    }

    async fn dispatch_upload(
        &self,
        (bucket, key): (BucketName, ObjectKey),
        call: Request,
        payload: Payload,
    ) -> Result<Answer, Failure> {
        let store = &self.store;
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
}

fn bucket(call: &Request) -> Result<BucketName, Fault> {
    let missing = || Fault::because(Code::InvalidRequest, "The request names no bucket");
    call.bucket.clone().ok_or_else(missing)
}

fn key(call: &Request) -> Result<ObjectKey, Fault> {
    let missing = || Fault::because(Code::InvalidRequest, "The request names no key");
    call.key.clone().ok_or_else(missing)
}
