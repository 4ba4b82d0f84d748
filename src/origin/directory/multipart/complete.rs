//! CompleteMultipartUpload: checks the client's list of parts, joins them, and puts the object in its place.

use std::io;
use std::sync::Arc;

use http::HeaderMap;
use md5::{Digest, Md5};

use super::{Part, Upload};
use crate::origin::Payload;
use crate::origin::directory::answer::{Answer, Code, Failure, Fault};
use crate::origin::directory::blocking;
use crate::origin::directory::checksum::{Algorithm, Checksum, Scope};
use crate::origin::directory::conditions;
use crate::origin::directory::document::Xml;
use crate::origin::directory::meta::Meta;
use crate::origin::directory::put;
use crate::origin::directory::staging::Staging;
use crate::origin::directory::store::{Draft, Found, Store};
use crate::origin::directory::xml::{self, Element};
use crate::types::{BucketName, ETag, ObjectKey};

/// S3's least size of every part but the last, in bytes.
const MIN_PART: u64 = 5 << 20;
/// S3's limit on the parts of an object.
const MAX_PARTS: usize = 10_000;

/// CompleteMultipartUpload.
pub(in crate::origin::directory) async fn complete(
    store: &Arc<Store>,
    (bucket, key): (BucketName, ObjectKey),
    id: String,
    headers: HeaderMap,
    payload: Payload,
) -> Result<Answer, Failure> {
    let conditions = conditions::Write::of(&headers)?;
    // A checksum header is about the object here, not about the document; so is no Content-MD5.
    let document = put::document(&headers, payload).await?;
    let store = Arc::clone(store);
    blocking(move || {
        let list = xml::parse(&document, "CompleteMultipartUpload")?;
        let _guard = store.uploads.lock(&id);
        let upload = match Upload::find(&store, &bucket, &key, &id) {
            Err(failure) => {
                let done = completed(&store, (&bucket, &key), &id, &list)?;
                let done = done.ok_or(failure)?;
                return Ok(answer((&bucket, &key), &done.meta));
            }
            Ok(upload) => upload,
        };
        let parts = chosen(&store, &upload, &list)?;
        let checksum = checksum(&upload, &parts)?;
        check_claims(&headers, &parts, &checksum)?;
        let current = store.look(&bucket, &key)?;
        conditions.check(&key, current.as_ref().map(Found::etag))?;
        let staging = join(&store, &upload, &parts)?;
        let draft = Draft {
            etag: etag(parts.iter().map(|part| part.md5)),
            description: upload.terms.description.clone(),
            part_sums: part_sums(&checksum, &parts),
            checksum: Some(checksum),
            parts: parts.iter().map(|part| part.size).collect(),
            upload: Some(id),
        };
        let meta = store.commit((&bucket, &key), staging, draft, &conditions)?;
        upload.remove(&store)?;
        Ok(answer((&bucket, &key), &meta))
    })
    .await
}

fn answer((bucket, key): (&BucketName, &ObjectKey), meta: &Meta) -> Answer {
    let mut answer = Xml::new("CompleteMultipartUploadResult");
    answer.text("Location", &format!("/{bucket}/{key}"));
    answer.text("Bucket", bucket.as_str());
    answer.text("Key", key.as_str());
    answer.text("ETag", &meta.quoted_etag());
    if let Some(checksum) = &meta.checksum {
        answer.text("ChecksumType", checksum.scope.as_str());
        answer.text(checksum.algorithm.element(), &checksum.value);
    }
    answer.answer()
}

/// The object that an upload was completed to, of just these parts: who lost the first answer asks again and gets it, as
/// long as nothing else was put in its place.
fn completed(
    store: &Store,
    (bucket, key): (&BucketName, &ObjectKey),
    id: &str,
    list: &Element,
) -> Result<Option<Found>, Failure> {
    let md5 = |listed: &Element| {
        let etag = ETag::new(listed.get("ETag")?.trim());
        let md5: [u8; 16] = hex::decode(etag.opaque()).ok()?.try_into().ok()?;
        Some(md5)
    };
    let Some(parts) = list.all("Part").map(md5).collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    let found = store.look(bucket, key)?;
    let is_it = |found: &Found| {
        found.meta.upload.as_deref() == Some(id) && found.meta.etag == etag(parts.into_iter())
    };
    Ok(found.filter(is_it))
}

/// The tag of a multipart object: the MD5 of the parts' MD5s, and their number.
fn etag(parts: impl ExactSizeIterator<Item = [u8; 16]>) -> String {
    let number = parts.len();
    let mut md5 = Md5::new();
    parts.for_each(|part| md5.update(part));
    format!("{}-{number}", hex::encode(md5.finalize()))
}

