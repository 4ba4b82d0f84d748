//! The suite's claims about multipart uploads.

use http::{Method, StatusCode};

use super::client::{Client, Outcome};
use crate::types::OperationName;

/// S3's least size of a part that is not the last.
pub(super) const MIN_PART: usize = 5 << 20;

pub(super) async fn create(client: &Client<'_>, key: &str, headers: &[(&str, &str)]) -> String {
    let operation = OperationName::CreateMultipartUpload;
    let query = [("uploads", "")];
    let created = client.ask(operation, Some(key), &query, headers).await;
    assert_eq!(created.status, StatusCode::OK, "{created:?}");
    created.field("UploadId").expect("an upload's id")
}

async fn part(client: &Client<'_>, key: &str, id: &str, number: u32, body: &[u8]) -> Outcome {
    part_with(client, (key, id, number), body, &[]).await
}

pub(super) async fn part_with(
    client: &Client<'_>,
    (key, id, number): (&str, &str, u32),
    body: &[u8],
    headers: &[(&str, &str)],
) -> Outcome {
    let number = number.to_string();
    let query = [("partNumber", number.as_str()), ("uploadId", id)];
    let operation = OperationName::UploadPart;
    let call = client.call(operation, Method::PUT, Some(key), &query, headers);
    client.send_body(call, body).await
}

pub(super) async fn complete(
    client: &Client<'_>,
    key: &str,
    id: &str,
    parts: &[(u32, &str)],
    headers: &[(&str, &str)],
) -> Outcome {
    let parts: String = parts
        .iter()
        .map(|(number, etag)| listed(*number, etag, ""))
        .collect();
    complete_listed(client, (key, id), &parts, headers).await
}

/// A part as a list of parts has it; `more` are further elements.
pub(super) fn listed(number: u32, etag: &str, more: &str) -> String {
    format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>{more}</Part>")
}

pub(super) async fn complete_listed(
    client: &Client<'_>,
    (key, id): (&str, &str),
    parts: &str,
    headers: &[(&str, &str)],
) -> Outcome {
    let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    let operation = OperationName::CompleteMultipartUpload;
    let query = [("uploadId", id)];
    client
        .tell(operation, Some(key), &query, headers, &document)
        .await
}

