//! Objects: read, written, copied, deleted, by version where one is named.

use std::ops::Range;

use http::{HeaderMap, Method, Response, StatusCode};

use forebay::types::RangeSpec;
use forebay::types::body::Body;
use forebay::types::range::Parsed;

use super::answer::{Refused, element, set, status, xml};
use super::asked::Asked;
use super::checksums::{ALGORITHMS, Checksum, base64_of, known};
use super::faults::Fault;
use super::payload::Arrived;
use super::store::{MODIFIED, MODIFIED_ISO, State, Version, Versioning};
use super::{TestOrigin, conditions};

/// Headers of a write that the object keeps.
const KEPT: [&str; 8] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
];
const KEPT_PREFIXES: [&str; 3] = [
    "x-amz-meta-",
    "x-amz-object-lock-",
    "x-amz-server-side-encryption",
];

impl TestOrigin {
    pub(super) fn look_at_object(
        &self,
        asked: &Asked,
        fault: Option<Fault>,
    ) -> Result<Response<Body>, Refused> {
        if asked.has("uploadId") {
            return self.list_parts(asked);
        }
        if let Some(answer) = self.object_document(asked) {
            return answer;
        }
        let (version, versioning, gate) = {
            let mut state = self.state();
            let gate = state.gate.clone();
            let bucket = state.bucket(&asked.bucket)?;
            let version = bucket.version(&asked.key, asked.param("versionId"))?;
            (version.clone(), bucket.versioning, gate)
        };
        conditions::read(asked, &version)?;
        let size = version.content.size();
        let range = asked_range(asked, &version)?;
        let mut response = status(200);
        let headers = response.headers_mut();
        describe(headers, asked, &version, versioning, range.as_ref());
        if asked.has("partNumber") && !version.parts.is_empty() {
            set(
                headers,
                "x-amz-mp-parts-count",
                &version.parts.len().to_string(),
            );
        }
        if let Some(range) = &range {
            let (first, last) = (range.start, range.end.saturating_sub(1));
            set(
                headers,
                "content-range",
                &format!("bytes {first}-{last}/{size}"),
            );
        }
        let partial = range.is_some();
        let range = range.unwrap_or(0..size);
        let more = match fault {
            Some(Fault::Promise(more)) => more,
            _ => 0,
        };
        let length = range.end - range.start + more;
        set(headers, "content-length", &length.to_string());
        if partial {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        if asked.method == Method::GET {
            *response.body_mut() = self.body(version.content, range, fault, gate);
        }
        Ok(response)
    }

    pub(super) fn change_object(
        &self,
        asked: &Asked,
        arrived: Arrived,
    ) -> Result<Response<Body>, Refused> {
        if let Some(answer) = self.change_object_document(asked, &arrived) {
            return answer;
        }
        let copies = asked.headers.contains_key("x-amz-copy-source");
        match asked.method {
            Method::PUT if asked.has("partNumber") && copies => self.copy_part(asked),
            Method::PUT if asked.has("partNumber") => self.put_part(asked, arrived),
            Method::PUT if copies => self.copy_object(asked),
            Method::PUT => self.put_object(asked, arrived),
            Method::POST if asked.has("uploads") => self.create_upload(asked),
            Method::POST if asked.has("uploadId") => self.complete_upload(asked, &arrived),
            Method::DELETE if asked.has("uploadId") => self.abort_upload(asked),
            Method::DELETE => self.delete_object(asked),
            _ => Err(Refused::new(405, "MethodNotAllowed")),
        }
    }

    fn put_object(&self, asked: &Asked, arrived: Arrived) -> Result<Response<Body>, Refused> {
        let mut version = Version::new(arrived.content, format!("\"{}\"", arrived.tag));
        version.headers = kept(asked);
        version.checksums = arrived.checksums;
        version.tags = tags(asked.header("x-amz-tagging").unwrap_or_default());
        let (etag, checksums) = (version.etag.clone(), version.checksums.clone());
        let mut state = self.state();
        let bucket = state.bucket(&asked.bucket)?;
        conditions::write(asked, bucket.current(&asked.key))?;
        let id = state.push(&asked.bucket, &asked.key, version)?;
        let mut response = status(200);
        set(response.headers_mut(), "etag", &etag);
        put_checksums(response.headers_mut(), &checksums, "FULL_OBJECT");
        put_id(&mut state, &asked.bucket, &mut response, &id);
        Ok(response)
    }

    fn copy_object(&self, asked: &Asked) -> Result<Response<Body>, Refused> {
        let replace = |name| asked.header(name) == Some("REPLACE");
        let mut state = self.state();
        let (from, source) = state.source(asked)?;
        let mut version = source.clone();
        let same = from == asked.path() && asked.header("x-amz-copy-source").is_some();
        if same && !replace("x-amz-metadata-directive") && !asked.has("versionId") {
            return Err(Refused::new(400, "InvalidRequest"));
        }
        if replace("x-amz-metadata-directive") {
            version.headers = kept(asked);
        }
        if replace("x-amz-tagging-directive") {
            version.tags = tags(asked.header("x-amz-tagging").unwrap_or_default());
        }
        version.documents.clear();
        version.parts.clear();
        if let Some(name) = asked.header("x-amz-checksum-algorithm") {
            let algorithm = known(name).ok_or(Refused::new(400, "InvalidRequest"))?;
            let value = base64_of(algorithm, &version.content.whole());
            version.checksums = vec![Checksum { algorithm, value }];
            version.checksum_type = "FULL_OBJECT";
        }
        conditions::write(asked, state.bucket(&asked.bucket)?.current(&asked.key))?;
        let inner = copied("LastModified", &version);
        let id = state.push(&asked.bucket, &asked.key, version)?;
        let mut response = xml("CopyObjectResult", &inner);
        put_id(&mut state, &asked.bucket, &mut response, &id);
        if source.id != "null" {
            let headers = response.headers_mut();
            set(headers, "x-amz-copy-source-version-id", &source.id);
        }
        Ok(response)
    }

    fn delete_object(&self, asked: &Asked) -> Result<Response<Body>, Refused> {
        let mut state = self.state();
        let next = state.next();
        let bucket = state.bucket(&asked.bucket)?;
        if asked.headers.contains_key("if-match") {
            conditions::write(asked, bucket.current(&asked.key))?;
        }
        let (id, marker) = bucket.delete(&asked.key, asked.param("versionId"), next);
        let mut response = status(204);
        if let Some(id) = id {
            set(response.headers_mut(), "x-amz-version-id", &id);
        }
        if marker {
            set(response.headers_mut(), "x-amz-delete-marker", "true");
        }
        Ok(response)
    }
}

impl State {
    /// The object that a copy reads, with its path, if the conditions on it hold.
    pub(super) fn source(&mut self, asked: &Asked) -> Result<(String, Version), Refused> {
        let value = asked.header("x-amz-copy-source").unwrap_or_default();
        let (path, id) = match value.split_once("?versionId=") {
            Some((path, id)) => (path, Some(id)),
            None => (value, None),
        };
        let path = percent_encoding::percent_decode_str(path);
        let path = path.decode_utf8_lossy().into_owned();
        let path = path.trim_start_matches('/').to_owned();
        let (bucket, key) = path.split_once('/').ok_or(Refused::argument("source"))?;
        let version = self.bucket(bucket)?.version(key, id)?.clone();
        conditions::copy(asked, &version)?;
        Ok((path, version))
    }
}

/// `x-amz-version-id`, where the bucket has ids to tell.
pub(super) fn put_id(state: &mut State, bucket: &str, response: &mut Response<Body>, id: &str) {
    let versioning = state.bucket(bucket).map(|bucket| bucket.versioning);
    if versioning.is_ok_and(|it| it != Versioning::Never) {
        set(response.headers_mut(), "x-amz-version-id", id);
    }
}

/// The elements of a copy's result.
pub(super) fn copied(modified: &str, version: &Version) -> String {
    let mut inner = element(modified, MODIFIED_ISO) + &element("ETag", &version.etag);
    for checksum in &version.checksums {
        inner += &element(&checksum.element(), &checksum.value);
    }
    inner
}

pub(super) fn put_checksums(headers: &mut HeaderMap, checksums: &[Checksum], kind: &'static str) {
    for checksum in checksums {
        let name: http::HeaderName = checksum.header().parse().expect("a header");
        headers.insert(name, checksum.value.parse().expect("a header"));
    }
    if !checksums.is_empty() {
        set(headers, "x-amz-checksum-type", kind);
    }
}

/// The headers that a write leaves with its object.
pub(super) fn kept(asked: &Asked) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &asked.headers {
        let known = KEPT.contains(&name.as_str())
            || KEPT_PREFIXES.iter().any(|it| name.as_str().starts_with(it));
        if known {
            headers.append(name.clone(), value.clone());
        }
    }
    if let Some(codings) = asked.header("content-encoding") {
        let own = codings.split(',').map(str::trim);
        let own: Vec<&str> = own.filter(|it| *it != "aws-chunked").collect();
        match own.is_empty() {
            true => drop(headers.remove("content-encoding")),
            false => set(&mut headers, "content-encoding", &own.join(",")),
        }
    }
    if !headers.contains_key("content-type") {
        set(&mut headers, "content-type", "binary/octet-stream");
    }
    if headers
        .get("x-amz-storage-class")
        .is_some_and(|it| it == "STANDARD")
    {
        headers.remove("x-amz-storage-class");
    }
    headers
}

