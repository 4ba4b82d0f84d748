//! The control paths, below a name that no bucket can have: `GET /-/counters`, `POST /-/reset`, `GET` and `POST /-/terms`.

use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Serialize;

use super::State;
use super::answer::{of, put, refusal};
use super::body::Answer;
use super::terms::Terms;

pub(super) const PREFIX: &str = "/-/";

pub(super) async fn answer(
    state: &Arc<State>,
    route: &str,
    request: Request<Incoming>,
) -> Response<Answer> {
    match (request.method(), route) {
        (&Method::GET, "counters") => json(&state.counters.read()),
        (&Method::POST, "reset") => {
            state.counters.reset();
            json(&state.counters.read())
        }
        (&Method::GET, "terms") => json(&state.terms.now()),
        (&Method::POST, "terms") => {
            let body = request.into_body().collect().await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            match serde_json::from_slice::<Terms>(&body) {
                Ok(terms) => {
                    state.terms.set(terms);
                    json(&terms)
                }
                Err(_) => refusal(StatusCode::BAD_REQUEST, "MalformedTerms"),
            }
        }
        _ => refusal(StatusCode::NOT_FOUND, "NoSuchRoute"),
    }
}

fn json(value: &impl Serialize) -> Response<Answer> {
    let text = serde_json::to_string(value).expect("plain numbers");
    let mut answer = of(StatusCode::OK, Answer::text(text));
    put(&mut answer, "content-type", "application/json");
    answer
}
