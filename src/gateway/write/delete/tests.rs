use http::Method;

use super::*;
use crate::gateway::forward::support::{World, ok, put, request, text};
use crate::types::OperationName;

const ASKED: &str = "<Delete><Object><Key>a&amp;b</Key></Object><Object><Key>secret</Key>\
    <VersionId>v</VersionId></Object></Delete>";

fn deletion(headers: &[(&'static str, String)]) -> Request {
    let mut deletion = request(OperationName::DeleteObjects, Method::POST, "");
    deletion.upload = put("k", full(ASKED), ASKED.len() as u64).upload;
    for (name, value) in headers {
        let value = value.parse().expect("a value");
        deletion.headers.insert(*name, value);
    }
    deletion
}

fn sorted<'a>(world: &World, asked: &'a Deletion) -> Sorted<'a> {
    let bucket = "train".parse().expect("a name");
    let route = world.routes.load().find(&bucket).expect("a route");
    Sorted::of(asked, &route, |_, key| key.as_str() != "secret")
}

#[tokio::test]
async fn keys_that_the_caller_may_not_delete_are_errors_of_the_answer() {
    let world = World::new(|_| ok(""));
    let answer = world.serve(deletion(&[])).await.expect("an answer");
    let answer = text(answer).await;
    assert_eq!(answer.matches("<Code>AccessDenied</Code>").count(), 2);
    assert!(answer.contains("<Key>a&amp;b</Key>") && answer.contains("<VersionId>v</VersionId>"));
    assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn a_document_that_does_not_match_its_digest_is_refused() {
    let world = World::new(|_| ok(""));
    let wrong = Algorithm::Crc32.of(b"another");
    let refused = world
        .serve(deletion(&[("x-amz-checksum-crc32", wrong)]))
        .await;
    assert!(matches!(refused, Err(Error::BadDigest(_))));
}

#[test]
fn the_rest_goes_to_the_origin_and_both_answers_become_one() {
    let world = World::new(|_| ok(""));
    let asked = Deletion::parse(ASKED.as_bytes()).expect("well-formed");
    let sorted = sorted(&world, &asked);
    assert_eq!(sorted.subjects.len(), 1);
    let document = document::write(asked.quiet, &sorted.passed);
    assert!(document.contains("<Object><Key>team/a&amp;b</Key></Object></Delete>"));
    assert!(!document.contains("secret"));
    let answer = b"<DeleteResult><Deleted><Key>a&amp;b</Key></Deleted></DeleteResult>";
    let merged = String::from_utf8(sorted.merged(answer).expect("well-formed")).expect("text");
    assert_eq!(
        merged,
        "<DeleteResult><Deleted><Key>a&amp;b</Key></Deleted><Error><Key>secret</Key>\
         <VersionId>v</VersionId><Code>AccessDenied</Code><Message>Access Denied</Message></Error></DeleteResult>"
    );
}

#[test]
fn the_new_document_carries_the_digests_that_the_old_one_had() {
    let request = deletion(&[
        ("x-amz-checksum-sha256", Algorithm::Sha256.of(b"old")),
        (verify::ANNOUNCED, "x-amz-checksum-crc32".into()),
    ]);
    let digests = claimed(&request.headers);
    assert_eq!(digests, [Algorithm::Crc32, Algorithm::Sha256]);
    let mut headers = HeaderMap::new();
    claim(&mut headers, &digests, b"new");
    assert_eq!(
        headers["x-amz-checksum-sha256"],
        Algorithm::Sha256.of(b"new")
    );
    let mut headers = HeaderMap::new();
    claim(&mut headers, &[], b"new");
    assert!(headers.is_empty(), "the origin refuses what S3 refuses");
}
