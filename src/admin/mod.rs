//! The admin door: health, metrics, status; purging objects and finding where they are.
//!
//! Health and metrics are open, since kubelets and scrapers carry no tokens; everything else asks for the bearer token
//! where one is configured. S3 requests never come here.

mod objects;
mod routes;
mod status;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::Router;
use http_body_util::BodyExt;
use hyper::{Request, Response};
use tower::ServiceExt;

use crate::clock::{Clock, Moment};
use crate::gateway::Gateway;
use crate::net::RequestBody;
use crate::telemetry::{Exporter, Metrics};
use crate::types::{Body, BoxError, Secret};

/// Who the node is, and who may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The node's name.
    pub node: String,
    /// The bearer token of all but health and metrics; none for an admin door on loopback.
    pub token: Option<Secret>,
}

/// Where a node is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Not yet listening.
    Starting,
    /// Serving.
    Ready,
    /// Going away: load balancers are to send nothing new.
    Draining,
}

impl Phase {
    /// The phase's name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

/// The node's phase, shared between the door that tells it and whoever changes it.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<AtomicU8>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(AtomicU8::new(Phase::Starting as u8)))
    }
}

impl Readiness {
    /// Enters `phase`.
    pub fn enter(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Release);
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        let phase = self.0.load(Ordering::Acquire);
        [Phase::Starting, Phase::Ready, Phase::Draining]
            .into_iter()
            .find(|it| *it as u8 == phase)
            .expect("only phases are stored")
    }
}

/// What the routes answer from.
struct State {
    config: Config,
    readiness: Readiness,
    gateway: Arc<Gateway>,
    metrics: Arc<Metrics>,
    exporter: Exporter,
    clock: Clock,
    started: Moment,
}

/// The door.
#[derive(Debug, Clone)]
pub struct Admin {
    router: Router,
}

impl Admin {
    /// A door that tells of `metrics` and `readiness`, and of objects what `gateway` knows. The node's uptime counts from
    /// now.
    pub fn new(
        config: Config,
        readiness: Readiness,
        gateway: Arc<Gateway>,
        metrics: Arc<Metrics>,
        exporter: Exporter,
        clock: Clock,
    ) -> Self {
        let started = clock.now();
        Self {
            router: routes::router(Arc::new(State {
                config,
                readiness,
                gateway,
                metrics,
                exporter,
                clock,
                started,
            })),
        }
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<RequestBody>, _peer: SocketAddr) -> Response<Body> {
        self.answer(request.map(axum::body::Body::new)).await
    }

    async fn answer(&self, request: Request<axum::body::Body>) -> Response<Body> {
        let answer = self.router.clone().oneshot(request).await;
        let response = answer.unwrap_or_else(|never| match never {});
        response.map(|body| body.map_err(BoxError::from).boxed_unsync())
    }
}

#[cfg(test)]
mod tests;
