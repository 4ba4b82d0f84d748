//! The suite's claims about what belongs to an object, or to a bucket, besides bodies: tags, attributes, access.

use http::StatusCode;

use super::client::{Client, Outcome};
use crate::types::OperationName;

const TAGGING: [(&str, &str); 1] = [("tagging", "")];

fn document(tags: &[(&str, &str)]) -> String {
    let tag =
        |(key, value): &(&str, &str)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
    let tags: String = tags.iter().map(tag).collect();
    format!("<Tagging><TagSet>{tags}</TagSet></Tagging>")
}

async fn tag(client: &Client<'_>, key: &str, tags: &[(&str, &str)]) -> Outcome {
    let operation = OperationName::PutObjectTagging;
    let document = document(tags);
    client
        .tell(operation, Some(key), &TAGGING, &[], &document)
        .await
}

/// The tags of an object, sorted.
async fn tags(client: &Client<'_>, key: &str) -> Vec<(String, String)> {
    let operation = OperationName::GetObjectTagging;
    let told = client.ask(operation, Some(key), &TAGGING, &[]).await;
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    pairs(&told)
}

fn pairs(told: &Outcome) -> Vec<(String, String)> {
    let keys = told.fields("Key").into_iter();
    let mut tags: Vec<_> = keys.zip(told.fields("Value")).collect();
    tags.sort_unstable();
    tags
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

pub(super) async fn tags_come_and_go_with_the_object(client: &Client<'_>) {
    let put = client
        .put("tagged", b"x", &[("x-amz-tagging", "a=1&b+c=%2B%C3%BC")])
        .await;
    assert_eq!(put.status, StatusCode::OK, "{put:?}");
    let etag = put.header("etag").expect("an ETag").to_owned();
    assert_eq!(
        tags(client, "tagged").await,
        [pair("a", "1"), pair("b c", "+ü")]
    );
    let count = async |count: Option<&str>| {
        let got = client.get("tagged", &[]).await;
        assert_eq!(got.header("x-amz-tagging-count"), count);
        assert_eq!(got.header("etag"), Some(etag.as_str()));
        got.header("last-modified").map(str::to_owned)
    };
    let modified = count(Some("2")).await;
    let set = tag(client, "tagged", &[("k", "v &amp; w"), ("empty", "")]).await;
    // The ampersand is none of the characters that tags have.
    assert_eq!(set.refusal(), (400, "InvalidTag"));
    let set = tag(client, "tagged", &[("k", "v: w"), ("e", ""), ("z", "")]).await;
    assert_eq!(set.status, StatusCode::OK, "{set:?}");
    assert_eq!(
        tags(client, "tagged").await,
        [pair("e", ""), pair("k", "v: w"), pair("z", "")]
    );
    assert_eq!(count(Some("3")).await, modified);
    let operation = OperationName::DeleteObjectTagging;
    for _ in 0..2 {
        let gone = client.ask(operation, Some("tagged"), &TAGGING, &[]).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
        assert!(tags(client, "tagged").await.is_empty());
    }
    assert_eq!(count(None).await, modified);
    tag(client, "tagged", &[("k", "v")]).await;
    client.put("tagged", b"anew", &[]).await;
    assert!(tags(client, "tagged").await.is_empty());
    let missing = tag(client, "not there", &[("k", "v")]).await;
    assert_eq!(missing.refusal(), (404, "NoSuchKey"));
    let operation = OperationName::GetObjectTagging;
    let missing = client
        .ask(operation, Some("not there"), &TAGGING, &[])
        .await;
    assert_eq!(missing.refusal(), (404, "NoSuchKey"));
}

pub(super) async fn tags_are_copied_or_replaced(client: &Client<'_>) {
    let told = [("x-amz-tagging", "from=source")];
    client.put("tag source", b"x", &told).await;
    client.copy("tag source", "tag copy", &[]).await;
    assert_eq!(tags(client, "tag copy").await, [pair("from", "source")]);
    let replace = [
        ("x-amz-tagging-directive", "REPLACE"),
        ("x-amz-tagging", "from=request"),
    ];
    let copied = client.copy("tag source", "tag copy", &replace).await;
    assert_eq!(copied.status, StatusCode::OK, "{copied:?}");
    assert_eq!(tags(client, "tag copy").await, [pair("from", "request")]);
    client.copy("tag source", "tag copy", &replace[..1]).await;
    assert!(tags(client, "tag copy").await.is_empty());
    let odd = [("x-amz-tagging-directive", "MERGE")];
    let copied = client.copy("tag source", "tag copy", &odd).await;
    assert_eq!(copied.refusal(), (400, "InvalidArgument"));
    let id = super::multipart::create(client, "tag upload", &told).await;
    let one = super::multipart::part_with(client, ("tag upload", &id, 1), b"x", &[]).await;
    let etag = one.header("etag").expect("an ETag").to_owned();
    super::multipart::complete(client, "tag upload", &id, &[(1, &etag)], &[]).await;
    assert_eq!(tags(client, "tag upload").await, [pair("from", "source")]);
}

pub(super) async fn bad_tags_are_refused(client: &Client<'_>) {
    client.put("tagged", b"x", &[]).await;
    let (key, value) = ("k".repeat(129), "v".repeat(257));
    for (tags, code) in [
        (vec![(key.as_str(), "v")], "InvalidTag"),
        (vec![("k", value.as_str())], "InvalidTag"),
        (vec![("", "v")], "InvalidTag"),
        (vec![("k", "1"), ("k", "2")], "InvalidTag"),
        (vec![("aws:k", "v")], "InvalidTag"),
        (vec![("k", "v"); 11], "BadRequest"),
    ] {
        let refused = tag(client, "tagged", &tags).await;
        assert_eq!(refused.refusal(), (400, code), "{tags:?}");
    }
    let operation = OperationName::PutObjectTagging;
    for bad in ["<Tagging>", "<Tagging/>", "<TagSet/>", "k=v"] {
        let refused = client.tell(operation, Some("tagged"), &TAGGING, &[], bad);
        assert_eq!(refused.await.refusal(), (400, "MalformedXML"), "{bad}");
    }
    assert!(tags(client, "tagged").await.is_empty());
    let twice = [("x-amz-tagging", "k=1&k=2")];
    let refused = client.put("tagged", b"y", &twice).await;
    assert_eq!(refused.refusal(), (400, "InvalidArgument"));
    assert_eq!(client.get("tagged", &[]).await.body, &b"x"[..]);
}

pub(super) async fn buckets_have_tags(client: &Client<'_>) {
    let get = OperationName::GetBucketTagging;
    let none = client.ask(get, None, &TAGGING, &[]).await;
    assert_eq!(none.refusal(), (404, "NoSuchTagSet"));
    let put = OperationName::PutBucketTagging;
    let team = document(&[("team", "vision")]);
    let set = client.tell(put, None, &TAGGING, &[], &team).await;
    assert_eq!(set.status, StatusCode::NO_CONTENT, "{set:?}");
    let told = client.ask(get, None, &TAGGING, &[]).await;
    assert_eq!(pairs(&told), [pair("team", "vision")]);
    let many = document(&[("k", "v"); 51]);
    let refused = client.tell(put, None, &TAGGING, &[], &many).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    let delete = OperationName::DeleteBucketTagging;
    for _ in 0..2 {
        let gone = client.ask(delete, None, &TAGGING, &[]).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
    }
    let none = client.ask(get, None, &TAGGING, &[]).await;
    assert_eq!(none.refusal(), (404, "NoSuchTagSet"));
}

pub(super) async fn attributes_are_told_as_asked(client: &Client<'_>) {
    const NAME: &str = "x-amz-object-attributes";
    let put = client.put("described", b"body", &[]).await;
    let etag = put.header("etag").expect("an ETag").to_owned();
    let operation = OperationName::GetObjectAttributes;
    let ask = async |key: &str, headers: &[(&str, &str)]| {
        let query = [("attributes", "")];
        client.ask(operation, Some(key), &query, headers).await
    };
    let told = ask(
        "described",
        &[(NAME, "ETag,ObjectSize,StorageClass,ObjectParts")],
    )
    .await;
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    assert_eq!(told.field("ETag"), Some(etag.trim_matches('"').to_owned()));
    assert_eq!(told.field("ObjectSize"), Some("4".into()));
    assert_eq!(told.field("StorageClass"), Some("STANDARD".into()));
    assert!(!told.text().contains("ObjectParts"));
    assert!(told.header("last-modified").is_some());
    let told = ask("described", &[(NAME, "ObjectSize")]).await;
    assert!(told.field("ETag").is_none() && told.field("StorageClass").is_none());
    let refused = ask("described", &[]).await;
    assert_eq!(refused.refusal(), (400, "InvalidRequest"));
    let refused = ask("described", &[(NAME, "Size")]).await;
    assert_eq!(refused.refusal(), (400, "InvalidArgument"));
    let missing = ask("not there", &[(NAME, "ETag")]).await;
    assert_eq!(missing.refusal(), (404, "NoSuchKey"));
}

pub(super) async fn the_owner_has_full_control(client: &Client<'_>) {
    client.put("owned", b"x", &[]).await;
    let acl = [("acl", "")];
    for (operation, key) in [
        (OperationName::GetBucketAcl, None),
        (OperationName::GetObjectAcl, Some("owned")),
    ] {
        let told = client.ask(operation, key, &acl, &[]).await;
        assert_eq!(told.status, StatusCode::OK, "{told:?}");
        assert_eq!(told.fields("Permission"), ["FULL_CONTROL"]);
        let ids = told.fields("ID");
        assert_eq!(ids.len(), 2, "the owner and the grantee: {told:?}");
        assert_eq!(ids[0], ids[1]);
    }
    for (operation, key) in [
        (OperationName::PutBucketAcl, None),
        (OperationName::PutObjectAcl, Some("owned")),
    ] {
        let private = [("x-amz-acl", "private")];
        let set = client.ask(operation, key, &acl, &private).await;
        assert_eq!(set.status, StatusCode::OK, "{set:?}");
    }
    let get = OperationName::GetObjectAcl;
    let missing = client.ask(get, Some("not there"), &acl, &[]).await;
    assert_eq!(missing.refusal(), (404, "NoSuchKey"));
}
