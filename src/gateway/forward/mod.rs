//! Everything that is not a read of an object, on its way through to the origin.
//!
//! A request comes under the client's names, goes out as a [`Call`] under the origin's ([`Forward::call`]), and the answer
//! comes back under the client's again ([`rename`]). The families of operations have their own files; nothing here is cached
//! but which buckets exist ([`buckets`]).

mod bucket_life;
mod buckets;
mod configuration;
mod detail;
pub(crate) mod rename;
#[cfg(test)]
pub(crate) mod support;

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, Response, StatusCode, header};
use http_body_util::BodyExt as _;

use super::read::NotModified;
use super::write::verify;
use super::{Answer, Context, Error, Gateway, Request};
use crate::cache::small::Small;
use crate::memory::{Exhausted, Pool, Reservation};
use crate::origin::{self, Call, Payload, Refusal};
use crate::records::Records;
use crate::routes::{Route, Routes};
use crate::tasks::Tasks;
use crate::types::body::full;
use crate::types::{Body, BucketName, Family, OriginFingerprint, Source, Target};

pub use buckets::Buckets;

/// The longest document that is held to be rewritten: a listing of 1,000 keys of 1,024 bytes, each escaped at its worst,
/// stays below.
const MAX_DOCUMENT: usize = 16 << 20;
/// The longest error document. S3's have some hundred bytes.
const MAX_REFUSAL: usize = 64 << 10;

/// What an upload holds at one time, in bytes: a frame that is read, one that is held back, and one that is written.
const UPLOAD_WINDOW: u64 = 512 << 10;
/// How long an upload waits for memory before its client is told to slow down.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(10);

/// What forwarding takes of the gateway, for one request.
pub(crate) struct Forward<'a> {
    pub(crate) routes: Arc<Routes>,
    pub(crate) records: &'a Arc<Records>,
    pub(crate) small: &'a Arc<Small>,
    pub(crate) tasks: &'a Tasks,
    pub(crate) buckets: &'a Buckets,
    pub(crate) not_modified: &'a NotModified,
    pub(crate) context: &'a Context,
}

impl Gateway {
    /// Answers every operation but GetObject and HeadObject.
    ///
    /// # Errors
    /// Before any byte of the answer was sent; the origin's error answers are [`origin::Error::Refused`].
    pub async fn forward(&self, context: &Context, mut request: Request) -> Result<Answer, Error> {
        let forward = Forward {
            routes: self.routes.load_full(),
            records: &self.records,
            small: &self.tiers.small,
            tasks: &self.tasks,
            buckets: &self.buckets,
            not_modified: &self.not_modified,
            context,
        };
        // Taken before the body is touched: a client that asked to continue hears so only then.
        let has_body = matches!(request.method, Method::PUT | Method::POST)
            && request.upload.length != Some(0);
        let room = self.room_for_upload(has_body).await?;
        request.upload.hold(room);
        let response = Box::pin(forward.serve(request)).await?;
        Ok(Answer {
            response,
            source: Source::Bypass,
        })
    }
}

impl Gateway {
    /// Memory for what of a body is under way at one time.
    async fn room_for_upload(&self, has_body: bool) -> Result<Option<Reservation>, Error> {
        if !has_body {
            return Ok(None);
        }
        match self
            .memory
            .reserve(Pool::Upload, UPLOAD_WINDOW, UPLOAD_PATIENCE)
            .await
        {
            Ok(reservation) => Ok(Some(reservation)),
            Err(Exhausted) => {
                self.metrics.cache.slowed_down.increment();
                Err(Error::SlowDown)
            }
        }
    }
}

