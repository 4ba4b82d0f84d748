//! An origin in memory whose answers tests hold back, break and count.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::{Semaphore, mpsc};

use crate::origin::{Call, Error, Fetched, Get, Head, ObjectHead, Origin, Refusal};
use crate::types::range::Parsed;
use crate::types::{Body, BucketName, ETag, ObjectKey, OriginFingerprint, RangeSpec, body};

/// A request that the origin saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    Get {
        range: Option<Range<u64>>,
        pinned: bool,
    },
    Head,
    Call,
}

/// What goes wrong with the next reads, in order.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// No answer.
    Down,
    /// No end to the wait for an answer.
    Hang,
    /// The body breaks off after this many bytes.
    BreakAfter(u64),
    /// The body ends after this many bytes, as if that were all.
    EndAfter(u64),
    /// The body is silent for 20 s after this many bytes, then breaks off.
    StallAfter(u64),
    Status(StatusCode),
}

#[derive(Debug, Clone)]
struct Object {
    bytes: Bytes,
    etag: String,
    meta: String,
    headers: HeaderMap,
}

#[derive(Debug, Default)]
struct State {
    objects: HashMap<String, Object>,
    seen: Vec<Seen>,
    faults: Vec<Fault>,
    sent: u64,
    /// Answers with bodies wait for a permit a frame.
    gate: Option<Arc<Semaphore>>,
    ignores_pins: bool,
    hangs_on_trials: bool,
}

/// See the module's description.
#[derive(Debug, Clone, Default)]
pub(super) struct FakeOrigin(Arc<Mutex<State>>);

/// How long a silent body is silent.
const STALL: std::time::Duration = std::time::Duration::from_secs(20);

/// The size of the frames that bodies come in.
pub(super) const FRAME: usize = 48 * 1024;

