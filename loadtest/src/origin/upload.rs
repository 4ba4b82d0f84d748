//! `PutObject`: the bytes are checked against what key and generation say, and dropped.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::State;
use super::answer::{GENERATION, of, put as put_header, refusal};
use super::body::Answer;
use super::counters::add;
use crate::content::{self, Content};

pub(super) async fn put(
    state: &Arc<State>,
    key: &str,
    request: Request<Incoming>,
) -> Response<Answer> {
    let named = request.headers().get(GENERATION);
    let generation = named.and_then(|value| value.to_str().ok()?.parse().ok());
    let (Some(generation), Some(size)) = (generation, content::size_named_by(key)) else {
        add(&state.counters.refused, 1);
        return refusal(StatusCode::BAD_REQUEST, "InvalidArgument");
    };
    let expected = Content::of(key, generation);
    let mut body = request.into_body();
    let (mut received, mut right) = (0, true);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            // The connection broke: nothing is stored.
            return refusal(StatusCode::BAD_REQUEST, "IncompleteBody");
        };
        if let Some(bytes) = frame.data_ref() {
            right &= expected.holds(received, bytes);
            received += bytes.len() as u64;
        }
    }
    add(&state.counters.puts, 1);
    add(&state.counters.received_bytes, received);
    if !right || received != size {
        add(&state.counters.wrong_uploads, 1);
        return refusal(StatusCode::BAD_REQUEST, "BadDigest");
    }
    state.objects.write(key, generation);
    let mut answer = of(StatusCode::OK, Answer::empty());
    if let Some(found) = state.objects.find(key) {
        put_header(&mut answer, "etag", &found.etag());
    }
    answer
}
