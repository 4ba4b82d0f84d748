//! What is known of an object beside its bytes, and the identity of the file that it is about.
//!
//! A description names the file (inode, size, time of its last change) whose bytes it describes. A file that no
//! description fits was put there, or changed, by somebody else: it is *foreign*, and described by the file system alone.

use std::os::unix::fs::MetadataExt;

use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, EXPIRES,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::acl;
use super::answer::{Code, Fault};
use super::checksum::Checksum;
use super::conditions::Validators;
use super::tags::Tags;

/// S3's limit on the names and values of `x-amz-meta-*` together, in bytes.
const MAX_USER_METADATA: usize = 2 << 10;

const STORAGE_CLASSES: [&str; 11] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "OUTPOSTS",
    "GLACIER_IR",
    "SNOW",
    "EXPRESS_ONEZONE",
];

/// Which file, and which state of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) inode: u64,
    pub(super) size: u64,
    /// Of the last change: seconds since 1970.
    pub(super) seconds: i64,
    nanoseconds: i64,
}

impl Identity {
    pub(super) fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            size: metadata.size(),
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
        }
    }

    /// The tag of a foreign file: 32 hex digits, and a dash so that no client takes it for the MD5 of the body.
    fn tag(&self) -> String {
        let text = format!(
            "{}.{}.{}.{}",
            self.inode, self.size, self.seconds, self.nanoseconds
        );
        format!("{}-1", hex::encode(Md5::digest(text)))
    }
}

/// What a writer says about an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Description {
    /// Names, and values byte for character (a header's bytes need not be UTF-8).
    headers: Vec<(String, String)>,
    pub(super) storage_class: Option<String>,
    /// As [`Tags::to_stored`] has them.
    pub(super) tags: Option<String>,
}

/// An object's description as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    pub(super) identity: Identity,
    /// Without quotes.
    pub(super) etag: String,
    pub(super) description: Description,
    pub(super) checksum: Option<Checksum>,
    /// The sizes of the parts of a multipart upload; empty for other objects.
    pub(super) parts: Vec<u64>,
    /// The checksums of these parts in base64, where that of the whole is composed of them.
    #[serde(default)]
    pub(super) part_sums: Vec<String>,
    /// The upload that made the object.
    #[serde(default)]
    pub(super) upload: Option<String>,
}

impl Meta {
    /// All that is known of a file that somebody else put there.
    pub(super) fn foreign(identity: Identity) -> Self {
        Self {
            etag: identity.tag(),
            identity,
            description: Description::default(),
            checksum: None,
            parts: Vec::new(),
            part_sums: Vec::new(),
            upload: None,
        }
    }

    pub(super) fn quoted_etag(&self) -> String {
        format!("\"{}\"", self.etag)
    }

    pub(super) fn validators(&self) -> Validators<'_> {
        Validators {
            etag: &self.etag,
            modified: self.identity.seconds,
        }
    }

    /// The storage class as listings have it.
    pub(super) fn storage_class(&self) -> &str {
        self.description
            .storage_class
            .as_deref()
            .unwrap_or("STANDARD")
    }
}

impl Description {
    /// Reads what a PUT, a copy or a new upload says.
    ///
    /// # Errors
    /// What S3 refuses: too much metadata, unknown storage classes, too many tags, and what no folder can do (encryption,
    /// object locks).
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Fault> {
        refuse_what_no_folder_can_do(headers)?;
        let mut kept = Vec::new();
        let mut user = 0;
        for name in headers.keys() {
            let values: Vec<_> = headers.get_all(name).iter().map(latin1).collect();
            // Of a header that comes twice S3 makes one.
            let value = values.join(",");
            let stored = match name.as_str().strip_prefix("x-amz-meta-") {
                Some(own) => {
                    user += own.len() + value.chars().count();
                    Some(value)
                }
                None if *name == CONTENT_ENCODING => without_aws_chunked(&value),
                None => is_content_header(name).then_some(value),
            };
            kept.extend(stored.map(|value| (name.as_str().to_owned(), value)));
        }
        if user > MAX_USER_METADATA {
            return Err(Fault::new(Code::MetadataTooLarge)
                .detail("Size", user.to_string())
                .detail("MaxSizeAllowed", MAX_USER_METADATA.to_string()));
        }
        Ok(Self {
            headers: kept,
            storage_class: storage_class(headers)?,
            tags: tags(headers)?,
        })
    }

    /// The description of a copy that keeps the source's metadata: its class and redirect are not copied, but those that
    /// the request itself names hold.
    pub(super) fn for_copy(&self, request: Self) -> Self {
        const REDIRECT: &str = "x-amz-website-redirect-location";
        let kept = self.headers.iter().filter(|(name, _)| name != REDIRECT);
        let told = request.headers.iter().filter(|(name, _)| name == REDIRECT);
        Self {
            headers: kept.chain(told).cloned().collect(),
            storage_class: request.storage_class,
            tags: self.tags.clone(),
        }
    }

    pub(super) fn tags(&self) -> Tags {
        self.tags.as_deref().map(Tags::stored).unwrap_or_default()
    }

