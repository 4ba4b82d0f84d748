//! The AWS SDK for Rust uploads in every payload form that it speaks, in its own encoding, over plain HTTP. Each upload is
//! taken off the wire; tampered copies of it are sent first, of which nothing may be stored; then it goes on as it was.

use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_sdk_s3::config::{BehaviorVersion, Region, RequestChecksumCalculation};
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use bytes::Bytes;
use http_body_util::BodyExt;

use crate::support::content;
use crate::support::node::{ACCESS_KEY, SECRET, Settings, TestNode};
use crate::support::origin::TestOrigin;
use crate::support::tamper::{self, Upload};
use crate::support::wire::{Said, Wire};

const HASH: &str = "a hash";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// More than one of the SDK's chunks (64 KiB).
const SIZE: u64 = 150_001;

struct World {
    _origin: TestOrigin,
    node: Arc<TestNode>,
    forms: Arc<Mutex<Vec<String>>>,
}

/// The way from the SDK to the node.
#[derive(Debug, Clone)]
struct Wiretap {
    node: Arc<TestNode>,
    /// `x-amz-content-sha256` of the uploads so far, and where the checksum was.
    forms: Arc<Mutex<Vec<String>>>,
}

impl World {
    async fn start() -> Self {
        let origin = TestOrigin::start().await;
        let node = Arc::new(TestNode::before(&origin, Settings::default()).await);
        Self {
            _origin: origin,
            node,
            forms: Arc::default(),
        }
    }

