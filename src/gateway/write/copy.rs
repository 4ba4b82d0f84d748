//! CopyObject, and the source of every copy under the origin's names.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response};

use crate::gateway::forward::Forward;
use crate::gateway::forward::rename::encode_key;
use crate::gateway::write::late;
use crate::gateway::write::verify::Fault;
use crate::gateway::{Error, Request};
use crate::origin::{Call, Payload};
use crate::routes::Route;
use crate::types::{Body, CopySource};

const COPY_SOURCE: &str = "x-amz-copy-source";

impl Forward<'_> {
    pub(crate) async fn copy(&self, mut request: Request) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        let objects = self.objects(&route, &request)?;
        let call = self.copy_call(&route, &mut request)?;
        let told = self.write(&route, objects, call, Fault::default());
        late::answer(told, &self.context.request_id).await
    }

    /// The origin's request of a CopyObject or UploadPartCopy.
    pub(crate) fn copy_call(
        &self,
        route: &Arc<Route>,
        request: &mut Request,
    ) -> Result<Call, Error> {
        let source = request.operation.copy_source.as_ref();
        let source = source.ok_or(Error::InvalidArgument {
            name: COPY_SOURCE,
            message: "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        })?;
        let from = self.route_of(&source.bucket)?;
        if from.origin.name != route.origin.name {
            return Err(Error::NotImplemented("A copy across origins"));
        }
        let value = source_header(&from, source)?;
        request.headers.insert(COPY_SOURCE, value);
        Self::call(route, request, Payload::Whole(Bytes::new()))
    }
}

/// `BUCKET/KEY[?versionId=ID]` under the origin's names.
fn source_header(from: &Route, source: &CopySource) -> Result<HeaderValue, Error> {
    let key = from.origin_key(&source.key)?;
    let mut value = format!("{}/{}", from.origin_bucket, encode_key(key.as_str()));
    if let Some(version) = &source.version_id {
        value.push_str("?versionId=");
        value.push_str(&encode_key(version));
    }
    Ok(HeaderValue::from_str(&value).expect("percent-encoded text is a header's value"))
}
