//! A client that signs as SDKs do and sees what the wire says: status, headers, and how a body ends.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Hyper;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

/// A signing client of one node.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    credentials: Credentials,
    hyper: Hyper<HttpConnector, Full<Bytes>>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// `x-forebay-cache`.
    pub(crate) fn source(&self) -> &str {
        self.headers["x-forebay-cache"].to_str().expect("text")
    }

    /// The code in an error document.
    pub(crate) fn code(&self) -> String {
        self.text("Code")
    }

    /// What stands in the first element `name` of the document; empty where it has none.
    pub(crate) fn text(&self, name: &str) -> String {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let inner = text
            .split_once(&open)
            .and_then(|(_, rest)| rest.split_once(&close));
        inner.map(|(inner, _)| inner.to_owned()).unwrap_or_default()
    }
}

/// The node is gone.
#[derive(Debug)]
pub(crate) struct Gone;

/// A request before it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    /// Encoded path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// What `x-amz-content-sha256` says instead of the body's hash.
    pub(crate) payload: Option<&'static str>,
}

impl Ask {
    pub(crate) fn new(method: &'static str, target: &str) -> Self {
        Self {
            method,
            target: target.to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
            payload: None,
        }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn payload(mut self, payload: &'static str) -> Self {
        self.payload = Some(payload);
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr, access_key: &str, secret: &str) -> Self {
        let credentials = Credentials::new(access_key, secret, None, None, "test");
        Self {
            address,
            credentials,
            hyper: Hyper::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Where the node is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a request and gives back the answer once its head is there.
    pub(crate) async fn start(&self, ask: &Ask) -> Response<Incoming> {
        self.try_start(ask).await.expect("an answer")
    }

    async fn try_start(&self, ask: &Ask) -> Result<Response<Incoming>, Gone> {
        let mut request = self.sign(ask);
        if matches!(ask.method, "PUT" | "POST") {
            // hyper leaves it out where the body is empty, and S3 insists on it.
            let length = ask.body.len().into();
            request.headers_mut().insert("content-length", length);
        }
        self.hyper.request(request).await.map_err(|_| Gone)
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// Where the body does not end as its head promised.
    pub(crate) async fn try_send(&self, ask: &Ask) -> Result<Answer, hyper::Error> {
        let (head, body) = self.start(ask).await.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    /// Sends a request to a node that may be killed meanwhile.
    ///
    /// # Errors
    /// Where there was no whole answer.
    pub(crate) async fn send_to_mortal(&self, ask: &Ask) -> Result<Answer, Gone> {
        let (head, body) = self.try_start(ask).await?.into_parts();
        let body = body.collect().await.map_err(|_| Gone)?.to_bytes();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    pub(crate) async fn send(&self, ask: &Ask) -> Answer {
        self.try_send(ask).await.expect("a whole answer")
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send(&Ask::get(target)).await
    }

    /// The request with an `Authorization` header.
    pub(crate) fn sign(&self, ask: &Ask) -> Request<Full<Bytes>> {
        let uri = format!("http://{}{}", self.address, ask.target);
        let mut request = Request::builder().method(ask.method).uri(&uri);
        if !ask.headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", self.address.to_string());
        }
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let mut request = request
            .body(Full::new(ask.body.clone()))
            .expect("a request");
        let identity = self.credentials.clone().into();
        let mut settings = settings();
        settings.payload_checksum_kind = aws_sigv4::http_request::PayloadChecksumKind::XAmzSha256;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(super::now())
            .settings(settings)
            .build()
            .expect("all is given")
            .into();
        let headers = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().expect("text")));
        let body = match ask.payload {
            Some(payload) => SignableBody::Precomputed(payload.to_owned()),
            None => SignableBody::Bytes(&ask.body),
        };
        let signable = SignableRequest::new(ask.method, &uri, headers, body).expect("signable");
        let (instructions, _) = sign(signable, &params).expect("signed").into_parts();
        instructions.apply_to_request_http1x(&mut request);
        request
    }

    /// The target of a GET with its signature in the query, made at `at` and good for `time`.
    pub(crate) fn presign(&self, target: &str, at: SystemTime, time: Duration) -> String {
        let identity = self.credentials.clone().into();
        let mut settings = settings();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(time);
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(at)
            .settings(settings)
            .build()
            .expect("all is given")
            .into();
        let uri = format!("http://{}{target}", self.address);
        let host = self.address.to_string();
        let headers = [("host", host.as_str())].into_iter();
        let signable = SignableRequest::new("GET", &uri, headers, SignableBody::UnsignedPayload);
        let signed = sign(signable.expect("signable"), &params).expect("signed");
        let (instructions, _) = signed.into_parts();
        let mut request = Request::get(&uri).body(()).expect("a request");
        instructions.apply_to_request_http1x(&mut request);
        let target = request.uri().path_and_query().expect("a path");
        target.to_string()
    }
}

/// How S3 wants paths to be signed.
fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings
}
