//! Which parameters of a query are handed on: those that the operation has.
//!
//! A store may know sub-resources that this gateway does not. Handed on, such a parameter would make the origin do another
//! thing than the one that rights were checked for; left out of a write, it would make the origin do more than the client
//! wants (`DELETE /bucket/key?annotation` is no DeleteObject). So reads lose it, as S3 ignores what it does not know, and
//! writes are refused.

use super::error::Refusal;
use super::query::Query;
use crate::types::OperationName;

/// Takes out what the operation does not have.
///
/// # Errors
/// NotImplemented for an unknown parameter of a write.
pub(super) fn sift(operation: OperationName, query: &mut Query) -> Result<(), Refusal> {
    let spec = operation.spec();
    let unknown = query.take(|name| !spec.has_parameter(name));
    // S3 leaves parameters that begin with `x-` to clients, for their own logs.
    let meant = unknown.iter().find(|(name, _)| !name.starts_with("x-"));
    match meant {
        Some((name, _)) if !spec.is_read() => {
            Err(Refusal::not_implemented(&format!("The parameter ?{name}")))
        }
        Some(_) | None => Ok(()),
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