/// Bytes that differ from place to place.
pub(super) fn pattern(length: u64, seed: u64) -> Bytes {
    let word = |index: u64| {
        (index ^ seed)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(word).collect();
    bytes.truncate(usize::try_from(length).expect("a test's size"));
    bytes.into()
}

impl FakeOrigin {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores an object whose ETag is `etag` in quotes.
    pub(super) fn put(&self, key: &str, bytes: Bytes, etag: &str) {
        self.put_with(key, bytes, etag, "", HeaderMap::new());
    }

    pub(super) fn put_with(
        &self,
        key: &str,
        bytes: Bytes,
        etag: &str,
        meta: &str,
        headers: HeaderMap,
    ) {
        let object = Object {
            bytes,
            etag: format!("\"{etag}\""),
            meta: meta.to_owned(),
            headers,
        };
        self.state().objects.insert(key.to_owned(), object);
    }

    pub(super) fn remove(&self, key: &str) {
        self.state().objects.remove(key);
    }

    /// The requests since the last call, the trial of pins left out.
    pub(super) fn seen(&self) -> Vec<Seen> {
        let mut seen = std::mem::take(&mut self.state().seen);
        let trial = Seen::Get {
            range: Some(0..1),
            pinned: true,
        };
        seen.retain(|request| *request != trial);
        seen
    }

    /// Bytes of bodies handed over so far.
    pub(super) fn sent(&self) -> u64 {
        self.state().sent
    }

    pub(super) fn fail(&self, faults: &[Fault]) {
        self.state().faults.extend(faults);
    }

    /// The next reads go well.
    pub(super) fn recover(&self) {
        self.state().faults.clear();
    }

    pub(super) fn hang_on_trials(&self) {
        self.state().hangs_on_trials = true;
    }

    pub(super) fn ignore_pins(&self) {
        self.state().ignores_pins = true;
    }

    /// From now on every frame of a body waits for a permit.
    pub(super) fn hold(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.state().gate = Some(Arc::clone(&gate));
        gate
    }

    fn head_of(object: &Object) -> ObjectHead {
        let mut headers = object.headers.clone();
        headers.insert("etag", object.etag.parse().expect("a header"));
        headers.insert("x-amz-meta-note", object.meta.parse().expect("a header"));
        ObjectHead {
            size: object.bytes.len() as u64,
            etag: ETag::new(&object.etag),
            version_id: None,
            headers,
        }
    }

    fn find(&self, key: &ObjectKey) -> Result<Object, Error> {
        self.state()
            .objects
            .get(key.as_str())
            .cloned()
            .ok_or_else(|| missing(key))
    }

    fn body(&self, bytes: Bytes, fault: Option<Fault>) -> Body {
        let gate = self.state().gate.clone();
        let (sender, mut receiver) =
            mpsc::channel::<Result<Frame<Bytes>, crate::types::BoxError>>(1);
        let origin = self.clone();
        let send = async move {
            let mut sent = 0;
            for frame in (0..bytes.len()).step_by(FRAME) {
                if let Some(gate) = &gate {
                    let Ok(permit) = gate.acquire().await else {
                        return;
                    };
                    permit.forget();
                }
                let mut frame = bytes.slice(frame..(frame + FRAME).min(bytes.len()));
                let broken = match fault {
                    Some(
                        Fault::BreakAfter(length)
                        | Fault::EndAfter(length)
                        | Fault::StallAfter(length),
                    ) if sent + frame.len() as u64 > length => {
                        frame.truncate(usize::try_from(length - sent).expect("small"));
                        true
                    }
                    _ => false,
                };
                sent += frame.len() as u64;
                let length = frame.len() as u64;
                if sender.send(Ok(Frame::data(frame))).await.is_err() {
                    return;
                }
                origin.state().sent += length;
                if broken {
                    if matches!(fault, Some(Fault::StallAfter(_))) {
                        tokio::time::sleep(STALL).await;
                    }
                    if !matches!(fault, Some(Fault::EndAfter(_))) {
                        drop(sender.send(Err("connection reset".into())).await);
                    }
                    return;
                }
            }
        };
        #[expect(clippy::disallowed_methods, reason = "the task ends with the body")]
        tokio::spawn(send);
        let stream = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
        StreamBody::new(stream).boxed_unsync()
    }
}

/// The error under this origin's own names, its bucket being `corp-train`.
fn missing(key: &ObjectKey) -> Error {
    let bucket = "corp-train";
    let document = format!(
        "<Error><Key>{key}</Key><BucketName>{bucket}</BucketName><Resource>/{bucket}/{key}</Resource></Error>"
    );
    Error::Refused(Box::new(Refusal {
        status: StatusCode::NOT_FOUND,
        headers: HeaderMap::new(),
        body: document.into(),
    }))
}

fn refusal(status: StatusCode) -> Error {
    Error::Refused(Box::new(Refusal {
        status,
        headers: HeaderMap::new(),
        body: Bytes::new(),
    }))
}

#[async_trait::async_trait]
impl Origin for FakeOrigin {
    fn fingerprint(&self, bucket: &BucketName) -> OriginFingerprint {
        OriginFingerprint::new("fake", "", "", bucket)
    }

    async fn get(&self, get: Get) -> Result<Fetched, Error> {
        let object = self.find(&get.key);
        let fault = {
            let mut state = self.state();
            let size = object
                .as_ref()
                .map_or(0, |object| object.bytes.len() as u64);
            let range = get.range.and_then(|range| range.resolve(size).ok());
            state.seen.push(Seen::Get {
                range,
                pinned: get.pin.is_some(),
            });
            let trial = get
                .pin
                .as_ref()
                .is_some_and(|pin| pin.as_str().contains("forebay"));
            if trial && state.hangs_on_trials {
                Some(Fault::Hang)
            } else if state.faults.is_empty() || trial {
                None
            } else {
                Some(state.faults.remove(0))
            }
        };
        match fault {
            Some(Fault::Hang) => return std::future::pending().await,
            Some(Fault::Down) => return Err(Error::Unreachable("connection refused".into())),
            Some(Fault::Status(status)) => return Err(refusal(status)),
            Some(Fault::BreakAfter(_) | Fault::EndAfter(_) | Fault::StallAfter(_)) | None => {}
        }
        let object = object?;
        let ignores_pins = self.state().ignores_pins;
        if get.pin.is_some_and(|pin| pin.as_str() != object.etag) && !ignores_pins {
            return Err(refusal(StatusCode::PRECONDITION_FAILED));
        }
        let size = object.bytes.len() as u64;
        let range = match get.range {
            Some(range) => range
                .resolve(size)
                .map_err(|_| refusal(StatusCode::RANGE_NOT_SATISFIABLE))?,
            None => 0..size,
        };
        let index = |offset: u64| usize::try_from(offset).expect("small");
        let bytes = object.bytes.slice(index(range.start)..index(range.end));
        let head = Self::head_of(&object);
        Ok(Fetched {
            head,
            range,
            body: self.body(bytes, fault),
        })
    }

    async fn head(&self, head: Head) -> Result<ObjectHead, Error> {
        self.state().seen.push(Seen::Head);
        Ok(Self::head_of(&self.find(&head.key)?))
    }

    async fn call(&self, call: Call) -> Result<Response<Body>, Error> {
        self.state().seen.push(Seen::Call);
        let mut response = Response::new(body::empty());
        let asked = call
            .headers
            .get("range")
            .and_then(|range| range.to_str().ok())
            .map(RangeSpec::parse);
        let object = match self.find(call.key.as_ref().expect("a read has a key")) {
            Ok(object) => object,
            Err(Error::Refused(refusal)) => {
                *response.status_mut() = refusal.status;
                *response.body_mut() = body::full(refusal.body);
                return Ok(response);
            }
            Err(error) => return Err(error),
        };
        let size = object.bytes.len() as u64;
        match asked {
            Some(Parsed::Single(range)) => match range.resolve(size) {
                Ok(range) => {
                    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                    let index = |offset: u64| usize::try_from(offset).expect("small");
                    *response.body_mut() =
                        body::full(object.bytes.slice(index(range.start)..index(range.end)));
                }
                Err(_) => *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE,
            },
            Some(Parsed::Ignored | Parsed::Several) | None => {
                *response.body_mut() = body::full(object.bytes)
            }
        }
        Ok(response)
    }

    async fn probe(&self, _bucket: Option<&BucketName>) -> Result<(), Error> {
        Ok(())
    }
}