/// The tags of a header that has them as a query.
pub(super) fn tags(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        let text = percent_encoding::percent_decode_str(&text);
        text.decode_utf8_lossy().into_owned()
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

fn asked_range(asked: &Asked, version: &Version) -> Result<Option<Range<u64>>, Refused> {
    let size = version.content.size();
    if let Some(number) = asked.param("partNumber") {
        let number: Option<usize> = number.parse().ok();
        let number = number.filter(|number| (1..=10_000).contains(number));
        let number = number.ok_or(Refused::argument("partNumber"))?;
        if asked.headers.contains_key("range") {
            return Err(Refused::new(400, "InvalidRequest"));
        }
        if version.parts.is_empty() && number == 1 {
            return Ok(Some(0..size));
        }
        let before: u64 = version.parts.iter().take(number - 1).map(size_of).sum();
        let part = version.parts.get(number - 1);
        let part = part.ok_or(Refused::new(416, "InvalidPartNumber"))?;
        return Ok(Some(before..before + size_of(part)));
    }
    if !conditions::range_counts(asked, version) {
        return Ok(None);
    }
    match asked.header("range").map(RangeSpec::parse) {
        Some(Parsed::Single(range)) => {
            let refused = Refused::new(416, "InvalidRange");
            let refused = refused.with("content-range", &format!("bytes */{size}"));
            range.resolve(size).map(Some).map_err(|_| refused)
        }
        Some(Parsed::Ignored | Parsed::Several) | None => Ok(None),
    }
}

fn size_of(part: &super::store::Part) -> u64 {
    part.content.size()
}

/// The headers of a read.
fn describe(
    headers: &mut HeaderMap,
    asked: &Asked,
    version: &Version,
    versioning: Versioning,
    range: Option<&Range<u64>>,
) {
    *headers = version.headers.clone();
    set(headers, "etag", &version.etag);
    set(headers, "last-modified", MODIFIED);
    set(headers, "accept-ranges", "bytes");
    if versioning != Versioning::Never {
        set(headers, "x-amz-version-id", &version.id);
    }
    if !version.tags.is_empty() {
        set(
            headers,
            "x-amz-tagging-count",
            &version.tags.len().to_string(),
        );
    }
    let wanted = asked.header("x-amz-checksum-mode");
    if wanted.is_some_and(|mode| mode.eq_ignore_ascii_case("enabled")) {
        match asked.param("partNumber").and_then(|it| it.parse().ok()) {
            Some(number @ 1usize..) if !version.parts.is_empty() => {
                let part = &version.parts[number - 1];
                put_checksums(headers, &part.checksums, version.checksum_type);
            }
            _ if range.is_none() => {
                put_checksums(headers, &version.checksums, version.checksum_type);
            }
            _ => {}
        }
    }
    for (name, value) in &asked.query {
        if let Some(name) = name.strip_prefix("response-") {
            let name: http::HeaderName = name.parse().expect("a header");
            headers.insert(name, value.parse().expect("a header"));
        }
    }
}

/// The algorithm that an upload's headers ask for.
pub(super) fn algorithm(asked: &Asked) -> Option<&'static str> {
    let name = asked.header("x-amz-checksum-algorithm")?;
    ALGORITHMS
        .into_iter()
        .find(|it| it.eq_ignore_ascii_case(name))
}
