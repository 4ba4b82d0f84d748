//! What holds for any request: whatever is let through is read by the origin as the operation whose rights were asked for.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::*;
use crate::types::{Extra, Scope};

/// Parameters besides an operation's own.
const STRANGERS: [&str; 8] = [
    "annotation",
    "prefix=a%2F",
    "versionId=v",
    "response-expires=0",
    "partNumber=1",
    "x-id=Any",
    "X-Amz-Tagging=a%3Db",
    "x-amz-copy-source=train%2Fb",
];

const HEADERS: [(&str, &str); 10] = [
    ("x-amz-copy-source", "/train/b%20c?versionId=w"),
    ("x-amz-tagging", "a=b"),
    ("x-amz-acl", "public-read"),
    ("x-amz-acl", "private"),
    ("x-amz-grant-read", "id=1"),
    ("x-amz-object-lock-mode", "GOVERNANCE"),
    ("x-amz-object-lock-legal-hold", "ON"),
    ("x-amz-bypass-governance-retention", "true"),
    ("x-amz-meta-a", "1"),
    ("content-encoding", "gzip, aws-chunked"),
];

/// A request for any operation, with parameters and headers that it may not have.
fn requests() -> impl Strategy<Value = (OperationName, Vec<&'static str>, HeaderMap)> {
    let headers = vec(select(&HEADERS[..]), 0..4).prop_map(|pairs| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    });
    let strangers = vec(select(&STRANGERS[..]), 0..3);
    (select(OperationName::ALL), strangers, headers)
}

fn target_of(scope: Scope) -> Target {
    let bucket = || "train".parse().expect("a bucket");
    match scope {
        Scope::Service => Target::Service,
        Scope::Bucket => Target::Bucket(bucket()),
        Scope::Object => Target::Object(bucket(), "a//../b".parse().expect("a key")),
    }
}

fn read(
    name: OperationName,
    query: &mut Query,
    headers: &mut HeaderMap,
) -> Result<Operation, Refusal> {
    let spec = name.spec();
    let method = Method::from_bytes(spec.method.as_bytes()).expect("a method");
    operation(&method, target_of(spec.scope), query, headers)
}

/// The parameters that name an operation, with values where it needs some.
fn own(name: OperationName) -> Vec<&'static str> {
    let named_by = name.spec().named_by.iter();
    named_by
        .map(|name| match *name {
            "uploadId" => "uploadId=u",
            "partNumber" => "partNumber=1",
            name => name,
        })
        .collect()
}

/// The rights that the headers take which are handed on.
fn extras(headers: &HeaderMap) -> Vec<Extra> {
    let meant = headers
        .iter()
        .filter(|(name, value)| !headers::is_harmless(name, value));
    meant
        .filter_map(|(name, _)| Extra::of_header(name.as_str()))
        .collect()
}

proptest! {
    #[test]
    fn what_is_handed_on_is_what_rights_were_asked_for((name, strangers, mut headers) in requests()) {
        let raw: Vec<&str> = own(name).into_iter().chain(strangers).collect();
        let Ok(mut query) = Query::parse(&raw.join("&")) else {
            return Ok(());
        };
        let Ok(first) = read(name, &mut query, &mut headers) else {
            return Ok(());
        };
        let handed_on = headers::meaningful(&headers);
        for extra in extras(&handed_on) {
            prop_assert!(first.extras.contains(&extra), "{extra:?} of {first:?}");
        }
        prop_assert_eq!(first.copy_source.is_some(), handed_on.contains_key("x-amz-copy-source"));
        let (mut again, mut headers) = (query.clone(), handed_on.clone());
        let second = read(name, &mut again, &mut headers).expect("what was let through");
        prop_assert_eq!(first.name, second.name);
        prop_assert_eq!(first.rights(), second.rights());
        prop_assert_eq!(again, query);
        prop_assert_eq!(headers::meaningful(&headers), handed_on);
    }

    #[test]
    fn every_operation_but_two_takes_a_right_over_its_target((name, _, _) in requests()) {
        let mut query = Query::parse(&own(name).join("&")).expect("a query");
        let asked = read(name, &mut query, &mut HeaderMap::new()).expect("a plain request");
        let filters = matches!(asked.name, OperationName::ListBuckets | OperationName::DeleteObjects);
        prop_assert_eq!(asked.rights().is_empty(), filters);
        for (_, resource) in asked.rights() {
            let in_bucket = match &resource {
                Resource::Service => false,
                Resource::Bucket(bucket)
                | Resource::Prefix(bucket, _)
                | Resource::Object(bucket, _) => bucket.as_str() == "train",
            };
            prop_assert!(in_bucket, "{resource:?}");
        }
    }
}
