//! The additional checksums (`x-amz-checksum-*`): computed over streams, composed over parts.
//!
//! A *composite* checksum is the checksum of the parts' checksums, with the number of parts behind a dash; a *full-object*
//! one of a multipart upload is combined from the parts', which only CRCs allow.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use sha2::Digest;

use super::answer::{Code, Fault};

/// An algorithm that S3 takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

/// What a stored checksum covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Scope {
    FullObject,
    Composite,
}

/// A stored checksum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checksum {
    pub(super) algorithm: Algorithm,
    pub(super) scope: Scope,
    /// As in the header: base64, with `-PARTS` behind a composite one.
    pub(super) value: String,
}

impl Algorithm {
    const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// What S3 computes of an object that comes without any.
    pub(super) const DEFAULT: Self = Self::Crc64Nvme;

    /// `x-amz-checksum-*`.
    pub(super) fn header(self) -> HeaderName {
        HeaderName::from_static(match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        })
    }

    /// The name in `x-amz-checksum-algorithm` and `<ChecksumAlgorithm>`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The element that carries a value in XML.
    pub(super) fn element(self) -> &'static str {
        match self {
            Self::Crc32 => "ChecksumCRC32",
            Self::Crc32c => "ChecksumCRC32C",
            Self::Crc64Nvme => "ChecksumCRC64NVME",
            Self::Sha1 => "ChecksumSHA1",
            Self::Sha256 => "ChecksumSHA256",
        }
    }

    /// The scope of a multipart upload that names none: CRC64NVME knows only the full object.
    pub(super) fn default_scope(self) -> Scope {
        match self {
            Self::Crc64Nvme => Scope::FullObject,
            Self::Crc32 | Self::Crc32c | Self::Sha1 | Self::Sha256 => Scope::Composite,
        }
    }

    fn crc(self) -> Option<(CrcAlgorithm, usize)> {
        match self {
            Self::Crc32 => Some((CrcAlgorithm::Crc32IsoHdlc, 4)),
            Self::Crc32c => Some((CrcAlgorithm::Crc32Iscsi, 4)),
            Self::Crc64Nvme => Some((CrcAlgorithm::Crc64Nvme, 8)),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// The algorithm that `x-amz-checksum-algorithm` (or the SDKs' name for it) asks for.
    ///
    /// # Errors
    /// `InvalidRequest` where nobody knows it.
    pub(super) fn requested(headers: &HeaderMap) -> Result<Option<Self>, Fault> {
        let value = headers
            .get("x-amz-checksum-algorithm")
            .or_else(|| headers.get("x-amz-sdk-checksum-algorithm"));
        let Some(value) = value else {
            return Ok(None);
        };
        let found = Self::ALL.into_iter().find(|algorithm| {
            value
                .as_bytes()
                .eq_ignore_ascii_case(algorithm.as_str().as_bytes())
        });
        let unknown = "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]";
        found
            .map(Some)
            .ok_or_else(|| Fault::because(Code::InvalidRequest, unknown))
    }

    /// The algorithm of a header's name.
    pub(super) fn of_header(name: &HeaderName) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.header() == *name)
    }

    /// The checksum that a request claims in a header.
    pub(super) fn claimed(headers: &HeaderMap) -> Option<(Self, String)> {
        Self::ALL.into_iter().find_map(|algorithm| {
            let value = headers.get(algorithm.header())?.to_str().ok()?;
            Some((algorithm, value.to_owned()))
        })
    }
}

impl Scope {
    /// The value of `x-amz-checksum-type`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }
}

