//! The signatures that s3s does not check: of a form's policy, and inside of a chunked body, where each chunk's covers the
//! one before and the first covers the request's.

use sha2::{Digest, Sha256};

use crate::types::Secret;

/// The SHA-256 of nothing, which a chunk's string to sign carries where a request's has its headers.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// The block of SHA-256 in bytes (RFC 2104).
const BLOCK: usize = 64;

/// The key that signs for `date` (`YYYYMMDD`) in `region`.
pub(super) fn key(secret: &Secret, date: &str, region: &str) -> [u8; 32] {
    let key = hmac(format!("AWS4{}", secret.expose()).as_bytes(), date);
    let key = hmac(&hmac(&key, region), "s3");
    hmac(&key, "aws4_request")
}

/// Whether `signature`, in hexadecimal digits, is that of `text`.
pub(super) fn signs(key: &[u8; 32], text: &str, signature: &str) -> bool {
    equal(
        hex::encode(hmac(key, text)).as_bytes(),
        signature.as_bytes(),
    )
}

/// Verifies the signatures of a body's chunks in their order.
pub(super) struct ChunkSigner {
    key: [u8; 32],
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
    pub(super) fn chunk(&mut self, sha256: Sha256, signature: &str) -> bool {
        let hash = hex::encode(sha256.finalize());
        self.check(
            "AWS4-HMAC-SHA256-PAYLOAD",
            &format!("{EMPTY_SHA256}\n{hash}"),
            signature,
        )
    }

    /// Whether `signature` is that of the trailers, written as `name:value\n` each.
    pub(super) fn trailers(&mut self, canonical: &str, signature: &str) -> bool {
        let hash = hex::encode(Sha256::digest(canonical));
        self.check("AWS4-HMAC-SHA256-TRAILER", &hash, signature)
    }

    fn check(&mut self, kind: &str, hashes: &str, signature: &str) -> bool {
        let text = format!("{kind}\n{}\n{}\n{hashes}", self.preamble, self.previous);
        let expected = hex::encode(hmac(&self.key, &text));
        let holds = equal(expected.as_bytes(), signature.as_bytes());
        self.previous = expected;
        holds
    }
}

/// Compares in a time that does not tell where the first difference is.
fn equal(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b));
    one.len() == other.len() && differences == 0
}

/// HMAC-SHA256 (RFC 2104).
fn hmac(key: &[u8], message: &str) -> [u8; 32] {
    let mut padded = [0; BLOCK];
    if key.len() > BLOCK {
        padded[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        padded[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| padded.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message);
    let outer = Sha256::new().chain_update(pad(0x5c));
    outer.chain_update(inner.finalize()).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_gives_the_vectors_of_rfc_4231() {
        assert_eq!(
            hex::encode(hmac(b"Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex::encode(hmac(
                &[0xaa; 131],
                "Test Using Larger Than Block-Size Key - Hash Key First"
            )),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
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
            let sha256 = Sha256::new().chain_update(vec![b'a'; length]);
            assert!(signer.chunk(sha256, signature), "{length}");
        }
        assert!(!signer.chunk(Sha256::new(), "b6c6"));
    }
}
