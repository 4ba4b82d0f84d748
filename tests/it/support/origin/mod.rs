//! A strict S3 origin in this process: real HTTP, objects made from seeds or uploaded, versions, uploads in parts, faults as
//! data, and a record of every request.
//!
//! It refuses what is not signed with its key, what S3 does not know, and every body that is not what it was said to be.
//! What it does not do is guess: it is as lenient as S3 and not more.

mod answer;
mod asked;
mod checksums;
mod conditions;
mod documents;
mod faults;
mod listing;
mod multipart;
mod objects;
mod payload;
mod store;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use forebay::types::body::{Body, empty};

use self::answer::{Refused, document, raw, set};
use self::asked::Asked;
use self::store::{Content, State, Version};

pub(crate) use self::answer::{HOST_ID, REQUEST_ID};
pub(crate) use self::checksums::{Crc32, base64_of};
pub(crate) use self::documents::SELECTED;
pub(crate) use self::faults::Fault;
pub(crate) use self::payload::Sent;

/// The access key that the origin knows.
pub(crate) const ACCESS_KEY: &str = "ORIGINKEY";
/// Its secret.
pub(crate) const SECRET: &str = "origin-secret";
/// How long what must happen may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request, as the origin saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// Bucket and key, decoded.
    pub(crate) path: String,
    /// Decoded, in the order in which it came.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) range: Option<String>,
    pub(crate) if_match: Option<String>,
    pub(crate) body: Sent,
    /// What it was answered; none before.
    pub(crate) status: Option<u16>,
}

impl Seen {
    /// A header's value; empty where it did not come.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap_or("?"))
    }

    /// The query as text.
    pub(crate) fn query(&self) -> String {
        let pairs = self.query.iter();
        let pairs = pairs.map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("&")
    }

    /// The body that came; empty where none did.
    pub(crate) fn bytes(&self) -> Bytes {
        match &self.body {
            Sent::Whole(bytes, _) => bytes.clone(),
            Sent::Pending | Sent::Digest(..) | Sent::Short(_) => Bytes::new(),
        }
    }
}

/// The origin's handle.
#[derive(Debug, Clone)]
pub(crate) struct TestOrigin {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    changes: Arc<watch::Sender<()>>,
}

