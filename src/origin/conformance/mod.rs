//! What every origin must do, whatever stands behind it: the one suite that all implementations and wrappers pass.
//!
//! [`suite`] runs against a bucket that exists and is empty, and leaves it empty. It asks for nothing but S3's documented
//! behaviour. Reading the claims is the best way to learn the contract of [`Origin`].

mod checksums;
mod client;
mod conditions;
mod details;
mod multipart;
mod versions;

use http::StatusCode;

use self::client::{Client, Outcome};
use super::{Error, Get, Head, Origin};
use crate::types::{BucketName, ETag, RangeSpec};

/// Runs every claim against `origin`.
pub(crate) async fn suite(origin: &dyn Origin, bucket: &BucketName) {
    let client = Client { origin, bucket };
    objects_come_back_as_they_were_put(&client).await;
    ranges_are_those_of_s3(&client).await;
    conditions::decide_reads(&client).await;
    conditions::decide_writes(&client).await;
    conditions::decide_copies(&client).await;
    conditions::decide_deletes(&client).await;
    wrong_bodies_store_nothing(&client).await;
    typed_reads_are_pinned(&client).await;
    every_key_is_a_key(&client).await;
    listings_are_pages_in_order(&client).await;
    copies_keep_or_replace_metadata(&client).await;
    deletes_are_idempotent(&client).await;
    missing_things_are_named(&client).await;
    multipart::parts_become_an_object(&client).await;
    multipart::bad_lists_of_parts_are_refused(&client).await;
    multipart::uploads_are_listed_and_aborted(&client).await;
    multipart::parts_are_listed_in_pages(&client).await;
    checksums::every_algorithm_is_checked_and_kept(&client).await;
    checksums::parts_have_checksums_of_their_own(&client).await;
    checksums::the_checksums_of_parts_make_one_of_the_whole(&client).await;
    checksums::uploads_without_a_checksum_get_the_default(&client).await;
    details::tags_come_and_go_with_the_object(&client).await;
    details::tags_are_copied_or_replaced(&client).await;
    details::bad_tags_are_refused(&client).await;
    details::buckets_have_tags(&client).await;
    details::attributes_are_told_as_asked(&client).await;
    details::the_owner_has_full_control(&client).await;
    versions::an_object_has_the_one_version_null(&client).await;
    versions::versions_are_listed_in_pages(&client).await;
    client.empty().await;
}

async fn objects_come_back_as_they_were_put(client: &Client<'_>) {
    let headers = [
        ("content-type", "text/plain"),
        ("cache-control", "max-age=5"),
        ("content-disposition", "inline"),
        ("content-encoding", "deflate, gzip"),
        ("x-amz-meta-colour", "blue"),
    ];
    let put = client.put("photo", b"bytes", &headers).await;
    assert_eq!(put.status, StatusCode::OK, "{put:?}");
    // The MD5 of "bytes".
    let etag = "\"4b3a6218bb3e3a7303e8a171a60fcf92\"";
    assert_eq!(put.header("etag"), Some(etag));
    for bodiless in [false, true] {
        let got = client.read("photo", &[], &[], bodiless).await;
        assert_eq!(got.status, StatusCode::OK);
        assert_eq!(got.header("etag"), Some(etag));
        assert_eq!(got.header("content-length"), Some("5"));
        assert_eq!(got.header("accept-ranges"), Some("bytes"));
        assert!(got.header("last-modified").is_some());
        for (name, value) in headers {
            assert_eq!(got.header(name), Some(value), "{name}");
        }
        let body: &[u8] = if bodiless { b"" } else { b"bytes" };
        assert_eq!(got.body, body);
    }
    let query = [("response-content-type", "application/json")];
    let got = client.read("photo", &query, &[], false).await;
    assert_eq!(got.header("content-type"), Some("application/json"));
    client.put("photo", b"other", &[]).await;
    let got = client.get("photo", &[]).await;
    assert_eq!(got.body, &b"other"[..]);
    assert_eq!(got.header("x-amz-meta-colour"), None);
    assert_eq!(got.header("content-type"), Some("binary/octet-stream"));
}

