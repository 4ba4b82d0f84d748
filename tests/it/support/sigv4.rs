//! Signature version 4 as its specification words it: for a client that chooses what it signs, and for an origin that
//! checks what it gets. The node under test has other implementations of either side.

use std::time::SystemTime;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

/// What is never encoded in a path.
const PATH: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');
/// What is encoded in a query.
const QUERY: AsciiSet = PATH.add(b'/');
/// The block of SHA-256 in bytes (RFC 2104).
const BLOCK: usize = 64;

/// When, for which region, and with which secret something is signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key<'a> {
    pub(crate) secret: &'a str,
    /// `YYYYMMDDTHHMMSSZ`.
    pub(crate) time: &'a str,
    pub(crate) region: &'a str,
}

/// A request as far as a signature covers it.
#[derive(Debug)]
pub(crate) struct Signable<'a> {
    pub(crate) method: &'a str,
    /// Path and query as sent; without the signature, where that stands in the query.
    pub(crate) target: &'a str,
    /// Names in lower case.
    pub(crate) headers: &'a [(String, String)],
    /// The names of the headers that are signed, in lower case and sorted.
    pub(crate) signed: &'a [&'a str],
    /// The value of `x-amz-content-sha256`, or what stands for it.
    pub(crate) payload: &'a str,
}

impl Key<'_> {
    /// `DATE/REGION/s3/aws4_request`.
    pub(crate) fn scope(&self) -> String {
        format!("{}/{}/s3/aws4_request", &self.time[..8], self.region)
    }

    /// The signature of a request.
    pub(crate) fn sign(&self, request: &Signable<'_>) -> String {
        let hash = hex::encode(Sha256::digest(request.canonical()));
        self.sign_text(&format!(
            "AWS4-HMAC-SHA256\n{}\n{}\n{hash}",
            self.time,
            self.scope()
        ))
    }

    fn sign_text(&self, text: &str) -> String {
        let key = hmac(format!("AWS4{}", self.secret).as_bytes(), &self.time[..8]);
        let key = hmac(&hmac(&hmac(&key, self.region), "s3"), "aws4_request");
        hex::encode(hmac(&key, text))
    }
}

impl Signable<'_> {
    fn canonical(&self) -> String {
        let (path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
        let mut pairs: Vec<(String, String)> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (encoded(name, &QUERY), encoded(value, &QUERY)))
            .collect();
        pairs.sort();
        let query: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let headers: String = self
            .signed
            .iter()
            .map(|name| format!("{name}:{}\n", self.value(name)))
            .collect();
        format!(
            "{}\n{}\n{}\n{headers}\n{}\n{}",
            self.method,
            encoded(path, &PATH),
            query.join("&"),
            self.signed.join(";"),
            self.payload
        )
    }

    /// The values of a header, joined, with inner spaces folded.
    fn value(&self, name: &str) -> String {
        let values = self.headers.iter().filter(|(other, _)| other == name);
        let folded = values.map(|(_, value)| {
            let words: Vec<&str> = value.split(' ').filter(|it| !it.is_empty()).collect();
            words.join(" ")
        });
        folded.collect::<Vec<_>>().join(",")
    }
}

/// `text`, decoded and encoded again in the one way that is signed.
fn encoded(text: &str, set: &'static AsciiSet) -> String {
    let decoded = percent_decode_str(text).decode_utf8_lossy();
    utf8_percent_encode(&decoded, set).to_string()
}

/// `YYYYMMDDTHHMMSSZ`.
pub(crate) fn timestamp(at: SystemTime) -> String {
    let at = jiff::Timestamp::try_from(at).expect("a time of today");
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The SHA-256 of a body in hex.
pub(crate) fn sha256(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    let mut padded = [0; BLOCK];
    padded[..key.len()].copy_from_slice(key);
    let with = |pad: u8| padded.map(|byte| byte ^ pad);
    let inner = Sha256::new().chain_update(with(0x36)).chain_update(text);
    let outer = Sha256::new()
        .chain_update(with(0x5c))
        .chain_update(inner.finalize());
    outer.finalize().into()
}
