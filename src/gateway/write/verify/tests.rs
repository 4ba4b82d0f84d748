use std::convert::Infallible;

use futures::stream;
use http_body_util::StreamBody;

use super::*;
use crate::types::body;

fn chunks(chunks: &[&'static str]) -> Body {
    let frames: Vec<Result<Frame<Bytes>, Infallible>> = chunks
        .iter()
        .map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes()))))
        .collect();
    let body = StreamBody::new(stream::iter(frames));
    body.map_err(|never| match never {}).boxed_unsync()
}

fn upload(body: Body, length: u64) -> Upload {
    Upload {
        body,
        length: Some(length),
        sha256: None,
        trailers: None,
    }
}

fn claim(name: &'static str, value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(name, value.parse().expect("a value"));
    headers
}

/// What goes to the origin, whether it is all, and the client's mistake.
async fn sent(headers: &mut HeaderMap, upload: Upload) -> (String, bool, Option<Error>) {
    let (payload, fault) = match payload(headers, upload).await {
        Ok(payload) => payload,
        Err(error) => return (String::new(), false, Some(error)),
    };
    let mut body = match payload {
        Payload::Whole(bytes) => body::full(bytes),
        Payload::Stream(stream) => stream.body,
    };
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend_from_slice(&frame.into_data().expect("data")),
            Err(_) => return (text(bytes), false, fault.take()),
        }
    }
    (text(bytes), true, fault.take())
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

#[tokio::test]
async fn every_digest_is_verified_and_a_body_that_fits_goes_out_whole() {
    for algorithm in Algorithm::ALL {
        let mut headers = claim(algorithm.header(), &algorithm.of(b"hello world"));
        let (bytes, whole, mistake) =
            sent(&mut headers, upload(chunks(&["hello ", "", "world"]), 11)).await;
        assert!(whole && mistake.is_none(), "{algorithm:?}");
        assert_eq!(bytes, "hello world");
    }
}

