//! Writes: streamed through to the origin, one attempt, announced to every reader before and after.
//!
//! Every write runs in a task of its own: begin (all members have heard of it), the origin's call, its whole answer, end.
//! So a client that leaves does not end a write that the origin still works on, and no way out of it skips the end.

pub(crate) mod copy;
pub(crate) mod delete;
pub(crate) mod digest;
pub(crate) mod late;
pub(crate) mod verify;

use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use tokio::sync::oneshot;

use super::forward::{Forward, exchange, whole};
use super::{Error, Request, Upload};
use crate::origin::{Call, Payload};
use crate::routes::Route;
use crate::types::body::full;
use crate::types::{Body, CanonicalObject, Target};
use late::Outcome;
use verify::Fault;

impl Forward<'_> {
    pub(crate) async fn put(&self, mut request: Request) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        let objects = self.objects(&route, &request)?;
        let upload = mem::replace(&mut request.upload, Upload::none());
        let (payload, fault) = verify::payload(&mut request.headers, upload).await?;
        let call = Self::call(&route, &mut request, payload)?;
        self.written(&route, objects, call, fault).await
    }

    pub(crate) async fn delete(&self, mut request: Request) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        let objects = self.objects(&route, &request)?;
        let call = Self::call(&route, &mut request, Payload::Whole(Bytes::new()))?;
        self.written(&route, objects, call, Fault::default()).await
    }

    /// The objects that a request for one key changes.
    pub(crate) fn objects(
        &self,
        route: &Route,
        request: &Request,
    ) -> Result<Vec<CanonicalObject>, Error> {
        match &request.operation.target {
            Target::Object(_, key) => Ok(vec![route.canonical(key)?]),
            Target::Bucket(_) | Target::Service => Ok(Vec::new()),
        }
    }

    /// Runs a write and waits for its outcome.
    pub(crate) async fn written(
        &self,
        route: &Arc<Route>,
        objects: Vec<CanonicalObject>,
        call: Call,
        fault: Fault,
    ) -> Result<Response<Body>, Error> {
        let told = self.write(route, objects, call, fault);
        Ok(late::received(told.await)?.map(full))
    }

    /// Starts a write of `objects`, which goes on whether or not anybody waits for what the receiver will tell.
    ///
    /// The task ends: the origin's client bounds the call, and a body whose client has left ends in an error.
    pub(crate) fn write(
        &self,
        route: &Arc<Route>,
        objects: Vec<CanonicalObject>,
        call: Call,
        fault: Fault,
    ) -> oneshot::Receiver<Outcome> {
        let (tell, told) = oneshot::channel();
        let route = Arc::clone(route);
        let records = Arc::clone(self.records);
        self.tasks.spawn("write", async move {
            let outcome = if objects.is_empty() {
                perform(route, call, fault).await
            } else {
                let write = records.begin(&objects).await;
                let outcome = perform(route, call, fault).await;
                write.end().await;
                outcome
            };
            // Nobody listens where the client has left.
            let _ = tell.send(outcome);
        });
        told
    }
}

/// The origin's whole answer, so that a success that turns into an error in its body has done so.
async fn perform(route: Arc<Route>, call: Call, fault: Fault) -> Outcome {
    let outcome = match exchange(&route, call).await {
        Ok(response) => whole(&route, response).await,
        Err(error) => Err(error),
    };
    match fault.take() {
        Some(mistake) => Err(mistake),
        None => outcome,
    }
}

#[cfg(test)]
mod tests;
