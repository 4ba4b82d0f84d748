//! Requests and their answers.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use super::body::{Answer, Range};
use super::counters::add;
use super::objects::Found;
use super::{Pace, State, control, list, upload};

/// When generation 0 of everything was written; each generation is a second younger. Long ago, so that no answer depends on
/// the clock.
const FIRST_WRITTEN: Duration = Duration::from_secs(1_700_000_000);

pub(super) async fn answer(
    state: &Arc<State>,
    pace: Pace,
    request: Request<Incoming>,
) -> Response<Answer> {
    let path = request.uri().path().to_owned();
    if let Some(route) = path.strip_prefix(control::PREFIX) {
        return control::answer(state, route, request).await;
    }
    let terms = state.terms.now();
    if terms.latency_ms > 0 {
        tokio::time::sleep(terms.latency()).await;
    }
    if state.terms.hits(terms.error_rate) {
        add(&state.counters.errors, 1);
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "SlowDown");
    }
    // `/BUCKET` and `/BUCKET/` are the bucket, all else is a key in it.
    let (_, key) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    match (request.method(), key) {
        (&Method::GET | &Method::HEAD, "") => {
            add(&state.counters.lists, 1);
            list::answer(state, request.uri().query().unwrap_or_default())
        }
        (&Method::GET | &Method::HEAD, key) => read(state, pace, &request, key),
        (&Method::PUT, key) if !key.is_empty() => upload::put(state, key, request).await,
        (&Method::DELETE, key) if !key.is_empty() => {
            add(&state.counters.deletes, 1);
            state.objects.delete(key);
            of(StatusCode::NO_CONTENT, Answer::empty())
        }
        _ => {
            add(&state.counters.refused, 1);
            refusal(StatusCode::NOT_IMPLEMENTED, "NotImplemented")
        }
    }
}

fn read(
    state: &Arc<State>,
    pace: Pace,
    request: &Request<Incoming>,
    key: &str,
) -> Response<Answer> {
    let Some(found) = state.objects.find(key) else {
        add(&state.counters.refused, 1);
        return refusal(StatusCode::NOT_FOUND, "NoSuchKey");
    };
    let etag = found.etag();
    if let Some(early) = condition(state, request.headers(), &found, &etag) {
        return early;
    }
    let Ok(range) = range(request.headers(), found.size) else {
        add(&state.counters.refused, 1);
        let mut refused = refusal(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange");
        put(
            &mut refused,
            "content-range",
            &format!("bytes */{}", found.size),
        );
        return refused;
    };
    let (first, end) = range.unwrap_or((0, found.size));
    let body = if request.method() == Method::HEAD {
        add(&state.counters.heads, 1);
        Answer::empty()
    } else {
        add(&state.counters.gets, 1);
        Answer::Range(Box::new(body(state, pace, &found, first, end)))
    };
    let status = match range {
        Some(_) => StatusCode::PARTIAL_CONTENT,
        None => StatusCode::OK,
    };
    let mut answer = of(status, body);
    describe(&mut answer, &found, &etag);
    put(&mut answer, "content-length", &(end - first).to_string());
    if range.is_some() {
        let text = format!("bytes {first}-{}/{}", end - 1, found.size);
        put(&mut answer, "content-range", &text);
    }
    answer
}

fn body(state: &Arc<State>, pace: Pace, found: &Found, first: u64, end: u64) -> Range {
    let terms = state.terms.now();
    let stalls = state.terms.hits(terms.stall_rate);
    Range {
        state: Arc::clone(state),
        pace,
        content: found.content,
        next: first,
        end,
        bandwidth: terms.bandwidth,
        stall: stalls.then(|| (first + (end - first) / 2, terms.stall())),
        waiting: None,
    }
}

/// The answer where the conditions settle it. An ETag is compared as it is written, so that weak ones match nothing.
fn condition(
    state: &State,
    headers: &HeaderMap,
    found: &Found,
    etag: &str,
) -> Option<Response<Answer>> {
    let names = |name| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(value == "*" || value.split(',').any(|one| one.trim() == etag))
    };
    if names(header::IF_MATCH) == Some(false) {
        add(&state.counters.precondition_failed, 1);
        let code = "PreconditionFailed";
        return Some(refusal(StatusCode::PRECONDITION_FAILED, code));
    }
    if names(header::IF_NONE_MATCH) == Some(true) {
        add(&state.counters.heads, 1);
        let mut unchanged = of(StatusCode::NOT_MODIFIED, Answer::empty());
        describe(&mut unchanged, found, etag);
        return Some(unchanged);
    }
    None
}

/// First byte and end of what is asked for; nothing where that is the whole body, as for a header that cannot be read.
fn range(headers: &HeaderMap, size: u64) -> Result<Option<(u64, u64)>, Unsatisfiable> {
    let asked = headers.get(header::RANGE).and_then(|it| it.to_str().ok());
    let Some((first, last)) = asked
        .and_then(|value| value.strip_prefix("bytes="))
        .and_then(|value| value.split_once('-'))
    else {
        return Ok(None);
    };
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) => (first, last.saturating_add(1).min(size)),
        (Ok(first), Err(_)) if last.is_empty() => (first, size),
        (Err(_), Ok(length)) if first.is_empty() => (size.saturating_sub(length), size),
        _ => return Ok(None),
    };
    if range.0 < range.1 {
        Ok(Some(range))
    } else {
        Err(Unsatisfiable)
    }
}

struct Unsatisfiable;

fn describe(answer: &mut Response<Answer>, found: &Found, etag: &str) {
    let written = UNIX_EPOCH + FIRST_WRITTEN + Duration::from_secs(found.generation);
    put(answer, "etag", etag);
    put(answer, "last-modified", &httpdate::fmt_http_date(written));
    put(answer, "accept-ranges", "bytes");
    put(answer, "content-type", "application/octet-stream");
    put(answer, GENERATION, &found.generation.to_string());
}

/// The object's generation, as metadata that a gateway passes on like any other.
pub(super) const GENERATION: &str = "x-amz-meta-generation";

pub(super) fn of(status: StatusCode, body: Answer) -> Response<Answer> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    put(&mut answer, "x-amz-request-id", "0000000000000000");
    answer
}

pub(super) fn refusal(status: StatusCode, code: &str) -> Response<Answer> {
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{code}</Message></Error>"
    );
    let mut answer = of(status, Answer::text(document));
    put(&mut answer, "content-type", "application/xml");
    answer
}

/// Sets a header to what is known to be fit for one.
pub(super) fn put(answer: &mut Response<Answer>, name: &'static str, value: &str) {
    let value = value.parse().expect("digits and plain letters");
    answer.headers_mut().insert(name, value);
}
