//! Reads past the cache: the client's own request, answered by the origin as it likes.

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;
use tokio::sync::OwnedSemaphorePermit;

use super::request::{Read, ReadMethod};
use super::source::Source;
use crate::gateway::forward::accept;
use crate::gateway::{Answer, Error};
use crate::origin::{Call, Payload};
use crate::types::{OperationName, Source as From};

/// Sends the read to the origin. `lane` is held until the answer's body has ended.
pub(super) async fn pass_through(
    source: &Source,
    read: &Read,
    lane: Option<OwnedSemaphorePermit>,
) -> Result<Answer, Error> {
    source.metrics.cache.passed_through.increment();
    let (operation, method) = match read.method {
        ReadMethod::Get => (OperationName::GetObject, Method::GET),
        ReadMethod::Head => (OperationName::HeadObject, Method::HEAD),
    };
    let call = Call {
        operation,
        method,
        bucket: Some(source.aim.route.origin_bucket.clone()),
        key: Some(source.key().clone()),
        query: read.query.clone(),
        headers: read.headers.clone(),
        payload: Payload::Whole(Bytes::new()),
    };
    let response = accept(source.aim.route.origin.origin.call(call).await?).await?;
    let response = response.map(|body| {
        body.map_frame(move |frame| {
            let _held_until_the_body_ends = &lane;
            frame
        })
        .boxed_unsync()
    });
    Ok(Answer {
        response,
        source: From::Bypass,
    })
}
