//! `/purge` and `/where`: what operators ask about objects, answered by the gateway.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State as Shared};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::State;
use crate::gateway::place::{Place, Unroutable};
use crate::gateway::purge::{self, Purge};
use crate::types::{BucketName, ObjectKey};

/// What to forget. A prefix may be empty: all of the bucket.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Forget {
    bucket: String,
    prefix: Option<String>,
    key: Option<String>,
}

/// What was forgotten.
#[derive(Debug, Serialize)]
struct Forgotten {
    bucket: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The number of the purge: what was fetched before it does not count.
    epoch: u32,
    /// Whether it holds when the node starts again.
    durable: bool,
}

/// Which object to look for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Look {
    bucket: String,
    key: String,
    version_id: Option<String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(serde_json::json!({ "error": self.1 }))).into_response()
    }
}

impl Refusal {
    fn bad(error: impl ToString) -> Self {
        Self(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl From<Unroutable> for Refusal {
    fn from(error: Unroutable) -> Self {
        let status = match &error {
            Unroutable::NoSuchBucket(_) => StatusCode::NOT_FOUND,
            Unroutable::UnusableKey(_) => StatusCode::BAD_REQUEST,
        };
        Self(status, error.to_string())
    }
}

pub(super) async fn purge(
    Shared(state): Shared<Arc<State>>,
    asked: Result<Json<Forget>, JsonRejection>,
) -> Result<Response, Refusal> {
    // A document of another type is refused, so that no page in a browser can have it sent from here.
    let Json(asked) = asked.map_err(|error| Refusal(error.status(), error.body_text()))?;
    let bucket: BucketName = asked.bucket.parse().map_err(Refusal::bad)?;
    let purge = match (&asked.prefix, &asked.key) {
        (Some(prefix), None) => Purge::Prefix(prefix.clone()),
        (None, Some(key)) => Purge::Key(key.parse().map_err(Refusal::bad)?),
        (Some(_), Some(_)) | (None, None) => {
            return Err(Refusal::bad("give a prefix (\"\" for all keys) or a key"));
        }
    };
    let purged = state.gateway.purge(&bucket, &purge).await;
    let purged = purged.map_err(|error| match error {
        purge::Error::Unroutable(error) => Refusal::from(error),
        purge::Error::NotDurable(_) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                %bucket,
                "a purge could be written to no disk"
            );
            Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
        }
    })?;
    let forgotten = Forgotten {
        bucket: asked.bucket,
        prefix: asked.prefix,
        key: asked.key,
        epoch: purged.epoch.0,
        durable: purged.durable,
    };
    Ok(Json(forgotten).into_response())
}

pub(super) async fn place(
    Shared(state): Shared<Arc<State>>,
    asked: Result<Query<Look>, QueryRejection>,
) -> Result<Json<Place>, Refusal> {
    let Query(asked) = asked.map_err(|error| Refusal(error.status(), error.body_text()))?;
    let bucket: BucketName = asked.bucket.parse().map_err(Refusal::bad)?;
    let key: ObjectKey = asked.key.parse().map_err(Refusal::bad)?;
    let version = asked.version_id.as_deref();
    Ok(Json(state.gateway.place(&bucket, &key, version).await?))
}