async fn ranges_are_those_of_s3(client: &Client<'_>) {
    client.put("ranged", b"0123456789", &[]).await;
    for (range, status, body, content_range) in [
        ("bytes=2-4", 206, "234", Some("bytes 2-4/10")),
        ("bytes=8-99", 206, "89", Some("bytes 8-9/10")),
        ("bytes=7-", 206, "789", Some("bytes 7-9/10")),
        ("bytes=-3", 206, "789", Some("bytes 7-9/10")),
        ("bytes=-99", 206, "0123456789", Some("bytes 0-9/10")),
        ("bytes=4-2", 200, "0123456789", None),
        ("nonsense", 200, "0123456789", None),
        ("bytes=0-1,4-5", 200, "0123456789", None),
    ] {
        let got = client.get("ranged", &[("range", range)]).await;
        assert_eq!(got.status.as_u16(), status, "{range}");
        assert_eq!(got.body, body.as_bytes(), "{range}");
        assert_eq!(got.header("content-range"), content_range, "{range}");
    }
    let got = client.get("ranged", &[("range", "bytes=10-")]).await;
    assert_eq!(got.refusal(), (416, "InvalidRange"));
    let got = client.get("ranged", &[]).await;
    let etag = got.header("etag").expect("an ETag").to_owned();
    for (condition, status) in [
        (etag.as_str(), 206),
        ("\"other\"", 200),
        ("Sat, 01 Jan 2000 00:00:00 GMT", 200),
    ] {
        let headers = [("range", "bytes=2-4"), ("if-range", condition)];
        let got = client.get("ranged", &headers).await;
        assert_eq!(got.status.as_u16(), status, "{condition}");
    }
    client.put("empty", b"", &[]).await;
    let got = client.get("empty", &[("range", "bytes=0-9")]).await;
    assert_eq!(got.refusal(), (416, "InvalidRange"));
    let got = client.get("empty", &[]).await;
    assert_eq!((got.status, got.body.len()), (StatusCode::OK, 0));
}

async fn wrong_bodies_store_nothing(client: &Client<'_>) {
    for header in [
        ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
        ("x-amz-checksum-crc32", "AAAAAA=="),
    ] {
        let put = client.put("wrong", b"body", &[header]).await;
        assert_eq!(put.refusal(), (400, "BadDigest"), "{header:?}");
    }
    assert!(client.put_broken("wrong").await.is_err());
    assert_eq!(client.get("wrong", &[]).await.refusal(), (404, "NoSuchKey"));
    let right = [("x-amz-checksum-crc32c", "4waSgw==")];
    let put = client.put("right", b"123456789", &right).await;
    assert_eq!(put.status, StatusCode::OK, "{put:?}");
    let asked = [("x-amz-checksum-mode", "ENABLED")];
    let got = client.get("right", &asked).await;
    assert_eq!(got.header("x-amz-checksum-crc32c"), Some("4waSgw=="));
    let part = [asked[0], ("range", "bytes=0-1")];
    let got = client.get("right", &part).await;
    assert_eq!(got.header("x-amz-checksum-crc32c"), None);
}

