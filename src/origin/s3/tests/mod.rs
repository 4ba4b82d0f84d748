//! The origin against a store that says what it is told to, byte for byte.

mod short;
mod store;
mod unknown;

use std::io::ErrorKind;
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

use self::store::{Asked, Reply, Store};
use super::sign::{Signed, sign};
use super::*;
use crate::origin::{Stream, Trailer};
use crate::telemetry::origin::{AnswerClass, RequestKind};
use crate::types::{BoxError, ETag, ObjectKey, RangeSpec, Secret};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const NO_SUCH_KEY: &str = "<Error><Code>NoSuchKey</Code><Own>kept</Own></Error>";
const ODD_KEY: &str = "a b+c%/../ü=//";

fn say(head: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Say(format!(
        "HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

fn config(store: &Store) -> Config {
    let endpoint = format!("http://{}", store.address);
    Config {
        endpoint: Some(endpoint),
        path_style: true,
        credentials: Credentials::Keys {
            access_key_id: "KEY".into(),
            secret_access_key: Secret::new("secret"),
            session_token: None,
        },
        ..Config::default()
    }
}

async fn connect(config: Config) -> (S3, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::default());
    let s3 = S3::connect(config, "store".into(), metrics.clone()).await;
    (s3.expect("a good configuration"), metrics)
}

async fn world(replies: impl IntoIterator<Item = Reply>) -> (S3, Store) {
    let store = Store::start(replies).await;
    let (s3, _) = connect(config(&store)).await;
    (s3, store)
}

fn key(key: &str) -> ObjectKey {
    key.parse().expect("a key")
}

fn bucket() -> BucketName {
    "train".parse().expect("a bucket name")
}

fn get(name: &str) -> Get {
    Get::of(bucket(), key(name))
}

fn put(payload: Payload) -> Call {
    Call {
        operation: OperationName::PutObject,
        method: Method::PUT,
        bucket: Some(bucket()),
        key: Some(key(ODD_KEY)),
        query: Vec::new(),
        headers: HeaderMap::new(),
        payload,
    }
}

fn stream(frames: Vec<Result<&'static str, BoxError>>, length: u64) -> Stream {
    let frames = frames
        .into_iter()
        .map(|frame| frame.map(|text| Frame::data(Bytes::from(text))));
    Stream {
        body: StreamBody::new(stream::iter(frames.collect::<Vec<_>>())).boxed_unsync(),
        length,
        sha256: None,
        trailer: None,
    }
}

async fn read(body: Body) -> Result<Bytes, BoxError> {
    body.collect().await.map(|body| body.to_bytes())
}

/// Signs what the store was asked as its owner would, and compares.
fn assert_signed(asked: &Asked) {
    let authorization = asked.header("authorization");
    let signed_headers = authorization
        .split_once("SignedHeaders=")
        .and_then(|(_, rest)| rest.split_once(','))
        .expect("a SigV4 header")
        .0;
    let url = format!("http://{}{}", asked.header("host"), asked.target);
    let mut request = http::Request::new(());
    *request.method_mut() = asked.method.parse().expect("a method");
    *request.uri_mut() = url.parse().expect("a URL");
    for name in signed_headers.split(';') {
        let value = asked.header(name).parse().expect("a value");
        let name = name.parse::<HeaderName>().expect("a name");
        request.headers_mut().insert(name, value);
    }
    let signed = match asked.header("x-amz-content-sha256") {
        "UNSIGNED-PAYLOAD" => Signed::Unsigned,
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Signed::UnsignedTrailer,
        hash => Signed::Hash(hash.to_owned()),
    };
    let keys = aws_credential_types::Credentials::new("KEY", "secret", None, None, "test");
    let time = time(asked.header("x-amz-date"));
    sign(&mut request, &keys, "us-east-1", &signed, time).expect("a signature");
    assert_eq!(request.headers()["authorization"], authorization);
}

fn time(date: &str) -> SystemTime {
    let date = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date).expect("a date");
    let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).expect("a UTC time");
    zoned.timestamp().into()
}

