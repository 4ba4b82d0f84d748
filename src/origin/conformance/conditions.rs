//! The suite's claims about conditional requests.

use http::StatusCode;

use super::client::{Client, Outcome};
use crate::types::OperationName;

fn etag_of(got: &Outcome) -> String {
    got.header("etag").expect("an ETag").to_owned()
}

pub(super) async fn decide_reads(client: &Client<'_>) {
    let put = client.put("conditional", b"c", &[]).await;
    let etag = put.header("etag").expect("an ETag").to_owned();
    let long_ago = "Sat, 01 Jan 2000 00:00:00 GMT";
    for (headers, status) in [
        (vec![("if-match", etag.as_str())], 200),
        (vec![("if-match", "\"other\"")], 412),
        (vec![("if-none-match", etag.as_str())], 304),
        (vec![("if-none-match", "\"other\"")], 200),
        (vec![("if-unmodified-since", long_ago)], 412),
        (vec![("if-modified-since", long_ago)], 200),
        (
            vec![
                ("if-match", etag.as_str()),
                ("if-unmodified-since", long_ago),
            ],
            200,
        ),
        (
            vec![
                ("if-none-match", etag.as_str()),
                ("if-modified-since", long_ago),
            ],
            304,
        ),
    ] {
        for bodiless in [false, true] {
            let got = client.read("conditional", &[], &headers, bodiless).await;
            assert_eq!(got.status.as_u16(), status, "{headers:?}");
            if status == 304 {
                assert_eq!(got.header("etag"), Some(etag.as_str()));
            }
        }
    }
    let got = client.get("conditional", &[("if-match", "\"x\"")]).await;
    assert_eq!(got.refusal(), (412, "PreconditionFailed"));
}

pub(super) async fn decide_writes(client: &Client<'_>) {
    let create = [("if-none-match", "*")];
    let put = client.put("once", b"1", &create).await;
    assert_eq!(put.status, StatusCode::OK);
    let etag = put.header("etag").expect("an ETag").to_owned();
    let put = client.put("once", b"2", &create).await;
    assert_eq!(put.refusal(), (412, "PreconditionFailed"));
    let put = client.put("once", b"2", &[("if-match", "\"other\"")]).await;
    assert_eq!(put.refusal(), (412, "PreconditionFailed"));
    assert_eq!(client.get("once", &[]).await.body, &b"1"[..]);
    let put = client.put("once", b"2", &[("if-match", &etag)]).await;
    assert_eq!(put.status, StatusCode::OK);
    let put = client.put("never", b"2", &[("if-match", &etag)]).await;
    assert_eq!(put.refusal(), (404, "NoSuchKey"));
}

pub(super) async fn decide_copies(client: &Client<'_>) {
    let put = client.put("from", b"source", &[]).await;
    let etag = etag_of(&put);
    let long_ago = "Sat, 01 Jan 2000 00:00:00 GMT";
    let (yes, no) = ((200, None), (412, Some("PreconditionFailed")));
    for (headers, (status, code)) in [
        (vec![("x-amz-copy-source-if-match", etag.as_str())], yes),
        (vec![("x-amz-copy-source-if-match", "\"x\"")], no),
        (vec![("x-amz-copy-source-if-none-match", etag.as_str())], no),
        (vec![("x-amz-copy-source-if-none-match", "\"x\"")], yes),
        (vec![("x-amz-copy-source-if-modified-since", long_ago)], yes),
        (
            vec![("x-amz-copy-source-if-unmodified-since", long_ago)],
            no,
        ),
        (
            vec![
                ("x-amz-copy-source-if-match", etag.as_str()),
                ("x-amz-copy-source-if-unmodified-since", long_ago),
            ],
            yes,
        ),
        (
            vec![
                ("x-amz-copy-source-if-none-match", etag.as_str()),
                ("x-amz-copy-source-if-modified-since", long_ago),
            ],
            no,
        ),
    ] {
        let copied = client.copy("from", "onto", &headers).await;
        assert_eq!(copied.status.as_u16(), status, "{headers:?}");
        assert_eq!(copied.field("Code").as_deref(), code, "{headers:?}");
    }
    let there = client.copy("from", "onto", &[("if-none-match", "*")]).await;
    assert_eq!(there.refusal(), (412, "PreconditionFailed"));
}

pub(super) async fn decide_deletes(client: &Client<'_>) {
    let put = client.put("kept", b"1", &[]).await;
    let etag = etag_of(&put);
    let delete = async |condition: &str| {
        let headers = [("if-match", condition)];
        let operation = OperationName::DeleteObject;
        client.ask(operation, Some("kept"), &[], &headers).await
    };
    let refused = delete("\"other\"").await;
    assert_eq!(refused.refusal(), (412, "PreconditionFailed"));
    assert_eq!(client.get("kept", &[]).await.body, &b"1"[..]);
    assert_eq!(delete(&etag).await.status, StatusCode::NO_CONTENT);
    assert_eq!(delete("*").await.refusal(), (404, "NoSuchKey"));
}