pub(super) async fn parts_become_an_object(client: &Client<'_>) {
    let key = "big object";
    let id = create(client, key, &[("x-amz-meta-a", "b")]).await;
    let first = vec![1; MIN_PART];
    part(client, key, &id, 3, b"replaced").await;
    let three = part(client, key, &id, 3, b"end").await;
    let one = part(client, key, &id, 1, &first).await;
    client.put("source", b"0123456789", &[]).await;
    let source = client.copy_source("source");
    let headers = [
        ("x-amz-copy-source", source.as_str()),
        ("x-amz-copy-source-range", "bytes=2-4"),
    ];
    let query = [("partNumber", "5"), ("uploadId", id.as_str())];
    let operation = OperationName::UploadPartCopy;
    let copied = client.ask(operation, Some(key), &query, &headers).await;
    assert_eq!(copied.status, StatusCode::OK, "{copied:?}");
    assert!(copied.field("ETag").is_some());
    let listed = [("uploadId", id.as_str())];
    let list = OperationName::ListParts;
    let parts = client.ask(list, Some(key), &listed, &[]).await;
    assert_eq!(parts.fields("PartNumber"), ["1", "3", "5"]);
    let size = MIN_PART.to_string();
    assert_eq!(parts.fields("Size"), [size.as_str(), "3", "3"]);
    assert_eq!(client.get(key, &[]).await.refusal(), (404, "NoSuchKey"));
    let etags = [
        (1, one.header("etag").expect("an ETag")),
        (3, three.header("etag").expect("an ETag")),
    ];
    let done = complete(client, key, &id, &etags, &[]).await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    let etag = done.field("ETag").expect("an ETag");
    assert!(etag.ends_with("-2\""), "{etag}");
    let again = complete(client, key, &id, &etags, &[]).await;
    assert_eq!(again.field("ETag"), Some(etag.clone()), "{again:?}");
    let other = complete(client, key, &id, &etags[..1], &[]).await;
    assert_eq!(other.refusal(), (404, "NoSuchUpload"));
    let got = client.get(key, &[]).await;
    assert_eq!(got.header("etag"), Some(etag.as_str()));
    assert_eq!(got.header("x-amz-meta-a"), Some("b"));
    assert_eq!(got.body.len(), MIN_PART + 3);
    assert!(got.body.starts_with(&first) && got.body.ends_with(b"end"));
    let second = client.read(key, &[("partNumber", "2")], &[], false).await;
    assert_eq!(second.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(second.body, &b"end"[..]);
    assert_eq!(second.header("x-amz-mp-parts-count"), Some("2"));
    let third = client.read(key, &[("partNumber", "3")], &[], false).await;
    assert_eq!(third.refusal(), (416, "InvalidPartNumber"));
}

pub(super) async fn bad_lists_of_parts_are_refused(client: &Client<'_>) {
    let key = "refused";
    let id = create(client, key, &[]).await;
    let small = part(client, key, &id, 1, b"small").await;
    let small = small.header("etag").expect("an ETag").to_owned();
    part(client, key, &id, 2, b"small").await;
    for (parts, code) in [
        (
            vec![(1, small.as_str()), (2, small.as_str())],
            "EntityTooSmall",
        ),
        (
            vec![(2, small.as_str()), (1, small.as_str())],
            "InvalidPartOrder",
        ),
        (
            vec![(1, "\"00000000000000000000000000000000\"")],
            "InvalidPart",
        ),
        (vec![(9, small.as_str())], "InvalidPart"),
        (vec![], "MalformedXML"),
    ] {
        let done = complete(client, key, &id, &parts, &[]).await;
        assert_eq!(done.refusal(), (400, code), "{parts:?}");
    }
    client.put(key, b"there", &[]).await;
    let only = [(1, small.as_str())];
    let done = complete(client, key, &id, &only, &[("if-none-match", "*")]).await;
    assert_eq!(done.refusal(), (412, "PreconditionFailed"));
    let done = complete(client, key, &id, &only, &[]).await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
    assert_eq!(client.get(key, &[]).await.body, &b"small"[..]);
    let zero = part(client, key, &id, 0, b"x").await;
    assert_eq!(zero.refusal(), (400, "InvalidArgument"));
}

pub(super) async fn uploads_are_listed_and_aborted(client: &Client<'_>) {
    let one = create(client, "up/one", &[]).await;
    let two = create(client, "up/two", &[]).await;
    part(client, "up/one", &one, 1, b"x").await;
    let query = [("uploads", ""), ("prefix", "up/")];
    let list = OperationName::ListMultipartUploads;
    let listed = client.ask(list, None, &query, &[]).await;
    assert_eq!(listed.fields("Key"), ["up/one", "up/two"]);
    assert_eq!(listed.fields("UploadId"), [one.clone(), two.clone()]);
    uploads_are_pages(client, [&one, &two]).await;
    for (key, id) in [("up/one", &one), ("up/two", &two)] {
        let query = [("uploadId", id.as_str())];
        let abort = OperationName::AbortMultipartUpload;
        let aborted = client.ask(abort, Some(key), &query, &[]).await;
        assert_eq!(aborted.status, StatusCode::NO_CONTENT);
        let again = part(client, key, id, 1, b"x").await;
        assert_eq!(again.refusal(), (404, "NoSuchUpload"));
    }
    let listed = client.ask(list, None, &query, &[]).await;
    assert!(listed.fields("Key").is_empty());
}

async fn uploads_are_pages(client: &Client<'_>, ids: [&str; 2]) {
    let list = OperationName::ListMultipartUploads;
    let first = [("uploads", ""), ("prefix", "up/"), ("max-uploads", "1")];
    let page = client.ask(list, None, &first, &[]).await;
    assert_eq!(page.field("IsTruncated"), Some("true".into()));
    assert_eq!(page.fields("UploadId"), ids[..1]);
    let key = page.field("NextKeyMarker").expect("a marker");
    let id = page.field("NextUploadIdMarker").expect("a marker");
    let mut second = first.to_vec();
    second.extend([("key-marker", key.as_str()), ("upload-id-marker", &id)]);
    let page = client.ask(list, None, &second, &[]).await;
    assert_eq!(page.fields("UploadId"), ids[1..]);
    assert_eq!(page.field("IsTruncated"), Some("false".into()));
    let rolled = [("uploads", ""), ("delimiter", "/")];
    let page = client.ask(list, None, &rolled, &[]).await;
    assert!(
        page.text()
            .contains("<CommonPrefixes><Prefix>up/</Prefix></CommonPrefixes>")
    );
}

pub(super) async fn parts_are_listed_in_pages(client: &Client<'_>) {
    let key = "part pages";
    let id = create(client, key, &[]).await;
    for number in [4, 2, 9] {
        part(client, key, &id, number, b"x").await;
    }
    let list = OperationName::ListParts;
    let query = [("uploadId", id.as_str()), ("max-parts", "2")];
    let page = client.ask(list, Some(key), &query, &[]).await;
    assert_eq!(page.fields("PartNumber"), ["2", "4"]);
    assert_eq!(page.field("IsTruncated"), Some("true".into()));
    let next = page.field("NextPartNumberMarker").expect("a marker");
    assert_eq!(next, "4");
    let query = [("uploadId", id.as_str()), ("part-number-marker", &next)];
    let page = client.ask(list, Some(key), &query, &[]).await;
    assert_eq!(page.fields("PartNumber"), ["9"]);
    assert_eq!(page.field("IsTruncated"), Some("false".into()));
    let abort = OperationName::AbortMultipartUpload;
    client.ask(abort, Some(key), &query[..1], &[]).await;
    let gone = client.ask(list, Some(key), &query[..1], &[]).await;
    assert_eq!(gone.refusal(), (404, "NoSuchUpload"));
}