impl TestOrigin {
    /// Starts an origin with the bucket `train` on a free port; it stops with the test's runtime.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let origin = Self {
            address,
            state: Arc::default(),
            changes: Arc::new(watch::Sender::new(())),
        };
        origin.make_bucket("train");
        let server = origin.clone();
        super::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                super::spawn(async move {
                    let service = hyper::service::service_fn(move |request| {
                        let server = server.clone();
                        async move { server.answer(request).await }
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

    /// Makes a bucket, if it is not there.
    pub(crate) fn make_bucket(&self, name: &str) {
        self.state().buckets.entry(name.to_owned()).or_default();
    }

    /// Stores `size` bytes of the content that `seed` names, under `bucket/key`.
    pub(crate) fn put(&self, path: &str, seed: u64, size: u64) {
        let version = Version::new(Content::Seed { seed, size }, format!("\"{seed:032x}\""));
        let (bucket, key) = path.split_once('/').expect("a bucket and a key");
        self.make_bucket(bucket);
        let pushed = self.state().push(bucket, key, version);
        pushed.expect("the bucket is there");
    }

    /// Changes an object's metadata and nothing else, as a copy onto itself does.
    pub(crate) fn describe(&self, path: &str, name: &'static str, value: &str) {
        let (bucket, key) = path.split_once('/').expect("a bucket and a key");
        let mut state = self.state();
        let bucket = state.bucket(bucket).expect("the bucket is there");
        let version = bucket.version_mut(key, None);
        set(
            &mut version.expect("the object is there").headers,
            name,
            value,
        );
    }

    /// What is stored under `bucket/key`; none where nothing is.
    pub(crate) fn stored(&self, path: &str) -> Option<Bytes> {
        let (bucket, key) = path.split_once('/').expect("a bucket and a key");
        let mut state = self.state();
        let bucket = state.bucket(bucket).expect("the bucket is there");
        bucket.current(key).map(|version| version.content.whole())
    }

    /// The parts of an upload in parts that only left digests: size and XXH3 of each.
    pub(crate) fn digests(&self, path: &str) -> Vec<(u64, u64)> {
        let (bucket, key) = path.split_once('/').expect("a bucket and a key");
        let mut state = self.state();
        let bucket = state.bucket(bucket).expect("the bucket is there");
        let content = bucket.current(key).map(|version| version.content.clone());
        match content {
            Some(Content::Digest { size, xxh3 }) => vec![(size, xxh3)],
            Some(Content::Pieces(pieces)) => pieces.iter().map(digest).collect(),
            Some(Content::Seed { .. } | Content::Bytes(_)) | None => Vec::new(),
        }
    }

    /// The uploads in parts that are open in a bucket, and how many parts each has.
    pub(crate) fn uploads(&self, bucket: &str) -> Vec<(String, usize)> {
        let mut state = self.state();
        let bucket = state.bucket(bucket).expect("the bucket is there");
        let uploads = bucket.uploads.values();
        uploads
            .map(|upload| (upload.key.clone(), upload.parts.len()))
            .collect()
    }

    /// From now on uploads are hashed and not kept.
    pub(crate) fn keep_digests_only(&self) {
        self.state().digests = true;
    }

    /// Makes the next GETs go wrong, one fault each.
    pub(crate) fn fail(&self, faults: &[Fault]) {
        self.fail_on(&Method::GET, faults);
    }

    /// Makes the next requests with this method go wrong, one fault each.
    pub(crate) fn fail_on(&self, method: &Method, faults: &[Fault]) {
        let mut state = self.state();
        let queue = state.faults.entry(method.clone()).or_default();
        queue.extend(faults.iter().cloned());
    }

    /// From now on every frame of a body waits for a permit.
    pub(crate) fn hold(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.state().gate = Some(Arc::clone(&gate));
        gate
    }

    /// The requests since the last call, without the one that tries whether `If-Match` is heeded.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let mut state = self.state();
        let mut seen = std::mem::take(&mut state.seen);
        state.forgotten += seen.len();
        seen.retain(|seen| !is_trial(seen));
        seen
    }

    /// Waits until what was seen since [`Self::seen`] was last called is as it should be.
    pub(crate) async fn until(&self, holds: impl Fn(&[Seen]) -> bool) {
        let mut changes = self.changes.subscribe();
        let held = async {
            loop {
                let seen: Vec<Seen> = self.state().seen.clone();
                let seen: Vec<Seen> = seen.into_iter().filter(|it| !is_trial(it)).collect();
                if holds(&seen) {
                    return;
                }
                changes.changed().await.expect("the origin lives");
            }
        };
        let held = tokio::time::timeout(PATIENCE, held).await;
        assert!(held.is_ok(), "it did not happen: {:#?}", self.state().seen);
    }

    /// Headers and parameters that came and that S3 does not know.
    pub(crate) fn strangers(&self) -> Vec<String> {
        self.state().strangers.clone()
    }

    /// Bytes of bodies given to the network so far.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.state().body_bytes
    }

    /// Answers a request; an error ends the connection without an answer.
    async fn answer(&self, request: Request<Incoming>) -> std::io::Result<Response<Body>> {
        let asked = Asked::read(&request);
        let place = self.note(&asked);
        let fault = self.fault(&asked);
        let is_head = asked.method == Method::HEAD;
        let outcome = self
            .admitted(&asked, request.into_body(), place, &fault)
            .await;
        let refused = outcome.is_err();
        let mut response = outcome.unwrap_or_else(Refused::response);
        match &fault {
            Some(Fault::Late(gate)) => faults::pass(gate).await,
            Some(Fault::Lost) => return Err(std::io::Error::other("lost, as asked")),
            Some(Fault::ErrorInside(code)) => response = raw(document(code)),
            Some(_) | None => {}
        }
        if is_head && refused {
            *response.body_mut() = empty();
        }
        let headers = response.headers_mut();
        set(headers, "server", "TestS3");
        set(headers, "x-amz-request-id", REQUEST_ID);
        set(headers, "x-amz-id-2", HOST_ID);
        let status = response.status().as_u16();
        self.amend(place, |seen| seen.status = Some(status));
        Ok(response)
    }

    async fn admitted(
        &self,
        asked: &Asked,
        body: Incoming,
        place: usize,
        fault: &Option<Fault>,
    ) -> Result<Response<Body>, Refused> {
        asked.check_signature()?;
        let strangers = asked.strangers();
        if !strangers.is_empty() {
            self.state().strangers.extend(strangers);
            return Err(Refused::new(400, "Stranger"));
        }
        if let Some(Fault::Early(status, code)) = fault {
            super::spawn(async move { drop(body.collect().await) });
            return Err(Refused::new(status.as_u16(), code));
        }
        if let Some(failed) = failed(fault) {
            // A body that is not read would be cut off, and the answer with it.
            drop(body.collect().await);
            return failed;
        }
        self.perform(asked, body, place, fault.clone()).await
    }

    async fn perform(
        &self,
        asked: &Asked,
        body: Incoming,
        place: usize,
        fault: Option<Fault>,
    ) -> Result<Response<Body>, Refused> {
        if matches!(asked.method, Method::GET | Method::HEAD) {
            return match (asked.bucket.as_str(), asked.key.as_str()) {
                ("", _) => Ok(self.list_buckets()),
                (_, "") => self.look_at_bucket(asked),
                (_, _) => self.look_at_object(asked, fault),
            };
        }
        let keep = !self.state().digests || asked.method == Method::POST;
        let note = |sent| self.amend(place, |seen| seen.body = sent);
        let arrived = payload::receive(asked, body, keep, note).await?;
        match asked.key.as_str() {
            "" => self.change_bucket(asked, &arrived),
            _ => self.change_object(asked, arrived),
        }
    }

    fn note(&self, asked: &Asked) -> usize {
        let mut state = self.state();
        state.seen.push(Seen {
            method: asked.method.clone(),
            path: asked.path(),
            query: asked.query.clone(),
            headers: asked.headers.clone(),
            range: asked.header("range").map(str::to_owned),
            if_match: asked.header("if-match").map(str::to_owned),
            body: Sent::Pending,
            status: None,
        });
        let place = state.forgotten + state.seen.len() - 1;
        drop(state);
        self.changes.send_replace(());
        place
    }

    /// Adds to what was noted of a request, unless a test has taken it away.
    fn amend(&self, place: usize, change: impl FnOnce(&mut Seen)) {
        let mut state = self.state();
        let place = place.checked_sub(state.forgotten);
        if let Some(seen) = place.and_then(|place| state.seen.get_mut(place)) {
            change(seen);
        }
        drop(state);
        self.changes.send_replace(());
    }

    fn fault(&self, asked: &Asked) -> Option<Fault> {
        if asked.is_trial() {
            return None;
        }
        let mut state = self.state();
        state.faults.get_mut(&asked.method)?.pop_front()
    }
}

fn is_trial(seen: &Seen) -> bool {
    let tag = seen.if_match.as_ref();
    tag.is_some_and(|tag| tag.contains("forebay-no-such-version"))
}

fn digest(piece: &Content) -> (u64, u64) {
    match piece {
        Content::Digest { size, xxh3 } => (*size, *xxh3),
        Content::Seed { .. } | Content::Bytes(_) | Content::Pieces(_) => (piece.size(), 0),
    }
}

/// The answer of a fault that keeps the request from being looked at.
fn failed(fault: &Option<Fault>) -> Option<Result<Response<Body>, Refused>> {
    match fault {
        Some(Fault::Status(status, code)) => Some(Err(Refused::new(status.as_u16(), code))),
        Some(Fault::RetryAfter(seconds)) => {
            let slow = Refused::new(503, "SlowDown");
            Some(Err(slow.with("retry-after", &seconds.to_string())))
        }
        Some(Fault::Garbage(status)) => {
            let mut response = raw("<html><body>502 Bad Gate");
            *response.status_mut() = *status;
            Some(Ok(response))
        }
        _ => None,
    }
}
