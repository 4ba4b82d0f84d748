//! The public S3 door: verify, parse, authorise, serve, render, tell.
//!
//! [`Door::handle`] answers every request with S3's own words and never fails; a body that breaks mid-way ends in an error,
//! upon which hyper resets the connection. What an operation does is the gateway's business.

mod access;
mod auth;
mod backend;
mod chunked;
mod claim;
#[cfg(test)]
mod compatibility;
mod error;
mod form;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod headers;
mod lane;
mod parameters;
mod patience;
mod payload;
mod query;
mod read;
mod request_id;
mod response;
mod router;
mod signing;
mod target;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::Either;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tracing::Instrument;

use self::access::Entry;
use self::auth::Verifier;
use self::claim::Claim;
use self::error::{Code, Failure, Refusal};
use self::query::Query;
use self::read::Overrides;
use self::request_id::RequestIds;
use self::response::About;
use crate::auth::Auth;
use crate::clock::Clock;
use crate::gateway::read::ReadMethod;
use crate::gateway::{Answer, Context, Gateway};
use crate::per_core::{Copies, PerCore};
use crate::telemetry::Metrics;
use crate::telemetry::traces::continue_trace;
use crate::types::{
    Action, Body, BoxError, BucketName, ObjectKey, Operation, OperationName, Principal, Resource,
    Source, Target, body,
};

pub use backend::Backend;

/// How the door is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Domains below which a host's name is a bucket's (virtual-host style).
    pub domains: Vec<String>,
    /// By how much a client's clock may differ.
    pub skew: Duration,
    /// The node's name, for `x-forebay-node`.
    pub node: String,
    /// Whether answers carry `x-forebay-cache` and `x-forebay-node`.
    pub show_cache: bool,
    /// Whether clients come over TLS: the URLs in answers say so.
    pub secure: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            // Amazon's own limit.
            skew: Duration::from_secs(900),
            node: "forebay".to_owned(),
            show_cache: true,
            secure: false,
        }
    }
}

/// The door in front of a gateway.
pub struct Door<G = Gateway> {
    gateway: Arc<G>,
    auth: Arc<Copies<Auth>>,
    verifier: Verifier,
    metrics: Arc<Metrics>,
    clock: Clock,
    ids: RequestIds,
    anonymous: PerCore<Arc<Principal>>,
    domains: Vec<String>,
    skew: Duration,
    node: HeaderValue,
    show_cache: bool,
    secure: bool,
}

/// A request that its caller may make.
struct Asked {
    parts: Parts,
    claim: Claim,
    query: Query,
    operation: Operation,
    body: Body,
}

/// A verified caller.
struct Caller {
    claim: Claim,
    principal: Arc<Principal>,
}

impl<G: Backend> Door<G> {
    /// A door that serves `gateway` to the identities of `auth`, which may be swapped at any time.
    pub fn new(
        config: Config,
        gateway: Arc<G>,
        auth: Arc<Copies<Auth>>,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        let node = HeaderValue::from_str(&config.node);
        Self {
            gateway,
            verifier: Verifier::new(Arc::clone(&auth), config.skew, clock.clone()),
            auth,
            metrics,
            clock,
            ids: RequestIds::new(&config.node),
            anonymous: PerCore::new(|| Arc::new(Principal::anonymous())),
            domains: config.domains,
            skew: config.skew,
            node: node.unwrap_or(HeaderValue::from_static("forebay")),
            show_cache: config.show_cache,
            secure: config.secure,
        }
    }

