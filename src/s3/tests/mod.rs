//! The whole door in front of a gateway that remembers what it was asked, with requests signed by Amazon's own signer.

mod browser_forms;
mod forms;
mod lane;
mod properties;
mod support;

use std::time::SystemTime;

use aws_sigv4::http_request::SignableBody;
use aws_sigv4::sign::v4;
use sha2::{Digest, Sha256};

use self::support::{Case, HOST, SECRET, World};
use super::*;
use crate::types::body;

#[tokio::test]
async fn a_signed_read_reaches_the_gateway_as_it_was_meant() {
    let world = World::all();
    let case = Case::new(
        Method::GET,
        "/train/a//..%2Fb%2B%20%D0%BA=?versionId=v&x-id=GetObject",
    );
    let mut request = case
        .header("content-length", "0")
        .header("content-type", "application/xml")
        .header("range", "bytes=0-8388607")
        .header("x-amz-checksum-mode", "ENABLED")
        .sign();
    let identity = HeaderValue::from_static("identity");
    request.headers_mut().insert("accept-encoding", identity);
    let (status, headers, text) = world.ask(request).await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, "hello"));
    assert_eq!(headers["x-forebay-cache"], "memory");
    assert_eq!(headers["x-forebay-node"], "forebay");
    assert_eq!(headers["x-amz-request-id"].len(), 16);
    let read = world.last_read();
    assert_eq!(read.key.as_str(), "a//../b+ к=");
    assert_eq!(read.version_id.as_deref(), Some("v"));
    assert!(read.checksum_mode && read.range.is_some());
    assert!(
        !read.headers.contains_key("authorization") && !read.query.iter().any(|(n, _)| n == "x-id")
    );
}

#[tokio::test]
async fn absolute_form_and_virtual_hosts_are_understood() {
    let world = World::all();
    let mut request = Case::new(Method::GET, "/train/a").sign();
    *request.uri_mut() = format!("http://{HOST}/train/a").parse().expect("a target");
    assert_eq!(world.ask(request).await.0, StatusCode::OK);
    let mut case = Case::new(Method::GET, "/a");
    case.headers = vec![("host", "train.s3.example.org:9000")];
    assert_eq!(world.ask(case.sign()).await.0, StatusCode::OK);
    let read = world.last_read();
    assert_eq!((read.bucket.as_str(), read.key.as_str()), ("train", "a"));
}

#[tokio::test]
async fn bad_signatures_get_amazons_errors() {
    let world = World::all();
    let case = || Case::new(Method::GET, "/train/a");
    let mut wrong = case();
    wrong.key.1 = "another secret";
    assert_eq!(world.code(wrong.sign()).await, "SignatureDoesNotMatch");
    let mut unknown = case();
    unknown.key.0 = "SOMEBODY";
    assert_eq!(world.code(unknown.sign()).await, "InvalidAccessKeyId");
    let mut late = case();
    late.time -= Duration::from_secs(901);
    assert_eq!(world.code(late.sign()).await, "RequestTimeTooSkewed");
    let mut tampered = case().sign();
    *tampered.uri_mut() = "/train/b".parse().expect("a target");
    assert_eq!(world.code(tampered).await, "SignatureDoesNotMatch");
    let mut added = case().sign();
    added
        .headers_mut()
        .insert("x-amz-acl", HeaderValue::from_static("private"));
    assert_eq!(world.code(added).await, "AccessDenied");
    assert!(world.gateway.reads.lock().expect("a lock").is_empty());
}

