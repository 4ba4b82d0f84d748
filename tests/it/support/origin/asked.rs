//! A request as the origin reads it: what it names, whether it is signed, and whether anything in it is unknown to S3.

use http::{HeaderMap, Method, Request, header};
use percent_encoding::percent_decode_str;

use super::answer::Refused;
use super::{ACCESS_KEY, SECRET};
use crate::support::sigv4::{Key, Signable};

/// A request, taken apart.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: Method,
    /// Empty where the service is asked.
    pub(super) bucket: String,
    /// Empty where the bucket is asked.
    pub(super) key: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    /// Path and query as they came.
    target: String,
}

/// Headers that S3 knows, besides those that begin with one of [`PREFIXES`].
const HEADERS: [&str; 42] = [
    "accept",
    "accept-encoding",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "authorization",
    "cache-control",
    "connection",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "expires",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "range",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-amz-acl",
    "x-amz-api-version",
    "x-amz-bypass-governance-retention",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-expected-bucket-owner",
    "x-amz-mp-object-size",
    "x-amz-object-attributes",
    "x-amz-object-ownership",
    "x-amz-optional-object-attributes",
    "x-amz-request-payer",
    "x-amz-source-expected-bucket-owner",
    "x-amz-storage-class",
    "x-amz-trailer",
    "x-amz-user-agent",
    "x-amz-website-redirect-location",
    "x-amz-write-offset-bytes",
];
const PREFIXES: [&str; 13] = [
    "x-amz-bucket-object-lock-",
    "x-amz-checksum-",
    "x-amz-copy-source",
    "x-amz-grant-",
    "x-amz-max-parts",
    "x-amz-meta-",
    "x-amz-metadata-directive",
    "x-amz-mfa",
    "x-amz-object-lock-",
    "x-amz-part-number-marker",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-server-side-encryption",
    "x-amz-tagging",
];
/// Parameters that S3 knows for objects; reads also have `response-*`.
const OBJECT_PARAMETERS: [&str; 18] = [
    "acl",
    "attributes",
    "encoding-type",
    "legal-hold",
    "max-parts",
    "part-number-marker",
    "partNumber",
    "restore",
    "retention",
    "select",
    "select-type",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "x-id",
    "renameObject",
];
/// Parameters that S3 knows for buckets, besides [`super::documents::BUCKET`].
const BUCKET_PARAMETERS: [&str; 22] = [
    "bucket-region",
    "continuation-token",
    "delete",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "id",
    "key-marker",
    "list-type",
    "location",
    "marker",
    "max-buckets",
    "max-keys",
    "max-uploads",
    "prefix",
    "start-after",
    "upload-id-marker",
    "uploads",
    "version-id-marker",
    "versioning",
    "versions",
    "x-id",
];

impl Asked {
    pub(super) fn read<B>(request: &Request<B>) -> Self {
        let target = request.uri().path_and_query().expect("a path").to_string();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let path = path.trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self {
            method: request.method().clone(),
            bucket: decoded(bucket),
            key: decoded(key),
            query: pairs
                .map(|(name, value)| (decoded(name), decoded(value)))
                .collect(),
            headers: request.headers().clone(),
            target: target.clone(),
        }
    }

    /// `BUCKET/KEY`, decoded.
    pub(super) fn path(&self) -> String {
        match self.key.as_str() {
            "" => self.bucket.clone(),
            key => format!("{}/{key}", self.bucket),
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn param(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.iter();
        pairs.find_map(|(other, value)| (other == name).then_some(value.as_str()))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.param(name).is_some()
    }

    /// A number in the query; `default` where there is none.
    pub(super) fn number(&self, name: &str, default: usize) -> Result<usize, Refused> {
        match self.param(name) {
            None | Some("") => Ok(default),
            Some(text) => text.parse().map_err(|_| Refused::argument(name)),
        }
    }

    /// Whether the gateway only tries here if `If-Match` is heeded.
    pub(super) fn is_trial(&self) -> bool {
        let tag = self.header("if-match");
        tag.is_some_and(|tag| tag.contains("forebay-no-such-version"))
    }

    /// What S3 does not know of the request's headers and parameters.
    pub(super) fn strangers(&self) -> Vec<String> {
        let known = |name: &str| {
            HEADERS.contains(&name) || PREFIXES.iter().any(|start| name.starts_with(start))
        };
        let headers = self.headers.keys().map(http::HeaderName::as_str);
        let headers = headers
            .filter(|name| !known(name))
            .map(|name| format!("header {name}"));
        let parameter = |name: &str| match self.key.as_str() {
            "" => BUCKET_PARAMETERS.contains(&name) || super::documents::is_of_buckets(name),
            _ => OBJECT_PARAMETERS.contains(&name) || name.starts_with("response-"),
        };
        let parameters = self.query.iter().map(|(name, _)| name);
        let parameters = parameters
            .filter(|name| !parameter(name))
            .map(|name| format!("parameter {name}"));
        headers.chain(parameters).collect()
    }

    /// Refuses what is not signed with the origin's key, over all that S3 wants to be signed.
    pub(super) fn check_signature(&self) -> Result<(), Refused> {
        let value = self.header("authorization").unwrap_or_default();
        let part = |name: &str| {
            let rest = value.strip_prefix("AWS4-HMAC-SHA256 ")?;
            let mut parts = rest.split(',').map(str::trim);
            parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        };
        let denied = Refused::new(403, "AccessDenied");
        let (Some(credential), Some(signed), Some(signature)) =
            (part("Credential"), part("SignedHeaders"), part("Signature"))
        else {
            return Err(denied);
        };
        let scope: Vec<&str> = credential.split('/').collect();
        let [ACCESS_KEY, _, region, "s3", "aws4_request"] = scope.as_slice() else {
            return Err(denied);
        };
        let (Some(time), Some(payload)) = (
            self.header("x-amz-date"),
            self.header("x-amz-content-sha256"),
        ) else {
            return Err(denied);
        };
        let signed: Vec<&str> = signed.split(';').collect();
        let must = |name: &str| name == header::HOST.as_str() || name.starts_with("x-amz-");
        let unsigned = |name: &str| must(name) && !signed.contains(&name);
        if self.headers.keys().any(|name| unsigned(name.as_str())) || !signed.is_sorted() {
            return Err(denied);
        }
        let headers: Vec<(String, String)> = self
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes());
                (name.to_string(), value.into_owned())
            })
            .collect();
        let key = Key {
            secret: SECRET,
            time,
            region,
        };
        let expected = key.sign(&Signable {
            method: self.method.as_str(),
            target: &self.target,
            headers: &headers,
            signed: &signed,
            payload,
        });
        match expected == signature && credential.contains(&time[..8]) {
            true => Ok(()),
            false => Err(Refused::new(403, "SignatureDoesNotMatch")),
        }
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