#[tokio::test]
async fn a_read_asks_for_what_it_needs_and_keeps_every_header() {
    let head = "206 Partial Content\r\nETag: \"e\"\r\nx-amz-version-id: v1\r\nX-Own: kept\r\n\
                Server: s\r\nx-amz-request-id: r\r\nContent-Range: bytes 2-4/10";
    let (s3, store) = world([say(head, "cde")]).await;
    let fetched = s3
        .get(Get {
            range: Some(RangeSpec::Closed { first: 2, last: 4 }),
            pin: Some(ETag::new("\"e\"")),
            version_id: Some("v1".into()),
            checksums: true,
            requester_pays: true,
            ..get(ODD_KEY)
        })
        .await
        .expect("an answer");
    assert_eq!((fetched.range, fetched.head.size), (2..5, 10));
    assert_eq!(fetched.head.etag.as_str(), "\"e\"");
    assert_eq!(fetched.head.version_id.as_deref(), Some("v1"));
    let names: Vec<_> = fetched
        .head
        .headers
        .keys()
        .map(HeaderName::as_str)
        .collect();
    assert_eq!(names, ["etag", "x-amz-version-id", "x-own"]);
    assert_eq!(read(fetched.body).await.expect("a body"), "cde");

    let asked = &store.asked()[0];
    assert!(
        asked
            .target
            .starts_with("/train/a%20b%2Bc%25/../%C3%BC%3D//?")
    );
    assert!(asked.target.contains("versionId=v1"));
    assert_eq!(asked.header("range"), "bytes=2-4");
    assert_eq!(asked.header("if-match"), "\"e\"");
    assert_eq!(asked.header("x-amz-checksum-mode"), "ENABLED");
    assert_eq!(asked.header("x-amz-request-payer"), "requester");
    assert_signed(asked);
}

#[tokio::test]
async fn an_answer_without_an_etag_and_one_to_head_are_told_as_they_are() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nX-Own: kept\r\n\r\n".to_owned();
    let (s3, store) = world([say("200 OK", "all"), Reply::Say(head)]).await;
    let fetched = s3.get(get("k")).await.expect("an answer");
    assert_eq!((fetched.range, fetched.head.etag.as_str()), (0..3, ""));
    assert_eq!(read(fetched.body).await.expect("a body"), "all");
    let head = Head {
        checksums: true,
        version_id: Some("null".into()),
        ..Head::of(bucket(), key("k"))
    };
    let head = s3.head(head).await.expect("an answer");
    assert_eq!((head.size, head.headers.len()), (7, 1));
    let asked = store.asked();
    assert_eq!(asked[0].header("x-amz-checksum-mode"), "");
    assert_eq!(asked[1].header("x-amz-checksum-mode"), "ENABLED");
    assert_eq!(asked[1].header("x-amz-request-payer"), "");
    assert!(asked[1].target.contains("versionId=null"));
}

#[tokio::test]
async fn a_header_that_no_client_could_read_is_no_reason_to_fail() {
    let head = "200 OK\r\nLast-Modified: yesterday\r\nExpires: 0\r\nx-amz-missing-meta: few\r\n\
                x-amz-tagging-count: many\r\nx-amz-object-lock-retain-until-date: never\r\n\
                x-amz-meta-a: 1\r\nX-Amz-Meta-A: \u{fc}";
    let (s3, _store) = world([say(head, "all"), say(head, "all")]).await;
    let fetched = s3.get(get("k")).await.expect("an answer");
    let described = s3.head(Head::of(bucket(), key("k"))).await;
    for headers in [fetched.head.headers, described.expect("an answer").headers] {
        assert_eq!(headers["expires"], "0");
        assert_eq!(headers["last-modified"], "yesterday");
        let notes = headers.get_all("x-amz-meta-a").iter();
        let notes: Vec<_> = notes.map(http::HeaderValue::as_bytes).collect();
        assert_eq!(notes, [&b"1"[..], "\u{fc}".as_bytes()]);
    }
}

#[tokio::test]
async fn refusals_come_as_they_were_written() {
    for status in [301, 304, 403, 404, 412, 416, 500, 503] {
        let body = if status == 304 { "" } else { NO_SUCH_KEY };
        let head = format!("{status} Whatever\r\nX-Own: kept\r\nRetry-After: 7");
        let (s3, store) = world([say(&head, body)]).await;
        let Err(Error::Refused(refusal)) = s3.get(get("k")).await else {
            panic!("{status} is no refusal");
        };
        assert_eq!(refusal.status, status);
        assert_eq!(refusal.headers["retry-after"], "7");
        assert_eq!(refusal.headers["x-own"], "kept");
        assert_eq!(refusal.body, body);
        assert_eq!(store.asked().len(), 1);
    }
    let (s3, _store) = world([say("404 Not Found\r\nX-Own: kept", "")]).await;
    let head = Head::of(bucket(), key("k"));
    let error = s3.head(head).await.expect_err("nothing there");
    assert_eq!(error.status(), Some(StatusCode::NOT_FOUND));
}

#[tokio::test]
async fn a_body_that_ends_short_ends_in_an_error() {
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc".to_owned();
    let chunked = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/10\r\n\
                   Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let (s3, _store) = world([
        Reply::SayAndClose(short),
        Reply::SayAndClose(chunked.to_owned()),
    ])
    .await;
    let whole = s3.get(get("k")).await.expect("a head");
    assert!(read(whole.body).await.is_err());
    let part = s3
        .get(Get {
            range: Some(RangeSpec::from(0..10)),
            ..get("k")
        })
        .await
        .expect("a head");
    assert!(read(part.body).await.is_err());
}

