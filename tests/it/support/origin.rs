//! An S3 origin in this process: real HTTP, objects made from seeds, faults as data, and a count of every request and byte.
//!
//! It knows what the read path needs (GET, HEAD, ranges, `If-Match`) and plain PUT, DELETE and copy; everything else is
//! tried on the real stores (`tests/compat`). It refuses what is not signed with its key.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use forebay::types::body::{Body, BoxError, empty, full};
use forebay::types::range::Parsed;
use forebay::types::{ETag, RangeSpec};

use super::content;

/// The access key that the origin knows.
pub(crate) const ACCESS_KEY: &str = "ORIGINKEY";
/// Its secret.
pub(crate) const SECRET: &str = "origin-secret";

/// A request, as the origin saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) if_match: Option<String>,
}

/// What goes wrong with a request for an object's bytes.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// An error answer.
    Status(StatusCode, &'static str),
    /// The connection is reset after this many bytes of the body.
    ResetAfter(u64),
    /// `Content-Length` promises this many bytes more than come.
    Promise(u64),
    /// Nothing comes after this many bytes until a permit is given.
    StallAfter(u64, Arc<Semaphore>),
}

#[derive(Debug, Clone)]
enum Content {
    Seed { seed: u64, size: u64 },
    Bytes(Bytes),
}