#[tokio::test]
async fn a_presigned_url_holds_until_it_expires_and_no_tampering() {
    let world = World::all();
    let case = |age, target| {
        let mut case = Case::new(Method::GET, target);
        case.time -= Duration::from_secs(age);
        case.expires = Some(Duration::from_secs(60));
        case.payload = SignableBody::UnsignedPayload;
        case
    };
    let target = "/train/a%20b?response-content-type=text%2Fplain";
    let (status, headers, _) = world.ask(case(0, target).sign()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "text/plain");
    let handed_on = [("response-content-type".to_owned(), "text/plain".to_owned())];
    assert_eq!(world.last_read().query, handed_on);
    let (status, _, text) = world.ask(case(61, target).sign()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(text.contains("Request has expired"), "{text}");
    let mut tampered = case(0, target).sign();
    let longer = tampered
        .uri()
        .to_string()
        .replace("X-Amz-Expires=60", "X-Amz-Expires=600");
    *tampered.uri_mut() = longer.parse().expect("a target");
    assert_eq!(world.code(tampered).await, "SignatureDoesNotMatch");
    // Range and If-* are not covered by the signature, and need not be.
    let mut ranged = case(0, target).sign();
    ranged
        .headers_mut()
        .insert("range", HeaderValue::from_static("bytes=0-1"));
    assert_eq!(world.ask(ranged).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_body_is_checked_against_its_signed_hash() {
    let world = World::all();
    let case = || {
        let mut case = Case::new(Method::PUT, "/train/a").header("content-length", "5");
        case.payload = SignableBody::Bytes(b"hello");
        case
    };
    let (request, _) = case().sign_with(body::full("hello"));
    assert_eq!(world.ask(request).await.0, StatusCode::OK);
    let forwarded = world.last_forwarded();
    assert_eq!(forwarded.operation.name, OperationName::PutObject);
    assert_eq!(
        (forwarded.length, &*forwarded.bytes),
        (Some(5), &b"hello"[..])
    );
    let (forged, _) = case().sign_with(body::full("hullo"));
    assert_eq!(world.code(forged).await, "XAmzContentSHA256Mismatch");
    let mut unsigned = case();
    unsigned.payload = SignableBody::UnsignedPayload;
    let (request, _) = unsigned.sign_with(body::full("hullo"));
    assert_eq!(world.ask(request).await.0, StatusCode::OK);
}

/// Puts `body` into signed chunks of 3 bytes, as a client would.
fn signed_chunks(bytes: &[u8], seed: &str, time: SystemTime, trailer: Option<&str>) -> Vec<u8> {
    let stamp = jiff::Timestamp::try_from(time).expect("a time");
    let stamp = stamp.strftime("%Y%m%dT%H%M%SZ").to_string();
    let scope = format!("{stamp}\n{}/us-east-1/s3/aws4_request", &stamp[..8]);
    let key = v4::generate_signing_key(SECRET, time, "us-east-1", "s3");
    let sha = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let mut previous = seed.to_owned();
    let mut wire = Vec::new();
    for chunk in bytes.chunks(3).chain([&b""[..]]) {
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{scope}\n{previous}\n{}\n{}",
            sha(b""),
            sha(chunk)
        );
        previous = v4::calculate_signature(&key, text.as_bytes());
        wire.extend(format!("{:x};chunk-signature={previous}\r\n", chunk.len()).bytes());
        wire.extend(chunk);
        wire.extend(if chunk.is_empty() { &b""[..] } else { b"\r\n" });
    }
    if let Some(trailer) = trailer {
        let text = format!(
            "AWS4-HMAC-SHA256-TRAILER\n{scope}\n{previous}\n{}",
            sha(format!("{trailer}\n").as_bytes())
        );
        let signature = v4::calculate_signature(&key, text.as_bytes());
        wire.extend(format!("{trailer}\r\nx-amz-trailer-signature:{signature}\r\n").bytes());
    }
    wire.extend(b"\r\n");
    wire
}

async fn stream(world: &World, form: &'static str, spoil: fn(&mut Vec<u8>)) -> String {
    let trailer = form
        .ends_with("-TRAILER")
        .then_some("x-amz-checksum-crc32:NhCmhg==");
    let mut case = Case::new(Method::PUT, "/train/a")
        .header("content-encoding", "aws-chunked,gzip")
        .header("x-amz-decoded-content-length", "5");
    if trailer.is_some() {
        case = case.header("x-amz-trailer", "x-amz-checksum-crc32");
    }
    case.payload = SignableBody::Precomputed(form.to_owned());
    let time = case.time;
    let (request, seed) = case.sign_with(body::empty());
    let mut wire = if form.starts_with("STREAMING-UNSIGNED") {
        b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n".to_vec()
    } else {
        signed_chunks(b"hello", &seed, time, trailer)
    };
    spoil(&mut wire);
    world.code(request.map(|_| body::full(wire))).await
}

#[tokio::test]
async fn every_streaming_form_is_decoded_and_verified() {
    let world = World::all();
    for form in [
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    ] {
        assert_eq!(stream(&world, form, |_| {}).await, "", "{form}");
        let forwarded = world.last_forwarded();
        assert_eq!(
            (forwarded.length, &*forwarded.bytes),
            (Some(5), &b"hello"[..]),
            "{form}"
        );
        assert_eq!(forwarded.headers["content-encoding"], "gzip");
        // The gateway needs to know which checksum follows.
        for told in [
            forwarded.headers.contains_key("x-amz-trailer"),
            forwarded.trailers.is_some(),
        ] {
            assert_eq!(told, form.ends_with("-TRAILER"), "{form}");
        }
        let cut = stream(&world, form, |wire| wire.truncate(wire.len() / 2)).await;
        assert!(
            ["IncompleteBody", "MalformedTrailerError"].contains(&cut.as_str()),
            "{form}: {cut}"
        );
    }
    let flip = |wire: &mut Vec<u8>| {
        let at = wire
            .windows(3)
            .position(|bytes| bytes == b"hel")
            .expect("the first chunk");
        wire[at] = b'H';
    };
    let forged = stream(&world, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", flip).await;
    assert_eq!(forged, "SignatureDoesNotMatch");
    let forge = |wire: &mut Vec<u8>| {
        let at = wire
            .windows(4)
            .position(|bytes| bytes == b"NhCm")
            .expect("the trailer");
        wire[at] = b'M';
    };
    let forged = stream(&world, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", forge).await;
    assert_eq!(forged, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn rights_are_checked_before_the_gateway_is_asked() {
    let world = World::new(&["s3:GetObject", "s3:PutObject"], &["train/data/*"]);
    let denied = |method, target| world.code(Case::new(method, target).sign());
    assert_eq!(denied(Method::GET, "/train/other").await, "AccessDenied");
    assert_eq!(denied(Method::GET, "/train").await, "AccessDenied");
    assert_eq!(
        denied(Method::DELETE, "/train/data/a").await,
        "AccessDenied"
    );
    let copy = Case::new(Method::PUT, "/train/data/b").header("x-amz-copy-source", "/secret/a");
    assert_eq!(world.code(copy.sign()).await, "AccessDenied");
    let hidden = Case::new(Method::PUT, "/train/data/b?X-Amz-Copy-Source=%2Fsecret%2Fa");
    assert_eq!(world.code(hidden.sign()).await, "AccessDenied");
    let anonymous = Request::get("/train/data/a")
        .header("host", HOST)
        .body(body::empty());
    assert_eq!(
        world.code(anonymous.expect("a request")).await,
        "AccessDenied"
    );
    assert!(world.gateway.reads.lock().expect("a lock").is_empty());
    assert!(world.gateway.forwarded.lock().expect("a lock").is_empty());
    let allowed = Case::new(Method::GET, "/train/data/a").sign();
    assert_eq!(world.ask(allowed).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_missing_key_is_told_to_those_who_may_list() {
    let blind = ["s3:GetObject", "s3:GetObjectTagging", "s3:PutObject"];
    for (method, target, source) in [
        (Method::GET, "/train/missing", None),
        (Method::GET, "/train/missing?tagging", None),
        (Method::PUT, "/train/copy", Some("/train/missing")),
    ] {
        let missing = || {
            let case = Case::new(method.clone(), target);
            match source {
                Some(source) => case.header("x-amz-copy-source", source).sign(),
                None => case.sign(),
            }
        };
        assert_eq!(World::all().code(missing()).await, "NoSuchKey", "{target}");
        let blind = World::new(&blind, &["train/*"]);
        assert_eq!(blind.code(missing()).await, "AccessDenied", "{target}");
    }
}

#[tokio::test]
async fn a_delete_marker_is_told_to_those_who_may_list() {
    for (method, has_document) in [(Method::GET, true), (Method::HEAD, false)] {
        let missing = || Case::new(method.clone(), "/train/missing").sign();
        let (status, headers, _) = World::all().ask(missing()).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(headers["x-amz-delete-marker"], "true");
        let blind = World::new(&["s3:GetObject"], &["train/*"]);
        let (status, headers, text) = blind.ask(missing()).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(!headers.contains_key("x-amz-delete-marker"), "{headers:?}");
        assert_eq!(text.contains("<Code>AccessDenied</Code>"), has_document);
        assert_eq!(text.is_empty(), !has_document);
    }
}

#[tokio::test]
async fn what_is_not_served_is_refused_cleanly() {
    let world = World::all();
    for (method, target, code) in [
        (Method::GET, "/train?session", "NotImplemented"),
        (Method::PUT, "/train?acl", "AccessDenied"),
        (Method::PUT, "/train/a?acl", "AccessDenied"),
        (Method::DELETE, "/train/a?acl", "MethodNotAllowed"),
        (Method::GET, "/train/a?acl&tagging", "InvalidArgument"),
        (Method::DELETE, "/train/a?annotation", "NotImplemented"),
        (Method::PATCH, "/train/a", "MethodNotAllowed"),
        (Method::GET, "/train/a?versionId=..%2Fb", "InvalidArgument"),
        (Method::GET, "/a_/b", "InvalidBucketName"),
    ] {
        let request = Case::new(method.clone(), target).sign();
        assert_eq!(world.code(request).await, code, "{method} {target}");
    }
    let raw = |target: &str| {
        let request = Request::get(target).header("host", HOST);
        request.body(body::empty()).expect("a request")
    };
    assert_eq!(world.code(raw("/train/%zz")).await, "InvalidURI");
    let long = format!("/train/{}", "k".repeat(1025));
    assert_eq!(world.code(raw(&long)).await, "KeyTooLongError");
}

#[tokio::test]
async fn a_bucket_is_made_and_deleted_by_who_has_all_of_it() {
    for (resource, allowed) in [("train/data/*", false), ("train/*", true), ("train", true)] {
        let world = World::new(&["s3:*"], &[resource]);
        for method in [Method::PUT, Method::DELETE] {
            let (status, _, _) = world.ask(Case::new(method, "/train").sign()).await;
            assert_eq!(status == StatusCode::OK, allowed, "{resource}");
        }
    }
}

#[tokio::test]
async fn what_changes_rights_takes_an_administrators_right() {
    let put = |acl: &str| {
        Case::new(Method::PUT, "/train/a")
            .header("x-amz-acl", acl)
            .sign()
    };
    let policy = || Case::new(Method::PUT, "/train?policy").sign();
    let world = World::new(&["s3:*"], &["*"]);
    assert_eq!(world.code(put("public-read")).await, "AccessDenied");
    assert_eq!(world.code(policy()).await, "AccessDenied");
    assert_eq!(world.ask(put("private")).await.0, StatusCode::OK);
    let tags = Case::new(Method::PUT, "/train/a?tagging").sign();
    assert_eq!(world.ask(tags).await.0, StatusCode::OK);
    let world = World::new(&["s3:*", "admin"], &["*"]);
    assert_eq!(world.ask(put("public-read")).await.0, StatusCode::OK);
    assert_eq!(world.last_forwarded().headers["x-amz-acl"], "public-read");
    assert_eq!(world.ask(policy()).await.0, StatusCode::OK);
    let world = World::new(&["s3:PutObject"], &["*"]);
    for (header, value) in [
        ("x-amz-tagging", "a=b"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-grant-read", "id=1"),
    ] {
        let put = Case::new(Method::PUT, "/train/a").header(header, value);
        assert_eq!(world.code(put.sign()).await, "AccessDenied", "{header}");
    }
}

#[tokio::test]
async fn headers_of_other_stores_end_here() {
    let world = World::all();
    let request = Case::new(Method::DELETE, "/train/a")
        .header("x-minio-force-delete", "true")
        .header("x-amz-copy-source", "train/b")
        .header("x-amz-expected-bucket-owner", "1")
        .sign();
    assert_eq!(world.ask(request).await.0, StatusCode::OK);
    let forwarded = world.last_forwarded();
    let names: Vec<&str> = forwarded
        .headers
        .keys()
        .map(http::HeaderName::as_str)
        .collect();
    assert_eq!(names, ["x-amz-expected-bucket-owner"]);
}

#[tokio::test]
async fn a_request_is_counted_once_when_its_body_has_ended() {
    let world = World::all();
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    let response = world
        .door
        .handle(Case::new(Method::GET, "/train/a").sign(), peer)
        .await;
    assert_eq!(world.metrics.s3.requests(), 0);
    response.into_body().collect().await.expect("a whole body");
    assert_eq!(world.metrics.s3.requests(), 1);
    let dropped = world
        .door
        .handle(Case::new(Method::GET, "/train/a").sign(), peer)
        .await;
    drop(dropped);
    assert_eq!(world.metrics.s3.requests(), 2);
}
