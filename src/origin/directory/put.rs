//! PutObject, and the way of every body into a staged file: hashed while it is written, checked before it counts.

use std::io::{self, Write};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use md5::{Digest, Md5};

use super::answer::{Answer, Code, Failure, Fault, bare};
use super::blocking;
use super::checksum::{Algorithm, Checksum, Running, Scope};
use super::conditions;
use super::meta::{Description, Meta};
use super::staging::Staging;
use super::store::{Draft, Found, Store};
use crate::origin::{Payload, Trailer};
use crate::types::{BucketName, ObjectKey};

/// S3's limit on one upload, in bytes.
pub(super) const MAX_UPLOAD: u64 = 5 << 30;
/// How much of a body is gathered before it is written, in bytes.
const GATHER: usize = 256 << 10;
/// The largest XML document that is read: 1,000 keys of 1,024 bytes, each byte escaped.
const MAX_DOCUMENT: usize = 8 << 20;

/// A staged file that is being written.
pub(super) struct Writer {
    staging: Staging,
    md5: Md5,
    algorithm: Algorithm,
    sum: Running,
    /// Of the default algorithm, where `algorithm` is another one.
    default: Option<Running>,
    size: u64,
}

/// A staged file that is complete.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) staging: Staging,
    pub(super) md5: [u8; 16],
    /// Of the whole file.
    pub(super) checksum: Checksum,
    /// The same of the default algorithm, in base64: parts need it whose upload agreed on none.
    pub(super) default_sum: String,
    pub(super) size: u64,
}