/// The parts that the client lists.
fn chosen(store: &Store, upload: &Upload, list: &Element) -> Result<Vec<Part>, Failure> {
    let mut parts: Vec<Part> = Vec::new();
    for listed in list.all("Part") {
        let number = listed
            .get("PartNumber")
            .and_then(|number| number.trim().parse().ok())
            .ok_or(Code::MalformedXML)?;
        let etag = ETag::new(listed.get("ETag").ok_or(Code::MalformedXML)?.trim());
        if parts.last().is_some_and(|before| before.number >= number) {
            return Err(Code::InvalidPartOrder.into());
        }
        let part = upload
            .part(store, number)?
            .filter(|part| part.etag() == etag.opaque() && fits(part, listed))
            .ok_or_else(|| {
                Fault::new(Code::InvalidPart)
                    .detail("UploadId", &upload.id)
                    .detail("PartNumber", number.to_string())
                    .detail("ETag", etag.opaque())
            })?;
        require_sum(upload, &part, listed)?;
        parts.push(part);
    }
    if parts.is_empty() || parts.len() > MAX_PARTS {
        return Err(Code::MalformedXML.into());
    }
    for part in &parts[..parts.len() - 1] {
        if part.size < MIN_PART {
            return Err(Fault::new(Code::EntityTooSmall)
                .detail("ProposedSize", part.size.to_string())
                .detail("MinSizeAllowed", MIN_PART.to_string())
                .detail("PartNumber", part.number.to_string())
                .detail("ETag", part.etag())
                .into());
        }
    }
    Ok(parts)
}

/// A composite checksum is made of those that the client lists, so that it has to list them.
fn require_sum(upload: &Upload, part: &Part, listed: &Element) -> Result<(), Fault> {
    let Some((algorithm, Scope::Composite)) = upload.terms.checksum else {
        return Ok(());
    };
    if listed.get(algorithm.element()).is_some() {
        return Ok(());
    }
    let (name, number) = (algorithm.as_str().to_lowercase(), part.number);
    let message = format!(
        "The upload was created using a {name} checksum. The complete request must include the checksum for each part. It was missing for part {number} in the request."
    );
    Err(Fault::because(Code::InvalidRequest, message))
}

/// Whether a part has the checksum that the client lists, if it lists one.
fn fits(part: &Part, listed: &Element) -> bool {
    let Some(checksum) = &part.checksum else {
        return true;
    };
    listed
        .get(checksum.algorithm.element())
        .is_none_or(|value| value.trim() == checksum.value)
}

/// The checksum of the whole: of the kind that was agreed on, or the default.
fn checksum(upload: &Upload, parts: &[Part]) -> Result<Checksum, Failure> {
    let Some((algorithm, scope)) = upload.terms.checksum else {
        let sums: Vec<_> = parts
            .iter()
            .map(|part| (part.default_sum.clone(), part.size))
            .collect();
        let scope = Algorithm::DEFAULT.default_scope();
        let whole = Checksum::of_parts(Algorithm::DEFAULT, scope, &sums);
        return Ok(whole.ok_or(Code::InvalidPart)?);
    };
    let mut sums = Vec::with_capacity(parts.len());
    for part in parts {
        let sum = part.checksum.as_ref();
        let sum = sum.filter(|sum| sum.algorithm == algorithm);
        let sum = sum.ok_or(Code::InvalidPart)?;
        sums.push((sum.value.clone(), part.size));
    }
    let whole = Checksum::of_parts(algorithm, scope, &sums);
    Ok(whole.ok_or(Code::InvalidPart)?)
}

/// The checksums that a composite one was made of.
fn part_sums(whole: &Checksum, parts: &[Part]) -> Vec<String> {
    if whole.scope == Scope::FullObject {
        return Vec::new();
    }
    let sums = parts.iter().filter_map(|part| part.checksum.as_ref());
    sums.map(|sum| sum.value.clone()).collect()
}

/// Checks what the request claims about the object.
fn check_claims(headers: &HeaderMap, parts: &[Part], checksum: &Checksum) -> Result<(), Fault> {
    let size: u64 = parts.iter().map(|part| part.size).sum();
    if let Some(claim) = headers.get("x-amz-mp-object-size")
        && claim.to_str().ok().and_then(|claim| claim.parse().ok()) != Some(size)
    {
        let message =
            "The provided 'x-amz-mp-object-size' header does not match what was computed.";
        return Err(Fault::because(Code::InvalidRequest, message));
    }
    match Algorithm::claimed(headers) {
        Some((algorithm, value)) if algorithm == checksum.algorithm && value != checksum.value => {
            let name = algorithm.as_str().to_lowercase();
            let message =
                format!("The {name} you specified did not match the calculated checksum.");
            Err(Fault::because(Code::BadDigest, message))
        }
        _ => Ok(()),
    }
}

/// Joins the parts' files into one: the kernel copies, or shares the blocks where the file system can.
fn join(store: &Arc<Store>, upload: &Upload, parts: &[Part]) -> Result<Staging, Failure> {
    let mut staging = Staging::new(store)?;
    for part in parts {
        let mut file = store
            .tree
            .file(&upload.data_path(part))?
            .ok_or(Code::InvalidPart)?;
        let copied = io::copy(&mut file, &mut staging.file)?;
        if copied != part.size {
            return Err(Code::InvalidPart.into());
        }
    }
    Ok(staging)
}
