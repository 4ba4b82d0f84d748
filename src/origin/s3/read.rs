//! The typed reads, through the AWS SDK: GetObject and HeadObject.
//!
//! The SDK signs, resolves the endpoint and knows the operations; it adds no checksums, retries and timeouts of its own.
//! Its typed output drops what it does not know, and an odd date or number in a header is no answer at all to it; so an
//! interceptor takes the raw head of every answer away from it, and everything told here comes from that.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeDeserializationInterceptorContextRef,
};
use aws_sdk_s3::config::{
    Builder, ConfigBag, IdentityCache, Intercept, Region, RequestChecksumCalculation,
    ResponseChecksumValidation, RuntimeComponents, StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::types::RequestPayer;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::retry::RetryConfig;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt;

use super::connector::Connector;
use super::credentials::Wallet;
use super::exact::Exact;
use super::{S3, config};
use crate::origin::answer::{content_length, describe, placed};
use crate::origin::{Error, Fetched, Get, Head, ObjectHead, Refusal};
use crate::types::BoxError;

/// The SDK's client, set to do nothing that was not asked for.
pub(super) fn sdk(
    config: &config::Config,
    connector: Connector,
    wallet: Option<Wallet>,
) -> aws_sdk_s3::Client {
    let mut builder = Builder::new()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .http_client(connector)
        .region(Region::new(config.region.clone()))
        .force_path_style(config.path_style)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        // Fills are retried above, where it is known what is still missing.
        .retry_config(RetryConfig::disabled())
        // The wallet is the cache.
        .identity_cache(IdentityCache::no_cache())
        .disable_s3_express_session_auth(true);
    if let Some(endpoint) = &config.endpoint {
        builder = builder.endpoint_url(endpoint.to_string());
    }
    builder = match wallet {
        Some(wallet) => builder.credentials_provider(wallet),
        None => builder.allow_no_auth(),
    };
    aws_sdk_s3::Client::from_conf(builder.build())
}

impl S3 {
    pub(super) async fn get_once(&self, get: &Get, region: &str) -> Result<Fetched, Error> {
        let seen = Seen::default();
        let pin = get.pin.as_ref();
        let request = self
            .sdk
            .get_object()
            .bucket(get.bucket.as_str())
            .key(get.key.as_str())
            .set_range(get.range.map(|range| range.to_header()))
            .set_if_match(pin.map(|pin| pin.as_str().to_owned()))
            .set_version_id(get.version_id.as_deref().map(str::to_owned))
            .set_request_payer(get.requester_pays.then_some(RequestPayer::Requester));
        let mut request = request.customize().interceptor(seen.clone());
        if get.checksums {
            request = request.mutate_request(ask_for_checksums);
        }
        if region != self.config.region {
            request = request.config_override(in_region(region));
        }
        let output = request.send().await.map_err(|error| seen.refused(error))?;
        let (status, headers) = seen.take()?;
        let (range, size) = placed(status, &headers, get.range)?;
        let length = range.end - range.start;
        Ok(Fetched {
            head: describe(headers, size),
            range,
            body: Exact::new(output.body.into_inner(), length).boxed_unsync(),
        })
    }

    pub(super) async fn head_once(&self, head: &Head, region: &str) -> Result<ObjectHead, Error> {
        let seen = Seen::default();
        let request = self
            .sdk
            .head_object()
            .bucket(head.bucket.as_str())
            .key(head.key.as_str())
            .set_version_id(head.version_id.as_deref().map(str::to_owned))
            .set_request_payer(head.requester_pays.then_some(RequestPayer::Requester));
        let mut request = request.customize().interceptor(seen.clone());
        if head.checksums {
            request = request.mutate_request(ask_for_checksums);
        }
        if region != self.config.region {
            request = request.config_override(in_region(region));
        }
        request.send().await.map_err(|error| seen.refused(error))?;
        let (status, headers) = seen.take()?;
        if status != StatusCode::OK {
            return Err(Error::Nonsense("a status that no HEAD has"));
        }
        let size = content_length(&headers).ok_or(Error::Nonsense("no Content-Length"))?;
        Ok(describe(headers, size))
    }
}

/// Asks for the stored checksums. Set on the request itself: set on the SDK's input it would make the SDK read along and
/// verify the body, which costs CPU for every byte.
fn ask_for_checksums(request: &mut aws_smithy_runtime_api::client::orchestrator::HttpRequest) {
    request
        .headers_mut()
        .insert("x-amz-checksum-mode", "ENABLED");
}

fn in_region(region: &str) -> Builder {
    Builder::new().region(Region::new(region.to_owned()))
}

/// Takes the raw head of an answer, and leaves the SDK a body without headers.
#[derive(Debug, Clone, Default)]
struct Seen(Arc<Mutex<Option<(StatusCode, HeaderMap)>>>);

impl Seen {
    fn take(&self) -> Result<(StatusCode, HeaderMap), Error> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.take()
            .ok_or(Error::Nonsense("an answer without a head"))
    }

    /// The error answer as it came, or why there is none.
    fn refused<E>(&self, error: SdkError<E, HttpResponse>) -> Error
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let Some(raw) = error.raw_response() else {
            return Error::Unreachable(Box::new(error));
        };
        if raw.status().is_success() {
            return Error::Nonsense("a head that cannot be read");
        }
        let body = raw.body().bytes().map(Bytes::copy_from_slice);
        match self.take() {
            Ok((status, headers)) => Error::Refused(Box::new(Refusal {
                status,
                headers,
                body: body.unwrap_or_default(),
            })),
            Err(error) => error,
        }
    }
}

impl Intercept for Seen {
    fn name(&self) -> &'static str {
        "Seen"
    }

    /// Before the SDK's own interceptors: one of them renames an `Expires` that is no date.
    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = Some(raw_head(context.response()));
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        *context.response_mut().headers_mut() = Headers::new();
        Ok(())
    }
}

fn raw_head(response: &HttpResponse) -> (StatusCode, HeaderMap) {
    let status =
        StatusCode::from_u16(response.status().as_u16()).expect("the SDK made its status from one");
    let headers = response
        .headers()
        .iter_bytes()
        .filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(value).ok()?))
        })
        .collect();
    (status, headers)
}
