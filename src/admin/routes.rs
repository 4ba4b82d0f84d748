//! The admin door's routes, all of them, and which of them are open.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{StatusCode, header};
use sha2::{Digest, Sha256};
use tracing::error;

use super::{Phase, State, objects, status};
use crate::types::Secret;

/// Prometheus' text format, as its scraper asks for it.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn router(state: Arc<State>) -> Router {
    let guarded = Router::new()
        .route("/status", get(status::status))
        .route("/purge", post(objects::purge))
        .route("/where", get(objects::place))
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&state),
            require_token,
        ));
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .merge(guarded)
        .with_state(state)
}

/// That the event loop answers is all that is asked: a node whose origin or disk is ill must not be restarted for it.
async fn live() -> &'static str {
    "live\n"
}

async fn ready(Shared(state): Shared<Arc<State>>) -> (StatusCode, &'static str) {
    match state.readiness.phase() {
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Phase::Ready => (StatusCode::OK, "ready\n"),
        Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

async fn metrics(Shared(state): Shared<Arc<State>>) -> Response {
    match state.exporter.text() {
        Ok(text) => ([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response(),
        Err(error) => {
            error!(
                error = &error as &dyn std::error::Error,
                "cannot export the metrics"
            );
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn require_token(
    Shared(state): Shared<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(token) = &state.config.token else {
        return next.run(request).await;
    };
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, given)| given.trim());
    if given.is_some_and(|given| is_equal(given, token)) {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    (StatusCode::UNAUTHORIZED, challenge, "unauthorized\n").into_response()
}

/// Compares digests, so that how long it takes tells nothing of the token.
fn is_equal(given: &str, token: &Secret) -> bool {
    Sha256::digest(given) == Sha256::digest(token.expose())
}
