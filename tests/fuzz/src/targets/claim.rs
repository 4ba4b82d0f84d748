//! What a request claims to be signed with: whatever is let through names one mechanism and signs the host and every
//! `x-amz-*` header.
//!
//! Input: the raw query, then headers.

use forebay::s3::fuzzing::{claim, query};

use super::{Target, text};
use crate::input::{headers, lines};

pub(super) const TARGET: Target = Target {
    name: "claim",
    seeds: &[
        "\nhost: h\nx-amz-date: d\nauthorization: AWS4-HMAC-SHA256 Credential=FB/20261123/mars-1/s3/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=abc",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=FB%2F20261123%2Fx%2Fs3%2Faws4_request\
         &X-Amz-Date=20261123T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=a\nhost: h",
        "Signature=x&AWSAccessKeyId=FB\nhost: h",
        "prefix=a\nhost: h\nx-amz-acl: private",
        "\nhost: h\nauthorization: AWS FB:signature",
    ],
    run,
};

fn run(data: &[u8]) {
    let Some(([raw], rest)) = text(data).map(lines) else {
        return;
    };
    let Some(headers) = headers(rest) else {
        return;
    };
    let Ok(access_key_id) = claim(&headers, raw) else {
        return;
    };
    let pairs = query(raw).expect("a claim is read from a query");
    let parameter = |name: &str| {
        let mut pairs = pairs.iter();
        pairs.find_map(|(other, value)| (other == name).then_some(value.as_str()))
    };
    let authorizations: Vec<&str> = headers
        .get_all("authorization")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let Some(access_key_id) = access_key_id else {
        assert!(authorizations.is_empty() && !headers.contains_key("authorization"));
        assert!(parameter("X-Amz-Signature").is_none() && parameter("Signature").is_none());
        return;
    };
    let (credential, signed) = match (parameter("X-Amz-Signature"), authorizations.as_slice()) {
        (Some(_), []) => {
            let expires = parameter("X-Amz-Expires").expect("a presigned URL ends");
            assert!(expires.parse::<u64>().expect("a number") <= 604_800);
            assert_eq!(parameter("X-Amz-Algorithm"), Some("AWS4-HMAC-SHA256"));
            let credential = parameter("X-Amz-Credential").expect("a credential");
            (
                credential,
                parameter("X-Amz-SignedHeaders").expect("a list"),
            )
        }
        (None, [value]) => {
            assert!(value.starts_with("AWS4-HMAC-SHA256 "));
            (field(value, "Credential="), field(value, "SignedHeaders="))
        }
        both => panic!("two mechanisms: {both:?}"),
    };
    assert!(credential.starts_with(&format!("{access_key_id}/")));
    assert!(credential.ends_with("/s3/aws4_request"));
    let signed: Vec<String> = signed.split(';').map(str::to_ascii_lowercase).collect();
    assert!(signed.iter().any(|name| name == "host"));
    assert!(signed.iter().all(|name| headers.contains_key(name)));
    for name in headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-amz-"))
    {
        assert!(signed.iter().any(|other| other == name.as_str()), "{name}");
    }
    assert_eq!(headers.get_all("host").iter().count(), 1);
}

/// The first field of that name.
fn field<'a>(value: &'a str, name: &str) -> &'a str {
    let (_, fields) = value.split_once(' ').expect("a mechanism and its fields");
    let mut fields = fields.split(',').map(str::trim);
    fields
        .find_map(|field| field.strip_prefix(name))
        .expect("a field")
}
