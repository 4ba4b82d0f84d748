//! UploadPart and UploadPartCopy.

use std::ops::Range;
use std::sync::Arc;

use http::{HeaderMap, StatusCode};

use super::{Part, Upload};
use crate::origin::Payload;
use crate::origin::directory::answer::{Answer, Failure, Fault, bare};
use crate::origin::directory::blocking;
use crate::origin::directory::checksum::Algorithm;
use crate::origin::directory::copy::{self, Source};
use crate::origin::directory::meta::Identity;
use crate::origin::directory::put::{self, Written};
use crate::origin::directory::store::Store;
use crate::types::range::Parsed;
use crate::types::{BucketName, ObjectKey, RangeSpec};

/// Which part of which upload.
pub(in crate::origin::directory) struct Slot {
    pub(in crate::origin::directory) bucket: BucketName,
    pub(in crate::origin::directory) key: ObjectKey,
    pub(in crate::origin::directory) upload: String,
    pub(in crate::origin::directory) number: u32,
}

impl Slot {
    fn find(&self, store: &Store) -> Result<Upload, Failure> {
        Upload::find(store, &self.bucket, &self.key, &self.upload)
    }

    /// Puts a staged file into the slot; `told` where its checksum was agreed on or claimed. Blocking.
    fn fill(&self, store: &Arc<Store>, written: Written, told: bool) -> Result<Part, Failure> {
        written.staging.file.sync_data()?;
        let modified = Identity::of(&written.staging.file.metadata()?).seconds;
        let _guard = store.uploads.lock(&self.upload);
        let upload = self.find(store)?;
        let before = upload.part(store, self.number)?;
        let part = Part {
            number: self.number,
            file: format!("data.{}", store.unique()),
            md5: written.md5,
            size: written.size,
            modified,
            checksum: told.then_some(written.checksum),
            default_sum: written.default_sum,
        };
        written.staging.keep(&upload.data_path(&part))?;
        let described = store.stage_json(store, &part)?;
        described.keep(&upload.part_path(self.number))?;
        if let Some(before) = before {
            store.tree.remove(&upload.data_path(&before))?;
        }
        Ok(part)
    }
}

/// UploadPart.
pub(in crate::origin::directory) async fn upload(
    store: &Arc<Store>,
    slot: Slot,
    headers: HeaderMap,
    payload: Payload,
) -> Result<Answer, Failure> {
    let early = Arc::clone(store);
    let (slot, terms) = blocking(move || {
        let upload = slot.find(&early)?;
        Ok((slot, upload.terms))
    })
    .await?;
    let agreed = terms.checksum.map(|(algorithm, _)| algorithm);
    let told = agreed.is_some() || put::claims_checksum(&headers, &payload);
    let written = put::receive(store, &headers, payload, agreed).await?;
    let store = Arc::clone(store);
    blocking(move || {
        let part = slot.fill(&store, written, told)?;
        let mut answer = bare(StatusCode::OK);
        let headers = answer.headers_mut();
        put::insert(headers, http::header::ETAG, &format!("\"{}\"", part.etag()));
        if let Some(checksum) = &part.checksum {
            put::insert(headers, checksum.algorithm.header(), &checksum.value);
        }
        Ok(answer)
    })
    .await
}

/// UploadPartCopy.
pub(in crate::origin::directory) async fn upload_copy(
    store: &Arc<Store>,
    slot: Slot,
    headers: HeaderMap,
) -> Result<Answer, Failure> {
    let store = Arc::clone(store);
    blocking(move || {
        let upload = slot.find(&store)?;
        let source = Source::of(&headers)?;
        let found = source.open(&store, &headers)?;
        let range = source_range(&headers, found.meta.identity.size)?;
        let agreed = upload.terms.checksum.map(|(algorithm, _)| algorithm);
        let sum = agreed.unwrap_or(Algorithm::DEFAULT);
        let written = copy::stage(&store, found, range, sum)?;
        let part = slot.fill(&store, written, agreed.is_some())?;
        let etag = format!("\"{}\"", part.etag());
        let mut answer = copy::result("CopyPartResult", part.modified, &etag);
        if let Some(checksum) = &part.checksum {
            answer.text(checksum.algorithm.element(), &checksum.value);
        }
        Ok(answer.answer())
    })
    .await
}

/// The bytes that `x-amz-copy-source-range` names: unlike other ranges it is never cut to the object's size.
fn source_range(headers: &HeaderMap, size: u64) -> Result<Range<u64>, Fault> {
    const NAME: &str = "x-amz-copy-source-range";
    let Some(value) = headers.get(NAME) else {
        return Ok(0..size);
    };
    let value = value.to_str().unwrap_or_default();
    match RangeSpec::parse(value) {
        Parsed::Single(RangeSpec::Closed { first, last }) if last < size => Ok(first..last + 1),
        Parsed::Single(RangeSpec::Closed { .. }) => {
            let message = format!("Range specified is not valid for source object of size: {size}");
            Err(Fault::because(super::Code::InvalidArgument, message)
                .detail("ArgumentName", NAME)
                .detail("ArgumentValue", value))
        }
        _ => {
            let message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy";
            Err(Fault::argument(NAME, value, message))
        }
    }
}