    fn sdk(&self, scheme: &str, checksums: RequestChecksumCalculation) -> aws_sdk_s3::Client {
        let wiretap = Wiretap {
            node: Arc::clone(&self.node),
            forms: Arc::clone(&self.forms),
        };
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(format!("{scheme}://{}", self.node.client.address()))
            .force_path_style(true)
            .credentials_provider(Credentials::new(ACCESS_KEY, SECRET, None, None, "test"))
            .request_checksum_calculation(checksums)
            .http_client(wiretap);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// What the last upload looked like.
    fn form(&self) -> String {
        let forms = self.forms.lock().expect("no test panicked");
        forms.last().expect("an upload").clone()
    }

    /// The SDK compares what it reads with the checksum that the origin kept.
    async fn arrived(&self, key: &str) {
        let sdk = self.sdk("http", RequestChecksumCalculation::WhenSupported);
        let read = sdk
            .get_object()
            .bucket("train")
            .key(key)
            .checksum_mode(ChecksumMode::Enabled);
        let body = read.send().await.expect("an object").body;
        assert_eq!(
            body.collect().await.expect("all of it").into_bytes(),
            bytes()
        );
    }
}

fn bytes() -> Bytes {
    content::bytes(7, 0..SIZE)
}

/// A body whose bytes the SDK cannot see before it sends them.
fn stream() -> ByteStream {
    let frames = http_body_util::Full::new(bytes());
    ByteStream::from_body_1_x(SdkBody::from_body_1_x(frames))
}

fn put(sdk: &aws_sdk_s3::Client, key: &str) -> PutObjectFluentBuilder {
    let length = i64::try_from(SIZE).expect("a small body");
    sdk.put_object()
        .bucket("train")
        .key(key)
        .content_length(length)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdks_uploads_arrive_and_tampered_copies_leave_nothing() {
    let world = World::start().await;
    let sdk = world.sdk("http", RequestChecksumCalculation::WhenSupported);
    let secure = world.sdk("https", RequestChecksumCalculation::WhenSupported);
    for (algorithm, name) in [
        (ChecksumAlgorithm::Crc32, "crc32"),
        (ChecksumAlgorithm::Crc32C, "crc32c"),
        (ChecksumAlgorithm::Crc64Nvme, "crc64nvme"),
        (ChecksumAlgorithm::Sha1, "sha1"),
        (ChecksumAlgorithm::Sha256, "sha256"),
    ] {
        let with = |key: &str| put(&sdk, key).checksum_algorithm(algorithm.clone());
        let key = format!("hash-{name}");
        let hashed = with(&key).body(bytes().into());
        hashed.send().await.expect("stored");
        assert_eq!(world.form(), format!("{HASH}, header {name}"));
        world.arrived(&key).await;

        let key = format!("unsigned-{name}");
        let unsigned = with(&key).body(bytes().into()).customize();
        unsigned
            .disable_payload_signing()
            .send()
            .await
            .expect("stored");
        assert_eq!(world.form(), format!("{UNSIGNED}, header {name}"));
        world.arrived(&key).await;

        let key = format!("stream-{name}");
        with(&key).body(stream()).send().await.expect("stored");
        assert_eq!(world.form(), format!("{SIGNED_TRAILER}, trailer {name}"));
        world.arrived(&key).await;

        // What comes from behind a TLS terminator: the signature covers no scheme.
        let key = format!("unsigned-stream-{name}");
        let behind = put(&secure, &key).checksum_algorithm(algorithm.clone());
        behind.body(stream()).send().await.expect("stored");
        assert_eq!(world.form(), format!("{TRAILER}, trailer {name}"));
        world.arrived(&key).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdks_uploads_without_its_checksums_arrive_too() {
    let world = World::start().await;
    let sdk = world.sdk("http", RequestChecksumCalculation::WhenRequired);
    let plain = put(&sdk, "hash").body(bytes().into());
    plain.send().await.expect("stored");
    assert_eq!(world.form(), format!("{HASH}, no checksum"));
    world.arrived("hash").await;

    let stream = put(&sdk, "stream").body(stream());
    stream.send().await.expect("stored");
    assert_eq!(world.form(), format!("{UNSIGNED}, no checksum"));
    world.arrived("stream").await;

    let md5 = md5(&bytes());
    let md5 = put(&sdk, "md5").body(bytes().into()).content_md5(md5);
    md5.customize()
        .disable_payload_signing()
        .send()
        .await
        .expect("stored");
    assert_eq!(world.form(), format!("{UNSIGNED}, no checksum"));
    world.arrived("md5").await;
}

fn md5(bytes: &[u8]) -> String {
    use base64::Engine;
    use md5::Digest;
    base64::engine::general_purpose::STANDARD.encode(md5::Md5::digest(bytes))
}

impl HttpClient for Wiretap {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Wiretap {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let wiretap = self.clone();
        HttpConnectorFuture::new(async move { Ok(wiretap.carry(request).await) })
    }
}

impl Wiretap {
    async fn carry(&self, request: HttpRequest) -> HttpResponse {
        let upload = taken(request).await;
        if upload.line.starts_with("PUT ") {
            self.forms
                .lock()
                .expect("no test panicked")
                .push(form(&upload));
            self.tampered_copies_are_refused(&upload).await;
        }
        let said = self.send(&upload, false).await;
        let mut answer = http::Response::builder().status(said.status());
        for line in said.head.lines().skip(1) {
            if let Some((name, value)) = line.split_once(": ") {
                answer = answer.header(name, value);
            }
        }
        let answer = answer.body(SdkBody::from(said.body)).expect("an answer");
        HttpResponse::try_from(answer).expect("an answer")
    }

    async fn tampered_copies_are_refused(&self, upload: &Upload) {
        let target = upload.line.strip_prefix("PUT ").expect("an upload");
        let path = target.split('?').next().expect("a path");
        for copy in tamper::copies(upload) {
            let said = self.send(&copy.upload, copy.ends).await;
            let code = format!("<Code>{}</Code>", copy.code);
            let what = format!("{target}, {}: {}", copy.what, said.text());
            assert!(said.text().contains(&code), "{what}");
            let stored = self.node.client.get(path).await;
            assert_eq!(stored.status, 404, "{what}");
        }
    }

    async fn send(&self, upload: &Upload, ends: bool) -> Said {
        let mut wire = Wire::connect(self.node.client.address()).await;
        wire.offer(upload.bytes(), ends).await;
        wire.read().await
    }
}

/// The request as hyper would write it.
async fn taken(request: HttpRequest) -> Upload {
    let request: http::Request<SdkBody> = request.try_into_http1x().expect("a request");
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let target = head.uri.path_and_query().expect("a path");
    let authority = head.uri.authority().expect("a host");
    let mut headers = vec![("host".to_owned(), authority.to_string())];
    for (name, value) in &head.headers {
        let value = value.to_str().expect("text").to_owned();
        headers.push((name.to_string(), value));
    }
    if !head.headers.contains_key("content-length") {
        headers.push(("content-length".to_owned(), body.len().to_string()));
    }
    Upload {
        line: format!("{} {target}", head.method),
        headers,
        body: body.to_vec(),
    }
}

fn form(upload: &Upload) -> String {
    let payload = match upload.header("x-amz-content-sha256") {
        hash if hash.len() == 64 => HASH,
        form => form,
    };
    let checksum = |name: &str| name.strip_prefix("x-amz-checksum-").map(str::to_owned);
    let mut headers = upload.headers.iter();
    let header = headers.find_map(|(name, _)| checksum(name));
    let trailer = checksum(upload.header("x-amz-trailer"));
    match (header, trailer) {
        (Some(name), None) => format!("{payload}, header {name}"),
        (None, Some(name)) => format!("{payload}, trailer {name}"),
        (None, None) => format!("{payload}, no checksum"),
        (Some(_), Some(_)) => panic!("two checksums: {:?}", upload.headers),
    }
}