async fn typed_reads_are_pinned(client: &Client<'_>) {
    let put = client
        .put("typed", b"0123456789", &[("x-amz-meta-a", "b")])
        .await;
    let etag = ETag::new(put.header("etag").expect("an ETag"));
    let get = |range, tag: &ETag| {
        client.origin.get(Get {
            range,
            pin: Some(tag.clone()),
            ..Get::of(client.bucket.clone(), "typed".parse().expect("a key"))
        })
    };
    let range = Some(RangeSpec::Suffix { length: 4 });
    let fetched = get(range, &etag).await.expect("an answer");
    assert_eq!((fetched.head.size, &fetched.head.etag), (10, &etag));
    assert_eq!(fetched.range, 6..10);
    assert_eq!(fetched.head.headers["x-amz-meta-a"], "b");
    assert!(!fetched.head.headers.contains_key("content-range"));
    assert!(!fetched.head.headers.contains_key("content-length"));
    assert_eq!(client::collect(fetched.body).await, &b"6789"[..]);
    let status = |result: Result<_, Error>| match result {
        Ok(_) => None,
        Err(error) => error.status().map(|status| status.as_u16()),
    };
    assert_eq!(status(get(range, &ETag::new("\"x\"")).await), Some(412));
    let beyond = Some(RangeSpec::Open { first: 10 });
    assert_eq!(status(get(beyond, &etag).await), Some(416));
    let head = |key: &str| {
        let key = key.parse().expect("a key");
        client.origin.head(Head::of(client.bucket.clone(), key))
    };
    assert_eq!(head("typed").await.expect("an answer").size, 10);
    match head("no such key").await {
        Err(Error::Refused(refusal)) => {
            assert_eq!(refusal.status, StatusCode::NOT_FOUND);
            assert!(refusal.body.is_empty());
        }
        other => panic!("{other:?}"),
    }
    // A body that is being read stays what it was, whatever is put in its place.
    let fetched = get(None, &etag).await.expect("an answer");
    client.put("typed", b"abcdefghij", &[]).await;
    let again = get(None, &etag).await;
    assert_eq!(status(again), Some(412));
    assert_eq!(client::collect(fetched.body).await, &b"0123456789"[..]);
}

/// Keys that a careless implementation confuses or refuses.
const KEYS: [&str; 14] = [
    "a",
    "a/",
    "a//b",
    "a/b",
    "a/b/c",
    "a-b",
    "a.b",
    "a+b c%20=&?#",
    "..",
    "../up",
    "./a",
    "/a",
    "ключ/\u{1f511}",
    "<&>\"'",
];

async fn every_key_is_a_key(client: &Client<'_>) {
    client.empty().await;
    let long = "k".repeat(1024);
    let mut keys: Vec<_> = KEYS.iter().copied().chain([long.as_str()]).collect();
    for key in &keys {
        let put = client.put(key, key.as_bytes(), &[]).await;
        assert_eq!(put.status, StatusCode::OK, "{key}: {put:?}");
    }
    for key in &keys {
        assert_eq!(client.get(key, &[]).await.body, key.as_bytes(), "{key}");
    }
    keys.sort_unstable();
    for url in [false, true] {
        assert_eq!(client.keys(&[], url).await, keys);
    }
    let deleted = client.delete_many(&keys[..3]).await;
    assert_eq!(deleted.status, StatusCode::OK);
    assert_eq!(deleted.text().matches("<Deleted>").count(), 3);
    for key in &keys[..3] {
        assert_eq!(client.get(key, &[]).await.refusal(), (404, "NoSuchKey"));
    }
    assert_eq!(client.keys(&[], false).await, keys[3..]);
    client.empty().await;
    assert!(client.keys(&[], false).await.is_empty());
}

