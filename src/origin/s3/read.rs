//! The typed reads: GetObject and HeadObject, whose answers fill the cache.
//!
//! They go out as forwarded requests do and are read from the raw head of the answer: what this gateway has no name for is
//! kept, and an odd header is no reason not to serve an object.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::BodyExt;

use super::call::{Envelope, unsendable};
use super::exact::Exact;
use super::{S3, refusal};
use crate::origin::answer::{content_length, describe, placed};
use crate::origin::{Call, Error, Fetched, Get, Head, ObjectHead, Payload};
use crate::types::{Body, OperationName};

const CHECKSUM_MODE: HeaderName = HeaderName::from_static("x-amz-checksum-mode");
const REQUEST_PAYER: HeaderName = HeaderName::from_static("x-amz-request-payer");

impl S3 {
    pub(super) async fn get_once(&self, get: &Get, region: &str) -> Result<Fetched, Error> {
        let mut headers = HeaderMap::new();
        if let Some(range) = get.range {
            let range = HeaderValue::try_from(range.to_header()).map_err(unsendable)?;
            headers.insert(header::RANGE, range);
        }
        if let Some(pin) = &get.pin {
            let pin = HeaderValue::from_str(pin.as_str()).map_err(unsendable)?;
            headers.insert(header::IF_MATCH, pin);
        }
        ask(&mut headers, get.checksums, get.requester_pays);
        let call = Call {
            operation: OperationName::GetObject,
            method: Method::GET,
            bucket: Some(get.bucket.clone()),
            key: Some(get.key.clone()),
            query: version(get.version_id.as_deref()),
            headers,
            payload: Payload::Whole(Bytes::new()),
        };
        let (answer, body) = self.read(call, region).await?.into_parts();
        let (range, size) = placed(answer.status, &answer.headers, get.range)?;
        let length = range.end - range.start;
        Ok(Fetched {
            head: describe(answer.headers, size),
            range,
            body: Exact::new(body, length).boxed_unsync(),
        })
    }

    pub(super) async fn head_once(&self, head: &Head, region: &str) -> Result<ObjectHead, Error> {
        let mut headers = HeaderMap::new();
        ask(&mut headers, head.checksums, head.requester_pays);
        let call = Call {
            operation: OperationName::HeadObject,
            method: Method::HEAD,
            bucket: Some(head.bucket.clone()),
            key: Some(head.key.clone()),
            query: version(head.version_id.as_deref()),
            headers,
            payload: Payload::Whole(Bytes::new()),
        };
        let answer = self.read(call, region).await?;
        if answer.status() != StatusCode::OK {
            return Err(Error::Nonsense("a status that no HEAD has"));
        }
        let headers = answer.into_parts().0.headers;
        let size = content_length(&headers).ok_or(Error::Nonsense("no Content-Length"))?;
        Ok(describe(headers, size))
    }

    async fn read(&self, call: Call, region: &str) -> Result<Response<Body>, Error> {
        let (envelope, payload) = Envelope::seal(call);
        let answer = self.call_once(&envelope.typed(), payload, region).await?;
        if answer.status().is_success() {
            Ok(answer)
        } else {
            Err(refusal(answer).await)
        }
    }
}

fn ask(headers: &mut HeaderMap, checksums: bool, requester_pays: bool) {
    if checksums {
        headers.insert(CHECKSUM_MODE, HeaderValue::from_static("ENABLED"));
    }
    if requester_pays {
        headers.insert(REQUEST_PAYER, HeaderValue::from_static("requester"));
    }
}

fn version(id: Option<&str>) -> Vec<(String, String)> {
    id.map(|id| ("versionId".to_owned(), id.to_owned()))
        .into_iter()
        .collect()
}
