//! A small world for the tests of this folder: one route, one origin that answers as it is told.

use std::fmt;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use http_body_util::BodyExt as _;

use super::{Buckets, Forward};
use crate::auth::Auth;
use crate::cache::small::Small;
use crate::clock::Clock;
use crate::gateway::read::NotModified;
use crate::gateway::{Context, Error, Request, Upload};
use crate::origin::{self, Call, Fetched, Get, Head, ObjectHead, Origin, Payload};
use crate::records::{Config, Records};
use crate::routes::{Freshness, NamedOrigin, Route, Routes};
use crate::tasks::Tasks;
use crate::types::body::full;
use crate::types::{
    Body, BucketName, CanonicalObject, Operation, OperationName, OriginFingerprint, Principal,
    Target,
};

/// A call as the origin got it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) bucket: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    /// The bytes that arrived, and whether they were all.
    pub(crate) body: Bytes,
    pub(crate) complete: bool,
    pub(crate) trailer: Option<(String, String)>,
}

type Reply = dyn Fn(&Seen) -> Result<Response<Body>, origin::Error> + Send + Sync;

/// An origin that notes every call and answers what the test says.
pub(crate) struct Fake {
    pub(crate) seen: Mutex<Vec<Seen>>,
    reply: Box<Reply>,
    /// Held up until the test permits one more answer.
    pub(crate) gate: Option<Arc<tokio::sync::Semaphore>>,
    pub(crate) arrived: Arc<tokio::sync::Notify>,
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}

#[async_trait::async_trait]
impl Origin for Fake {
    fn fingerprint(&self, bucket: &BucketName) -> OriginFingerprint {
        OriginFingerprint::new("fake", "", "", bucket)
    }

    async fn get(&self, _get: Get) -> Result<Fetched, origin::Error> {
        Err(origin::Error::Unsupported(OperationName::GetObject))
    }

    async fn head(&self, _head: Head) -> Result<ObjectHead, origin::Error> {
        Err(origin::Error::Unsupported(OperationName::HeadObject))
    }

    async fn call(&self, call: Call) -> Result<Response<Body>, origin::Error> {
        let seen = read(call).await;
        let complete = seen.complete;
        self.arrived.notify_one();
        if let Some(gate) = &self.gate {
            gate.acquire().await.expect("open").forget();
        }
        let reply = (self.reply)(&seen);
        self.seen.lock().expect("no panic").push(seen);
        if complete {
            reply
        } else {
            Err(origin::Error::Unreachable("the body broke off".into()))
        }
    }

    async fn probe(&self, _bucket: Option<&BucketName>) -> Result<(), origin::Error> {
        Ok(())
    }
}

async fn read(call: Call) -> Seen {
    let (mut body, trailer, mut complete) = match call.payload {
        Payload::Whole(bytes) => (full(bytes), None, true),
        Payload::Stream(stream) => (stream.body, stream.trailer, true),
    };
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend_from_slice(&frame.into_data().expect("data")),
            Err(_) => complete = false,
        }
    }
    Seen {
        bucket: call.bucket.map(|bucket| bucket.to_string()),
        key: call.key.map(|key| key.to_string()),
        query: call.query,
        headers: call.headers,
        body: bytes.into(),
        complete,
        trailer: trailer.and_then(|trailer| {
            let value = trailer.value.get()?.clone();
            Some((trailer.name.to_string(), value))
        }),
    }
}

/// The bucket `train` with the prefix `team/`, which is `corp-train` at the origin; `other` is elsewhere.
pub(crate) struct World {
    pub(crate) origin: Arc<Fake>,
    pub(crate) routes: ArcSwap<Routes>,
    pub(crate) records: Arc<Records>,
    pub(crate) small: Arc<Small>,
    pub(crate) tasks: Tasks,
    pub(crate) buckets: Buckets,
    pub(crate) not_modified: NotModified,
    pub(crate) context: Context,
}

impl World {
    /// A world whose origin answers with `reply`.
    pub(crate) fn new(
        reply: impl Fn(&Seen) -> Result<Response<Body>, origin::Error> + Send + Sync + 'static,
    ) -> Self {
        Self::build(Box::new(reply), None)
    }

