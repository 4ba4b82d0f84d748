//! What the origin holds: buckets, their objects with all versions, uploads, and documents that belong to either.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method};
use tokio::sync::Semaphore;

use super::answer::Refused;
use super::checksums::Checksum;
use super::faults::Fault;
use super::{Seen, multipart::Upload};
use crate::support::content;

/// When everything was written.
pub(super) const MODIFIED: &str = "Mon, 23 Nov 2026 12:00:00 GMT";
/// The same as documents have it.
pub(super) const MODIFIED_ISO: &str = "2026-11-23T12:00:00.000Z";

/// An object's bytes.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Seed {
        seed: u64,
        size: u64,
    },
    Bytes(Bytes),
    Pieces(Vec<Self>),
    /// Only what the bytes were: they cannot be read again.
    Digest {
        size: u64,
        xxh3: u64,
    },
}

impl Content {
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Seed { size, .. } | Self::Digest { size, .. } => *size,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Pieces(pieces) => pieces.iter().map(Self::size).sum(),
        }
    }

    pub(super) fn slice(&self, range: Range<u64>) -> Bytes {
        let index = |offset: u64| usize::try_from(offset).expect("a test's size");
        match self {
            Self::Seed { seed, .. } => content::bytes(*seed, range),
            Self::Bytes(bytes) => bytes.slice(index(range.start)..index(range.end)),
            Self::Pieces(pieces) => {
                let (mut all, mut at) = (BytesMut::new(), 0);
                for piece in pieces {
                    let (start, end) = (at, at + piece.size());
                    at = end;
                    if start < range.end && range.start < end {
                        let from = range.start.max(start) - start;
                        all.extend_from_slice(&piece.slice(from..range.end.min(end) - start));
                    }
                }
                all.freeze()
            }
            Self::Digest { .. } => panic!("bytes that were not kept are read"),
        }
    }

    pub(super) fn whole(&self) -> Bytes {
        self.slice(0..self.size())
    }
}

/// A part of an object that was uploaded in parts.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) number: u32,
    pub(super) content: Content,
    /// The MD5 in hex.
    pub(super) tag: String,
    pub(super) checksums: Vec<Checksum>,
}

/// One version of an object, or a delete marker.
#[derive(Debug, Clone)]
pub(super) struct Version {
    /// `null` for what was written without versioning.
    pub(super) id: String,
    pub(super) marker: bool,
    pub(super) content: Content,
    /// With its quotes.
    pub(super) etag: String,
    /// What the object carries on every read.
    pub(super) headers: HeaderMap,
    pub(super) checksums: Vec<Checksum>,
    /// `FULL_OBJECT` or `COMPOSITE`.
    pub(super) checksum_type: &'static str,
    /// Empty for what came in one piece.
    pub(super) parts: Vec<Part>,
    pub(super) tags: Vec<(String, String)>,
    /// `acl`, `retention`, `legal-hold`, as they came.
    pub(super) documents: BTreeMap<String, Bytes>,
}

impl Version {
    pub(super) fn new(content: Content, etag: String) -> Self {
        Self {
            id: String::new(),
            marker: false,
            content,
            etag,
            headers: HeaderMap::new(),
            checksums: Vec::new(),
            checksum_type: "FULL_OBJECT",
            parts: Vec::new(),
            tags: Vec::new(),
            documents: BTreeMap::new(),
        }
    }

