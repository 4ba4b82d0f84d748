//! What the door asks of the gateway behind it.

use std::future::Future;

use crate::gateway::read::Read;
use crate::gateway::{Answer, Context, Error, Gateway, Request};

/// Serves requests that are parsed, authenticated and authorised. The gateway is one; tests bring another.
pub trait Backend: Send + Sync + 'static {
    /// Answers GetObject and HeadObject.
    fn read(
        &self,
        context: &Context,
        read: Read,
    ) -> impl Future<Output = Result<Answer, Error>> + Send;

    /// Answers everything else.
    fn forward(
        &self,
        context: &Context,
        request: Request,
    ) -> impl Future<Output = Result<Answer, Error>> + Send;
}

impl Backend for Gateway {
    fn read(
        &self,
        context: &Context,
        read: Read,
    ) -> impl Future<Output = Result<Answer, Error>> + Send {
        Gateway::read(self, context, read)
    }

    fn forward(
        &self,
        context: &Context,
        request: Request,
    ) -> impl Future<Output = Result<Answer, Error>> + Send {
        Gateway::forward(self, context, request)
    }
}
