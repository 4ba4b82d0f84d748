//! An S3 store as an origin: AWS's own or any other.
//!
//! Two ways lead to it over one pool of connections: `read` goes through the AWS SDK and is typed, because it fills the
//! cache; `call` forwards everything else as it came, signed anew. Retries, resuming and caching happen above.

mod address;
mod call;
mod chunked;
mod client;
mod config;
mod connector;
mod credentials;
mod exact;
mod hop;
mod incoming;
mod outgoing;
mod read;
mod sign;
mod transport;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::BodyExt;
use tracing::Instrument;

pub use self::config::{Config, Credentials};

use self::address::Addresses;
use self::call::Envelope;
use self::client::Tls;
use self::connector::{Connector, ERROR_DOCUMENT};
use self::credentials::Wallet;
use self::transport::Transport;
use super::{Call, Error, Fetched, Get, Head, ObjectHead, Origin, Payload, Refusal};
use crate::clock::Clock;
use crate::telemetry::Metrics;
use crate::types::{Body, BucketName, OperationName, OriginFingerprint, OriginName, Problems};

/// The most buckets whose region is kept; beyond, one is learnt again.
const REGIONS: usize = 10_000;

/// An S3 store.
#[derive(Debug)]
pub struct S3 {
    name: OriginName,
    config: Config,
    addresses: Addresses,
    transport: Arc<Transport>,
    wallet: Option<Wallet>,
    sdk: aws_sdk_s3::Client,
    clock: Clock,
    /// AWS only: the buckets that were asked for, and their regions.
    regions: Mutex<HashMap<BucketName, Arc<str>>>,
}

