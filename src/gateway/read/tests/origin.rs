//! An origin in memory whose answers tests hold back, break and count.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::{Semaphore, mpsc};

use super::forwarded::answered;
use crate::origin::{Call, Error, Fetched, Get, Head, ObjectHead, Origin, Refusal};
use crate::types::{Body, BucketName, ETag, ObjectKey, OriginFingerprint, body};

/// A request that the origin saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    Get {
        range: Option<Range<u64>>,
        pinned: bool,
    },
    Head,
    /// A request by a part's number, with its bytes or without.
    Part {
        number: u64,
        bytes: bool,
    },
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
    /// The answer's head makes no sense.
    Nonsense,
}

#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) bytes: Bytes,
    pub(super) etag: String,
    meta: String,
    pub(super) headers: HeaderMap,
    /// Its id, where it is a version.
    version: Option<String>,
    /// The sizes of its parts, where it was uploaded in some.
    pub(super) parts: Vec<u64>,
}

#[derive(Debug, Default)]
struct State {
    /// The versions of each key; the last one is current.
    objects: HashMap<String, Vec<Object>>,
    seen: Vec<Seen>,
    faults: Vec<Fault>,
    sent: u64,
    /// Answers with bodies wait for a permit a frame.
    gate: Option<Arc<Semaphore>>,
    ignores_pins: bool,
    hangs_on_trials: bool,
    hides_ranges: bool,
    paid: u64,
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
            version: None,
            parts: Vec::new(),
        };
        self.state().objects.insert(key.to_owned(), vec![object]);
    }

    /// Stores a version beside those that are there.
    pub(super) fn put_version(&self, key: &str, bytes: Bytes, id: &str) {
        let object = Object {
            bytes,
            etag: format!("\"of-{id}\""),
            meta: String::new(),
            headers: HeaderMap::from_iter([(
                HeaderName::from_static("x-amz-version-id"),
                id.parse().expect("a header"),
            )]),
            version: Some(id.to_owned()),
            parts: Vec::new(),
        };
        let mut state = self.state();
        state
            .objects
            .entry(key.to_owned())
            .or_default()
            .push(object);
    }

    /// Removes one version for good.
    pub(super) fn remove_version(&self, key: &str, id: &str) {
        let mut state = self.state();
        let versions = state.objects.get_mut(key).expect("a key with versions");
        versions.retain(|object| object.version.as_deref() != Some(id));
    }

    /// Says that the current object came in parts of these sizes.
    pub(super) fn set_parts(&self, key: &str, sizes: &[u64]) {
        let mut state = self.state();
        let versions = state.objects.get_mut(key).expect("a key");
        versions.last_mut().expect("an object").parts = sizes.to_vec();
    }

    /// A HEAD of a part does not say where it lies any more.
    pub(super) fn hide_ranges(&self) {
        self.state().hides_ranges = true;
    }

    pub(super) fn hides_ranges(&self) -> bool {
        self.state().hides_ranges
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

    /// Requests that said who pays.
    pub(super) fn paid(&self) -> u64 {
        self.state().paid
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

    pub(super) fn head_of(object: &Object) -> ObjectHead {
        let mut headers = object.headers.clone();
        headers.insert("etag", object.etag.parse().expect("a header"));
        headers.insert("x-amz-meta-note", object.meta.parse().expect("a header"));
        ObjectHead {
            size: object.bytes.len() as u64,
            etag: ETag::new(&object.etag),
            version_id: object.version.as_deref().map(Arc::from),
            headers,
        }
    }

    fn find(&self, key: &ObjectKey, version: Option<&str>) -> Result<Object, Error> {
        let state = self.state();
        let versions = state.objects.get(key.as_str());
        let mut versions = versions.into_iter().flatten();
        let object = match version {
            None => versions.next_back(),
            Some("null") => versions.find(|object| object.version.is_none()),
            Some(id) => versions.find(|object| object.version.as_deref() == Some(id)),
        };
        object.cloned().ok_or_else(|| missing(key))
    }

    pub(super) fn body(&self, bytes: Bytes, fault: Option<Fault>) -> Body {
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
        let object = self.find(&get.key, get.version_id.as_deref());
        let fault = {
            let mut state = self.state();
            state.paid += u64::from(get.requester_pays);
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
            Some(Fault::Nonsense) => return Err(Error::Nonsense("a bad Content-Range")),
            Some(Fault::BreakAfter(_) | Fault::EndAfter(_) | Fault::StallAfter(_)) | None => {}
        }
        let object = object?;
        // Some stores look at no tag beside an id.
        let ignores_pins = self.state().ignores_pins || get.version_id.is_some();
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
        {
            let mut state = self.state();
            state.seen.push(Seen::Head);
            state.paid += u64::from(head.requester_pays);
        }
        let object = self.find(&head.key, head.version_id.as_deref())?;
        Ok(Self::head_of(&object))
    }

    async fn call(&self, call: Call) -> Result<Response<Body>, Error> {
        let Some(key) = call.key.as_ref() else {
            // Whatever is asked of the bucket is done.
            return Ok(Response::new(body::empty()));
        };
        let parameter = |name: &str| {
            let mut query = call.query.iter();
            query.find_map(|(known, value)| (known == name).then_some(value.as_str()))
        };
        let number = parameter("partNumber").map(|part| part.parse().expect("a number"));
        let bytes = call.method == http::Method::GET;
        {
            let mut state = self.state();
            state.seen.push(match number {
                Some(number) => Seen::Part { number, bytes },
                None => Seen::Call,
            });
            state.paid += u64::from(call.headers.contains_key("x-amz-request-payer"));
        }
        let object = match self.find(key, parameter("versionId")) {
            Ok(object) => object,
            Err(error) => return answered(error),
        };
        Ok(self.select(&object, &call.headers, number, bytes))
    }

    async fn probe(&self, _bucket: Option<&BucketName>) -> Result<(), Error> {
        Ok(())
    }
}