#[tokio::test]
async fn the_last_bytes_stay_here_where_a_digest_does_not_match() {
    for algorithm in Algorithm::ALL {
        let mut headers = claim(algorithm.header(), &algorithm.of(b"hello world"));
        let (bytes, whole, mistake) =
            sent(&mut headers, upload(chunks(&["hello ", "w0rld"]), 11)).await;
        assert_eq!((bytes.as_str(), whole), ("hello ", false));
        match mistake {
            Some(Error::BadDigest(name)) => assert_eq!(name, algorithm.header()),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_single_frame_is_held_until_the_inner_body_has_ended() {
    let (sender, receiver) = futures::channel::mpsc::unbounded();
    let frame = |result: Result<&'static str, BoxError>| {
        result.map(|text| Frame::data(Bytes::from_static(text.as_bytes())))
    };
    let inner = StreamBody::new(receiver).boxed_unsync();
    let (payload, fault) = payload(&mut HeaderMap::new(), upload(inner, 5))
        .await
        .expect("valid");
    let Payload::Stream(stream) = payload else {
        panic!("a body of five bytes streams")
    };
    let mut body = stream.body;
    sender.unbounded_send(frame(Ok("hello"))).expect("open");
    assert!(futures::FutureExt::now_or_never(body.frame()).is_none());
    assert_eq!(http_body::Body::size_hint(&body).exact(), Some(5));
    let mismatch = Box::new(Error::PayloadMismatch);
    sender.unbounded_send(frame(Err(mismatch))).expect("open");
    assert!(matches!(body.frame().await, Some(Err(_))));
    assert!(body.frame().await.is_none());
    assert!(matches!(fault.take(), Some(Error::PayloadMismatch)));
}

#[tokio::test]
async fn the_length_must_be_exact() {
    let (_, whole, mistake) = sent(&mut HeaderMap::new(), upload(chunks(&["abc", "d"]), 5)).await;
    assert!(!whole && matches!(mistake, Some(Error::IncompleteBody)));
    let (_, whole, mistake) = sent(&mut HeaderMap::new(), upload(chunks(&["abc", "d"]), 3)).await;
    assert!(!whole && matches!(mistake, Some(Error::InvalidRequest(_))));
    let mut unknown = upload(chunks(&["abc"]), 0);
    unknown.length = None;
    let (_, _, mistake) = sent(&mut HeaderMap::new(), unknown).await;
    assert!(matches!(mistake, Some(Error::MissingContentLength)));
}

#[tokio::test]
async fn an_empty_body_is_verified_before_the_origin_is_asked() {
    let mut headers = claim("content-md5", &Algorithm::ContentMd5.of(b"x"));
    let refused = payload(&mut headers, upload(body::empty(), 0)).await;
    assert!(matches!(refused, Err(Error::BadDigest("content-md5"))));
    let mut headers = claim("content-md5", &Algorithm::ContentMd5.of(b""));
    assert!(
        payload(&mut headers, upload(body::empty(), 0))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_malformed_claim_is_refused_at_once() {
    let refused = payload(&mut claim("content-md5", "??"), upload(chunks(&["a"]), 1)).await;
    assert!(matches!(refused, Err(Error::InvalidDigest)));
    let mut headers = claim("x-amz-checksum-crc32", "AAAAAAAAAAA=");
    let refused = payload(&mut headers, upload(chunks(&["a"]), 1)).await;
    assert!(matches!(
        refused,
        Err(Error::InvalidChecksum {
            name: "x-amz-checksum-crc32",
            trailing: false
        })
    ));
}

#[tokio::test]
async fn one_trailing_checksum_that_can_be_verified_is_taken_and_no_other() {
    for names in [
        "x-amz-checksum-unheard",
        "content-md5",
        "x-amz-meta-a",
        "",
        "x-amz-checksum-crc32,x-amz-checksum-sha1",
    ] {
        let (_, upload) = trailing(chunks(&["hello"]), 5, None);
        let refused = payload(&mut claim(ANNOUNCED, names), upload).await;
        assert!(
            matches!(refused, Err(Error::InvalidRequest(message)) if message.contains("x-amz-trailer")),
            "{names}"
        );
    }
}

#[tokio::test]
async fn a_trailing_checksum_of_another_width_is_refused() {
    let (mut headers, upload) = trailing(chunks(&["hello"]), 5, Some("AAAA".to_owned()));
    let (_, whole, mistake) = sent(&mut headers, upload).await;
    assert!(!whole);
    assert!(matches!(
        mistake,
        Some(Error::InvalidChecksum { trailing: true, .. })
    ));
}

fn trailing(body: Body, length: u64, value: Option<String>) -> (HeaderMap, Upload) {
    let mut upload = upload(body, length);
    upload.trailers = Some(Box::new(move || {
        let value = value.as_ref()?.parse().ok()?;
        Some(HeaderMap::from_iter([(
            HeaderName::from_static("x-amz-checksum-crc64nvme"),
            value,
        )]))
    }));
    (claim(ANNOUNCED, "x-amz-checksum-crc64nvme"), upload)
}

#[tokio::test]
async fn a_trailing_checksum_is_verified_and_goes_on_as_a_trailer() {
    let right = Algorithm::Crc64Nvme.of(b"hello");
    let (mut headers, upload) = trailing(chunks(&["hel", "lo"]), 5, Some(right.clone()));
    let (payload, _) = payload(&mut headers, upload).await.expect("valid");
    let Payload::Stream(Stream {
        mut body, trailer, ..
    }) = payload
    else {
        panic!("a body of five bytes streams")
    };
    let trailer = trailer.expect("announced");
    assert!(!headers.contains_key(ANNOUNCED));
    body.frame()
        .await
        .expect("a frame")
        .expect("the first bytes");
    assert_eq!(trailer.value.get(), None);
    body.frame()
        .await
        .expect("a frame")
        .expect("the last bytes");
    assert_eq!(trailer.value.get(), Some(&right));
    assert_eq!(trailer.name, "x-amz-checksum-crc64nvme");
}

#[tokio::test]
async fn a_wrong_or_missing_trailer_keeps_the_last_bytes_here() {
    let wrong = Some(Algorithm::Crc64Nvme.of(b"other"));
    let (mut headers, upload) = trailing(chunks(&["hel", "lo"]), 5, wrong);
    let (bytes, whole, mistake) = sent(&mut headers, upload).await;
    assert_eq!((bytes.as_str(), whole), ("hel", false));
    assert!(matches!(mistake, Some(Error::BadDigest(_))));
    let (mut headers, upload) = trailing(chunks(&["hel", "lo"]), 5, None);
    let (_, whole, mistake) = sent(&mut headers, upload).await;
    assert!(!whole && matches!(mistake, Some(Error::MalformedTrailer)));
}

#[tokio::test]
async fn the_trailer_of_an_empty_body_becomes_a_header() {
    let right = Algorithm::Crc64Nvme.of(b"");
    let (mut headers, upload) = trailing(body::empty(), 0, Some(right.clone()));
    let (payload, _) = payload(&mut headers, upload).await.expect("valid");
    assert!(matches!(payload, Payload::Whole(bytes) if bytes.is_empty()));
    assert_eq!(headers["x-amz-checksum-crc64nvme"], right);
}

#[tokio::test]
async fn a_document_is_bounded_and_its_objects_checksums_are_not_its_own() {
    let read = |headers: HeaderMap, limit, claims| async move {
        let mut headers = headers;
        document(
            &mut headers,
            upload(chunks(&["<a", "/>"]), 4),
            limit,
            claims,
        )
        .await
    };
    let whole = claim("x-amz-checksum-crc32", &Algorithm::Crc32.of(b"the object"));
    let bytes = read(whole.clone(), 4, Claims::Md5).await.expect("valid");
    assert_eq!(bytes, "<a/>");
    let refused = read(whole, 4, Claims::All).await;
    assert!(matches!(refused, Err(Error::BadDigest(_))));
    let refused = read(HeaderMap::new(), 3, Claims::All).await;
    assert!(matches!(refused, Err(Error::MalformedXml)));
}