    /// Adds the description to the headers of an answer.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, from_latin1(value)) {
                headers.append(name, value);
            }
        }
        headers
            .entry(CONTENT_TYPE)
            .or_insert(HeaderValue::from_static("binary/octet-stream"));
        let class = self.storage_class.as_deref().unwrap_or("STANDARD");
        if class != "STANDARD"
            && let Ok(class) = HeaderValue::from_str(class)
        {
            headers.insert("x-amz-storage-class", class);
        }
        let tags = self.tags().count();
        if tags > 0 {
            headers.insert("x-amz-tagging-count", HeaderValue::from(tags));
        }
    }
}

/// The storage class that a request names.
///
/// # Errors
/// `InvalidStorageClass` where S3 has none of that name.
fn storage_class(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let Some(class) = headers.get("x-amz-storage-class") else {
        return Ok(None);
    };
    let known = STORAGE_CLASSES
        .into_iter()
        .find(|known| class.as_bytes() == known.as_bytes());
    known
        .map(|known| Some(known.to_owned()))
        .ok_or_else(|| Fault::new(Code::InvalidStorageClass))
}

/// The tags that a request names.
///
/// # Errors
/// As [`Tags::of_header`].
pub(super) fn tags(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let Some(tags) = headers.get("x-amz-tagging") else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(tags.as_bytes());
    Ok(Tags::of_header(&text)?.to_stored())
}

fn refuse_what_no_folder_can_do(headers: &HeaderMap) -> Result<(), Fault> {
    acl::check_headers(headers)?;
    for name in headers.keys() {
        let name = name.as_str();
        let encrypts = name.starts_with("x-amz-server-side-encryption");
        if encrypts || name == "x-amz-write-offset-bytes" {
            return Err(Fault::header_not_implemented(name));
        }
        if name.starts_with("x-amz-object-lock-") {
            return Err(Fault::no_object_lock());
        }
    }
    Ok(())
}

fn is_content_header(name: &HeaderName) -> bool {
    [
        CACHE_CONTROL,
        CONTENT_DISPOSITION,
        CONTENT_LANGUAGE,
        CONTENT_TYPE,
        EXPIRES,
    ]
    .contains(name)
        || *name == "x-amz-website-redirect-location"
}

/// The codings of the object itself: `aws-chunked` was one of the request only.
fn without_aws_chunked(value: &str) -> Option<String> {
    let is_own = |coding: &&str| !coding.trim().eq_ignore_ascii_case("aws-chunked");
    let codings: Vec<_> = value.split(',').filter(is_own).collect();
    let own = codings.join(",").trim().to_owned();
    (!own.is_empty()).then_some(own)
}

fn latin1(value: &HeaderValue) -> String {
    value
        .as_bytes()
        .iter()
        .map(|byte| char::from(*byte))
        .collect()
}

fn from_latin1(value: &str) -> Result<HeaderValue, Fault> {
    let bytes: Option<Vec<u8>> = value
        .chars()
        .map(|character| u8::try_from(u32::from(character)).ok())
        .collect();
    bytes
        .and_then(|bytes| HeaderValue::from_bytes(&bytes).ok())
        .ok_or_else(|| Fault::new(Code::InvalidArgument))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_byte_for_byte() {
        let mut headers = HeaderMap::new();
        let bytes = HeaderValue::from_bytes("caf\u{e9} ü".as_bytes()).expect("a value");
        headers.insert("x-amz-meta-name", bytes.clone());
        headers.insert(
            CONTENT_ENCODING,
            HeaderValue::from_static("aws-chunked, gzip, br"),
        );
        headers.insert("x-amz-tagging", HeaderValue::from_static("a=b&c=d"));
        headers.insert("authorization", HeaderValue::from_static("secret"));
        let description = Description::of(&headers).expect("a description");
        let json = serde_json::to_vec(&description).expect("json");
        let description: Description = serde_json::from_slice(&json).expect("a description");
        let mut back = HeaderMap::new();
        description.write(&mut back);
        assert_eq!(back["x-amz-meta-name"], bytes);
        assert_eq!(back[CONTENT_ENCODING], "gzip, br");
        assert_eq!(back["x-amz-tagging-count"], "2");
        assert_eq!(back[CONTENT_TYPE], "binary/octet-stream");
        assert_eq!(back.len(), 4);
    }

    #[test]
    fn what_s3_refuses_is_refused() {
        for (name, value, code) in [
            ("x-amz-storage-class", "WARM", Code::InvalidStorageClass),
            ("x-amz-tagging", "a&b&c&d&e&f&g&h&i&j&k", Code::BadRequest),
            (
                "x-amz-server-side-encryption",
                "aws:kms",
                Code::NotImplemented,
            ),
            ("x-amz-object-lock-mode", "GOVERNANCE", Code::InvalidRequest),
            ("x-amz-meta-big", &"v".repeat(2048), Code::MetadataTooLarge),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a value"));
            let refused = Description::of(&headers).map_err(|fault| fault.code);
            assert_eq!(refused, Err(code), "{name}");
        }
    }
}
