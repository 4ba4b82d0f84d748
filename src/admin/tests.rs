//! The admin routes as operators see them.

use super::*;

use std::path::Path;
use std::time::Duration;

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::memory::{self, Memory};
use crate::origin::directory::{self, Directory};
use crate::records::{self, Records};
use crate::routes::{Keeping, NamedOrigin, Route, Routes};
use crate::tasks::Tasks;

struct World {
    admin: Admin,
    _folder: tempfile::TempDir,
    readiness: Readiness,
    clock: Clock,
    metrics: Arc<Metrics>,
}

/// A gateway that serves the bucket `train` from a folder, where it is the bucket `corp` below `eu/`.
fn gateway(folder: &Path, metrics: &Arc<Metrics>, clock: &Clock) -> Arc<Gateway> {
    let config = directory::Config {
        path: folder.to_owned(),
    };
    let origin = NamedOrigin {
        name: "folder".into(),
        origin: Arc::new(Directory::open(&config).unwrap()),
    };
    let route = Route::new(
        "train".parse().unwrap(),
        origin.clone(),
        "corp".parse().unwrap(),
        "eu/".to_owned(),
        Vec::new(),
        Keeping::default(),
    );
    Arc::new(Gateway::new(
        &Routes::new(vec![origin], vec![route], None),
        Records::new(records::Config { capacity: 1 << 20 }, clock.clone()),
        Memory::new(memory::Config { limit: 64 << 20 }),
        Arc::clone(metrics),
        Tasks::default(),
        clock.clone(),
    ))
}

impl World {
    fn new(token: Option<&str>) -> Self {
        let metrics = Arc::new(Metrics::default());
        let folder = tempfile::tempdir().unwrap();
        let (readiness, clock) = (Readiness::default(), Clock::manual());
        let config = Config {
            node: "node-1".to_owned(),
            token: token.map(Secret::new),
        };
        let admin = Admin::new(
            config,
            readiness.clone(),
            gateway(folder.path(), &metrics, &clock),
            Arc::clone(&metrics),
            Exporter::new(&metrics).unwrap(),
            clock.clone(),
        );
        Self {
            admin,
            _folder: folder,
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
        self.ask(request.body(axum::body::Body::empty()).unwrap())
            .await
    }

    async fn ask(&self, request: Request<axum::body::Body>) -> (StatusCode, String) {
        let response = self.admin.answer(request).await;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// The status and document that a question about objects gets.
    async fn objects(&self, method: Method, path: &str, text: &str) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let request = request.body(axum::body::Body::from(text.to_owned()));
        let (status, told) = self.ask(request.unwrap()).await;
        (status.as_u16(), serde_json::from_str(&told).unwrap())
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
async fn a_purge_is_numbered_and_told_as_it_was_asked_for() {
    let world = World::new(None);
    let purge = |text: &'static str| world.objects(Method::POST, "/purge", text);
    let (status, told) = purge(r#"{"bucket": "train", "prefix": ""}"#).await;
    let expected = json!({ "bucket": "train", "prefix": "", "epoch": 1, "durable": false });
    assert_eq!((status, told), (200, expected));
    let (status, told) = purge(r#"{"bucket": "train", "key": "a b"}"#).await;
    let expected = json!({ "bucket": "train", "key": "a b", "epoch": 2, "durable": false });
    assert_eq!((status, told), (200, expected));
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused_with_a_reason() {
    let world = World::new(None);
    for (text, status, reason) in [
        (r#"{"bucket": "other", "prefix": ""}"#, 404, "other"),
        (r#"{"bucket": "train"}"#, 400, "prefix"),
        (
            r#"{"bucket": "train", "prefix": "a", "key": "a"}"#,
            400,
            "prefix",
        ),
        (
            r#"{"bucket": "train", "key": ""}"#,
            400,
            "at least one byte",
        ),
        (r#"{"bucket": "..", "prefix": "a"}"#, 400, "bucket"),
        (r#"{"bucket": "train", "perfix": "a"}"#, 422, "perfix"),
        ("train", 400, "JSON"),
    ] {
        let (got, told) = world.objects(Method::POST, "/purge", text).await;
        assert_eq!(got, status, "{text}: {told}");
        let error = told["error"].as_str().unwrap();
        assert!(error.contains(reason), "{text}: {error}");
    }
    for (query, status) in [
        ("bucket=train", 400),
        ("bucket=other&key=k", 404),
        ("bucket=train&key=k&verson_id=v", 400),
    ] {
        let path = format!("/where?{query}");
        let (got, told) = world.objects(Method::GET, &path, "").await;
        assert_eq!(got, status, "{query}: {told}");
        assert!(told["error"].is_string());
    }
}

#[tokio::test]
async fn a_browser_cannot_be_made_to_purge_by_a_page_from_elsewhere() {
    let world = World::new(None);
    let request = Request::post("/purge").header(header::CONTENT_TYPE, "text/plain");
    let request = request.body(r#"{"bucket": "train", "prefix": ""}"#.into());
    let (status, _) = world.ask(request.unwrap()).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn objects_are_told_of_to_those_with_the_token_only() {
    let world = World::new(Some("t0ken"));
    let path = "/where?bucket=train&key=k";
    for (authorization, status) in [
        (None, StatusCode::UNAUTHORIZED),
        (Some("Bearer nope"), StatusCode::UNAUTHORIZED),
        (Some("Bearer t0ken"), StatusCode::OK),
    ] {
        assert_eq!(world.get(path, authorization).await.0, status);
    }
    let request = Request::post("/purge").body(axum::body::Body::empty());
    let (status, _) = world.ask(request.unwrap()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_object_is_told_under_the_names_of_clients_and_of_the_origin() {
    let world = World::new(None);
    let path = "/where?bucket=train&key=a%2Fb&version_id=v1";
    let (status, told) = world.objects(Method::GET, path, "").await;
    assert_eq!((status, &told["record"]), (200, &Value::Null));
    let names = [
        "bucket",
        "key",
        "version_id",
        "origin",
        "origin_bucket",
        "origin_key",
    ];
    let told: Vec<_> = names.iter().map(|name| told[*name].as_str()).collect();
    let expected = ["train", "a/b", "v1", "folder", "corp", "eu/a/b"].map(Some);
    assert_eq!(told, expected);
}

#[tokio::test]
async fn unknown_paths_are_not_found() {
    assert_eq!(
        World::new(None).get("/nope", None).await.0,
        StatusCode::NOT_FOUND
    );
}
