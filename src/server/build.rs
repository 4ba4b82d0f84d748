//! The wiring: which module gets what. The only place where the configuration meets the modules of a node.

use std::net::SocketAddr;
use std::sync::Arc;

use http::StatusCode;
use hyper::body::Incoming;
use hyper::{Request, Response};

use crate::clock::Clock;
use crate::config::Config;
use crate::tasks::Tasks;
use crate::telemetry::Metrics;
use crate::types::{Body, Problems, body};

/// The parts of a node behind its S3 listener.
#[derive(Debug)]
pub(super) struct Node {}

impl Node {
    /// Builds every part.
    pub(super) async fn build(
        _config: &Config,
        _metrics: &Arc<Metrics>,
        _clock: &Clock,
        _background: &Tasks,
    ) -> Result<Self, Problems> {
        Ok(Self {})
    }

    /// Takes a changed configuration into use, whole or not at all.
    pub(super) async fn apply(&self, _config: &Config) -> Result<(), Problems> {
        Ok(())
    }

    /// Answers a request of the S3 API.
    pub(super) async fn handle(
        &self,
        _request: Request<Incoming>,
        _peer: SocketAddr,
    ) -> Response<Body> {
        let mut response = Response::new(body::empty());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response
    }
}
