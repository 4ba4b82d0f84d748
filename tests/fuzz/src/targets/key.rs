//! What a request is aimed at: a path names bucket and key as they are, once decoded, and any name can be written as a path.
//!
//! Input: the raw path, the host.

use forebay::s3::fuzzing::{decode, target};
use forebay::types::{BucketName, ObjectKey, Target as Aim};

use super::{Target, text};
use crate::input::{self, lines};

pub(super) const TARGET: Target = Target {
    name: "key",
    seeds: &[
        "/train/a%2Fb+c//../d\n127.0.0.1:9000",
        "/a/b\ntrain.s3.example.org:9000",
        "/\nMy.Train.S3.example.org",
        "/train/%D0%BA%FF\n",
        "/train\n[::1]:9000",
    ],
    run,
};

const DOMAIN: &str = "s3.example.org";

fn run(data: &[u8]) {
    let Some(([path, host], _)) = text(data).map(lines) else {
        return;
    };
    let by_path = target(path, Some("127.0.0.1:9000"), &[]);
    assert_eq!(by_path, reference(path, None));
    assert_eq!(decode(path).ok(), input::decode(path));
    if let Ok(aim) = &by_path {
        assert_eq!(target(&written(aim), None, &[]).as_ref(), Ok(aim));
    }
    let by_host = target(path, Some(host), &[DOMAIN.to_owned()]);
    assert_eq!(by_host, reference(path, bucket_of(host).as_deref()));
}

/// The bucket before the domain, with or without a port.
fn bucket_of(host: &str) -> Option<String> {
    let name = match host.rfind(':') {
        Some(at) if host[at + 1..].chars().all(|it| it.is_ascii_digit()) => &host[..at],
        _ => host,
    };
    let name = name.to_ascii_lowercase();
    let bucket = name.strip_suffix(&format!(".{DOMAIN}"))?;
    (!bucket.is_empty()).then(|| bucket.to_owned())
}

fn reference(path: &str, bucket: Option<&str>) -> Result<Aim, &'static str> {
    let path = input::decode(path).ok_or("InvalidURI")?;
    let rest = path.strip_prefix('/').ok_or("InvalidURI")?.to_owned();
    let (bucket, key) = match bucket {
        Some(bucket) => (bucket.to_owned(), rest),
        None if rest.is_empty() => return Ok(Aim::Service),
        None => match rest.find('/') {
            Some(at) => (rest[..at].to_owned(), rest[at + 1..].to_owned()),
            None => (rest, String::new()),
        },
    };
    let bucket: BucketName = bucket.parse().map_err(|_| "InvalidBucketName")?;
    assert!(is_bucket(bucket.as_str()), "{bucket}");
    match key.len() {
        0 => Ok(Aim::Bucket(bucket)),
        1..=1024 => Ok(Aim::Object(
            bucket,
            key.parse::<ObjectKey>().expect("long enough"),
        )),
        _ => Err("KeyTooLongError"),
    }
}

/// Whether nothing in the name can lead out of a path or a host's name.
fn is_bucket(name: &str) -> bool {
    (3..=255).contains(&name.len())
        && name
            .chars()
            .all(|it| it.is_ascii_alphanumeric() || "._-".contains(it))
        && !name.contains("..")
        && !name.starts_with(['.', '-', '_'])
        && !name.ends_with(['.', '-', '_'])
}

fn written(aim: &Aim) -> String {
    match aim {
        Aim::Service => "/".to_owned(),
        Aim::Bucket(bucket) => format!("/{bucket}"),
        Aim::Object(bucket, key) => format!("/{bucket}/{}", input::encode(key.as_str())),
    }
}
