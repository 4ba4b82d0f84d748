//! Uploads in parts.

use std::collections::BTreeMap;

use http::{HeaderMap, Response};

use forebay::types::body::Body;

use super::answer::{Refused, element, inner, set, status, text, xml};
use super::asked::Asked;
use super::checksums::{Checksum, Hasher, base64_of, claimed, composite, element_of};
use super::objects::{algorithm, copied, kept, put_checksums, put_id, tags};
use super::payload::Arrived;
use super::store::{Bucket, Content, MODIFIED_ISO, Part, State, Version};
use super::{TestOrigin, conditions};

/// S3's least size of a part that is not the last. Tests with smaller parts say so.
const LEAST: u64 = 5 << 20;

/// An upload that is open.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) key: String,
    headers: HeaderMap,
    tags: Vec<(String, String)>,
    algorithm: Option<&'static str>,
    full: bool,
    pub(super) parts: BTreeMap<u32, Part>,
}

impl TestOrigin {
    pub(super) fn create_upload(&self, asked: &Asked) -> Result<Response<Body>, Refused> {
        let algorithm = algorithm(asked);
        let upload = Upload {
            key: asked.key.clone(),
            headers: kept(asked),
            tags: tags(asked.header("x-amz-tagging").unwrap_or_default()),
            algorithm,
            full: asked.header("x-amz-checksum-type") == Some("FULL_OBJECT")
                || algorithm == Some("crc64nvme"),
            parts: BTreeMap::new(),
        };
        let mut state = self.state();
        let id = format!("upload{}", state.next());
        let bucket = state.bucket(&asked.bucket)?;
        bucket.uploads.insert(id.clone(), upload);
        let names = element("Bucket", &asked.bucket) + &element("Key", &asked.key);
        let mut response = xml(
            "InitiateMultipartUploadResult",
            &(names + &element("UploadId", &id)),
        );
        if let Some(algorithm) = algorithm {
            let headers = response.headers_mut();
            set(
                headers,
                "x-amz-checksum-algorithm",
                &algorithm.to_uppercase(),
            );
        }
        Ok(response)
    }

    pub(super) fn put_part(
        &self,
        asked: &Asked,
        arrived: Arrived,
    ) -> Result<Response<Body>, Refused> {
        let mut state = self.state();
        let upload = state.upload(asked)?;
        let part = Part {
            number: number(asked)?,
            content: arrived.content,
            tag: arrived.tag,
            checksums: arrived.checksums,
        };
        if let Some(algorithm) = upload.algorithm
            && part.checksums.iter().any(|it| it.algorithm != algorithm)
        {
            return Err(Refused::new(400, "InvalidRequest"));
        }
        let mut response = status(200);
        let headers = response.headers_mut();
        set(headers, "etag", &format!("\"{}\"", part.tag));
        put_checksums(headers, &part.checksums, "COMPOSITE");
        headers.remove("x-amz-checksum-type");
        upload.parts.insert(part.number, part);
        Ok(response)
    }

    pub(super) fn copy_part(&self, asked: &Asked) -> Result<Response<Body>, Refused> {
        let mut state = self.state();
        let (_, source) = state.source(asked)?;
        let size = source.content.size();
        let range = match asked.header("x-amz-copy-source-range") {
            Some(range) => bounds(range)
                .filter(|range| range.end <= size)
                .ok_or(Refused::new(400, "InvalidArgument"))?,
            None => 0..size,
        };
        let bytes = source.content.slice(range);
        let mut md5 = Hasher::new("md5");
        md5.update(&bytes);
        let upload = state.upload(asked)?;
        let checksums = upload.algorithm.map(|algorithm| Checksum {
            algorithm,
            value: base64_of(algorithm, &bytes),
        });
        let part = Part {
            number: number(asked)?,
            content: Content::Bytes(bytes),
            tag: hex::encode(md5.finish()),
            checksums: checksums.into_iter().collect(),
        };
        let mut shown = Version::new(part.content.clone(), format!("\"{}\"", part.tag));
        shown.checksums = part.checksums.clone();
        upload.parts.insert(part.number, part);
        Ok(xml("CopyPartResult", &copied("LastModified", &shown)))
    }

    pub(super) fn complete_upload(
        &self,
        asked: &Asked,
        arrived: &Arrived,
    ) -> Result<Response<Body>, Refused> {
        let document = arrived.content.whole();
        let document = std::str::from_utf8(&document).map_err(|_| malformed())?;
        let mut state = self.state();
        let upload = state.upload(asked)?.clone();
        let parts = chosen(document, &upload)?;
        let version = assembled(asked, &upload, parts)?;
        let bucket = state.bucket(&asked.bucket)?;
        conditions::write(asked, bucket.current(&asked.key))?;
        bucket
            .uploads
            .remove(asked.param("uploadId").unwrap_or_default());
        let mut inner = element("Location", &format!("http://origin/{}", asked.path()));
        inner += &element("Bucket", &asked.bucket);
        inner += &element("Key", &asked.key);
        inner += &element("ETag", &version.etag);
        for checksum in &version.checksums {
            inner += &element(&checksum.element(), &checksum.value);
            inner += &element("ChecksumType", version.checksum_type);
        }
        let id = state.push(&asked.bucket, &asked.key, version)?;
        let mut response = xml("CompleteMultipartUploadResult", &inner);
        put_id(&mut state, &asked.bucket, &mut response, &id);
        Ok(response)
    }

    pub(super) fn abort_upload(&self, asked: &Asked) -> Result<Response<Body>, Refused> {
        let mut state = self.state();
        state.upload(asked)?;
        let bucket = state.bucket(&asked.bucket)?;
        bucket
            .uploads
            .remove(asked.param("uploadId").unwrap_or_default());
        Ok(status(204))
    }

