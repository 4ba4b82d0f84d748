//! The verification of signatures: of plain reads in the lean [`lane`](super::lane), of everything else by s3s. This is
//! s3s' only use, and the only place that knows its types.
//!
//! s3s sees a request's head with an empty body. Bodies are decoded and verified in [`super::payload`], because s3s holds a
//! whole chunk (up to 4 GiB, as the client likes) in memory before it hands it on, and takes a body that ends between two
//! chunks for a whole one.
//!
//! Two forms that it does not know are put into words that it does, which changes nothing of what was signed: a signature's
//! time in `Date`, and a presigned URL that covers a payload's hash (`X-Amz-Content-Sha256`).

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Extensions, HeaderMap, HeaderValue, Method, Uri, header};
use s3s::auth::{S3Auth, SecretKey};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::route::S3Route;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};

use super::claim::{Presigned, Signed};
use super::error::{Code, Refusal};
use super::lane::Lane;
use crate::auth::{Auth, Identity};
use crate::clock::Clock;
use crate::per_core::Copies;

/// What a presigned URL covers unless it says otherwise.
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// Verifies the signature of a request's head.
pub(super) struct Verifier {
    lane: Lane,
    service: S3Service,
    /// The same for signatures of any age, which this side has judged.
    ageless: S3Service,
    skew: Duration,
    clock: Clock,
}

impl Verifier {
    /// A verifier that reads secrets from `auth` as it is at each request, and bears clocks that differ by `skew`.
    pub(super) fn new(auth: Arc<Copies<Auth>>, skew: Duration, clock: Clock) -> Self {
        let seconds = u32::try_from(skew.as_secs()).unwrap_or(u32::MAX);
        Self {
            service: service(Arc::clone(&auth), seconds),
            ageless: service(auth, u32::MAX),
            lane: Lane::new(skew, clock.clone()),
            skew,
            clock,
        }
    }

    /// The identity that signed the request.
    ///
    /// # Errors
    /// S3's refusal: wrong signature, unknown key, skewed clock, expired URL.
    pub(super) async fn verify<'a>(
        &self,
        parts: &Parts,
        signed: &Signed,
        auth: &'a Auth,
    ) -> Result<&'a Identity, Refusal> {
        match self.lane.verify(parts, signed, auth) {
            Some(identity) => Ok(identity),
            None => Box::pin(self.verify_any(parts, signed, auth)).await,
        }
    }

    /// As [`Verifier::verify`], for requests of any form.
    async fn verify_any<'a>(
        &self,
        parts: &Parts,
        signed: &Signed,
        auth: &'a Auth,
    ) -> Result<&'a Identity, Refusal> {
        let slot = Slot::default();
        let hashed = signed.presigned.as_ref().and_then(|presigned| {
            let payload = presigned.payload.as_deref()?;
            (payload != UNSIGNED_PAYLOAD).then_some((presigned, payload))
        });
        let response = match hashed {
            Some((presigned, payload)) => {
                self.check_age(signed.moment, presigned)?;
                let head = presigned_head(parts, signed, payload, slot.clone())?;
                self.ageless.call(head).await
            }
            None => self.service.call(head(parts, signed, slot.clone())?).await,
        };
        let response = response.map_err(|_| Refusal::new(Code::InternalError))?;
        match slot.0.get() {
            Some(id) if *id == signed.access_key_id => auth
                .identity(id)
                .ok_or_else(|| Refusal::new(Code::InvalidAccessKeyId)),
            Some(_) => Err(Refusal::new(Code::SignatureDoesNotMatch)),
            None => Err(refusal(
                response.body().bytes().as_deref().unwrap_or_default(),
            )),
        }
    }
}

#[cfg(any(test, feature = "fuzzing"))]
impl Verifier {
    #[cfg(test)]
    pub(super) fn lane(&self) -> &Lane {
        &self.lane
    }

