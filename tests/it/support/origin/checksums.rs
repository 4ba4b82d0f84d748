//! The checksums that S3 stores, and the running digests of a body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::CrcAlgorithm;
use http::HeaderMap;
use md5::Digest as _;

/// The names that follow `x-amz-checksum-`.
pub(super) const ALGORITHMS: [&str; 5] = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"];

/// A checksum's algorithm and its value in base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checksum {
    pub(super) algorithm: &'static str,
    pub(super) value: String,
}

/// A digest in the making.
#[derive(Debug, Clone)]
pub(super) enum Hasher {
    Crc32(crc_fast::Digest),
    Crc64(crc_fast::Digest),
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
}

impl Checksum {
    /// The header that carries it.
    pub(super) fn header(&self) -> String {
        format!("x-amz-checksum-{}", self.algorithm)
    }

    /// The element that carries it.
    pub(super) fn element(&self) -> String {
        element_of(self.algorithm)
    }
}

/// The element that carries a checksum of `algorithm`.
pub(super) fn element_of(algorithm: &str) -> String {
    format!("Checksum{}", algorithm.to_uppercase())
}

/// The known algorithm of that name, in whatever case.
pub(super) fn known(name: &str) -> Option<&'static str> {
    let mut all = ALGORITHMS.into_iter();
    all.find(|algorithm| algorithm.eq_ignore_ascii_case(name))
}

/// The checksums that a request's headers claim.
pub(super) fn claimed(headers: &HeaderMap) -> Vec<Checksum> {
    let claim = |algorithm: &'static str| {
        let value = headers.get(format!("x-amz-checksum-{algorithm}"))?;
        Some(Checksum {
            algorithm,
            value: value.to_str().ok()?.to_owned(),
        })
    };
    ALGORITHMS.into_iter().filter_map(claim).collect()
}

impl Hasher {
    /// The hasher of a known algorithm, `md5` included.
    pub(super) fn new(algorithm: &str) -> Self {
        match algorithm {
            "crc32" => Self::Crc32(crc_fast::Digest::new(CrcAlgorithm::Crc32IsoHdlc)),
            "crc32c" => Self::Crc32(crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi)),
            "crc64nvme" => Self::Crc64(crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme)),
            "md5" => Self::Md5(md5::Md5::new()),
            "sha1" => Self::Sha1(sha1::Sha1::new()),
            "sha256" => Self::Sha256(sha2::Sha256::new()),
            _ => panic!("no algorithm is {algorithm}"),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(crc) | Self::Crc64(crc) => crc.update(bytes),
            Self::Md5(md5) => md5.update(bytes),
            Self::Sha1(sha1) => sha1.update(bytes),
            Self::Sha256(sha256) => sha256.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Self::Crc32(crc) => crc.finalize().to_be_bytes()[4..].to_vec(),
            Self::Crc64(crc) => crc.finalize().to_be_bytes().to_vec(),
            Self::Md5(md5) => md5.finalize().to_vec(),
            Self::Sha1(sha1) => sha1.finalize().to_vec(),
            Self::Sha256(sha256) => sha256.finalize().to_vec(),
        }
    }
}

/// A CRC32 in the making, for clients.
#[derive(Debug)]
pub(crate) struct Crc32(Hasher);

impl Crc32 {
    pub(crate) fn new() -> Self {
        Self(Hasher::new("crc32"))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn base64(self) -> String {
        BASE64.encode(self.0.finish())
    }
}

/// The digest of bytes that are at hand, in base64.
pub(crate) fn base64_of(algorithm: &str, bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    BASE64.encode(hasher.finish())
}

/// The checksum of checksums of an upload in parts.
pub(super) fn composite(algorithm: &'static str, parts: &[String]) -> Checksum {
    let mut hasher = Hasher::new(algorithm);
    for part in parts {
        hasher.update(&BASE64.decode(part).expect("base64"));
    }
    Checksum {
        algorithm,
        value: format!("{}-{}", BASE64.encode(hasher.finish()), parts.len()),
    }
}