impl Writer {
    pub(super) fn new(store: &Arc<Store>, algorithm: Algorithm) -> Result<Self, Failure> {
        Ok(Self {
            staging: Staging::new(store)?,
            md5: Md5::new(),
            algorithm,
            sum: Running::new(algorithm),
            default: (algorithm != Algorithm::DEFAULT).then(|| Running::new(Algorithm::DEFAULT)),
            size: 0,
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.staging.file.write_all(bytes)?;
        self.md5.update(bytes);
        self.sum.update(bytes);
        if let Some(default) = &mut self.default {
            default.update(bytes);
        }
        self.size += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn finish(self) -> Written {
        let value = self.sum.finish();
        let default = self.default.map(Running::finish);
        Written {
            default_sum: default.unwrap_or_else(|| value.clone()),
            staging: self.staging,
            md5: self.md5.finalize().into(),
            checksum: Checksum {
                algorithm: self.algorithm,
                scope: Scope::FullObject,
                value,
            },
            size: self.size,
        }
    }
}

/// Stages the body of an upload and checks what its headers and its trailer claim. `sum` is the only algorithm that is
/// taken, where there is one.
///
/// # Errors
/// S3's refusals of bodies that are too big or not what they claim to be; the body's own error.
pub(super) async fn receive(
    store: &Arc<Store>,
    headers: &HeaderMap,
    payload: Payload,
    sum: Option<Algorithm>,
) -> Result<Written, Failure> {
    let digest = content_md5(headers)?;
    let claimed = Algorithm::claimed(headers);
    let trailer = match &payload {
        Payload::Stream(stream) => stream.trailer.clone(),
        Payload::Whole(_) => None,
    };
    let trailing = trailer
        .as_ref()
        .and_then(|trailer| Algorithm::of_header(&trailer.name));
    let told = claimed.as_ref().map(|(algorithm, _)| *algorithm);
    let algorithm = told.or(trailing).or(sum).unwrap_or(Algorithm::DEFAULT);
    if let (Some(told), Some(wanted)) = (told.or(trailing), sum)
        && told != wanted
    {
        return Err(other_algorithm(wanted, told).into());
    }
    let written = stage(store, payload, algorithm).await?;
    if digest.is_some_and(|digest| digest != written.md5) {
        return Err(Code::BadDigest.into());
    }
    let claim = match (claimed, &trailer) {
        (Some((_, value)), _) => Some(value),
        (None, Some(Trailer { value, .. })) => value.get().cloned(),
        (None, None) => None,
    };
    if claim.is_some_and(|claim| claim != written.checksum.value) {
        let name = algorithm.as_str();
        let message = format!("The {name} you specified did not match the calculated checksum.");
        return Err(Fault::because(Code::BadDigest, message).into());
    }
    Ok(written)
}

/// Whether an upload says what its checksum is.
pub(super) fn claims_checksum(headers: &HeaderMap, payload: &Payload) -> bool {
    let trailer = match payload {
        Payload::Stream(stream) => stream.trailer.as_ref(),
        Payload::Whole(_) => None,
    };
    let trails = trailer.is_some_and(|trailer| Algorithm::of_header(&trailer.name).is_some());
    trails || Algorithm::claimed(headers).is_some()
}

fn other_algorithm(wanted: Algorithm, told: Algorithm) -> Fault {
    let message = format!(
        "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
        wanted.as_str().to_lowercase(),
        told.as_str().to_lowercase()
    );
    Fault::because(Code::InvalidRequest, message)
}

/// The MD5 that a request claims.
fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, Fault> {
    let Some(value) = headers.get("content-md5") else {
        return Ok(None);
    };
    let digest = STANDARD.decode(value.as_bytes()).ok();
    digest
        .and_then(|digest| digest.try_into().ok())
        .map(Some)
        .ok_or_else(|| Fault::new(Code::InvalidDigest))
}

async fn stage(store: &Arc<Store>, payload: Payload, sum: Algorithm) -> Result<Written, Failure> {
    let owner = Arc::clone(store);
    let mut stream = match payload {
        Payload::Whole(bytes) => {
            return blocking(move || {
                let mut writer = Writer::new(&owner, sum)?;
                writer.write(&bytes)?;
                Ok(writer.finish())
            })
            .await;
        }
        Payload::Stream(stream) => stream,
    };
    if stream.length > MAX_UPLOAD {
        let fault = Fault::new(Code::EntityTooLarge)
            .detail("ProposedSize", stream.length.to_string())
            .detail("MaxSizeAllowed", MAX_UPLOAD.to_string());
        return Err(fault.into());
    }
    let mut writer = blocking(move || Writer::new(&owner, sum)).await?;
    loop {
        let (gathered, ended) = gather(&mut stream.body).await?;
        writer = blocking(move || {
            for bytes in gathered {
                writer.write(&bytes)?;
            }
            Ok(writer)
        })
        .await?;
        if writer.size > stream.length || (ended && writer.size < stream.length) {
            return Err(Code::IncompleteBody.into());
        }
        if ended {
            return Ok(writer.finish());
        }
    }
}

/// The next frames of a body, about [`GATHER`] bytes, and whether it has ended.
async fn gather(body: &mut crate::types::Body) -> Result<(Vec<Bytes>, bool), Failure> {
    let mut gathered = Vec::new();
    let mut size = 0;
    while size < GATHER {
        let Some(frame) = body.frame().await else {
            return Ok((gathered, true));
        };
        if let Ok(bytes) = frame.map_err(Failure::Body)?.into_data() {
            size += bytes.len();
            gathered.push(bytes);
        }
    }
    Ok((gathered, false))
}

/// Reads the XML document of a request.
///
/// # Errors
/// `MalformedXML` where it is too long, `BadDigest` where it is not what `Content-MD5` says.
pub(super) async fn document(headers: &HeaderMap, payload: Payload) -> Result<Vec<u8>, Failure> {
    let mut document = Vec::new();
    match payload {
        Payload::Whole(bytes) => document.extend_from_slice(&bytes),
        Payload::Stream(mut stream) => loop {
            let (gathered, ended) = gather(&mut stream.body).await?;
            gathered
                .iter()
                .for_each(|bytes| document.extend_from_slice(bytes));
            if document.len() > MAX_DOCUMENT {
                return Err(Code::MalformedXML.into());
            }
            if ended {
                break;
            }
        },
    }
    let actual: [u8; 16] = Md5::digest(&document).into();
    match content_md5(headers)? {
        Some(digest) if digest != actual => Err(Code::BadDigest.into()),
        _ => Ok(document),
    }
}

/// PutObject.
pub(super) async fn put(
    store: &Arc<Store>,
    bucket: BucketName,
    key: ObjectKey,
    headers: HeaderMap,
    payload: Payload,
) -> Result<Answer, Failure> {
    let description = Description::of(&headers)?;
    let conditions = conditions::Write::of(&headers)?;
    let requested = Algorithm::requested(&headers)?;
    let early = Arc::clone(store);
    let (bucket, key, conditions) = blocking(move || {
        // Asked again at the end; a client that cannot succeed need not send its body.
        early.require(&bucket)?;
        if conditions != conditions::Write::default() {
            let current = early.look(&bucket, &key)?;
            conditions.check(&key, current.as_ref().map(Found::etag))?;
        }
        Ok((bucket, key, conditions))
    })
    .await?;
    let written = receive(store, &headers, payload, requested).await?;
    let store = Arc::clone(store);
    let meta = blocking(move || {
        let draft = Draft {
            etag: hex::encode(written.md5),
            description,
            checksum: Some(written.checksum),
            parts: Vec::new(),
            part_sums: Vec::new(),
            upload: None,
        };
        store.commit((&bucket, &key), written.staging, draft, &conditions)
    })
    .await?;
    let mut answer = bare(StatusCode::OK);
    write_etag(&meta, answer.headers_mut());
    Ok(answer)
}

/// The headers that answer an upload.
pub(super) fn write_etag(meta: &Meta, headers: &mut HeaderMap) {
    insert(headers, http::header::ETAG, &meta.quoted_etag());
    if let Some(checksum) = &meta.checksum {
        checksum.write(headers);
    }
}

/// Sets a header to a text that this module made.
pub(super) fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