    /// Signs a request for `secret` as the lane would have it signed, putting the signature in the place of `@`, and gives
    /// whom the lane and s3s take it to be from; none where it is nothing for the lane.
    pub(super) async fn both(
        &self,
        parts: &mut Parts,
        auth: &Auth,
        secret: &crate::types::Secret,
    ) -> Option<[Option<String>; 2]> {
        use super::claim::Claim;
        use super::{lane, query::Query, signing};
        let query = Query::parse(parts.uri.query().unwrap_or_default()).ok()?;
        let Ok(Claim::Signed(unsigned)) = Claim::parse(&parts.headers, &query) else {
            return None;
        };
        let fields = lane::Fields::of(&parts.headers);
        let text = lane::string_to_sign(parts, &fields, &unsigned)?;
        let key = signing::key(secret, &unsigned.date, &unsigned.region);
        let signature = key.sign(text.as_bytes());
        let written = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let written = written.replace('@', &hex::encode(signature));
        let written = HeaderValue::from_str(&written).ok()?;
        parts.headers.insert(header::AUTHORIZATION, written);
        let Ok(Claim::Signed(signed)) = Claim::parse(&parts.headers, &query) else {
            return None;
        };
        let lean = self.lane.verify(parts, &signed, auth);
        let full = self.verify_any(parts, &signed, auth).await;
        let name = |identity: &Identity| identity.access_key_id.clone();
        Some([lean.map(name), full.ok().map(name)])
    }
}

impl Verifier {
    /// A presigned URL holds from its time on, but for the skew of clocks, and until it expires.
    fn check_age(&self, time: Option<SystemTime>, presigned: &Presigned) -> Result<(), Refusal> {
        let malformed = || Refusal::new(Code::AuthorizationQueryParametersError);
        let (time, now) = (time.ok_or_else(malformed)?, self.clock.wall());
        if now + self.skew < time {
            return Err(Refusal::new(Code::RequestTimeTooSkewed));
        }
        if time + Duration::from_secs(presigned.expires) < now {
            return Err(Refusal::because(Code::AccessDenied, "Request has expired"));
        }
        Ok(())
    }
}

fn service(auth: Arc<Copies<Auth>>, skew: u32) -> S3Service {
    let mut config = S3Config::default();
    config.presigned_url_max_skew_time_secs = skew;
    let mut builder = S3ServiceBuilder::new(Nothing);
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    builder.set_auth(Secrets(auth));
    builder.set_route(Verified);
    builder.set_validation(AnyName);
    builder.build()
}

/// The request as it came, its time where s3s looks for it.
fn head(parts: &Parts, signed: &Signed, slot: Slot) -> Result<s3s::HttpRequest, Refusal> {
    let mut request = bare(parts, slot);
    let headers = request.headers_mut();
    if signed.presigned.is_none() && !headers.contains_key("x-amz-date") {
        headers.insert("x-amz-date", value(&signed.time)?);
    }
    Ok(request)
}

/// A presigned request as one with the same signature in its header: what is signed is the same in both. Headers that are
/// added are not among the signed ones, and an `x-amz-*` header that came is.
fn presigned_head(
    parts: &Parts,
    signed: &Signed,
    payload: &str,
    slot: Slot,
) -> Result<s3s::HttpRequest, Refusal> {
    let mut request = bare(parts, slot);
    let query = parts.uri.query().unwrap_or_default();
    let pairs = query
        .split('&')
        .filter(|pair| !pair.starts_with("X-Amz-Signature="));
    let target = format!(
        "{}?{}",
        parts.uri.path(),
        pairs.collect::<Vec<_>>().join("&")
    );
    let target = PathAndQuery::try_from(target).map_err(|_| Refusal::new(Code::InvalidUri))?;
    *request.uri_mut() = Uri::from(target);
    let credential = format!("{}/{}/{}", signed.access_key_id, signed.date, signed.region);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={credential}/s3/aws4_request, SignedHeaders={}, Signature={}",
        signed.header_names(),
        signed.signature
    );
    let headers = request.headers_mut();
    headers.insert(header::AUTHORIZATION, value(&authorization)?);
    headers.insert("x-amz-date", value(&signed.time)?);
    headers.insert("x-amz-content-sha256", value(payload)?);
    Ok(request)
}

fn value(text: &str) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_str(text).map_err(|_| Refusal::new(Code::SignatureDoesNotMatch))
}

/// The request without its body, and with its target in origin form: a signature covers the path and the query only.
fn bare(parts: &Parts, slot: Slot) -> s3s::HttpRequest {
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

struct Secrets(Arc<Copies<Auth>>);

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