    /// Answers a request that came from `peer`.
    pub async fn handle<B>(&self, request: Request<B>, peer: SocketAddr) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        // Most requests have none, which needs no box.
        let body = match body.is_end_stream() {
            true => body::empty(),
            false => BodyExt::boxed_unsync(body.map_err(Into::into)),
        };
        let (method, request_id) = (parts.method.clone(), self.ids.next());
        let mut entry = Entry::new(&self.clock, &self.metrics, request_id, peer, method.clone());
        continue_trace(&entry.span, &parts.headers);
        let span = entry.span.clone();
        let outcome = self.serve(parts, body, &mut entry).instrument(span).await;
        let host_id = self.ids.host_id(&entry.request_id);
        let (mut response, source) = match outcome {
            Ok(answer) => (answer.response, answer.source),
            Err(failure) => {
                let about = About {
                    method: &method,
                    resource: entry.target_path().to_string(),
                    request_id: &entry.request_id,
                    host_id: host_id.as_str(),
                };
                let (response, code) = response::failure(&failure, &about);
                log_failure(&failure, &about);
                entry.failed(&code);
                (response, Source::Bypass)
            }
        };
        let shown = self.show_cache.then_some((source, &self.node));
        let ids = [&entry.request_id, host_id.as_str()];
        response::decorate(response.headers_mut(), ids, shown);
        let status = response.status();
        response.map(|body| entry.watch(status, source, body))
    }

    async fn serve(
        &self,
        mut parts: Parts,
        body: Body,
        entry: &mut Entry,
    ) -> Result<Answer, Failure> {
        let mut query = Query::parse(parts.uri.query().unwrap_or_default())?;
        let target = target::parse(parts.uri.path(), host(&parts.headers), &self.domains)?;
        entry.target(&target);
        if let Some(bucket) = form::bucket(&parts, &target, &query)? {
            return Box::pin(self.post(&parts, bucket, body, entry)).await;
        }
        let auth = self.auth.load_full();
        let Caller { claim, principal } = self.verify(&parts, &query, &auth).await?;
        entry.caller(&principal);
        let operation = operation(&parts.method, target, &mut query, &mut parts.headers)?;
        entry.operation(&operation);
        authorize(&auth, &principal, &operation, entry)?;
        headers::refuse_boundless(&parts.headers)?;
        let context = Context {
            principal,
            auth,
            request_id: Arc::clone(&entry.request_id),
        };
        let concealed = Concealed::of(&operation);
        let asked = Asked {
            parts,
            claim,
            query,
            operation,
            body,
        };
        match self.answer(&context, asked)?.await {
            Err(failure) if concealed.is_told_by(&failure) && !concealed.may_list(&context) => {
                Err(Refusal::new(Code::AccessDenied).into())
            }
            outcome => outcome,
        }
    }

    async fn verify(&self, parts: &Parts, query: &Query, auth: &Auth) -> Result<Caller, Refusal> {
        let claim = Claim::parse(&parts.headers, query)?;
        let Claim::Signed(signed) = &claim else {
            return Ok(Caller {
                claim,
                principal: Arc::clone(self.anonymous.own()),
            });
        };
        let identity = self.verifier.verify(parts, signed, auth).await?;
        Ok(Caller {
            claim,
            principal: Arc::clone(&identity.principal),
        })
    }

    /// Answers a request that is allowed. What it takes of the request is gone by the time that its future is waited for: that is
    /// moved several times, and so should be small.
    fn answer<'a>(
        &'a self,
        context: &'a Context,
        asked: Asked,
    ) -> Result<impl Future<Output = Result<Answer, Failure>> + use<'a, G>, Failure> {
        let (method, bucket, key) = match (asked.operation.name, asked.operation.target.clone()) {
            (OperationName::GetObject, Target::Object(bucket, key)) => {
                (ReadMethod::Get, bucket, key)
            }
            (OperationName::HeadObject, Target::Object(bucket, key)) => {
                (ReadMethod::Head, bucket, key)
            }
            (_, _) => return Ok(Either::Right(Box::pin(self.forward(context, asked)))),
        };
        let signed = matches!(asked.claim, Claim::Signed(_));
        let overrides = Overrides::of(&asked.query, signed)?;
        let headers = headers::meaningful(&asked.parts.headers);
        let read = read::parse(method, bucket, key, asked.query, headers);
        let answer = self.gateway.read(context, read);
        Ok(Either::Left(async {
            let mut answer = answer.await?;
            overrides.apply(&mut answer);
            Ok(answer)
        }))
    }

    async fn forward(&self, context: &Context, asked: Asked) -> Result<Answer, Failure> {
        let Asked {
            parts,
            claim,
            query,
            operation,
            body,
        } = asked;
        // Of the same configuration as the rights that it was judged by.
        let signer = match &claim {
            Claim::Signed(signed) => context.auth.identity(&signed.access_key_id),
            Claim::Anonymous => None,
        };
        let secret = signer.map(|identity| &identity.secret);
        let upload = payload::upload(&parts.headers, body, &claim, secret)?;
        let request = crate::gateway::Request {
            operation,
            method: parts.method,
            query: query.0,
            headers: headers::meaningful(&parts.headers),
            upload,
        };
        Ok(self.gateway.forward(context, request).await?)
    }
}

/// Names the operation, and takes out of query and headers what is not its own: what is left over is what rights are asked
/// for, and nothing else is handed on.
fn operation(
    method: &Method,
    target: Target,
    query: &mut Query,
    headers: &mut HeaderMap,
) -> Result<Operation, Refusal> {
    query.drop_signature();
    headers::hoist(query, headers)?;
    let operation = router::route(method, target, query, headers)?;
    parameters::sift(operation.name, query)?;
    if operation.copy_source.is_none() {
        headers::drop_copy_source(headers);
    }
    headers::drop_idle(operation.name, headers);
    Ok(operation)
}

fn authorize(
    auth: &Auth,
    principal: &Principal,
    operation: &Operation,
    entry: &Entry,
) -> Result<(), Failure> {
    match auth.authorize(principal, operation) {
        Ok(()) => {
            access::audit(entry, principal, operation, None);
            Ok(())
        }
        Err(denied) => {
            access::audit(entry, principal, operation, Some(denied.action.0));
            Err(denied.into())
        }
    }
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

/// The key of which only those who may list it are told that it is missing, as S3 does it: the source of a copy, else the
/// key that is asked for.
struct Concealed(Option<(BucketName, ObjectKey)>);

impl Concealed {
    fn of(operation: &Operation) -> Self {
        let key = match (&operation.copy_source, &operation.target) {
            (Some(source), _) => Some((source.bucket.clone(), source.key.clone())),
            (None, Target::Object(bucket, key)) => Some((bucket.clone(), key.clone())),
            (None, Target::Bucket(_) | Target::Service) => None,
        };
        Self(key)
    }

    /// Whether the failure says that the key is missing.
    fn is_told_by(&self, failure: &Failure) -> bool {
        match failure {
            Failure::Relayed(refusal) => {
                let code = response::element(&refusal.body, "Code");
                refusal.status == StatusCode::NOT_FOUND
                    && code.is_none_or(|code| code == "NoSuchKey" || code == "NoSuchVersion")
            }
            Failure::Refused(_) | Failure::Broken(..) => false,
        }
    }

    fn may_list(&self, context: &Context) -> bool {
        self.0.as_ref().is_none_or(|(bucket, key)| {
            let list = Action("s3:ListBucket");
            let resource = Resource::Prefix(bucket.clone(), key.as_str().to_owned());
            context.auth.allows(&context.principal, list, &resource)
        })
    }
}

fn log_failure(failure: &Failure, about: &About<'_>) {
    if let Failure::Broken(refusal, cause) = failure {
        tracing::warn!(
            target: "forebay::s3",
            request_id = about.request_id,
            error = cause as &dyn std::error::Error,
            "{} {} failed: {}",
            about.method,
            about.resource,
            refusal.code.as_str(),
        );
    }
}

#[cfg(test)]
mod tests;