#[tokio::test]
async fn a_lie_about_the_range_is_nonsense() {
    let head = "206 Partial Content\r\nContent-Range: bytes 1-3/10";
    let (s3, _store) = world([say(head, "bcd")]).await;
    let range = Some(RangeSpec::Closed { first: 0, last: 2 });
    let answer = s3.get(Get { range, ..get("k") }).await;
    assert!(matches!(answer, Err(Error::Nonsense(_))));
}

#[tokio::test]
async fn a_checksum_in_a_trailer_goes_on_as_a_trailer() {
    let (s3, store) = world([Reply::Say(OK.into())]).await;
    let value = Arc::new(OnceLock::from("DUoRhQ==".to_owned()));
    let mut call = put(Payload::Stream(Stream {
        trailer: Some(Trailer {
            name: HeaderName::from_static("x-amz-checksum-crc32"),
            value,
        }),
        ..stream(vec![Ok("hello "), Ok("world")], 11)
    }));
    let gzip = "gzip".parse().expect("a value");
    call.headers.insert("content-encoding", gzip);
    let answer = s3.call(call).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    let asked = &store.asked()[0];
    assert_eq!(
        String::from_utf8_lossy(&asked.body),
        "b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n"
    );
    assert_eq!(asked.header("content-encoding"), "aws-chunked,gzip");
    assert_eq!(asked.header("x-amz-decoded-content-length"), "11");
    assert_eq!(asked.header("x-amz-trailer"), "x-amz-checksum-crc32");
    assert_eq!(asked.header("transfer-encoding"), "");
    assert_signed(asked);
}