    fn marker() -> Self {
        let mut marker = Self::new(Content::Bytes(Bytes::new()), String::new());
        marker.marker = true;
        marker
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Versioning {
    #[default]
    Never,
    Enabled,
    Suspended,
}

#[derive(Debug, Default)]
pub(super) struct Bucket {
    pub(super) versioning: Versioning,
    /// The newest version last; never empty.
    pub(super) objects: BTreeMap<String, Vec<Version>>,
    pub(super) uploads: BTreeMap<String, Upload>,
    /// Sub-resources, by name and id.
    pub(super) documents: BTreeMap<String, Bytes>,
}

impl Bucket {
    /// The object as it is now; none where it was never written or is deleted.
    pub(super) fn current(&self, key: &str) -> Option<&Version> {
        let version = self.objects.get(key)?.last()?;
        (!version.marker).then_some(version)
    }

    /// The version that a request names, or the current one.
    pub(super) fn version(&self, key: &str, id: Option<&str>) -> Result<&Version, Refused> {
        let versions = self.objects.get(key).map_or(&[][..], Vec::as_slice);
        let Some(id) = id else {
            return match versions.last() {
                Some(version) if version.marker => Err(Refused::new(404, "NoSuchKey")
                    .with("x-amz-delete-marker", "true")
                    .with("x-amz-version-id", &version.id)),
                Some(version) => Ok(version),
                None => Err(Refused::new(404, "NoSuchKey")),
            };
        };
        match versions.iter().find(|version| version.id == id) {
            Some(version) if version.marker => Err(Refused::new(405, "MethodNotAllowed")
                .with("allow", "DELETE")
                .with("last-modified", MODIFIED)
                .with("x-amz-delete-marker", "true")
                .with("x-amz-version-id", id)),
            Some(version) => Ok(version),
            None => Err(Refused::new(404, "NoSuchVersion")),
        }
    }

    pub(super) fn version_mut(
        &mut self,
        key: &str,
        id: Option<&str>,
    ) -> Result<&mut Version, Refused> {
        let id = self.version(key, id)?.id.clone();
        let versions = self.objects.get_mut(key).expect("it was found");
        let version = versions.iter_mut().find(|version| version.id == id);
        Ok(version.expect("it was found"))
    }

    /// Makes `version` the newest. `next` is its id where the bucket keeps versions. Gives the id that it got.
    pub(super) fn push(&mut self, key: &str, mut version: Version, next: u64) -> String {
        let versions = self.objects.entry(key.to_owned()).or_default();
        version.id = match self.versioning {
            Versioning::Enabled => format!("version{next:025}"),
            Versioning::Never | Versioning::Suspended => {
                versions.retain(|other| other.id != "null");
                "null".to_owned()
            }
        };
        let id = version.id.clone();
        versions.push(version);
        id
    }

    /// Deletes the object, or the one version; tells the version's id, where there is one to tell, and whether what went
    /// or came is a delete marker.
    pub(super) fn delete(
        &mut self,
        key: &str,
        id: Option<&str>,
        next: u64,
    ) -> (Option<String>, bool) {
        let Some(id) = id else {
            if self.versioning == Versioning::Never {
                self.objects.remove(key);
                return (None, false);
            }
            return (Some(self.push(key, Version::marker(), next)), true);
        };
        let Some(versions) = self.objects.get_mut(key) else {
            return (Some(id.to_owned()), false);
        };
        let marker = versions.iter().any(|it| it.id == id && it.marker);
        versions.retain(|version| version.id != id);
        if versions.is_empty() {
            self.objects.remove(key);
        }
        (Some(id.to_owned()), marker)
    }
}

/// Everything behind the lock.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) buckets: BTreeMap<String, Bucket>,
    pub(super) seen: Vec<Seen>,
    /// How many requests were seen before those of `seen`.
    pub(super) forgotten: usize,
    pub(super) strangers: Vec<String>,
    pub(super) faults: HashMap<Method, VecDeque<Fault>>,
    pub(super) body_bytes: u64,
    pub(super) gate: Option<Arc<Semaphore>>,
    /// Whether uploads are hashed and not kept.
    pub(super) digests: bool,
    made: u64,
}

impl State {
    /// A number that was not given out before.
    pub(super) fn next(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    pub(super) fn bucket(&mut self, name: &str) -> Result<&mut Bucket, Refused> {
        let bucket = self.buckets.get_mut(name);
        bucket.ok_or(Refused::new(404, "NoSuchBucket"))
    }

    /// Makes `version` the newest of `key`.
    pub(super) fn push(
        &mut self,
        bucket: &str,
        key: &str,
        version: Version,
    ) -> Result<String, Refused> {
        let next = self.next();
        Ok(self.bucket(bucket)?.push(key, version, next))
    }
}