async fn listings_are_pages_in_order(client: &Client<'_>) {
    for key in ["b/1", "b/2", "b/c/3", "a", "b", "c", "b0"] {
        client.put(key, b"x", &[]).await;
    }
    for version in [1, 2] {
        let all = client.pages(version, &[("max-keys", "2")]).await;
        assert_eq!(all, ["a", "b", "b/1", "b/2", "b/c/3", "b0", "c"]);
        for size in ["1", "2", "1000"] {
            let query = [("max-keys", size), ("delimiter", "/")];
            let top = client.pages(version, &query).await;
            assert_eq!(top, ["a", "b", "b/", "b0", "c"], "V{version}, {size}");
            let query = [("max-keys", size), ("delimiter", "/"), ("prefix", "b/")];
            let inner = client.pages(version, &query).await;
            assert_eq!(inner, ["b/1", "b/2", "b/c/"], "V{version}, {size}");
        }
        let none = client.list(version, &[("max-keys", "0")]).await;
        assert_eq!(none.field("IsTruncated"), Some("false".into()));
        assert!(none.fields("Key").is_empty());
        let bad = client.list(version, &[("max-keys", "few")]).await;
        assert_eq!(bad.refusal(), (400, "InvalidArgument"));
    }
    let after = client.list(2, &[("start-after", "b/2")]).await;
    assert_eq!(after.fields("Key"), ["b/c/3", "b0", "c"]);
    assert_eq!(after.field("KeyCount"), Some("3".into()));
    let after = client.list(1, &[("marker", "b/2")]).await;
    assert_eq!(after.fields("Key"), ["b/c/3", "b0", "c"]);
    client.empty().await;
}

async fn copies_keep_or_replace_metadata(client: &Client<'_>) {
    let headers = [("x-amz-meta-a", "1"), ("content-type", "text/plain")];
    client.put("from here", b"body", &headers).await;
    let copied = client.copy("from here", "to", &[]).await;
    assert_eq!(copied.status, StatusCode::OK, "{copied:?}");
    assert!(copied.text().contains("CopyObjectResult"));
    let got = client.get("to", &[]).await;
    assert_eq!(got.body, &b"body"[..]);
    assert_eq!(got.header("x-amz-meta-a"), Some("1"));
    assert_eq!(got.header("content-type"), Some("text/plain"));
    let replace = [
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-meta-b", "2"),
    ];
    assert_eq!(
        client.copy("to", "to", &replace).await.status,
        StatusCode::OK
    );
    let got = client.get("to", &[]).await;
    assert_eq!(got.header("x-amz-meta-a"), None);
    assert_eq!(got.header("x-amz-meta-b"), Some("2"));
    assert_eq!(
        client.copy("to", "to", &[]).await.refusal(),
        (400, "InvalidRequest")
    );
    let condition = [("x-amz-copy-source-if-match", "\"other\"")];
    let copied = client.copy("to", "never", &condition).await;
    assert_eq!(copied.refusal(), (412, "PreconditionFailed"));
    let copied = client.copy("missing", "never", &[]).await;
    assert_eq!(copied.refusal(), (404, "NoSuchKey"));
}

async fn deletes_are_idempotent(client: &Client<'_>) {
    client.put("gone", b"x", &[]).await;
    for _ in 0..2 {
        let deleted = client.delete("gone").await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(client.get("gone", &[]).await.refusal(), (404, "NoSuchKey"));
    let deleted = client.delete_listed("<oops").await;
    assert_eq!(deleted.refusal(), (400, "MalformedXML"));
}

async fn missing_things_are_named(client: &Client<'_>) {
    let nowhere: BucketName = "no-such-bucket-here".parse().expect("a name");
    let other = Client {
        origin: client.origin,
        bucket: &nowhere,
    };
    let no_bucket = (404, "NoSuchBucket");
    assert_eq!(other.get("key", &[]).await.refusal(), no_bucket);
    assert_eq!(other.put("key", b"x", &[]).await.refusal(), no_bucket);
    assert_eq!(other.list(2, &[]).await.refusal(), no_bucket);
    assert!(client.origin.probe(Some(&nowhere)).await.is_err());
    assert!(client.origin.probe(Some(client.bucket)).await.is_ok());
    let got = client.read("no such key", &[], &[], true).await;
    assert_eq!((got.status.as_u16(), got.body.len()), (404, 0));
    let got: Outcome = client.get("no such key", &[]).await;
    assert_eq!(got.refusal(), (404, "NoSuchKey"));
    assert_eq!(got.field("Key"), Some("no such key".into()));
}
