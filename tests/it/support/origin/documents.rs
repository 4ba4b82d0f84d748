//! Sub-resources: documents that belong to a bucket or an object, kept as they came; tags; what they show of themselves in
//! an object's headers; attributes, restores and selections.

use http::{Method, Response};

use forebay::types::body::{Body, full};

use super::TestOrigin;
use super::answer::{Refused, element, inner, raw, set, status, text, xml};
use super::asked::Asked;
use super::payload::Arrived;
use super::store::{Bucket, MODIFIED, Version, Versioning};

/// The sub-resources of buckets, each with the error of one that was never set. Those without an error have a document that
/// says so.
pub(super) const BUCKET: [(&str, &str); 26] = [
    ("abac", ""),
    ("accelerate", ""),
    ("acl", ""),
    ("analytics", "NoSuchConfiguration"),
    ("cors", "NoSuchCORSConfiguration"),
    (
        "encryption",
        "ServerSideEncryptionConfigurationNotFoundError",
    ),
    ("intelligent-tiering", "NoSuchConfiguration"),
    ("inventory", "NoSuchConfiguration"),
    ("lifecycle", "NoSuchLifecycleConfiguration"),
    ("logging", ""),
    ("metadataConfiguration", "NoSuchConfiguration"),
    ("metadataInventoryTable", "NoSuchConfiguration"),
    ("metadataJournalTable", "NoSuchConfiguration"),
    ("metadataTable", "NoSuchConfiguration"),
    ("metrics", "NoSuchConfiguration"),
    ("notification", ""),
    ("object-lock", "ObjectLockConfigurationNotFoundError"),
    ("ownershipControls", "OwnershipControlsNotFoundError"),
    ("policy", "NoSuchBucketPolicy"),
    ("policyStatus", "NoSuchBucketPolicy"),
    ("publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
    ("replication", "ReplicationConfigurationNotFoundError"),
    ("requestPayment", ""),
    ("tagging", "NoSuchTagSet"),
    ("versioning", ""),
    ("website", "NoSuchWebsiteConfiguration"),
];

/// What SelectObjectContent answers: the frames of an event stream, which nobody may take for text.
pub(crate) const SELECTED: &[u8] =
    b"\0\0\0\x2b\0\0\0\x17\xff\xfe:event-type\x07\0\x03End\xcf\x97\xd3\x92";

/// Whether a parameter names a sub-resource of buckets.
pub(super) fn is_of_buckets(name: &str) -> bool {
    BUCKET.iter().any(|(known, _)| *known == name)
}

impl Bucket {
    /// The answer to a read of one of the bucket's documents; none where the request names none.
    pub(super) fn document(&self, asked: &Asked) -> Option<Result<Response<Body>, Refused>> {
        let (name, missing) = named(asked)?;
        let document = self.documents.get(&place(asked, name));
        Some(match document {
            Some(document) => Ok(raw(document.clone())),
            None if missing.is_empty() => Ok(xml("NeverSet", "")),
            None => Err(Refused::new(404, missing)),
        })
    }

    /// Sets or deletes one of the bucket's documents.
    pub(super) fn change_document(
        &mut self,
        asked: &Asked,
        arrived: &Arrived,
    ) -> Result<Response<Body>, Refused> {
        let (name, _) = named(asked).ok_or(Refused::new(405, "MethodNotAllowed"))?;
        let place = place(asked, name);
        if asked.method == Method::DELETE {
            self.documents.remove(&place);
            return Ok(status(204));
        }
        let document = arrived.content.whole();
        if name == "versioning" {
            let document = String::from_utf8_lossy(&document);
            self.versioning = match text(&document, "Status").as_deref() {
                Some("Enabled") => Versioning::Enabled,
                Some("Suspended") => Versioning::Suspended,
                _ => return Err(Refused::new(400, "MalformedXML")),
            };
        }
        self.documents.insert(place, document);
        Ok(status(200))
    }
}

fn named(asked: &Asked) -> Option<(&'static str, &'static str)> {
    BUCKET.into_iter().find(|(name, _)| asked.has(name))
}

fn place(asked: &Asked, name: &str) -> String {
    format!("{name} {}", asked.param("id").unwrap_or_default())
}

impl TestOrigin {
    /// The answer to a read of one of an object's sub-resources; none where the request names none.
    pub(super) fn object_document(&self, asked: &Asked) -> Option<Result<Response<Body>, Refused>> {
        let names = [
            "acl",
            "tagging",
            "retention",
            "legal-hold",
            "attributes",
            "torrent",
        ];
        let name = names.into_iter().find(|name| asked.has(name))?;
        let mut state = self.state();
        let bucket = match state.bucket(&asked.bucket) {
            Ok(bucket) => bucket,
            Err(refused) => return Some(Err(refused)),
        };
        let versioning = bucket.versioning;
        let version = match bucket.version(&asked.key, asked.param("versionId")) {
            Ok(version) => version,
            Err(refused) => return Some(Err(refused)),
        };
        let answer = match name {
            "tagging" => Ok(xml("Tagging", &tag_set(version))),
            "attributes" => attributes(asked, version),
            "torrent" => Ok(raw("d8:announce0:e")),
            _ => match (version.documents.get(name), name) {
                (Some(document), _) => Ok(raw(document.clone())),
                (None, "acl") => Ok(xml("AccessControlPolicy", "<Owner><ID>owner</ID></Owner>")),
                (None, _) => Err(Refused::new(404, "NoSuchObjectLockConfiguration")),
            },
        };
        Some(answer.map(|mut response| {
            if versioning != Versioning::Never {
                set(response.headers_mut(), "x-amz-version-id", &version.id);
            }
            response
        }))
    }

    /// Changes one of an object's sub-resources; none where the request names none.
    pub(super) fn change_object_document(
        &self,
        asked: &Asked,
        arrived: &Arrived,
    ) -> Option<Result<Response<Body>, Refused>> {
        let names = [
            "acl",
            "tagging",
            "retention",
            "legal-hold",
            "restore",
            "select",
        ];
        let name = names.into_iter().find(|name| asked.has(name))?;
        let document = arrived.content.whole();
        let mut state = self.state();
        let version = state
            .bucket(&asked.bucket)
            .and_then(|bucket| bucket.version_mut(&asked.key, asked.param("versionId")));
        let version = match version {
            Ok(version) => version,
            Err(refused) => return Some(Err(refused)),
        };
        let words = String::from_utf8_lossy(&document).into_owned();
        Some(Ok(match (name, &asked.method) {
            ("tagging", &Method::PUT) => {
                version.tags = tags_of(&words);
                status(200)
            }
            ("tagging", &Method::DELETE) => {
                version.tags.clear();
                status(204)
            }
            ("acl" | "retention" | "legal-hold", &Method::PUT) => {
                show(version, name, &words);
                version.documents.insert(name.to_owned(), document);
                status(200)
            }
            ("restore", &Method::POST) => {
                let restored = format!("ongoing-request=\"false\", expiry-date=\"{MODIFIED}\"");
                set(&mut version.headers, "x-amz-restore", &restored);
                status(202)
            }
            ("select", &Method::POST) => Response::new(full(SELECTED)),
            (_, _) => return Some(Err(Refused::new(405, "MethodNotAllowed"))),
        }))
    }
}

/// What a document shows of itself in the object's headers.
fn show(version: &mut Version, name: &str, document: &str) {
    let headers = &mut version.headers;
    match name {
        "retention" => {
            if let Some(mode) = text(document, "Mode") {
                set(headers, "x-amz-object-lock-mode", &mode);
            }
            if let Some(until) = text(document, "RetainUntilDate") {
                set(headers, "x-amz-object-lock-retain-until-date", &until);
            }
        }
        "legal-hold" => {
            let held = text(document, "Status").unwrap_or_default();
            set(headers, "x-amz-object-lock-legal-hold", &held);
        }
        _ => {}
    }
}

fn tags_of(document: &str) -> Vec<(String, String)> {
    let tags = inner(document, "Tag").into_iter();
    tags.filter_map(|tag| Some((text(tag, "Key")?, text(tag, "Value")?)))
        .collect()
}

fn tag_set(version: &Version) -> String {
    let tags = version.tags.iter().map(|(key, value)| {
        let inner = element("Key", key) + &element("Value", value);
        format!("<Tag>{inner}</Tag>")
    });
    format!("<TagSet>{}</TagSet>", tags.collect::<String>())
}

fn attributes(asked: &Asked, version: &Version) -> Result<Response<Body>, Refused> {
    let wanted: Vec<&str> = asked
        .headers
        .get_all("x-amz-object-attributes")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    if wanted.is_empty() {
        return Err(Refused::new(400, "InvalidArgument"));
    }
    let mut inner = String::new();
    for name in wanted {
        inner += &match name {
            "ETag" => element("ETag", version.etag.trim_matches('"')),
            "Checksum" => {
                let mut sums = String::new();
                for checksum in &version.checksums {
                    sums += &element(&checksum.element(), &checksum.value);
                }
                format!("<Checksum>{sums}</Checksum>")
            }
            "ObjectParts" if version.parts.is_empty() => String::new(),
            "ObjectParts" => {
                let count = element("PartsCount", &version.parts.len().to_string());
                format!("<ObjectParts>{count}</ObjectParts>")
            }
            "StorageClass" => element("StorageClass", "STANDARD"),
            "ObjectSize" => element("ObjectSize", &version.content.size().to_string()),
            _ => return Err(Refused::new(400, "InvalidArgument")),
        };
    }
    let mut response = xml("GetObjectAttributesResponse", &inner);
    set(response.headers_mut(), "last-modified", MODIFIED);
    Ok(response)
}
