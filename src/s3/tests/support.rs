//! The world of the door's tests: a gateway that remembers, and requests signed by Amazon's own signer.

use std::sync::Mutex;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;

use super::super::*;
use crate::auth::{Grant, Identity};
use crate::gateway::read::Read;
use crate::gateway::{self, Error};
use crate::per_core::Copies;
use crate::types::{Class, ObjectKey, Secret, Tenant, body};

pub(super) const HOST: &str = "127.0.0.1:9000";
pub(super) const SECRET: &str = "a secret";

/// A gateway that answers "hello" to reads and takes every body.
#[derive(Default)]
pub(super) struct Remembering {
    pub(super) reads: Mutex<Vec<Read>>,
    pub(super) forwarded: Mutex<Vec<Forwarded>>,
}

#[derive(Debug, Clone)]
pub(super) struct Forwarded {
    pub(super) operation: Operation,
    pub(super) headers: HeaderMap,
    pub(super) length: Option<u64>,
    pub(super) bytes: Bytes,
    pub(super) trailers: Option<HeaderMap>,
}

impl Backend for Remembering {
    async fn read(&self, _: &Context, read: Read) -> Result<Answer, Error> {
        let key = read.key.clone();
        self.reads.lock().expect("a lock").push(read);
        found(&key)?;
        Ok(Answer {
            response: Response::new(body::full("hello")),
            source: Source::Memory,
        })
    }

    async fn forward(&self, _: &Context, request: gateway::Request) -> Result<Answer, Error> {
        let upload = request.upload;
        let source = request.operation.copy_source.as_ref();
        if let Some(source) = source {
            found(&source.key)?;
        } else if let Target::Object(_, key) = &request.operation.target {
            found(key)?;
        }
        let collected = upload.body.collect().await.map_err(|error| {
            let error = error.downcast::<Error>();
            *error.expect("bodies end in errors of the gateway")
        })?;
        let forwarded = Forwarded {
            operation: request.operation,
            headers: request.headers,
            length: upload.length,
            bytes: collected.to_bytes(),
            trailers: upload.trailers.and_then(|trailers| trailers()),
        };
        self.forwarded.lock().expect("a lock").push(forwarded);
        Ok(Answer {
            response: Response::new(body::empty()),
            source: Source::Bypass,
        })
    }
}

/// The origin's refusal, of a key `missing`.
fn found(key: &ObjectKey) -> Result<(), Error> {
    if key.as_str() != "missing" {
        return Ok(());
    }
    let refusal = crate::origin::Refusal {
        status: StatusCode::NOT_FOUND,
        // What is there is a delete marker.
        headers: HeaderMap::from_iter([(
            http::HeaderName::from_static("x-amz-delete-marker"),
            http::HeaderValue::from_static("true"),
        )]),
        body: "<Error><Code>NoSuchKey</Code></Error>".into(),
    };
    Err(crate::origin::Error::Refused(Box::new(refusal)).into())
}

pub(super) struct World {
    pub(super) door: Door<Remembering>,
    pub(super) gateway: Arc<Remembering>,
    pub(super) metrics: Arc<Metrics>,
}

impl World {
    /// One identity `FB` that may do all of `actions` in `resources`.
    pub(super) fn new(actions: &[&str], resources: &[&str]) -> Self {
        let identity = Identity {
            access_key_id: "FB".to_owned(),
            principal: Arc::new(Principal {
                name: "trainer".into(),
                tenant: Tenant::default(),
                class: Class::default(),
            }),
            secret: Secret::new(SECRET),
        };
        let grant = Grant::parse(actions, resources).expect("a grant");
        let auth = Auth::new(vec![(identity, vec![grant])], vec![]);
        let (gateway, metrics) = (Arc::<Remembering>::default(), Arc::<Metrics>::default());
        let config = Config {
            domains: vec!["s3.example.org".to_owned()],
            ..Config::default()
        };
        let auth = Arc::new(Copies::new(&auth));
        let clock = Clock::system();
        let door = Door::new(
            config,
            Arc::clone(&gateway),
            auth,
            Arc::clone(&metrics),
            clock,
        );
        Self {
            door,
            gateway,
            metrics,
        }
    }

    pub(super) fn all() -> Self {
        Self::new(&["s3:*"], &["*"])
    }

    pub(super) async fn ask(&self, request: Request<Body>) -> (StatusCode, HeaderMap, String) {
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let (parts, body) = self.door.handle(request, peer).await.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        (parts.status, parts.headers, text)
    }

    pub(super) async fn code(&self, request: Request<Body>) -> String {
        let (_, _, text) = self.ask(request).await;
        response::element(text.as_bytes(), "Code").unwrap_or_default()
    }

    pub(super) fn last_read(&self) -> Read {
        let reads = self.gateway.reads.lock().expect("a lock");
        reads.last().expect("a read").clone()
    }

    pub(super) fn last_forwarded(&self) -> Forwarded {
        let forwarded = self.gateway.forwarded.lock().expect("a lock");
        forwarded.last().expect("a request").clone()
    }
}

/// What a test signs.
pub(super) struct Case<'a> {
    pub(super) method: Method,
    pub(super) target: &'a str,
    pub(super) headers: Vec<(&'a str, &'a str)>,
    pub(super) payload: SignableBody<'a>,
    pub(super) key: (&'a str, &'a str),
    pub(super) time: SystemTime,
    pub(super) expires: Option<Duration>,
}

pub(super) fn now() -> SystemTime {
    Clock::system().wall()
}

impl<'a> Case<'a> {
    pub(super) fn new(method: Method, target: &'a str) -> Self {
        Self {
            method,
            target,
            headers: vec![("host", HOST)],
            payload: SignableBody::Bytes(b""),
            key: ("FB", SECRET),
            time: now(),
            expires: None,
        }
    }

    pub(super) fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The request with its signature, and the signature.
    pub(super) fn sign_with(self, body: Body) -> (Request<Body>, String) {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        if self.expires.is_some() {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = self.expires;
        } else {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let identity = Credentials::new(self.key.0, self.key.1, None, None, "test").into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(self.time)
            .settings(settings)
            .build()
            .expect("all is given");
        let url = format!("http://{HOST}{}", self.target);
        let headers = self.headers.iter().copied();
        let signable =
            SignableRequest::new(self.method.as_str(), url.as_str(), headers, self.payload);
        let signed = sign(signable.expect("a request"), &parameters.into()).expect("a signature");
        let (instructions, signature) = signed.into_parts();
        let mut request = Request::builder().method(self.method).uri(url);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let mut request = request.body(body).expect("a request");
        instructions.apply_to_request_http1x(&mut request);
        let path = request.uri().path_and_query().cloned().expect("a path");
        *request.uri_mut() = path.into();
        (request, signature)
    }

    pub(super) fn sign(self) -> Request<Body> {
        self.sign_with(body::empty()).0
    }
}