impl Forward<'_> {
    pub(crate) async fn serve(&self, request: Request) -> Result<Response<Body>, Error> {
        match request.operation.name.spec().family {
            Family::ListBuckets => self.list_buckets(request).await,
            Family::LookAtBucket => self.look_at_bucket(request).await,
            Family::CreateBucket => self.create_bucket(request).await,
            Family::DeleteBucket => self.delete_bucket(request).await,
            Family::List => self.list(request).await,
            Family::Put => self.put(request).await,
            Family::Delete => self.delete(request).await,
            Family::DeleteMany => self.delete_many(request).await,
            Family::Copy => self.copy(request).await,
            Family::CreateUpload => self.create_upload(request).await,
            Family::UploadPart => self.upload_part(request).await,
            Family::CopyPart => self.copy_part(request).await,
            Family::CompleteUpload => self.complete_upload(request).await,
            Family::Upload => self.plain(request).await,
            Family::Read | Family::ObjectDetail => self.object_detail(request).await,
            Family::ObjectChange => self.change_object(request).await,
            Family::Select => self.select(request).await,
            Family::BucketSetting => self.bucket_setting(request).await,
            Family::BucketDetail => self.bucket_detail(request).await,
            Family::BucketChange => self.change_bucket(request).await,
        }
    }

    /// A request without a body, of which nothing but names changes.
    pub(crate) async fn plain(&self, mut request: Request) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        let call = Self::call(&route, &mut request, Payload::Whole(Bytes::new()))?;
        renamed(&route, exchange(&route, call).await?).await
    }

    /// To be held while a bucket is made, deleted or set up: whatever comes back, and if nobody waits for it, what is known of
    /// the bucket is dropped then.
    fn changing(&self, route: &Route) -> Changing<'_> {
        Changing {
            buckets: self.buckets,
            not_modified: self.not_modified,
            bucket: route.fingerprint,
        }
    }

    /// What stands behind the request's bucket.
    pub(crate) fn route(&self, request: &Request) -> Result<Arc<Route>, Error> {
        match &request.operation.target {
            Target::Bucket(bucket) | Target::Object(bucket, _) => self.route_of(bucket),
            Target::Service => Err(Error::InvalidRequest("The request names no bucket.")),
        }
    }

    pub(crate) fn route_of(&self, bucket: &BucketName) -> Result<Arc<Route>, Error> {
        let found = self.routes.find(bucket);
        found.ok_or_else(|| Error::NoSuchBucket(bucket.clone()))
    }

    /// The origin's request: same operation, query and headers, under the origin's bucket and key.
    pub(crate) fn call(
        route: &Route,
        request: &mut Request,
        payload: Payload,
    ) -> Result<Call, Error> {
        let key = match &request.operation.target {
            Target::Object(_, key) => Some(route.origin_key(key)?),
            Target::Bucket(_) | Target::Service => None,
        };
        // Whoever reads a body has taken it; elsewhere it announces nothing.
        request.headers.remove(verify::ANNOUNCED);
        Ok(Call {
            operation: request.operation.name,
            method: request.method.clone(),
            bucket: Some(route.origin_bucket.clone()),
            key,
            query: mem::take(&mut request.query),
            headers: mem::take(&mut request.headers),
            payload,
        })
    }
}

/// See [`Forward::changing`].
struct Changing<'a> {
    buckets: &'a Buckets,
    not_modified: &'a NotModified,
    bucket: OriginFingerprint,
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.buckets.forget(self.bucket);
        self.not_modified.forget(self.bucket);
    }
}

/// Sends a call; an error answer of the origin is an error here, with names as the client knows them.
pub(crate) async fn exchange(route: &Route, call: Call) -> Result<Response<Body>, Error> {
    let response = route.origin.origin.call(call).await?;
    let accepted = accept(response).await;
    accepted.map_err(|error| in_clients_names(route, error.into()))
}

/// The error with the client's names in the origin's document.
pub(crate) fn in_clients_names(route: &Route, mut error: Error) -> Error {
    if let Error::Origin(origin::Error::Refused(refusal)) = &mut error
        && !rename::is_identity(route)
        // The answer to a HEAD has none, but the length of one.
        && !refusal.body.is_empty()
    {
        // One that cannot be read may hold the origin's names anywhere.
        let document = rename::rename(&refusal.body, route).unwrap_or_default();
        refusal.body = document.into();
        refusal.headers.remove(header::CONTENT_LENGTH);
    }
    error
}

/// An answer that is no error; an error answer is a [`Refusal`].
pub(crate) async fn accept(response: Response<Body>) -> Result<Response<Body>, origin::Error> {
    let status = response.status();
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    // An error without a readable document is still that error.
    let body = collect(body, MAX_REFUSAL).await.unwrap_or_default();
    Err(origin::Error::Refused(Box::new(Refusal {
        status: parts.status,
        headers: parts.headers,
        body,
    })))
}

/// The answer with the client's names in its document.
pub(crate) async fn renamed(
    route: &Route,
    response: Response<Body>,
) -> Result<Response<Body>, Error> {
    if rename::is_identity(route) {
        return Ok(response);
    }
    Ok(whole(route, response).await?.map(full))
}

/// The answer, read to its end, with the client's names in its document.
pub(crate) async fn whole(
    route: &Route,
    response: Response<Body>,
) -> Result<Response<Bytes>, Error> {
    let (mut parts, body) = response.into_parts();
    let document = collect(body, MAX_DOCUMENT).await?;
    if rename::is_identity(route) || document.is_empty() {
        return Ok(Response::from_parts(parts, document));
    }
    let document = rename::rename(&document, route)
        .map_err(|_| origin::Error::Nonsense("its answer is not well-formed XML"))?;
    parts.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(parts, document.into()))
}

async fn collect(mut body: Body, limit: usize) -> Result<Bytes, origin::Error> {
    let mut document = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(origin::Error::Unreachable)?;
        let data = frame.into_data().unwrap_or_default();
        if document.len() + data.len() > limit {
            return Err(origin::Error::Nonsense("its document is too long"));
        }
        document.extend_from_slice(&data);
    }
    Ok(document.freeze())
}

#[cfg(test)]
mod tests;
