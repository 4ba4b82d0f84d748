//! Uploads in parts. Only CompleteMultipartUpload changes an object; parts are the origin's alone until then.

use http::Response;

use super::forward::{Forward, exchange, renamed};
use super::write::late;
use super::write::verify::{self, Claims, Fault};
use super::{Error, Request, Upload};
use crate::origin::Payload;
use crate::types::Body;

/// The longest list of parts: 10,000 of them, each with its ETag and a SHA-256, stay below.
const MAX_PARTS: usize = 4 << 20;
/// CreateMultipartUpload has no body, but some clients send a few bytes.
const MAX_NOTHING: usize = 64 << 10;

impl Forward<'_> {
    pub(crate) async fn create_upload(
        &self,
        mut request: Request,
    ) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        let payload = document(&mut request, MAX_NOTHING).await?;
        let call = Self::call(&route, &mut request, payload)?;
        renamed(&route, exchange(&route, call).await?).await
    }

    /// The part streams; a client that leaves takes the origin's request with it.
    pub(crate) async fn upload_part(&self, mut request: Request) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        let upload = std::mem::replace(&mut request.upload, Upload::none());
        let (payload, fault) = verify::payload(&mut request.headers, upload).await?;
        let call = Self::call(&route, &mut request, payload)?;
        let answer = exchange(&route, call).await;
        match fault.take() {
            Some(mistake) => Err(mistake),
            None => answer,
        }
    }

    pub(crate) async fn copy_part(&self, mut request: Request) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        let (call, source) = self.copy_call(&route, &mut request)?;
        let told = self.write(&route, Vec::new(), call, Fault::default());
        let answer = late::answer(told, &self.context.request_id).await;
        answer.map_err(|error| source.rename(error))
    }

    pub(crate) async fn complete_upload(
        &self,
        mut request: Request,
    ) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        let subjects = self.subjects(&route, &request)?;
        let payload = document(&mut request, MAX_PARTS).await?;
        let call = Self::call(&route, &mut request, payload)?;
        let told = self.write(&route, subjects, call, Fault::default());
        late::answer(told, &self.context.request_id).await
    }
}

async fn document(request: &mut Request, limit: usize) -> Result<Payload, Error> {
    let upload = std::mem::replace(&mut request.upload, Upload::none());
    let bytes = verify::document(&mut request.headers, upload, limit, Claims::Md5).await?;
    Ok(Payload::Whole(bytes))
}
