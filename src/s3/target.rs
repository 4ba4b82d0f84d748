//! What a request is aimed at: bucket and key from the path, or the bucket from the host's name.

use super::error::{Code, Refusal};
use super::query::decode;
use crate::types::names::{InvalidObjectKey, MAX_KEY_BYTES};
use crate::types::{BucketName, Target};

/// Reads the target of a request whose raw path is `path` and whose `Host` header is `host`.
///
/// A host of the form `BUCKET.DOMAIN` names the bucket (virtual-host style); otherwise the path does.
///
/// # Errors
/// InvalidURI, InvalidBucketName or KeyTooLongError.
pub(super) fn parse(path: &str, host: Option<&str>, domains: &[String]) -> Result<Target, Refusal> {
    let path = decode(path)?;
    let rest = path
        .strip_prefix('/')
        .ok_or_else(|| Refusal::new(Code::InvalidUri))?;
    let by_host = host.and_then(|host| bucket_of_host(host, domains));
    let (bucket, key) = match (&by_host, rest.split_once('/')) {
        (Some(bucket), _) => (bucket.as_str(), rest),
        (None, Some((bucket, key))) => (bucket, key),
        (None, None) if rest.is_empty() => return Ok(Target::Service),
        (None, None) => (rest, ""),
    };
    let bucket: BucketName = bucket
        .parse()
        .map_err(|_| Refusal::new(Code::InvalidBucketName).with("BucketName", bucket))?;
    match key.parse() {
        Ok(key) => Ok(Target::Object(bucket, key)),
        Err(InvalidObjectKey::Empty) => Ok(Target::Bucket(bucket)),
        Err(InvalidObjectKey::TooLong(length)) => Err(too_long(length)),
    }
}

/// The refusal of a key of `length` bytes.
pub(super) fn too_long(length: usize) -> Refusal {
    Refusal::new(Code::KeyTooLong)
        .with("Size", length.to_string())
        .with("MaxSizeAllowed", MAX_KEY_BYTES.to_string())
}

fn bucket_of_host(host: &str, domains: &[String]) -> Option<String> {
    if domains.is_empty() {
        return None;
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let mut buckets = domains.iter().filter_map(|domain| {
        let (bucket, end) = name.split_at_checked(name.len().checked_sub(domain.len())?)?;
        let is_below = end.eq_ignore_ascii_case(domain);
        let bucket = bucket.strip_suffix('.').filter(|_| is_below)?;
        (!bucket.is_empty()).then(|| bucket.to_ascii_lowercase())
    });
    buckets.next()
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    fn object(bucket: &str, key: &str) -> Target {
        Target::Object(
            bucket.parse().expect("a bucket"),
            key.parse().expect("a key"),
        )
    }

    #[test]
    fn a_path_names_bucket_and_key_raw() {
        let parse = |path| parse(path, Some("127.0.0.1:9000"), &[]).expect("a target");
        assert_eq!(parse("/"), Target::Service);
        let bucket = Target::Bucket("train".parse().expect("a bucket"));
        assert_eq!(parse("/train"), bucket);
        assert_eq!(parse("/train/"), bucket);
        for (path, key) in [
            ("/train/a/b", "a/b"),
            ("/train//", "/"),
            ("/train//a//b/", "/a//b/"),
            ("/train/../x", "../x"),
            ("/train/./x", "./x"),
            ("/train/a+b", "a+b"),
            ("/train/a%2Bb", "a+b"),
            ("/train/a%2Fb", "a/b"),
            ("/train/a%252Fb", "a%2Fb"),
            ("/train/year=2026", "year=2026"),
            ("/train/%D0%BA%D0%BB%D1%8E%D1%87", "ключ"),
        ] {
            assert_eq!(parse(path), object("train", key), "{path}");
        }
    }

    #[test]
    fn a_host_below_a_domain_names_the_bucket() {
        let domains = ["s3.example.org".to_owned()];
        let parse = |path, host| parse(path, Some(host), &domains).expect("a target");
        assert_eq!(
            parse("/a/b", "train.s3.example.org:9000"),
            object("train", "a/b")
        );
        assert_eq!(
            parse("/a", "My.Train.S3.example.org"),
            object("my.train", "a")
        );
        assert_eq!(
            parse("/", "train.s3.example.org"),
            Target::Bucket("train".parse().expect("a bucket"))
        );
        assert_eq!(parse("/", "s3.example.org"), Target::Service);
        assert_eq!(parse("/train/a", "s3.example.org"), object("train", "a"));
        assert_eq!(
            parse("/train/a", "evils3.example.org"),
            object("train", "a")
        );
    }

    proptest! {
        #[test]
        fn every_key_can_be_named_and_comes_as_it_is(key in "(?s).{1,64}", bucket in "[a-z0-9]{3}(-[a-z0-9]{1,8}){0,3}") {
            let written = utf8_percent_encode(&key, NON_ALPHANUMERIC);
            let by_path = parse(&format!("/{bucket}/{written}"), None, &[]);
            prop_assert_eq!(by_path, Ok(object(&bucket, &key)));
            let host = format!("{bucket}.s3.example.org");
            let by_host = parse(&format!("/{written}"), Some(&host), &["s3.example.org".to_owned()]);
            prop_assert_eq!(by_host, Ok(object(&bucket, &key)));
        }

        #[test]
        fn whatever_is_named_is_a_valid_name(path in "/?[ -~]{0,40}") {
            if let Ok(Target::Object(bucket, key)) = parse(&path, None, &[]) {
                prop_assert!(!bucket.as_str().contains(['/', '%', ' ']) && !bucket.as_str().contains(".."));
                prop_assert!((1..=MAX_KEY_BYTES).contains(&key.as_str().len()));
            }
        }
    }

    #[test]
    fn bad_names_get_their_codes() {
        let code = |path: &str| parse(path, None, &[]).expect_err("a bad path").code;
        assert_eq!(code("*"), Code::InvalidUri);
        assert_eq!(code("/train/%FF"), Code::InvalidUri);
        assert_eq!(code("//key"), Code::InvalidBucketName);
        assert_eq!(code("/a%2Fb/key"), Code::InvalidBucketName);
        assert_eq!(
            code(&format!("/train/{}", "k".repeat(1025))),
            Code::KeyTooLong
        );
        assert!(parse(&format!("/train/{}", "k".repeat(1024)), None, &[]).is_ok());
    }
}
