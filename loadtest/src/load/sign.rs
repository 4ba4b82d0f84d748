//! Signature Version 4 in headers. The key of a day is derived once; a request costs two hashes and one HMAC.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

/// The payload is not hashed: the way most readers sign.
pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// The payload comes in chunks, each with a signature that goes on from the one before.
pub(super) const CHUNKS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";

/// A key pair.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Credentials").field(&self.id).finish()
    }
}

/// Signs requests to one host in one region.
#[derive(Debug)]
pub(super) struct Signer {
    credentials: Credentials,
    region: String,
    host: String,
    day: Option<(String, Vec<u8>)>,
}

/// What is signed of a request besides its host and time.
pub(super) struct Parts<'a> {
    pub(super) method: &'a str,
    /// Already encoded.
    pub(super) path: &'a str,
    /// Already encoded and in order.
    pub(super) query: &'a str,
    /// Lower-case names.
    pub(super) headers: &'a [(&'a str, &'a str)],
    /// The hash of the payload, or what stands for it.
    pub(super) payload: &'a str,
}

/// A moment, as signatures tell it: `20130524T000000Z`.
pub(super) fn moment(now: Timestamp) -> String {
    let civil = now.to_zoned(TimeZone::UTC);
    civil.strftime("%Y%m%dT%H%M%SZ").to_string()
}

impl Signer {
    pub(super) fn new(credentials: Credentials, region: &str, host: &str) -> Self {
        Self {
            credentials,
            region: region.to_owned(),
            host: host.to_owned(),
            day: None,
        }
    }

    /// The header lines to add to the request, `Host` not among them.
    pub(super) fn sign(&mut self, parts: &Parts<'_>, moment: &str) -> String {
        self.sign_and_tell(parts, moment).0
    }

    /// The header lines, and the signature in them, which chunks go on from.
    pub(super) fn sign_and_tell(&mut self, parts: &Parts<'_>, moment: &str) -> (String, String) {
        let (canonical, names) = self.canonical(parts, moment);
        let scope = self.scope(moment);
        let hash = hex::encode(Sha256::digest(canonical));
        let text = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hash}");
        let signature = hex::encode(mac(self.key(&moment[..8]), text.as_bytes()));
        let id = &self.credentials.id;
        let lines = format!(
            "x-amz-date: {moment}\r\nx-amz-content-sha256: {}\r\nauthorization: AWS4-HMAC-SHA256 Credential={id}/{scope},SignedHeaders={names},Signature={signature}\r\n",
            parts.payload
        );
        (lines, signature)
    }

    /// The signature of a chunk after that of `before`: of the request for the first.
    pub(super) fn chunk(&mut self, moment: &str, before: &str, bytes: &[u8]) -> String {
        let scope = self.scope(moment);
        let [nothing, hash] = [&[], bytes].map(|it: &[u8]| hex::encode(Sha256::digest(it)));
        let text =
            format!("AWS4-HMAC-SHA256-PAYLOAD\n{moment}\n{scope}\n{before}\n{nothing}\n{hash}");
        hex::encode(mac(self.key(&moment[..8]), text.as_bytes()))
    }

    fn scope(&self, moment: &str) -> String {
        format!("{}/{}/s3/aws4_request", &moment[..8], self.region)
    }

    /// The canonical request, and the names of the headers in it.
    fn canonical(&self, parts: &Parts<'_>, moment: &str) -> (String, String) {
        let mut headers = vec![
            ("host", self.host.as_str()),
            ("x-amz-content-sha256", parts.payload),
            ("x-amz-date", moment),
        ];
        headers.extend_from_slice(parts.headers);
        headers.sort_unstable();
        let mut text = format!("{}\n{}\n{}\n", parts.method, parts.path, parts.query);
        let mut names = String::new();
        for (name, value) in headers {
            text.extend([name, ":", value, "\n"]);
            if !names.is_empty() {
                names.push(';');
            }
            names.push_str(name);
        }
        text.extend(["\n", &names, "\n", parts.payload]);
        (text, names)
    }

    fn key(&mut self, date: &str) -> &[u8] {
        let known = self.day.take().filter(|(day, _)| day == date);
        let (_, key) = self.day.insert(known.unwrap_or_else(|| {
            let secret = format!("AWS4{}", self.credentials.secret);
            let mut key = mac(secret.as_bytes(), date.as_bytes());
            for part in [self.region.as_str(), "s3", "aws4_request"] {
                key = mac(&key, part.as_bytes());
            }
            (date.to_owned(), key)
        }));
        key
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// Key pair, host and time of the examples in AWS's page "Authenticating Requests: Using the Authorization Header".
    fn example() -> Signer {
        let credentials = Credentials {
            id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        };
        Signer::new(credentials, "us-east-1", "examplebucket.s3.amazonaws.com")
    }

    fn signature(parts: &Parts<'_>) -> String {
        let lines = example().sign(parts, "20130524T000000Z");
        let (_, signature) = lines.trim_end().rsplit_once('=').unwrap();
        signature.to_owned()
    }

    #[test]
    fn a_read_of_a_range_is_signed_as_aws_documents() {
        let signature = signature(&Parts {
            method: "GET",
            path: "/test.txt",
            query: "",
            headers: &[("range", "bytes=0-9")],
            payload: EMPTY,
        });
        let documented = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        assert_eq!(signature, documented);
    }

    #[test]
    fn a_listing_is_signed_as_aws_documents() {
        let signature = signature(&Parts {
            method: "GET",
            path: "/",
            query: "max-keys=2&prefix=J",
            headers: &[],
            payload: EMPTY,
        });
        let documented = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
        assert_eq!(signature, documented);
    }

    #[test]
    fn chunks_are_signed_as_aws_documents() {
        let mut signer = Signer {
            host: "s3.amazonaws.com".into(),
            ..example()
        };
        let moment = "20130524T000000Z";
        let parts = Parts {
            method: "PUT",
            path: "/examplebucket/chunkObject.txt",
            query: "",
            headers: &[
                ("content-encoding", "aws-chunked"),
                ("content-length", "66824"),
                ("x-amz-decoded-content-length", "66560"),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ],
            payload: CHUNKS,
        };
        let (_, seed) = signer.sign_and_tell(&parts, moment);
        let bytes = [b'a'; 66560];
        let first = signer.chunk(moment, &seed, &bytes[..65536]);
        let second = signer.chunk(moment, &first, &bytes[65536..]);
        let last = signer.chunk(moment, &second, &[]);
        let documented = [
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ];
        assert_eq!([seed, first, second, last], documented);
    }

    #[test]
    fn the_key_follows_the_day() {
        let parts = Parts {
            method: "GET",
            path: "/",
            query: "",
            headers: &[],
            payload: UNSIGNED,
        };
        let mut signer = example();
        let first = signer.sign(&parts, "20130524T000000Z");
        let next = signer.sign(&parts, "20130525T000000Z");
        assert_eq!(next, example().sign(&parts, "20130525T000000Z"));
        assert_eq!(first, signer.sign(&parts, "20130524T000000Z"));
    }

    #[test]
    fn a_moment_is_written_without_separators() {
        let now: Timestamp = "2013-05-24T00:00:00.9Z".parse().unwrap();
        assert_eq!(moment(now), "20130524T000000Z");
    }
}