    pub(super) fn list_parts(&self, asked: &Asked) -> Result<Response<Body>, Refused> {
        let most = asked.number("max-parts", 1000)?.min(1000);
        let after = asked.number("part-number-marker", 0)?;
        let mut state = self.state();
        let upload = state.upload(asked)?;
        let mut parts = upload
            .parts
            .values()
            .filter(|part| part.number as usize > after);
        let mut shown = String::new();
        let mut last = after;
        for part in parts.by_ref().take(most) {
            last = part.number as usize;
            let mut inner = element("PartNumber", &part.number.to_string());
            inner += &element("LastModified", MODIFIED_ISO);
            inner += &element("ETag", &format!("\"{}\"", part.tag));
            inner += &element("Size", &part.content.size().to_string());
            for checksum in &part.checksums {
                inner += &element(&checksum.element(), &checksum.value);
            }
            shown += &format!("<Part>{inner}</Part>");
        }
        let more = parts.next().is_some();
        let mut head = element("Bucket", &asked.bucket) + &element("Key", &asked.key);
        head += &element("UploadId", asked.param("uploadId").unwrap_or_default());
        head += &element("PartNumberMarker", &after.to_string());
        head += &element("NextPartNumberMarker", &last.to_string());
        head += &element("MaxParts", &most.to_string());
        head += &element("IsTruncated", &more.to_string());
        Ok(xml("ListPartsResult", &(head + &shown)))
    }
}

impl State {
    /// The open upload that a request names.
    fn upload(&mut self, asked: &Asked) -> Result<&mut Upload, Refused> {
        let bucket: &mut Bucket = self.bucket(&asked.bucket)?;
        let id = asked.param("uploadId").unwrap_or_default();
        let upload = bucket.uploads.get_mut(id);
        upload
            .filter(|upload| upload.key == asked.key)
            .ok_or(Refused::new(404, "NoSuchUpload"))
    }
}

fn number(asked: &Asked) -> Result<u32, Refused> {
    let number = asked.number("partNumber", 0)?;
    let number = u32::try_from(number).ok();
    number
        .filter(|number| (1..=10_000).contains(number))
        .ok_or(Refused::argument("partNumber"))
}

/// `bytes=FIRST-LAST`, the only form that S3 takes here.
fn bounds(range: &str) -> Option<std::ops::Range<u64>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(first..last + 1)
}

fn malformed() -> Refused {
    Refused::new(400, "MalformedXML")
}

/// The parts that the document of a CompleteMultipartUpload names.
fn chosen(document: &str, upload: &Upload) -> Result<Vec<Part>, Refused> {
    let mut parts: Vec<Part> = Vec::new();
    for named in inner(document, "Part") {
        let number = text(named, "PartNumber").and_then(|it| it.parse().ok());
        let number: u32 = number.ok_or_else(malformed)?;
        if parts.last().is_some_and(|last| last.number >= number) {
            return Err(Refused::new(400, "InvalidPartOrder"));
        }
        let etag = text(named, "ETag").ok_or_else(malformed)?;
        let found = upload.parts.get(&number);
        let part = found.filter(|part| part.tag == etag.trim_matches('"'));
        let part = part.ok_or(Refused::new(400, "InvalidPart"))?;
        let claimed = upload
            .algorithm
            .and_then(|algorithm| Some((algorithm, text(named, &element_of(algorithm))?)));
        if let Some((algorithm, value)) = claimed
            && !part.checksums.contains(&Checksum { algorithm, value })
        {
            return Err(Refused::new(400, "InvalidPart"));
        }
        parts.push(part.clone());
    }
    let sizes = parts.iter().rev().skip(1).map(|part| part.content.size());
    let tiny = upload.headers.contains_key("x-amz-meta-tiny-parts");
    match (parts.is_empty(), sizes.min()) {
        (true, _) => Err(malformed()),
        (false, Some(least)) if least < LEAST && !tiny => Err(Refused::new(400, "EntityTooSmall")),
        (false, _) => Ok(parts),
    }
}

/// The object that the parts make.
fn assembled(asked: &Asked, upload: &Upload, parts: Vec<Part>) -> Result<Version, Refused> {
    let mut tags = Hasher::new("md5");
    for part in &parts {
        tags.update(&hex::decode(&part.tag).expect("hex"));
    }
    let etag = format!("\"{}-{}\"", hex::encode(tags.finish()), parts.len());
    let pieces = parts.iter().map(|part| part.content.clone()).collect();
    let mut version = Version::new(Content::Pieces(pieces), etag);
    version.headers = upload.headers.clone();
    version.tags = upload.tags.clone();
    if let Some(algorithm) = upload.algorithm {
        let values: Vec<String> = parts
            .iter()
            .filter_map(|part| Some(part.checksums.first()?.value.clone()))
            .collect();
        if values.len() < parts.len() {
            return Err(Refused::new(400, "InvalidRequest"));
        }
        version.checksum_type = match upload.full {
            true => "FULL_OBJECT",
            false => "COMPOSITE",
        };
        version.checksums = vec![match upload.full {
            true => Checksum {
                algorithm,
                value: base64_of(algorithm, &version.content.whole()),
            },
            false => composite(algorithm, &values),
        }];
        let claims = claimed(&asked.headers);
        if claims
            .iter()
            .any(|claim| !version.checksums.contains(claim))
        {
            return Err(Refused::new(400, "BadDigest"));
        }
    }
    version.parts = parts;
    Ok(version)
}
