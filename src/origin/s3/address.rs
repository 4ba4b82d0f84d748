//! Where a request goes: the URL of a bucket or a key, path style or virtual-host style.
//!
//! Keys and queries are percent-encoded as SigV4 wants them, so that the URL that is sent is the one that is signed;
//! nothing is normalised (`//` and `..` are ordinary parts of keys).

use std::net::IpAddr;

use http::Uri;
use http::uri::{Authority, Scheme};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::types::{BucketName, ObjectKey};

const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// The store's addresses.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    /// The endpoint that is configured; AWS's own where there is none.
    endpoint: Option<(Scheme, Authority)>,
    path_style: bool,
}

impl Addresses {
    /// Takes the endpoint, where there is one, apart.
    ///
    /// # Errors
    /// Where it is not `http` or `https` and a host.
    pub(super) fn new(endpoint: Option<&Uri>, path_style: bool) -> Result<Self, &'static str> {
        let endpoint = match endpoint.map(|uri| uri.clone().into_parts()) {
            None => None,
            Some(parts) => {
                let known = |scheme: &Scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS;
                let scheme = parts.scheme.filter(known).ok_or("has no known scheme")?;
                let host = |authority: &Authority| {
                    !authority.host().is_empty() && !authority.as_str().contains('@')
                };
                let authority = parts.authority.filter(host).ok_or("names no host")?;
                Some((scheme, authority))
            }
        };
        Ok(Self {
            endpoint,
            path_style,
        })
    }

    /// Whether these are AWS's own addresses: the only ones where another region is another address of the same store.
    pub(super) fn are_aws(&self) -> bool {
        self.endpoint.is_none()
    }

    /// Whether connections are encrypted.
    pub(super) fn use_tls(&self) -> bool {
        !matches!(&self.endpoint, Some((scheme, _)) if *scheme == Scheme::HTTP)
    }

    /// The URL of a request.
    ///
    /// # Errors
    /// Where the parts make no URL, as for one of more than 64 KiB.
    pub(super) fn uri(
        &self,
        region: &str,
        bucket: Option<&BucketName>,
        key: Option<&ObjectKey>,
        query: &[(String, String)],
    ) -> Result<Uri, http::Error> {
        let (scheme, host) = match &self.endpoint {
            Some((scheme, authority)) => (scheme.clone(), authority.to_string()),
            None => (Scheme::HTTPS, aws_host(region)),
        };
        let (host, mut path) = match bucket {
            None => (host, "/".to_owned()),
            Some(bucket) if self.in_host(bucket, &host) => {
                (format!("{bucket}.{host}"), "/".to_owned())
            }
            Some(bucket) if key.is_some() => (host, format!("/{bucket}/")),
            Some(bucket) => (host, format!("/{bucket}")),
        };
        if let Some(key) = key {
            path.extend(utf8_percent_encode(key.as_str(), PATH));
        }
        for (index, (name, value)) in query.iter().enumerate() {
            path.push(if index == 0 { '?' } else { '&' });
            path.extend(utf8_percent_encode(name, QUERY));
            path.push('=');
            path.extend(utf8_percent_encode(value, QUERY));
        }
        Uri::builder()
            .scheme(scheme)
            .authority(host)
            .path_and_query(path)
            .build()
    }

    /// Whether the bucket goes into the host name. Dots would break TLS' wildcard certificates, other bytes DNS.
    fn in_host(&self, bucket: &BucketName, host: &str) -> bool {
        let label_byte =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_address = host.starts_with('[')
            || host
                .split(':')
                .next()
                .is_some_and(|host| host.parse::<IpAddr>().is_ok());
        !self.path_style
            && !is_address
            && bucket.as_str().len() <= 63
            && bucket.as_str().bytes().all(label_byte)
    }
}

fn aws_host(region: &str) -> String {
    let suffix = match region.split_once('-') {
        Some(("cn", _)) => "amazonaws.com.cn",
        _ => "amazonaws.com",
    };
    format!("s3.{region}.{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(endpoint: Option<&str>, path_style: bool, bucket: &str, key: &str) -> String {
        let endpoint = endpoint.map(|endpoint| endpoint.parse().expect("a URL"));
        let addresses = Addresses::new(endpoint.as_ref(), path_style).expect("addresses");
        let bucket = bucket.parse().expect("a bucket name");
        let key: ObjectKey = key.parse().expect("a key");
        let uri = addresses.uri("eu-west-1", Some(&bucket), Some(&key), &[]);
        uri.expect("a URL").to_string()
    }

    #[test]
    fn keys_are_encoded_as_they_are_signed() {
        let store = Some("http://127.0.0.1:9000");
        for (key, path) in [
            ("a b+c%/../ü=//", "a%20b%2Bc%25/../%C3%BC%3D//"),
            ("/lead", "/lead"),
            ("..", ".."),
            ("a-b._~", "a-b._~"),
            ("q?x#y&z", "q%3Fx%23y%26z"),
            (
                "'()*!;:@,$\"<>[]\\^`{|}",
                "%27%28%29%2A%21%3B%3A%40%2C%24%22%3C%3E%5B%5D%5C%5E%60%7B%7C%7D",
            ),
        ] {
            let expected = format!("http://127.0.0.1:9000/train/{path}");
            assert_eq!(url(store, true, "train", key), expected);
        }
    }

    #[test]
    fn the_bucket_goes_where_it_can() {
        let key = "k";
        assert_eq!(
            url(None, false, "train", key),
            "https://train.s3.eu-west-1.amazonaws.com/k"
        );
        assert_eq!(
            url(None, false, "a.b.c", key),
            "https://s3.eu-west-1.amazonaws.com/a.b.c/k"
        );
        assert_eq!(
            url(None, true, "train", key),
            "https://s3.eu-west-1.amazonaws.com/train/k"
        );
        assert_eq!(
            url(Some("http://s3.example:1"), false, "train", key),
            "http://train.s3.example:1/k"
        );
        assert_eq!(
            url(Some("http://[::1]:1"), false, "train", key),
            "http://[::1]:1/train/k"
        );
        assert_eq!(aws_host("cn-north-1"), "s3.cn-north-1.amazonaws.com.cn");
    }

    #[test]
    fn an_endpoint_is_scheme_and_host() {
        for bad in ["ftp://h", "/path", "h:1", "http://u@h"] {
            let endpoint = bad.parse().expect("a URL");
            assert!(Addresses::new(Some(&endpoint), true).is_err(), "{bad}");
        }
    }

    #[test]
    fn queries_keep_their_order_and_are_encoded() {
        let endpoint = Uri::from_static("https://h/");
        let addresses = Addresses::new(Some(&endpoint), true).expect("addresses");
        let query = [
            ("uploads".to_owned(), String::new()),
            ("prefix".to_owned(), "a/b c".to_owned()),
        ];
        let bucket = "train".parse().expect("a bucket name");
        let uri = addresses.uri("r", Some(&bucket), None, &query);
        assert_eq!(
            uri.expect("a URL").to_string(),
            "https://h/train?uploads=&prefix=a%2Fb%20c"
        );
        let root = addresses.uri("r", None, None, &[]).expect("a URL");
        assert_eq!(root.to_string(), "https://h/");
    }
}
