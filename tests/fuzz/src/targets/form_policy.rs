//! The policies of browsers' forms: what one allows it allows by its letter. Every field is named by a condition, every
//! condition holds, the length is in its bounds, and the policy has not expired.
//!
//! Input: the file's length, a line; fields, a line `name=value` each; an empty line; then the policy's JSON.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay::s3::fuzzing::allows;
use serde_json::Value;

use super::{Target, text};
use crate::input::lines;

pub(super) const TARGET: Target = Target {
    name: "form_policy",
    seeds: &[
        "5\nkey=user/a\nContent-Type=image/png,image/jpeg\nx-ignore-me=1\n\n{\"expiration\":\"2030-01-01T00:00:00.000Z\",\
         \"conditions\":[{\"bucket\":\"train\"},[\"starts-with\",\"$key\",\"user/\"],[\"starts-with\",\"$Content-Type\",\
         \"image/\"],[\"content-length-range\",1,10]]}",
        "5\nkey=k\n\n{\"expiration\":\"2030-01-01T00:00:00Z\",\"conditions\":[[\"eq\",\"$bucket\",\"train\"],{\"Key\":\"k\"}]}",
        "50\nkey=k\nacl=public-read\n\n{\"expiration\":\"2020-01-01T00:00:00Z\",\"conditions\":[{\"bucket\":\"train\"},\
         {\"key\":\"k\"}]}",
    ],
    run,
};

const BUCKET: &str = "train";
/// The time that forms are judged at, in seconds since 1970, and as a policy has it.
const NOW: u64 = 1_800_000_000;
const NOW_WRITTEN: &str = "2027-01-15T08:00:00";

fn run(data: &[u8]) {
    let Some(([length], rest)) = text(data).map(lines) else {
        return;
    };
    let Some((fields, policy)) = rest.split_once("\n\n") else {
        return;
    };
    let (Ok(length), Some(fields)) = (length.parse::<u64>(), fields_of(fields)) else {
        return;
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
    let bucket = BUCKET.parse().expect("a bucket");
    if allows(
        &STANDARD.encode(policy),
        &bucket,
        fields.clone(),
        length,
        now,
    ) {
        let policy: Value = serde_json::from_str(policy).expect("it was read");
        check(&policy, &fields, length);
    }
}

/// Fields of different names.
fn fields_of(lines: &str) -> Option<Vec<(String, String)>> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in lines.split('\n') {
        let (name, value) = line.split_once('=')?;
        if fields
            .iter()
            .any(|(other, _)| other.eq_ignore_ascii_case(name))
        {
            return None;
        }
        fields.push((name.to_owned(), value.to_owned()));
    }
    Some(fields)
}

fn check(policy: &Value, fields: &[(String, String)], length: u64) {
    let expiration = policy["expiration"].as_str().expect("a date");
    // Dates sort as they are written, where they are written as S3 has them; other forms of ISO 8601 are read too.
    let bytes = expiration.as_bytes();
    let is = |at: usize, wanted: u8| bytes.get(at) == Some(&wanted);
    let separated = is(4, b'-') && is(7, b'-') && is(10, b'T') && is(13, b':') && is(16, b':');
    let is_common = bytes[..4.min(bytes.len())].iter().all(u8::is_ascii_digit)
        && separated
        && bytes.last() == Some(&b'Z');
    if let Some(written) = expiration.get(..NOW_WRITTEN.len()).filter(|_| is_common) {
        assert!(written >= NOW_WRITTEN, "{expiration}");
    }
    let conditions: Vec<Condition> = policy["conditions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(condition)
        .collect();
    let value = |name: &str| {
        let same = |(other, _): &&(String, String)| other.eq_ignore_ascii_case(name);
        let field = fields.iter().find(same).map(|(_, value)| value.as_str());
        if name.eq_ignore_ascii_case("bucket") {
            Some(BUCKET)
        } else {
            field
        }
    };
    for condition in &conditions {
        match condition {
            Condition::Eq(name, wanted) => assert_eq!(value(name), Some(wanted.as_str())),
            Condition::StartsWith(name, prefix) => {
                let value = value(name).expect("a field");
                let listed = name.eq_ignore_ascii_case("content-type");
                let all = value
                    .split(',')
                    .all(|each| each.trim().starts_with(prefix.as_str()));
                assert!(if listed {
                    all
                } else {
                    value.starts_with(prefix.as_str())
                });
            }
            Condition::Length(least, most) => assert!((*least..=*most).contains(&length)),
        }
    }
    let named = |name: &str| {
        conditions.iter().any(|condition| match condition {
            Condition::Eq(other, _) | Condition::StartsWith(other, _) => {
                other.eq_ignore_ascii_case(name)
            }
            Condition::Length(..) => false,
        })
    };
    for (name, _) in fields {
        let lower = name.to_ascii_lowercase();
        let free = [
            "x-amz-signature",
            "awsaccesskeyid",
            "signature",
            "file",
            "policy",
        ]
        .contains(&lower.as_str());
        assert!(
            free || lower.starts_with("x-ignore-") || named(name),
            "{name}"
        );
    }
    assert!(named("bucket"));
}

enum Condition {
    Eq(String, String),
    StartsWith(String, String),
    Length(u64, u64),
}

fn condition(value: &Value) -> Condition {
    if let Value::Object(members) = value {
        let (name, value) = members.iter().next().expect("one");
        return Condition::Eq(name.clone(), value.as_str().expect("text").to_owned());
    }
    let operation = value[0]
        .as_str()
        .expect("an operation")
        .to_ascii_lowercase();
    let number = |value: &Value| match value {
        Value::String(text) => text.parse().expect("a number"),
        other => other.as_u64().expect("a number"),
    };
    let field = || {
        let name = value[1].as_str().expect("a field");
        name.strip_prefix('$').expect("a field").to_owned()
    };
    let operand = || value[2].as_str().expect("text").to_owned();
    match operation.as_str() {
        "eq" => Condition::Eq(field(), operand()),
        "starts-with" => Condition::StartsWith(field(), operand()),
        "content-length-range" => Condition::Length(number(&value[1]), number(&value[2])),
        other => panic!("{other} was taken"),
    }
}