#[tokio::test]
async fn calls_are_forwarded_as_they_came_and_signed_anew() {
    let replies = [say(
        "409 Conflict\r\nX-Own: kept\r\nConnection: x\r\nX: 1",
        "<Error/>",
    )];
    let (s3, store) = world(replies.into_iter().chain([Reply::Say(OK.into())])).await;
    let mut call = put(Payload::Stream(stream(vec![Ok("hello")], 5)));
    call.query = vec![
        ("tagging".into(), String::new()),
        ("a b".into(), "+/".into()),
    ];
    for (name, value) in [
        ("x-amz-meta-name", "Jürgen"),
        ("content-type", "text/plain"),
        ("authorization", "the client's"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
    ] {
        let value = http::HeaderValue::from_bytes(value.as_bytes()).expect("a value");
        call.headers.insert(name, value);
    }
    let answer = s3.call(call).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    assert_eq!(answer.headers()["x-own"], "kept");
    assert!(!answer.headers().contains_key("x"));
    assert_eq!(read(answer.into_body()).await.expect("a body"), "<Error/>");
    let mut hashed = stream(vec![Ok("hello")], 5);
    hashed.sha256 = Some("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824".into());
    s3.call(put(Payload::Stream(hashed)))
        .await
        .expect("an answer");

    let asked = store.asked();
    assert_eq!(
        asked[0].target,
        "/train/a%20b%2Bc%25/../%C3%BC%3D//?tagging=&a%20b=%2B%2F"
    );
    assert_eq!(asked[0].body, b"hello");
    assert_eq!(asked[0].header("x-amz-meta-name"), "Jürgen");
    assert_eq!(asked[0].header("x-hop"), "");
    assert_eq!(asked[0].header("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
    assert!(
        asked[1]
            .header("x-amz-content-sha256")
            .starts_with("2cf24dba")
    );
    asked.iter().for_each(assert_signed);
}

#[tokio::test]
async fn a_payload_that_fails_resets_the_connection_inside_of_the_request() {
    let (s3, store) = world([]).await;
    for failing in [
        stream(vec![Ok("he"), Err("the hash is wrong".into())], 5),
        stream(vec![Ok("he")], 5),
        stream(vec![Ok("hello"), Ok("!")], 5),
    ] {
        let answer = s3.call(put(Payload::Stream(failing))).await;
        assert!(matches!(answer, Err(Error::Unreachable(_))));
        // In order it would look whole to a store that forgets to count.
        assert_eq!(store.ending().await, ErrorKind::ConnectionReset);
    }
    assert_eq!(store.asked().len(), 0);
}

#[tokio::test]
async fn a_write_is_never_sent_twice_and_a_read_once_more() {
    let closed = || Reply::SayAndClose(String::new());
    let (s3, store) = world([closed(), closed(), say("200 OK", "all"), closed(), closed()]).await;
    let whole = Payload::Whole(Bytes::from_static(b"hello"));
    let answer = s3.call(put(whole)).await;
    assert!(matches!(answer, Err(Error::Unreachable(_))));
    assert_eq!(store.asked().len(), 1);
    let fetched = s3.get(get("k")).await.expect("the second attempt's answer");
    assert_eq!(read(fetched.body).await.expect("a body"), "all");
    assert_eq!(store.asked().len(), 3);
    assert!(s3.get(get("k")).await.is_err());
    assert_eq!(store.asked().len(), 5);
}

#[tokio::test]
async fn connections_are_bounded_and_come_free_when_a_body_is_dropped() {
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc".to_owned();
    let store = Store::start([Reply::Say(long), say("200 OK", "all")]).await;
    let (s3, metrics) = connect(Config {
        connections: NonZeroUsize::MIN,
        ..config(&store)
    })
    .await;
    let first = s3.get(get("a")).await.expect("a head");
    assert_eq!(metrics.origin.in_flight.get(), 1);
    let (second, ()) = tokio::join!(s3.get(get("b")), async {
        while metrics.origin.waiting.get() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(store.asked().len(), 1);
        drop(first);
    });
    let body = read(second.expect("a head").body).await;
    assert_eq!(body.expect("a body"), "all");
    assert_eq!(metrics.origin.in_flight.get(), 0);
    let answers = metrics
        .origin
        .requests(RequestKind::Get, AnswerClass::Success);
    assert_eq!(answers.get(), 2);
    assert_eq!(metrics.origin.waiting.get(), 0);
}

#[tokio::test]
async fn a_read_that_finds_no_connection_gives_up() {
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc".to_owned();
    let store = Store::start([Reply::Say(long)]).await;
    let (s3, _) = connect(Config {
        connections: NonZeroUsize::MIN,
        queue: Duration::from_millis(10),
        ..config(&store)
    })
    .await;
    let _first = s3.get(get("a")).await.expect("a head");
    let second = s3.get(get("b")).await;
    assert!(matches!(second, Err(Error::Unreachable(_))));
    assert_eq!(store.asked().len(), 1);
}

#[tokio::test]
async fn anonymous_requests_are_not_signed() {
    let store = Store::start([say("200 OK", "all"), Reply::Say(OK.into())]).await;
    let (s3, _) = connect(Config {
        credentials: Credentials::Anonymous,
        ..config(&store)
    })
    .await;
    s3.get(get("k")).await.expect("an answer");
    s3.probe(Some(&bucket())).await.expect("an answer");
    for asked in store.asked() {
        assert_eq!(asked.header("authorization"), "");
    }
}

#[tokio::test]
async fn a_probe_tells_what_the_store_said() {
    let forbidden = say(
        "403 Forbidden",
        "<Error><Code>InvalidAccessKeyId</Code></Error>",
    );
    let (s3, store) = world([forbidden]).await;
    let error = s3.probe(None).await.expect_err("a wrong key");
    assert_eq!(error.status(), Some(StatusCode::FORBIDDEN));
    assert_eq!(store.asked()[0].target, "/");
}

#[tokio::test]
async fn only_aws_itself_moves_a_bucket_to_another_region() {
    let aws = Config {
        credentials: Credentials::Anonymous,
        ..Config::default()
    };
    let (aws, _) = connect(aws).await;
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-amz-bucket-region",
        http::HeaderValue::from_static("eu-west-1"),
    );
    let moved = StatusCode::MOVED_PERMANENTLY;
    let learn = |s3: &S3, status| s3.learn_region(Some(&bucket()), "us-east-1", status, &headers);
    assert_eq!(learn(&aws, StatusCode::OK), None);
    assert_eq!(&*aws.region(Some(&bucket())), "us-east-1");
    assert_eq!(learn(&aws, moved).as_deref(), Some("eu-west-1"));
    assert_eq!(&*aws.region(Some(&bucket())), "eu-west-1");
    let (other, _store) = world([]).await;
    assert_eq!(learn(&other, moved), None);
}

#[tokio::test]
async fn a_bad_endpoint_and_a_missing_file_are_told_by_their_keys() {
    let bad = [
        Config {
            endpoint: Some("ftp://store".into()),
            ..Config::default()
        },
        Config {
            ca_file: Some("/no/such/file".into()),
            ..Config::default()
        },
    ];
    let mut keys = Vec::new();
    for config in bad {
        let problems = S3::connect(config, "store".into(), Arc::default()).await;
        keys.push(problems.expect_err("a mistake").list()[0].key.clone());
    }
    assert_eq!(keys, ["origin.store.endpoint", "origin.store.ca_file"]);
}

#[test]
fn a_bucket_is_made_where_the_origin_is() {
    assert!(location("us-east-1").is_empty());
    let document = location("eu-west-1");
    let text = std::str::from_utf8(&document).expect("text");
    assert!(text.contains("<LocationConstraint>eu-west-1</LocationConstraint>"));
}
