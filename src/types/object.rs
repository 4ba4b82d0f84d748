//! What identifies an object and its bytes.
//!
//! An ETag is not a version: copying an object onto itself with new metadata keeps it. So there are two identities:
//! [`CanonicalObject`] names the object wherever clients see it, [`BodyId`] names one exact sequence of bytes of it. A
//! [`Subject`] is what a client asks about: the object as it is now, or one of its versions.

use std::fmt;
use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::names::{BucketName, ObjectKey};

/// An entity tag as the origin wrote it, quotes included.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ETag(Arc<str>);

impl ETag {
    /// Takes a header's value as it is.
    pub fn new(value: &str) -> Self {
        Self(value.into())
    }

    /// The value as it goes into a header.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the tag can pin a version in `If-Match`: not empty, not weak (RFC 9110, section 8.8.3).
    pub fn is_strong(&self) -> bool {
        !self.0.starts_with("W/") && !self.opaque().is_empty()
    }

    /// The tag without quotes and without a weakness mark.
    pub fn opaque(&self) -> &str {
        let tag = self.0.strip_prefix("W/").unwrap_or(&self.0);
        tag.strip_prefix('"')
            .and_then(|tag| tag.strip_suffix('"'))
            .unwrap_or(tag)
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A digest that tells origins apart: kind, endpoint, region and bucket.
///
/// Two aliases of one bucket share it, a bucket name that is pointed elsewhere does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OriginFingerprint(u128);

impl OriginFingerprint {
    /// The fingerprint of `bucket` at the origin that `kind`, `endpoint` and `region` name.
    pub fn new(kind: &str, endpoint: &str, region: &str, bucket: &BucketName) -> Self {
        Self(digest(&[kind, endpoint, region, bucket.as_str()]))
    }

    /// A fingerprint as it was kept.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The fingerprint as it is kept.
    pub const fn to_bits(self) -> u128 {
        self.0
    }
}

/// An object, under whatever bucket name and prefix clients know it: origin fingerprint and full origin key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CanonicalObject {
    pub origin: OriginFingerprint,
    pub key: ObjectKey,
}

impl CanonicalObject {
    /// A stable 64-bit hash, the same in every node and every version.
    pub fn hash64(&self) -> u64 {
        let key = self.key.as_str().as_bytes();
        let mut short = [0; 16 + 240];
        let length = 16 + key.len();
        // Most keys are short: they need no allocation.
        let Some(bytes) = short.get_mut(..length) else {
            return xxh3_64(&self.encode());
        };
        bytes[..16].copy_from_slice(&self.origin.0.to_be_bytes());
        bytes[16..].copy_from_slice(key);
        xxh3_64(bytes)
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(16 + self.key.as_str().len());
        bytes.extend_from_slice(&self.origin.0.to_be_bytes());
        bytes.extend_from_slice(self.key.as_str().as_bytes());
        bytes
    }
}

/// What a read is about: an object, or one version of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    pub object: CanonicalObject,
    /// The version by its id at the origin, `null` included; none for whatever is current at the time.
    pub version_id: Option<Arc<str>>,
}

impl Subject {
    /// A stable 128-bit digest: the name that what is known of it is kept under.
    pub fn digest(&self) -> u128 {
        let mut bytes = self.object.encode();
        if let Some(id) = &self.version_id {
            bytes.push(0);
            bytes.extend_from_slice(id.as_bytes());
        }
        xxh3_128(&bytes)
    }
}

impl From<CanonicalObject> for Subject {
    /// The object as it is at the time.
    fn from(object: CanonicalObject) -> Self {
        Self {
            object,
            version_id: None,
        }
    }
}

/// The version mark of a body: what the origin says that no two bodies of one object share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Version {
    /// S3: ETag and size, with the version id where the bucket is versioned.
    S3 {
        etag: ETag,
        size: u64,
        version_id: Option<Arc<str>>,
    },
}

/// Names one sequence of bytes: canonical object and version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BodyId {
    object: CanonicalObject,
    version: Version,
    /// Made once: every read of the body asks for it.
    digest: BodyDigest,
}

impl BodyId {
    /// The body of that version of an object.
    pub fn new(object: CanonicalObject, version: Version) -> Self {
        Self {
            digest: BodyDigest::of(&object, &version),
            object,
            version,
        }
    }

    /// The object that the body is, or was, of.
    pub fn object(&self) -> &CanonicalObject {
        &self.object
    }

    /// The body's length in bytes.
    pub fn size(&self) -> u64 {
        match &self.version {
            Version::S3 { size, .. } => *size,
        }
    }

    /// The ETag that pins this body at its origin.
    pub fn etag(&self) -> &ETag {
        match &self.version {
            Version::S3 { etag, .. } => etag,
        }
    }

    /// The version id, where the origin told one.
    pub fn version_id(&self) -> Option<&str> {
        match &self.version {
            Version::S3 { version_id, .. } => version_id.as_deref(),
        }
    }

    /// A stable 128-bit digest: the key of the body's blocks in every tier.
    pub fn digest(&self) -> BodyDigest {
        self.digest
    }
}

/// The digest of a [`BodyId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BodyDigest(pub u128);

impl BodyDigest {
    fn of(object: &CanonicalObject, version: &Version) -> Self {
        let Version::S3 {
            etag,
            size,
            version_id,
        } = version;
        let mut bytes = object.encode();
        for part in [
            etag.as_str(),
            version_id.as_deref().unwrap_or(""),
            &size.to_string(),
        ] {
            bytes.push(0);
            bytes.extend_from_slice(part.as_bytes());
        }
        Self(xxh3_128(&bytes))
    }
}

fn digest(parts: &[&str]) -> u128 {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    xxh3_128(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str) -> CanonicalObject {
        let bucket = "train".parse().expect("a bucket name");
        let origin = OriginFingerprint::new("s3", "https://s3.example", "us-east-1", &bucket);
        CanonicalObject {
            origin,
            key: key.parse().expect("a key"),
        }
    }

    #[test]
    fn weak_and_empty_tags_pin_nothing() {
        assert!(ETag::new("\"abc\"").is_strong());
        assert!(!ETag::new("W/\"abc\"").is_strong());
        assert!(!ETag::new("\"\"").is_strong());
        assert!(!ETag::new("").is_strong());
    }

    #[test]
    fn digests_are_golden() {
        // These values are part of the cache format and of placement: a change of them is a new format version.
        let version = Version::S3 {
            etag: ETag::new("\"e\""),
            size: 7,
            version_id: None,
        };
        let body = BodyId::new(object("a/b"), version);
        assert_eq!(object("a/b").hash64(), 709_136_926_942_566_336);
        for length in [1, 239, 240, 241, 1024] {
            let object = object(&"k".repeat(length));
            assert_eq!(object.hash64(), xxh3_64(&object.encode()), "{length}");
        }
        assert_eq!(
            body.digest(),
            BodyDigest(159_130_514_819_931_281_575_143_787_541_080_977_491)
        );
    }

    #[test]
    fn every_part_of_a_version_counts() {
        let version = |etag: &str, size, id: Option<&str>| {
            let version = Version::S3 {
                etag: ETag::new(etag),
                size,
                version_id: id.map(Into::into),
            };
            BodyId::new(object("k"), version)
        };
        let base = version("\"e\"", 1, None).digest();
        assert_ne!(base, version("\"f\"", 1, None).digest());
        assert_ne!(base, version("\"e\"", 2, None).digest());
        assert_ne!(base, version("\"e\"", 1, Some("v")).digest());
    }
}