impl Content {
    fn size(&self) -> u64 {
        match self {
            Self::Seed { size, .. } => *size,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }

    fn slice(&self, range: Range<u64>) -> Bytes {
        let index = |offset: u64| usize::try_from(offset).expect("a test's size");
        match self {
            Self::Seed { seed, .. } => content::bytes(*seed, range),
            Self::Bytes(bytes) => bytes.slice(index(range.start)..index(range.end)),
        }
    }
}

#[derive(Debug, Clone)]
struct Object {
    content: Content,
    etag: String,
    headers: HeaderMap,
}

#[derive(Debug, Default)]
struct State {
    objects: HashMap<String, Object>,
    seen: Vec<Seen>,
    faults: Vec<Fault>,
    body_bytes: u64,
    gate: Option<Arc<Semaphore>>,
}

/// The origin's handle.
#[derive(Debug, Clone)]
pub(crate) struct TestOrigin {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// The size of the frames that bodies are sent in.
const FRAME: u64 = 64 << 10;

impl TestOrigin {
    /// Starts an origin on a free port; it stops with the test's runtime.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let origin = Self {
            address,
            state: Arc::default(),
        };
        let server = origin.clone();
        super::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                super::spawn(async move {
                    let service = hyper::service::service_fn(move |request| {
                        let server = server.clone();
                        async move { Ok::<_, Infallible>(server.answer(request).await) }
                    });
                    // A reset is a fault that was asked for, or the client's.
                    let connection = hyper::server::conn::http1::Builder::new();
                    drop(
                        connection
                            .serve_connection(TokioIo::new(stream), service)
                            .await,
                    );
                });
            }
        });
        origin
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no test panics while it holds the lock")
    }

    /// Stores `size` bytes of the content that `seed` names, under `bucket/key`.
    pub(crate) fn put(&self, path: &str, seed: u64, size: u64) {
        self.insert(
            path,
            Content::Seed { seed, size },
            format!("\"{seed:032x}\""),
            HeaderMap::new(),
        );
    }

    /// Changes an object's metadata and nothing else, as a copy onto itself does.
    pub(crate) fn describe(&self, path: &str, name: &'static str, value: &str) {
        let mut state = self.state();
        let object = state.objects.get_mut(path).expect("the object is there");
        object
            .headers
            .insert(name, value.parse().expect("a header"));
    }

    fn insert(&self, path: &str, content: Content, etag: String, headers: HeaderMap) {
        self.state().objects.insert(
            path.to_owned(),
            Object {
                content,
                etag,
                headers,
            },
        );
    }

    /// Makes the next requests for bytes go wrong, one fault each.
    pub(crate) fn fail(&self, faults: &[Fault]) {
        self.state().faults.extend_from_slice(faults);
    }

    /// From now on every frame of a body waits for a permit.
    pub(crate) fn hold(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.state().gate = Some(Arc::clone(&gate));
        gate
    }

    /// The requests since the last call, without the one that tries whether `If-Match` is heeded.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let mut seen = std::mem::take(&mut self.state().seen);
        seen.retain(|seen| {
            !seen
                .if_match
                .as_ref()
                .is_some_and(|tag| tag.contains("forebay-no-such-version"))
        });
        seen
    }

    /// Bytes of bodies given to the network so far.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.state().body_bytes
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let header = |name: &str| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let encoded = request.uri().path().trim_start_matches('/');
        let path = percent_encoding::percent_decode_str(encoded)
            .decode_utf8_lossy()
            .into_owned();
        let (range, if_match) = (header("range"), header("if-match"));
        let method = request.method().clone();
        self.state().seen.push(Seen {
            method: method.clone(),
            path: path.clone(),
            range,
            if_match,
        });
        if !header("authorization")
            .is_some_and(|value| value.contains(&format!("Credential={ACCESS_KEY}/")))
        {
            return refuse(StatusCode::FORBIDDEN, "AccessDenied");
        }
        match method {
            Method::GET | Method::HEAD => self.read(&path, &request),
            Method::PUT => self.write(&path, request).await,
            Method::DELETE => {
                self.state().objects.remove(&path);
                status(StatusCode::NO_CONTENT)
            }
            _ => refuse(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
        }
    }

    fn read(&self, path: &str, request: &Request<Incoming>) -> Response<Body> {
        let header = |name: &str| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let (object, fault, gate) = {
            let mut state = self.state();
            let trial =
                header("if-match").is_some_and(|tag| tag.contains("forebay-no-such-version"));
            let spared = trial || request.method() == Method::HEAD || state.faults.is_empty();
            let fault = if spared {
                None
            } else {
                Some(state.faults.remove(0))
            };
            (state.objects.get(path).cloned(), fault, state.gate.clone())
        };
        if let Some(Fault::Status(code, name)) = fault {
            return refuse(code, name);
        }
        let Some(object) = object else {
            return refuse(StatusCode::NOT_FOUND, "NoSuchKey");
        };
        let tag = ETag::new(&object.etag);
        if header("if-match").is_some_and(|asked| ETag::new(asked).opaque() != tag.opaque()) {
            return refuse(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
        }
        let size = object.content.size();
        let range = match header("range").map(RangeSpec::parse) {
            Some(Parsed::Single(range)) => match range.resolve(size) {
                Ok(range) => Some(range),
                Err(_) => return refuse(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange"),
            },
            Some(Parsed::Ignored | Parsed::Several) | None => None,
        };
        let mut response = status(StatusCode::OK);
        *response.headers_mut() = object.headers.clone();
        let set = |response: &mut Response<Body>, name: &'static str, value: String| {
            response
                .headers_mut()
                .insert(name, value.parse().expect("a header"));
        };
        set(&mut response, "etag", object.etag.clone());
        set(
            &mut response,
            "last-modified",
            "Mon, 23 Nov 2026 12:00:00 GMT".to_owned(),
        );
        set(&mut response, "accept-ranges", "bytes".to_owned());
        if let Some(range) = &range {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(
                &mut response,
                "content-range",
                format!("bytes {}-{}/{size}", range.start, range.end - 1),
            );
        }
        let range = range.unwrap_or(0..size);
        let promised = if let Some(Fault::Promise(more)) = fault {
            more
        } else {
            0
        };
        set(
            &mut response,
            "content-length",
            (range.end - range.start + promised).to_string(),
        );
        if request.method() == Method::GET {
            *response.body_mut() = self.body(object.content, range, fault, gate);
        }
        response
    }

    async fn write(&self, path: &str, request: Request<Incoming>) -> Response<Body> {
        if let Some(from) = request.headers().get("x-amz-copy-source") {
            let from = percent_encoding::percent_decode(from.as_bytes())
                .decode_utf8_lossy()
                .into_owned();
            let copied = self
                .state()
                .objects
                .get(from.trim_start_matches('/'))
                .cloned();
            let Some(object) = copied else {
                return refuse(StatusCode::NOT_FOUND, "NoSuchKey");
            };
            let document = format!(
                "<CopyObjectResult><ETag>{}</ETag></CopyObjectResult>",
                object.etag
            );
            self.state().objects.insert(path.to_owned(), object);
            return Response::new(full(document));
        }
        let payload = request.headers().get("x-amz-content-sha256");
        let chunked = payload.is_some_and(|it| it.as_bytes().starts_with(b"STREAMING-"));
        let Ok(body) = request.into_body().collect().await else {
            return refuse(StatusCode::BAD_REQUEST, "IncompleteBody");
        };
        let bytes = body.to_bytes();
        let bytes = if chunked { dechunked(bytes) } else { bytes };
        let etag = format!("\"{:032x}\"", xxhash_rust::xxh3::xxh3_128(&bytes));
        self.insert(path, Content::Bytes(bytes), etag.clone(), HeaderMap::new());
        let mut response = status(StatusCode::OK);
        response
            .headers_mut()
            .insert("etag", etag.parse().expect("a header"));
        response
    }

    fn body(
        &self,
        content: Content,
        range: Range<u64>,
        fault: Option<Fault>,
        gate: Option<Arc<Semaphore>>,
    ) -> Body {
        let (sender, mut receiver) = mpsc::channel::<Result<Frame<Bytes>, BoxError>>(1);
        let origin = self.clone();
        super::spawn(async move {
            let mut sent = 0;
            let mut at = range.start;
            while at < range.end {
                if let Some(gate) = &gate {
                    let Ok(permit) = gate.acquire().await else {
                        return;
                    };
                    permit.forget();
                }
                let frame = content.slice(at..(at + FRAME).min(range.end));
                match &fault {
                    Some(Fault::ResetAfter(limit)) if sent + frame.len() as u64 > *limit => {
                        drop(sender.send(Err("reset, as asked".into())).await);
                        return;
                    }
                    Some(Fault::StallAfter(limit, until)) if sent + frame.len() as u64 > *limit => {
                        drop(
                            until
                                .acquire()
                                .await
                                .map(tokio::sync::SemaphorePermit::forget),
                        );
                    }
                    _ => {}
                }
                let length = frame.len() as u64;
                if sender.send(Ok(Frame::data(frame))).await.is_err() {
                    return;
                }
                (sent, at) = (sent + length, at + length);
                origin.state().body_bytes += length;
            }
        });
        let stream = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
        StreamBody::new(stream).boxed_unsync()
    }
}

/// The bytes in an `aws-chunked` body; what vouches for them is not looked at.
fn dechunked(mut body: Bytes) -> Bytes {
    let mut all = Vec::new();
    while let Some(end) = body.iter().position(|byte| *byte == b'\r') {
        let line = body.split_to(end + 2);
        let digits = line.split(|byte| matches!(byte, b';' | b'\r')).next();
        let digits = std::str::from_utf8(digits.unwrap_or_default()).expect("text");
        let length = usize::from_str_radix(digits, 16).expect("a chunk's length");
        if length == 0 {
            break;
        }
        all.extend_from_slice(&body.split_to(length));
        drop(body.split_to(2));
    }
    all.into()
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = status;
    response
}

fn refuse(code: StatusCode, name: &str) -> Response<Body> {
    let document = format!(
        "<?xml version=\"1.0\"?><Error><Code>{name}</Code><Message>as asked</Message></Error>"
    );
    let mut response = Response::new(full(document));
    *response.status_mut() = code;
    response
        .headers_mut()
        .insert("content-type", "application/xml".parse().expect("a header"));
    response
}
