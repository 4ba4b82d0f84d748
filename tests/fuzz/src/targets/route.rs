//! The router, and what is handed on: what the origin would make of the request that it is given is the operation whose
//! rights were asked for, and those are rights over what the client named.
//!
//! Input: `METHOD PATH?QUERY`, then headers.

use forebay::s3::fuzzing::{Head, Routed, route};
use forebay::types::{
    Action, BucketName, Extra, Operation, OperationName, Resource, Target as Aim,
};
use http::{HeaderMap, Method};

use super::{Target, text};
use crate::input::{encode, headers, lines};

pub(super) const TARGET: Target = Target {
    name: "route",
    seeds: &[
        "GET /train?list-type=2&prefix=a/&start-after=b&events",
        "GET /train/a?versionId=v&response-expires=0&partNumber=1\nrange: bytes=0-1",
        "PUT /train/b?partNumber=1&uploadId=u&x-id=UploadPart\nx-amz-copy-source: /train/a%20b?versionId=v",
        "PUT /train/b?X-Amz-Copy-Source=train/a&X-Amz-Tagging=a=b",
        "POST /train?delete\nx-amz-tagging: a=b",
        "DELETE /train/a?uploadId=u",
        "PUT /train/a?tagging\ncontent-encoding: aws-chunked,gzip\nconnection: x-amz-meta-a",
        "GET /train?acl",
        "PUT /train/a?versionId=v&acl\nx-amz-grant-read: id=1\nx-amz-acl: private",
        "PUT /train/a\nx-amz-acl: public-read\nx-amz-object-lock-mode: GOVERNANCE\nx-amz-object-lock-legal-hold: ON",
        "DELETE /train/a?versionId=v\nx-amz-bypass-governance-retention: true\nx-amz-mfa: 1 2",
        "GET /train?versions&prefix=a&key-marker=b&version-id-marker=c",
        "POST /train/a?select&select-type=2",
        "POST /train/a?restore&versionId=v",
        "PUT /train?lifecycle",
        "GET /train?analytics&id=1",
    ],
    run,
};

fn run(data: &[u8]) {
    let Some(([line], rest)) = text(data).map(lines) else {
        return;
    };
    let Some((method, path_and_query)) = line.split_once(' ') else {
        return;
    };
    let (Ok(method), Some(headers)) = (Method::from_bytes(method.as_bytes()), headers(rest)) else {
        return;
    };
    let (path, query) = path_and_query
        .split_once('?')
        .unwrap_or((path_and_query, ""));
    let routed = |query, headers| {
        let method = method.clone();
        route(Head {
            method,
            path,
            query,
            headers,
        })
    };
    let Ok(first) = routed(query, headers) else {
        return;
    };
    check_rights(&first.operation, &first.headers);
    let pair = |(name, value): &(String, String)| format!("{}={}", encode(name), encode(value));
    let query: Vec<String> = first.query.iter().map(pair).collect();
    let second = routed(&query.join("&"), first.headers.clone());
    check_same(
        &first,
        &second.expect("what was let through is let through again"),
    );
}

/// The origin reads the request as it was read here.
fn check_same(first: &Routed, second: &Routed) {
    assert_eq!(first.operation.name, second.operation.name);
    assert_eq!(first.operation.target, second.operation.target);
    assert_eq!(first.operation.copy_source, second.operation.copy_source);
    assert_eq!(first.operation.rights(), second.operation.rights());
    assert_eq!(first.query, second.query);
    assert_eq!(first.headers, second.headers);
}

fn check_rights(operation: &Operation, headers: &HeaderMap) {
    let rights = operation.rights();
    // These two ask key by key and bucket by bucket.
    let asks_later = matches!(
        operation.name,
        OperationName::ListBuckets | OperationName::DeleteObjects
    );
    assert_eq!(rights.is_empty(), asks_later, "{operation:?}");
    let source = operation.copy_source.as_ref();
    for (Action(action), resource) in &rights {
        assert!(action.starts_with("s3:") || *action == "admin", "{action}");
        let of_source = source.is_some_and(|source| bucket_of(resource) == Some(&source.bucket));
        let of_target = bucket_of(resource) == bucket_of_aim(&operation.target);
        assert!(of_source || of_target, "{resource:?}");
        if let (Resource::Object(bucket, key), Aim::Object(aim, aimed)) =
            (resource, &operation.target)
        {
            let is_source = source.is_some_and(|it| (&it.bucket, &it.key) == (bucket, key));
            assert!(is_source || (bucket, key) == (aim, aimed));
        }
    }
    for (name, value) in headers {
        let is_harmless =
            name == "x-amz-acl" && (value == "private" || value == "bucket-owner-full-control");
        if let Some(extra) = Extra::of_header(name.as_str()).filter(|_| !is_harmless) {
            assert!(
                operation.extras.contains(&extra),
                "no right was asked for {name}"
            );
        }
    }
    assert_eq!(source.is_some(), headers.contains_key("x-amz-copy-source"));
    if let Some(source) = source {
        let read = Resource::Object(source.bucket.clone(), source.key.clone());
        assert!(
            rights
                .iter()
                .any(|(action, of)| action.0.starts_with("s3:GetObject") && *of == read)
        );
    }
}

fn bucket_of(resource: &Resource) -> Option<&BucketName> {
    match resource {
        Resource::Service => None,
        Resource::Bucket(bucket) | Resource::Prefix(bucket, _) | Resource::Object(bucket, _) => {
            Some(bucket)
        }
    }
}

fn bucket_of_aim(aim: &Aim) -> Option<&BucketName> {
    match aim {
        Aim::Service => None,
        Aim::Bucket(bucket) | Aim::Object(bucket, _) => Some(bucket),
    }
}
