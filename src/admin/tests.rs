//! The admin routes as operators see them.

use super::*;
use std::time::Duration;

use http::{StatusCode, header};

struct World {
    admin: Admin,
    readiness: Readiness,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl World {
    fn new(token: Option<&str>) -> Self {
        let metrics = Arc::new(Metrics::default());
        let (readiness, clock) = (Readiness::default(), Clock::manual());
        let config = Config {
            node: "node-1".to_owned(),
            token: token.map(Secret::new),
        };
        let admin = Admin::new(
            config,
            readiness.clone(),
            Arc::clone(&metrics),
            Exporter::new(&metrics).unwrap(),
            clock.clone(),
        );
        Self {
            admin,
            readiness,
            clock,
            metrics,
        }
    }

    /// The status and text that `path` gives to whoever sends `authorization`.
    async fn get(&self, path: &str, authorization: Option<&str>) -> (StatusCode, String) {
        let mut request = Request::get(path);
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(axum::body::Body::empty()).unwrap();
        let response = self.admin.answer(request).await;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

#[tokio::test]
async fn a_node_is_ready_between_start_and_drain_and_live_throughout() {
    let world = World::new(None);
    for (phase, status) in [
        (Phase::Starting, StatusCode::SERVICE_UNAVAILABLE),
        (Phase::Ready, StatusCode::OK),
        (Phase::Draining, StatusCode::SERVICE_UNAVAILABLE),
    ] {
        world.readiness.enter(phase);
        assert_eq!(world.get("/health/ready", None).await.0, status);
        assert_eq!(world.get("/health/live", None).await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn metrics_are_open_and_tell_what_was_counted() {
    let world = World::new(Some("t0ken"));
    world.metrics.net.accepted.add(3);
    let (status, text) = world.get("/metrics", None).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        text.contains("\nforebay_connections_accepted_total 3\n"),
        "{text}"
    );
}

#[tokio::test]
async fn status_asks_for_the_token_where_there_is_one() {
    let world = World::new(Some("t0ken"));
    for wrong in [
        None,
        Some("Bearer nope"),
        Some("Basic t0ken"),
        Some("t0ken"),
    ] {
        assert_eq!(
            world.get("/status", wrong).await.0,
            StatusCode::UNAUTHORIZED
        );
    }
    assert_eq!(
        world.get("/status", Some("Bearer t0ken")).await.0,
        StatusCode::OK
    );
    assert_eq!(
        World::new(None).get("/status", None).await.0,
        StatusCode::OK
    );
}

#[tokio::test]
async fn status_tells_who_the_node_is_and_how_it_does() {
    let world = World::new(None);
    world.readiness.enter(Phase::Ready);
    world.clock.advance(Duration::from_secs(90));
    world.metrics.net.open.add(2);
    let (_, text) = world.get("/status", None).await;
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status["node"], "node-1");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["phase"], "ready");
    assert_eq!(status["draining"], false);
    assert_eq!(status["uptime_seconds"], 90);
    assert_eq!(status["gauges"]["forebay_connections"][0]["value"], 2);
    assert_eq!(status["totals"]["forebay_connections_accepted_total"], 0);
}

#[tokio::test]
async fn unknown_paths_are_not_found() {
    assert_eq!(
        World::new(None).get("/nope", None).await.0,
        StatusCode::NOT_FOUND
    );
}
