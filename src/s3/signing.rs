//! The signatures that s3s does not check: of a form's policy, and inside of a chunked body, where each chunk's covers the
//! one before and the first covers the request's.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{self, SHA256};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::types::Secret;

/// A key that signs. What is signed is short, so that it counts what copying the key's state takes: less than by aws-lc, which
/// hashes the rest.
#[derive(Clone)]
pub(super) struct Key(Hmac<Sha256>);

impl Key {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of any length"))
    }

    /// The HMAC-SHA256 of `text`.
    pub(super) fn sign(&self, text: &[u8]) -> [u8; 32] {
        self.0
            .clone()
            .chain_update(text)
            .finalize()
            .into_bytes()
            .into()
    }
}

/// The SHA-256 of nothing, which a chunk's string to sign carries where a request's has its headers.
pub(super) const EMPTY_SHA256: &str =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The key that signs for `date` (`YYYYMMDD`) in `region`.
pub(super) fn key(secret: &Secret, date: &str, region: &str) -> Key {
    let first = Key::new(format!("AWS4{}", secret.expose()).as_bytes());
    let parts = [date, region, "s3", "aws4_request"];
    parts
        .iter()
        .fold(first, |key, part| Key::new(&key.sign(part.as_bytes())))
}

/// Whether `signature`, in hexadecimal digits, is that of `text`.
pub(super) fn signs(key: &Key, text: &str, signature: &str) -> bool {
    let expected = digits(key.sign(text.as_bytes()));
    verify_slices_are_equal(&expected, signature.as_bytes()).is_ok()
}

/// The hexadecimal digits of a SHA-256 or of an HMAC of it. Digits are computed, not looked up: compilers do many at a time.
pub(super) fn digits(hash: [u8; 32]) -> [u8; 64] {
    let digit = |half: u8| half + b'0' + u8::from(half > 9) * (b'a' - b'0' - 10);
    let mut digits = [0; 64];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(hash) {
        pair[0] = digit(byte >> 4);
        pair[1] = digit(byte & 15);
    }
    digits
}

/// Verifies the signatures of a body's chunks in their order.
pub(super) struct ChunkSigner {
    key: Key,
    /// Date and time, scope.
    preamble: String,
    previous: String,
}

impl ChunkSigner {
    /// `time` is when the request was signed, `date` and `region` its scope, `seed` its signature.
    pub(super) fn new(secret: &Secret, time: &str, date: &str, region: &str, seed: &str) -> Self {
        Self {
            key: key(secret, date, region),
            preamble: format!("{time}\n{date}/{region}/s3/aws4_request"),
            previous: seed.to_owned(),
        }
    }

    /// Whether `signature` is that of the next chunk, whose bytes have been put into `sha256`.
    pub(super) fn chunk(&mut self, sha256: digest::Context, signature: &str) -> bool {
        let hash = hex::encode(sha256.finish());
        self.check(
            "AWS4-HMAC-SHA256-PAYLOAD",
            &format!("{EMPTY_SHA256}\n{hash}"),
            signature,
        )
    }

    /// Whether `signature` is that of the trailers, written as `name:value\n` each.
    pub(super) fn trailers(&mut self, canonical: &str, signature: &str) -> bool {
        let hash = hex::encode(digest::digest(&SHA256, canonical.as_bytes()));
        self.check("AWS4-HMAC-SHA256-TRAILER", &hash, signature)
    }

    fn check(&mut self, kind: &str, hashes: &str, signature: &str) -> bool {
        let text = format!("{kind}\n{}\n{}\n{hashes}", self.preamble, self.previous);
        let expected = hex::encode(self.key.sign(text.as_bytes()));
        let holds = equal(&expected, signature);
        self.previous = expected;
        holds
    }
}

/// Compares in a time that does not tell where the first difference is.
fn equal(one: &str, other: &str) -> bool {
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_hex_crate() {
        for start in 0..=255u8 {
            let hash = [start; 32];
            assert_eq!(digits(hash).as_slice(), hex::encode(hash).as_bytes());
        }
    }

    /// The example of "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks".
    #[test]
    fn chunk_signatures_are_those_of_amazons_example() {
        let mut signer = ChunkSigner::new(
            &Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            "20130524T000000Z",
            "20130524",
            "us-east-1",
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        );
        for (length, signature) in [
            (
                65536,
                "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            ),
            (
                1024,
                "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            ),
            (
                0,
                "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
            ),
        ] {
            let mut sha256 = digest::Context::new(&SHA256);
            sha256.update(&vec![b'a'; length]);
            assert!(signer.chunk(sha256, signature), "{length}");
        }
        assert!(!signer.chunk(digest::Context::new(&SHA256), "b6c6"));
    }
}