    /// A world whose origin answers an empty 200 for each permit of the gate.
    pub(crate) fn gated() -> (Self, Arc<tokio::sync::Semaphore>) {
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let world = Self::build(Box::new(|_| ok("")), Some(Arc::clone(&gate)));
        (world, gate)
    }

    fn build(reply: Box<Reply>, gate: Option<Arc<tokio::sync::Semaphore>>) -> Self {
        let origin = Arc::new(Fake {
            seen: Mutex::default(),
            reply,
            gate,
            arrived: Arc::default(),
        });
        let named = |name: &str| NamedOrigin {
            name: name.into(),
            origin: Arc::clone(&origin) as Arc<dyn Origin>,
        };
        let routes = vec![
            route(named("aws"), "train", "corp-train", "team/"),
            route(named("elsewhere"), "other", "other", ""),
        ];
        let context = Context {
            principal: Arc::new(Principal::anonymous()),
            auth: Arc::new(Auth::default()),
            request_id: "id".into(),
        };
        let routes = Routes::new(vec![named("aws"), named("elsewhere")], routes, None);
        let config = Config { capacity: 1 << 20 };
        Self {
            origin: Arc::clone(&origin),
            routes: ArcSwap::from_pointee(routes),
            records: Records::new(config, Clock::system()),
            small: Small::none(),
            tasks: Tasks::default(),
            buckets: Buckets::default(),
            not_modified: NotModified::default(),
            context,
        }
    }

    pub(crate) async fn serve(&self, request: Request) -> Result<Response<Body>, Error> {
        self.forward().serve(request).await
    }

    pub(crate) fn forward(&self) -> Forward<'_> {
        Forward {
            routes: self.routes.load_full(),
            records: &self.records,
            small: &self.small,
            tasks: &self.tasks,
            buckets: &self.buckets,
            not_modified: &self.not_modified,
            context: &self.context,
        }
    }

    /// An object of the bucket `train`.
    pub(crate) fn object(&self, key: &str) -> CanonicalObject {
        let route = self.routes.load().find(&"train".parse().expect("a name"));
        let key = key.parse().expect("a key");
        route.expect("a route").canonical(&key).expect("short")
    }

    /// The last call that the origin got.
    pub(crate) fn last(&self) -> Seen {
        let mut seen = self.origin.seen.lock().expect("no panic");
        seen.pop().expect("the origin was asked")
    }

    pub(crate) fn calls(&self) -> usize {
        self.origin.seen.lock().expect("no panic").len()
    }
}

pub(crate) fn route(origin: NamedOrigin, bucket: &str, at_origin: &str, prefix: &str) -> Route {
    let parse = |name: &str| name.parse().expect("a bucket name");
    let freshness = Freshness::default();
    let (bucket, at_origin) = (parse(bucket), parse(at_origin));
    Route::new(
        bucket,
        origin,
        at_origin,
        prefix.into(),
        Vec::new(),
        freshness,
    )
}

/// A 200 with a document.
pub(crate) fn ok(document: &str) -> Result<Response<Body>, origin::Error> {
    Ok(Response::new(full(document.to_owned())))
}

/// A request of `name` for `key` of the bucket `train`; for the bucket itself where the key is empty.
pub(crate) fn request(name: OperationName, method: Method, key: &str) -> Request {
    let bucket: BucketName = "train".parse().expect("a bucket name");
    let target = match key.parse() {
        Ok(key) => Target::Object(bucket, key),
        Err(_) => Target::Bucket(bucket),
    };
    Request {
        operation: Operation {
            name,
            target,
            copy_source: None,
            prefix: String::new(),
            versioned: false,
            extras: Vec::new(),
        },
        method,
        query: Vec::new(),
        headers: HeaderMap::new(),
        upload: Upload::none(),
    }
}

/// A PutObject of `body`, which is said to have `length` bytes.
pub(crate) fn put(key: &str, body: Body, length: u64) -> Request {
    let mut request = request(OperationName::PutObject, Method::PUT, key);
    request.upload = Upload {
        body,
        length: Some(length),
        sha256: None,
        trailers: None,
    };
    request
}

pub(crate) async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.expect("a whole body");
    String::from_utf8(bytes.to_bytes().to_vec()).expect("text")
}