impl S3 {
    /// Builds the clients of the store that `config` describes, under the name that it has in the configuration.
    ///
    /// Sends nothing: the first request finds out whether the store can be reached ([`Origin::probe`] does so early).
    ///
    /// # Errors
    /// An endpoint that is none, and authorities that cannot be read.
    pub async fn connect(
        config: Config,
        name: OriginName,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Problems> {
        let addresses = Addresses::new(config.endpoint.as_deref(), config.path_style);
        let addresses = addresses.map_err(|error| {
            let hint = "write scheme, host and port, as in \"http://127.0.0.1:9000\"";
            problem(&name, "endpoint", error, hint)
        })?;
        // Credential sources speak TLS to AWS, whatever the store speaks.
        let own_keys = matches!(
            config.credentials,
            Credentials::Keys { .. } | Credentials::Anonymous
        );
        let tls = match own_keys && !addresses.use_tls() {
            true => Tls::Unused,
            false => Tls::Needed,
        };
        let client = client::build(config.ca_file.as_deref(), tls, config.connect_timeout);
        let client = client.map_err(|error| {
            let hint = "name a PEM file with the authorities to trust";
            problem(&name, "ca_file", &error, hint)
        })?;
        let transport = Arc::new(Transport::new(client, &config, metrics));
        let clock = Clock::system();
        let connector = Connector::for_credentials(transport.clone());
        let wallet = credentials::open(&config, connector, &clock).await;
        let connector = Connector::for_reads(transport.clone());
        let sdk = read::sdk(&config, connector, wallet.clone());
        Ok(Self {
            name,
            config,
            addresses,
            transport,
            wallet,
            sdk,
            clock,
            regions: Mutex::default(),
        })
    }

    /// The region to sign for: the bucket's own, where AWS told it.
    fn region(&self, bucket: Option<&BucketName>) -> Arc<str> {
        let regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        bucket
            .and_then(|bucket| regions.get(bucket).cloned())
            .unwrap_or_else(|| self.config.region.as_str().into())
    }

    /// Notes the region that an answer tells, where it is another than `used`: the request is worth sending again then.
    ///
    /// Only AWS's own addresses are followed; a redirect of any other store is the client's to see.
    fn learn_region(
        &self,
        bucket: Option<&BucketName>,
        used: &str,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Option<Arc<str>> {
        // 301 and 307 are redirects; 400 is what a signature for another region gets.
        let misdirected = matches!(status.as_u16(), 301 | 307 | 400);
        let told = headers.get("x-amz-bucket-region")?.to_str().ok()?;
        let is_region = told
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !self.addresses.are_aws() || !misdirected || !is_region || told == used {
            return None;
        }
        let region: Arc<str> = told.into();
        self.keep_region(bucket?, region.clone());
        Some(region)
    }

    fn keep_region(&self, bucket: &BucketName, region: Arc<str>) {
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        if regions.len() >= REGIONS {
            regions.clear();
        }
        regions.insert(bucket.clone(), region);
    }

    fn learn_from(&self, bucket: &BucketName, used: &str, error: &Error) -> Option<Arc<str>> {
        match error {
            Error::Refused(refusal) => {
                self.learn_region(Some(bucket), used, refusal.status, &refusal.headers)
            }
            Error::Unreachable(_) | Error::Nonsense(_) | Error::Unsupported(_) => None,
        }
    }

    async fn forward(&self, call: Call) -> Result<Response<Body>, Error> {
        if call.operation.is_of_aws_alone() && !self.addresses.are_aws() {
            return Err(Error::Unsupported(call.operation));
        }
        let makes_bucket = call.operation == OperationName::CreateBucket;
        let (envelope, payload) = Envelope::seal(call);
        let bucket = envelope.bucket.as_ref();
        let bytes = match payload {
            Payload::Whole(bytes)
                if bytes.is_empty() && makes_bucket && self.addresses.are_aws() =>
            {
                location(&self.config.region)
            }
            Payload::Whole(bytes) => bytes,
            Payload::Stream(_) => {
                // A stream cannot be sent again, so that its region has to be known.
                if let Some(bucket) = bucket {
                    self.ask_region(bucket).await;
                }
                let region = self.region(bucket);
                return self.call_once(&envelope, payload, &region).await;
            }
        };
        let region = self.region(bucket);
        let whole = Payload::Whole(bytes.clone());
        let answer = self.call_once(&envelope, whole, &region).await?;
        match self.learn_region(bucket, &region, answer.status(), answer.headers()) {
            Some(region) => {
                let whole = Payload::Whole(bytes);
                self.call_once(&envelope, whole, &region).await
            }
            None => Ok(answer),
        }
    }

    /// Learns an AWS bucket's region before the first stream goes to it. Where that fails the stream finds out why.
    async fn ask_region(&self, bucket: &BucketName) {
        let known = || {
            let regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
            regions.contains_key(bucket)
        };
        if !self.addresses.are_aws() || known() {
            return;
        }
        let (envelope, payload) = Envelope::seal(look_at(Some(bucket)));
        let Ok(answer) = self
            .call_once(&envelope, payload, &self.config.region)
            .await
        else {
            return;
        };
        let (status, headers) = (answer.status(), answer.headers());
        let told = self.learn_region(Some(bucket), &self.config.region, status, headers);
        if told.is_none() && !status.is_server_error() {
            self.keep_region(bucket, self.config.region.as_str().into());
        }
    }
}

#[async_trait::async_trait]
impl Origin for S3 {
    fn fingerprint(&self, bucket: &BucketName) -> OriginFingerprint {
        let endpoint = self.config.endpoint.as_deref().unwrap_or("");
        let endpoint = endpoint.trim_end_matches('/');
        OriginFingerprint::new("s3", endpoint, &self.config.region, bucket)
    }

    fn keeps_dot_segments(&self) -> bool {
        self.config.dot_segments
    }

    async fn get(&self, get: Get) -> Result<Fetched, Error> {
        let span = tracing::debug_span!("origin.get", otel.kind = "client", origin = %self.name, bucket = %get.bucket);
        let read = async {
            let region = self.region(Some(&get.bucket));
            let answer = self.get_once(&get, &region).await;
            match answer
                .as_ref()
                .err()
                .and_then(|error| self.learn_from(&get.bucket, &region, error))
            {
                Some(region) => self.get_once(&get, &region).await,
                None => answer,
            }
        };
        Box::pin(read).instrument(span).await
    }

    async fn head(&self, head: Head) -> Result<ObjectHead, Error> {
        let span = tracing::debug_span!("origin.head", otel.kind = "client", origin = %self.name, bucket = %head.bucket);
        let read = async {
            let region = self.region(Some(&head.bucket));
            let answer = self.head_once(&head, &region).await;
            match answer
                .as_ref()
                .err()
                .and_then(|error| self.learn_from(&head.bucket, &region, error))
            {
                Some(region) => self.head_once(&head, &region).await,
                None => answer,
            }
        };
        Box::pin(read).instrument(span).await
    }

    async fn call(&self, call: Call) -> Result<Response<Body>, Error> {
        let bucket = call.bucket.as_ref().map(BucketName::as_str);
        let operation = call.operation.as_str();
        let span = tracing::debug_span!("origin.call", otel.kind = "client", origin = %self.name, bucket, operation);
        Box::pin(self.forward(call)).instrument(span).await
    }

    async fn probe(&self, bucket: Option<&BucketName>) -> Result<(), Error> {
        let answer = self.call(look_at(bucket)).await?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(refusal(answer).await)
    }
}

/// The body of a CreateBucket in this region, without which AWS makes buckets in us-east-1 only.
fn location(region: &str) -> Bytes {
    if region == "us-east-1" {
        return Bytes::new();
    }
    format!(
        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
         <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
    )
    .into()
}

fn problem(name: &OriginName, key: &str, message: &str, hint: &str) -> Problems {
    let mut problems = Problems::default();
    problems.add(format!("origin.{name}.{key}"), message, hint);
    problems
}

/// The error that an answer tells.
async fn refusal(answer: Response<Body>) -> Error {
    let (head, mut body) = answer.into_parts();
    let mut document = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) if document.len() + data.len() <= ERROR_DOCUMENT => {
                document.extend_from_slice(&data);
            }
            Ok(Ok(_)) => return Error::Nonsense("an error document without end"),
            Ok(Err(_)) => {}
            Err(error) => return Error::Unreachable(error),
        }
    }
    Error::Refused(Box::new(Refusal {
        status: head.status,
        headers: head.headers,
        body: document.into(),
    }))
}

/// The lightest request that shows whether a bucket, or the store, can be used.
fn look_at(bucket: Option<&BucketName>) -> Call {
    let (operation, method) = match bucket {
        Some(_) => (OperationName::HeadBucket, Method::HEAD),
        None => (OperationName::ListBuckets, Method::GET),
    };
    Call {
        operation,
        method,
        bucket: bucket.cloned(),
        key: None,
        query: Vec::new(),
        headers: HeaderMap::new(),
        payload: Payload::Whole(Bytes::new()),
    }
}
