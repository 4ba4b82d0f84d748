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
use crate::cache::small::{Kind, Small};
use crate::origin::{Call, Payload};
use crate::routes::Route;
use crate::types::body::full;
use crate::types::{Body, Subject, Target};
use late::Outcome;
use verify::Fault;

impl Forward<'_> {
    pub(crate) async fn put(&self, mut request: Request) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        let subjects = self.subjects(&route, &request)?;
        let upload = mem::replace(&mut request.upload, Upload::none());
        let (payload, fault) = verify::payload(&mut request.headers, upload).await?;
        let call = Self::call(&route, &mut request, payload)?;
        self.written(&route, subjects, call, fault).await
    }

    pub(crate) async fn delete(&self, mut request: Request) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        let subjects = self.subjects(&route, &request)?;
        let call = Self::call(&route, &mut request, Payload::Whole(Bytes::new()))?;
        self.written(&route, subjects, call, Fault::default()).await
    }

    /// What a request for one key changes: an object, or a version of it.
    pub(crate) fn subjects(&self, route: &Route, request: &Request) -> Result<Vec<Subject>, Error> {
        let mut query = request.query.iter();
        let version_id = query.find(|(name, _)| name == "versionId");
        match &request.operation.target {
            Target::Object(_, key) => Ok(vec![Subject {
                object: route.canonical(key)?,
                version_id: version_id.map(|(_, id)| id.as_str().into()),
            }]),
            Target::Bucket(_) | Target::Service => Ok(Vec::new()),
        }
    }

    /// Runs a write and waits for its outcome.
    pub(crate) async fn written(
        &self,
        route: &Arc<Route>,
        subjects: Vec<Subject>,
        call: Call,
        fault: Fault,
    ) -> Result<Response<Body>, Error> {
        let told = self.write(route, subjects, call, fault);
        Ok(late::received(told.await)?.map(full))
    }

    /// Starts a write of `subjects`, which goes on whether or not anybody waits for what the receiver will tell.
    ///
    /// The task ends: the origin's client bounds the call, and a body whose client has left ends in an error.
    pub(crate) fn write(
        &self,
        route: &Arc<Route>,
        subjects: Vec<Subject>,
        call: Call,
        fault: Fault,
    ) -> oneshot::Receiver<Outcome> {
        let (tell, told) = oneshot::channel();
        let route = Arc::clone(route);
        let (records, small) = (Arc::clone(self.records), Arc::clone(self.small));
        self.tasks.spawn("write", async move {
            let outcome = if subjects.is_empty() {
                perform(route, call, fault).await
            } else {
                let objects = subjects.iter().map(|subject| subject.object.clone());
                let write = records.begin(&objects.collect::<Vec<_>>()).await;
                forget(&small, &subjects);
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

/// Keeps what disks know of these from being believed after a restart: the tickets that tell of this write end with the
/// node's life. A write without a version changes the one called `null` too, a write to a version perhaps the current state.
fn forget(small: &Small, subjects: &[Subject]) {
    for subject in subjects {
        let object = &subject.object;
        let aside = match subject.version_id {
            Some(_) => None,
            None => Some("null".into()),
        };
        let aside = Subject {
            object: object.clone(),
            version_id: aside,
        };
        small.forget(Kind::Record, subject.digest());
        small.forget(Kind::Record, aside.digest());
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
