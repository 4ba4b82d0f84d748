//! The digests that a client may claim about a body: `Content-MD5` and `x-amz-checksum-*`.
//!
//! Computed piece by piece, so that a body is never held whole. Says nothing about what a mismatch means.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::CrcAlgorithm;
use md5::Digest as _;
use md5::Md5;
use xxhash_rust::xxh3::Xxh3;
use xxhash_rust::xxh64::Xxh64;

/// A digest's algorithm, named by the header that carries its value in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// `Content-MD5`, S3's first checksum, which is not stored.
    ContentMd5,
    Crc32,
    Crc32c,
    Crc64Nvme,
    Md5,
    Sha1,
    Sha256,
    Sha512,
    Xxhash3,
    Xxhash64,
    Xxhash128,
}

/// A digest in the making.
pub(crate) enum Hasher {
    Md5(Md5),
    Crc32(crc_fast::Digest),
    Crc64(crc_fast::Digest),
    Sha(Context),
    Xxh3(Box<Xxh3>),
    Xxh64(Box<Xxh64>),
    Xxh128(Box<Xxh3>),
}

impl Algorithm {
    pub(crate) const ALL: [Self; 11] = [
        Self::ContentMd5,
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Md5,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
        Self::Xxhash3,
        Self::Xxhash64,
        Self::Xxhash128,
    ];

    /// The header's name, in lower case.
    pub(crate) fn header(self) -> &'static str {
        match self {
            Self::ContentMd5 => "content-md5",
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Md5 => "x-amz-checksum-md5",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
            Self::Sha512 => "x-amz-checksum-sha512",
            Self::Xxhash3 => "x-amz-checksum-xxhash3",
            Self::Xxhash64 => "x-amz-checksum-xxhash64",
            Self::Xxhash128 => "x-amz-checksum-xxhash128",
        }
    }

    /// The algorithm of a header, where it is one that is known here.
    pub(crate) fn of_header(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.header().eq_ignore_ascii_case(name))
    }

    /// A digest of nothing yet.
    pub(crate) fn hasher(self) -> Hasher {
        match self {
            Self::ContentMd5 | Self::Md5 => Hasher::Md5(Md5::new()),
            Self::Crc32 => Hasher::Crc32(crc_fast::Digest::new(CrcAlgorithm::Crc32IsoHdlc)),
            Self::Crc32c => Hasher::Crc32(crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi)),
            Self::Crc64Nvme => Hasher::Crc64(crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme)),
            Self::Sha1 => Hasher::Sha(Context::new(&SHA1_FOR_LEGACY_USE_ONLY)),
            Self::Sha256 => Hasher::Sha(Context::new(&SHA256)),
            Self::Sha512 => Hasher::Sha(Context::new(&SHA512)),
            Self::Xxhash3 => Hasher::Xxh3(Box::default()),
            Self::Xxhash64 => Hasher::Xxh64(Box::new(Xxh64::new(0))),
            Self::Xxhash128 => Hasher::Xxh128(Box::default()),
        }
    }

    /// Bytes in a digest.
    fn width(self) -> usize {
        match self {
            Self::ContentMd5 | Self::Md5 | Self::Xxhash128 => 16,
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme | Self::Xxhash3 | Self::Xxhash64 => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Reads a header's value; none where it is not the base64 of a digest of this algorithm.
    pub(crate) fn decode(self, value: &str) -> Option<Vec<u8>> {
        let bytes = BASE64.decode(value.trim()).ok()?;
        (bytes.len() == self.width()).then_some(bytes)
    }

    /// The header's value for `bytes`.
    pub(crate) fn of(self, bytes: &[u8]) -> String {
        let mut hasher = self.hasher();
        hasher.update(bytes);
        BASE64.encode(hasher.finish())
    }
}

impl Hasher {
    /// Takes the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(md5) => md5.update(bytes),
            Self::Crc32(crc) | Self::Crc64(crc) => crc.update(bytes),
            Self::Sha(sha) => sha.update(bytes),
            Self::Xxh3(xxh3) | Self::Xxh128(xxh3) => xxh3.update(bytes),
            Self::Xxh64(xxh64) => xxh64.update(bytes),
        }
    }

    /// The digest in the byte order of its header.
    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Self::Md5(md5) => md5.finalize().to_vec(),
            // A 32-bit CRC lies in the lower half of the register.
            Self::Crc32(crc) => crc.finalize().to_be_bytes()[4..].to_vec(),
            Self::Crc64(crc) => crc.finalize().to_be_bytes().to_vec(),
            Self::Sha(sha) => sha.finish().as_ref().to_vec(),
            Self::Xxh3(xxh3) => xxh3.digest().to_be_bytes().to_vec(),
            Self::Xxh64(xxh64) => xxh64.digest().to_be_bytes().to_vec(),
            Self::Xxh128(xxh3) => xxh3.digest128().to_be_bytes().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_the_check_string_are_golden() {
        // The CRCs' "check" values (catalogue of parametrised CRC algorithms): the digest of "123456789".
        let hex = |algorithm: Algorithm| {
            let mut hasher = algorithm.hasher();
            hasher.update(b"1234");
            hasher.update(b"56789");
            hex::encode(hasher.finish())
        };
        assert_eq!(hex(Algorithm::Crc32), "cbf43926");
        assert_eq!(hex(Algorithm::Crc32c), "e3069283");
        assert_eq!(hex(Algorithm::Crc64Nvme), "ae8b14860a799888");
        assert_eq!(hex(Algorithm::Md5), "25f9e794323b453885f5181f1b624d0b");
        assert_eq!(
            hex(Algorithm::Sha1),
            "f7c3bc1d808e04732adf679965ccc34ca7ae3441"
        );
        assert_eq!(
            hex(Algorithm::Sha256),
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"
        );
    }

    /// What the AWS SDKs and a second store computed for "hello".
    #[test]
    fn the_newer_digests_are_those_of_other_implementations() {
        for (algorithm, value) in [
            (Algorithm::Md5, "XUFAKrxLKna5cZ2REBfFkg=="),
            (Algorithm::Xxhash3, "lVXoVVxi3P0="),
            (Algorithm::Xxhash64, "JseCfYifbaM="),
            (Algorithm::Xxhash128, "tenBrQcbPn/Hec+qXlI4GA=="),
            (
                Algorithm::Sha512,
                "m3HSJL1i83hdltRq0+o9czGb+8KJDKra4t/3JRlnPKcjI8PZm6XBHXx6zG4UuMXaDEZjR1wuXDre9G9zvN7AQw==",
            ),
        ] {
            assert_eq!(algorithm.of(b"hello"), value, "{algorithm:?}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_width_is_no_digest() {
        let value = Algorithm::Crc32.of(b"x");
        assert!(Algorithm::Crc32.decode(&value).is_some());
        assert!(Algorithm::Crc64Nvme.decode(&value).is_none());
        assert!(Algorithm::Crc32.decode("not base64").is_none());
        assert_eq!(
            Algorithm::of_header("Content-MD5"),
            Some(Algorithm::ContentMd5)
        );
        assert_eq!(Algorithm::of_header("x-amz-checksum-type"), None);
    }
}
