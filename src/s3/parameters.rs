//! Which parameters of a query are handed on: those that the operation has.
//!
//! A store may know sub-resources that this gateway does not. Handed on, such a parameter would make the origin do another
//! thing than the one that rights were checked for; left out of a write, it would make the origin do more than the client
//! wants (`DELETE /bucket/key?annotation` is no DeleteObject). So reads lose it, as S3 ignores what it does not know, and
//! writes are refused.

use super::error::Refusal;
use super::query::Query;
use crate::types::OperationName;

/// The parameters of listings.
const LISTING: [&str; 4] = ["prefix", "delimiter", "max-keys", "encoding-type"];

/// Takes out what the operation does not have.
///
/// # Errors
/// NotImplemented for an unknown parameter of a write.
pub(super) fn sift(operation: OperationName, query: &mut Query) -> Result<(), Refusal> {
    let unknown = query.take(|name| !has(operation, name));
    // S3 leaves parameters that begin with `x-` to clients, for their own logs.
    let meant = unknown.iter().find(|(name, _)| !name.starts_with("x-"));
    match meant {
        Some((name, _)) if !is_read(operation) => {
            Err(Refusal::not_implemented(&format!("The parameter ?{name}")))
        }
        Some(_) | None => Ok(()),
    }
}

fn has(operation: OperationName, name: &str) -> bool {
    use OperationName as Name;
    let one_of = |names: &[&str]| names.contains(&name);
    match operation {
        Name::GetObject | Name::HeadObject => {
            one_of(&["partNumber", "versionId"]) || name.starts_with("response-")
        }
        Name::ListObjects => one_of(&LISTING) || name == "marker",
        Name::ListObjectsV2 => {
            one_of(&LISTING)
                || one_of(&[
                    "list-type",
                    "start-after",
                    "continuation-token",
                    "fetch-owner",
                ])
        }
        Name::ListMultipartUploads => {
            one_of(&LISTING)
                || one_of(&["uploads", "key-marker", "upload-id-marker", "max-uploads"])
        }
        Name::ListParts => one_of(&["uploadId", "max-parts", "part-number-marker"]),
        Name::ListBuckets => one_of(&["prefix", "continuation-token", "max-buckets"]),
        Name::GetBucketLocation => name == "location",
        Name::DeleteObjects => name == "delete",
        Name::DeleteObject => name == "versionId",
        Name::CreateMultipartUpload => name == "uploads",
        Name::UploadPart | Name::UploadPartCopy => one_of(&["uploadId", "partNumber"]),
        Name::CompleteMultipartUpload | Name::AbortMultipartUpload => name == "uploadId",
        Name::HeadBucket
        | Name::CreateBucket
        | Name::DeleteBucket
        | Name::PutObject
        | Name::CopyObject => false,
    }
}

fn is_read(operation: OperationName) -> bool {
    use OperationName as Name;
    match operation {
        Name::GetObject
        | Name::HeadObject
        | Name::ListObjects
        | Name::ListObjectsV2
        | Name::ListMultipartUploads
        | Name::ListParts
        | Name::ListBuckets
        | Name::GetBucketLocation
        | Name::HeadBucket => true,
        Name::DeleteObjects
        | Name::DeleteObject
        | Name::CreateMultipartUpload
        | Name::UploadPart
        | Name::UploadPartCopy
        | Name::CompleteMultipartUpload
        | Name::AbortMultipartUpload
        | Name::CreateBucket
        | Name::DeleteBucket
        | Name::PutObject
        | Name::CopyObject => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::error::Code;

    fn sifted(operation: OperationName, raw: &str) -> Result<Vec<String>, Code> {
        let mut query = Query::parse(raw).expect("a query");
        sift(operation, &mut query).map_err(|refusal| refusal.code)?;
        Ok(query.0.into_iter().map(|(name, _)| name).collect())
    }

    #[test]
    fn reads_lose_what_they_do_not_have() {
        let kept = |operation, raw| sifted(operation, raw).expect("a read").join(",");
        assert_eq!(
            kept(
                OperationName::GetObject,
                "events&versionId=v&response-expires=0&uploads&x-own=1"
            ),
            "versionId,response-expires"
        );
        assert_eq!(
            kept(
                OperationName::ListObjectsV2,
                "list-type=2&metadata=true&prefix=a&Prefix=b&events"
            ),
            "list-type,prefix"
        );
    }

    #[test]
    fn writes_with_what_they_do_not_have_are_refused() {
        for (operation, raw) in [
            (OperationName::DeleteObject, "annotation"),
            (OperationName::DeleteBucket, "events"),
            (OperationName::CreateBucket, "events"),
            (OperationName::PutObject, "append&position=0"),
            (OperationName::DeleteObject, "uploadID=u"),
        ] {
            assert_eq!(sifted(operation, raw), Err(Code::NotImplemented), "{raw}");
        }
        let own = sifted(OperationName::PutObject, "x-own=1");
        assert_eq!(own, Ok(Vec::new()));
    }
}