impl Checksum {
    /// The checksum as headers of an answer.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_str(&self.value) {
            headers.insert(self.algorithm.header(), value);
            headers.insert(
                HeaderName::from_static("x-amz-checksum-type"),
                HeaderValue::from_static(self.scope.as_str()),
            );
        }
    }

    /// The checksum of the whole that parts of these checksums (in base64) and sizes make. None where a part's is no
    /// checksum of this algorithm, or the algorithm cannot be combined.
    pub(super) fn of_parts(
        algorithm: Algorithm,
        scope: Scope,
        parts: &[(String, u64)],
    ) -> Option<Self> {
        let mut raw = Vec::with_capacity(parts.len());
        for (value, size) in parts {
            raw.push((STANDARD.decode(value).ok()?, *size));
        }
        let value = match scope {
            Scope::Composite => {
                let mut running = Running::new(algorithm);
                raw.iter().for_each(|(bytes, _)| running.update(bytes));
                format!("{}-{}", running.finish(), parts.len())
            }
            Scope::FullObject => combine(algorithm, &raw)?,
        };
        Some(Self {
            algorithm,
            scope,
            value,
        })
    }
}

fn combine(algorithm: Algorithm, parts: &[(Vec<u8>, u64)]) -> Option<String> {
    let (crc, width) = algorithm.crc()?;
    let mut whole = None;
    for (bytes, size) in parts {
        if bytes.len() != width {
            return None;
        }
        let part = bytes
            .iter()
            .fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        whole = Some(match whole {
            None => part,
            Some(before) => crc_fast::checksum_combine(crc, before, part, *size),
        });
    }
    Some(encode(whole?, width))
}

fn encode(value: u64, width: usize) -> String {
    STANDARD.encode(&value.to_be_bytes()[8 - width..])
}

/// A checksum that is being computed.
pub(super) enum Running {
    Crc(crc_fast::Digest, usize),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
}

impl Running {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        match algorithm.crc() {
            Some((crc, width)) => Self::Crc(crc_fast::Digest::new(crc), width),
            None if algorithm == Algorithm::Sha1 => Self::Sha1(sha1::Sha1::new()),
            None => Self::Sha256(sha2::Sha256::new()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(digest, _) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
        }
    }

    /// The value in base64.
    pub(super) fn finish(self) -> String {
        match self {
            Self::Crc(digest, width) => encode(digest.finalize(), width),
            Self::Sha1(digest) => STANDARD.encode(digest.finalize()),
            Self::Sha256(digest) => STANDARD.encode(digest.finalize()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(algorithm: Algorithm, bytes: &[u8]) -> String {
        let mut running = Running::new(algorithm);
        running.update(bytes);
        running.finish()
    }

    #[test]
    fn known_values() {
        // The check values of the CRC catalogue and of FIPS 180 for "123456789" and "abc".
        assert_eq!(
            sum(Algorithm::Crc32, b"123456789"),
            STANDARD.encode(0xcbf4_3926u32.to_be_bytes())
        );
        assert_eq!(
            sum(Algorithm::Crc32c, b"123456789"),
            STANDARD.encode(0xe306_9283u32.to_be_bytes())
        );
        assert_eq!(
            sum(Algorithm::Crc64Nvme, b"123456789"),
            STANDARD.encode(0xae8b_1486_0a79_9888u64.to_be_bytes())
        );
        assert_eq!(sum(Algorithm::Sha1, b"abc"), "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
    }

    #[test]
    fn parts_combine_to_the_whole() {
        let parts: [&[u8]; 3] = [b"hello, ", b"", b"world"];
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let sums: Vec<_> = parts
                .iter()
                .map(|part| (sum(algorithm, part), part.len() as u64))
                .collect();
            let whole = Checksum::of_parts(algorithm, Scope::FullObject, &sums).expect("a sum");
            assert_eq!(whole.value, sum(algorithm, b"hello, world"));
        }
        let sha = [(sum(Algorithm::Sha256, b"a"), 1)];
        assert!(Checksum::of_parts(Algorithm::Sha256, Scope::FullObject, &sha).is_none());
        let composite =
            Checksum::of_parts(Algorithm::Sha256, Scope::Composite, &sha).expect("a sum");
        assert!(composite.value.ends_with("=-1"));
    }
}
