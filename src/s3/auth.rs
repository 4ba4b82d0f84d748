//! The verification of signatures by s3s: its only use, and the only place that knows its types.
//!
//! s3s sees a request's head with an empty body. Bodies are decoded and verified in [`super::payload`], because s3s holds a
//! whole chunk (up to 4 GiB, as the client likes) in memory before it hands it on, and takes a body that ends between two
//! chunks for a whole one.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Uri};
use s3s::auth::{S3Auth, SecretKey};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::route::S3Route;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};

use super::claim::Signed;
use super::error::{Code, Refusal};
use crate::auth::{Auth, Identity};

/// Verifies the signature of a request's head.
pub(super) struct Verifier {
    service: S3Service,
}

impl Verifier {
    /// A verifier that reads secrets from `auth` as it is at each request, and bears clocks that differ by `skew`.
    pub(super) fn new(auth: Arc<ArcSwap<Auth>>, skew: Duration) -> Self {
        let mut config = S3Config::default();
        config.presigned_url_max_skew_time_secs = u32::try_from(skew.as_secs()).unwrap_or(u32::MAX);
        let mut builder = S3ServiceBuilder::new(Nothing);
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        builder.set_auth(Secrets(auth));
        builder.set_route(Verified);
        builder.set_validation(AnyName);
        Self {
            service: builder.build(),
        }
    }

    /// The identity that signed the request.
    ///
    /// # Errors
    /// S3's refusal: wrong signature, unknown key, skewed clock, expired URL.
    pub(super) async fn verify(
        &self,
        parts: &Parts,
        signed: &Signed,
        auth: &Auth,
    ) -> Result<Identity, Refusal> {
        let slot = Slot::default();
        let response = self
            .service
            .call(head(parts, slot.clone()))
            .await
            .map_err(|_| Refusal::new(Code::InternalError))?;
        match slot.0.get() {
            Some(id) if *id == signed.access_key_id => auth
                .identity(id)
                .cloned()
                .ok_or_else(|| Refusal::new(Code::InvalidAccessKeyId)),
            Some(_) => Err(Refusal::new(Code::SignatureDoesNotMatch)),
            None => Err(refusal(
                response.body().bytes().as_deref().unwrap_or_default(),
            )),
        }
    }
}

/// The request without its body, and with its target in origin form: a signature covers the path and the query only.
fn head(parts: &Parts, slot: Slot) -> s3s::HttpRequest {
    let mut request = http::Request::new(s3s::Body::empty());
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = match parts.uri.path_and_query() {
        Some(path) => Uri::from(path.clone()),
        None => parts.uri.clone(),
    };
    *request.headers_mut() = parts.headers.clone();
    if parts.method == Method::POST && super::form::is_form(parts) {
        disguise_form(request.headers_mut());
    }
    request.extensions_mut().insert(slot);
    request
}

/// Keeps s3s from looking for the signature of a form in its body: forms do not come here, and a request that makes an
/// object of this type is signed as any other. White space at the start of a header is not signed.
fn disguise_form(headers: &mut HeaderMap) {
    if let Some(value) = headers.get_mut(http::header::CONTENT_TYPE)
        && let Ok(disguised) = http::HeaderValue::from_bytes(&[b" ", value.as_bytes()].concat())
    {
        *value = disguised;
    }
}

/// Reads s3s' own error document, and words it as S3 does where S3's words say as much.
fn refusal(document: &[u8]) -> Refusal {
    let document = String::from_utf8_lossy(document);
    let element = |name: &str| {
        let (_, rest) = document.split_once(&format!("<{name}>"))?;
        rest.split_once('<').map(|(text, _)| text.to_owned())
    };
    let message = element("Message");
    let worded = |code| match message.clone() {
        Some(message) => Refusal::because(code, message),
        None => Refusal::new(code),
    };
    match element("Code").as_deref() {
        Some("SignatureDoesNotMatch") => Refusal::new(Code::SignatureDoesNotMatch),
        Some("InvalidAccessKeyId") => Refusal::new(Code::InvalidAccessKeyId),
        Some("RequestTimeTooSkewed") => Refusal::new(Code::RequestTimeTooSkewed),
        Some("InvalidURI") => Refusal::new(Code::InvalidUri),
        Some("KeyTooLongError") => Refusal::new(Code::KeyTooLong),
        Some("AccessDenied") => worded(Code::AccessDenied),
        Some("NotImplemented") => worded(Code::NotImplemented),
        Some("MissingContentLength") => Refusal::new(Code::MissingContentLength),
        Some("InternalError") => Refusal::new(Code::InternalError),
        Some(_) | None => worded(Code::InvalidRequest),
    }
}

/// Where the route leaves the access key whose signature was verified.
#[derive(Debug, Clone, Default)]
struct Slot(Arc<OnceLock<String>>);

struct Secrets(Arc<ArcSwap<Auth>>);

#[async_trait::async_trait]
impl S3Auth for Secrets {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match self.0.load().identity(access_key) {
            Some(identity) => Ok(identity.secret.expose().into()),
            None => Err(S3Error::new(S3ErrorCode::InvalidAccessKeyId)),
        }
    }
}

/// Every request whose signature holds ends here.
struct Verified;

#[async_trait::async_trait]
impl S3Route for Verified {
    fn is_match(&self, _: &Method, _: &Uri, _: &HeaderMap, _: &mut Extensions) -> bool {
        true
    }

    async fn call(&self, request: S3Request<s3s::Body>) -> S3Result<S3Response<s3s::Body>> {
        if let (Some(slot), Some(credentials)) =
            (request.extensions.get::<Slot>(), request.credentials)
        {
            slot.0.get_or_init(|| credentials.access_key);
        }
        Ok(S3Response::new(s3s::Body::empty()))
    }
}

/// Bucket names are judged by [`super::target`].
struct AnyName;

impl NameValidation for AnyName {
    fn validate_bucket_name(&self, _: &str) -> bool {
        true
    }
}

/// No operation is ever asked of s3s.
struct Nothing;

impl S3 for Nothing {}
