//! Access control lists: there is one owner, who may do everything, and nobody else is ever granted anything.
//!
//! So a folder answers as a bucket of S3 whose object ownership is enforced: lists can be read, and one that says just that
//! may be written.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};

use super::answer::{Answer, Code, Failure, Fault, bare};
use super::document::Xml;
use super::list::{OWNER, owner};
use super::read::check_version;
use super::store::Store;
use super::xml::{self, Element};
use super::{blocking, put};
use crate::origin::Payload;
use crate::types::{BucketName, ObjectKey};

/// The canned lists that grant nothing to anybody but the owner.
const HARMLESS: [&str; 2] = ["private", "bucket-owner-full-control"];
const FULL_CONTROL: &str = "FULL_CONTROL";

/// Makes sure that the headers of a write grant nothing.
///
/// # Errors
/// `AccessControlListNotSupported`.
pub(super) fn check_headers(headers: &HeaderMap) -> Result<(), Fault> {
    let grants = |name: &http::HeaderName| name.as_str().starts_with("x-amz-grant-");
    let mut canned = headers.get_all("x-amz-acl").iter();
    let harmless = canned.all(|acl| HARMLESS.iter().any(|known| acl == known));
    if harmless && !headers.keys().any(grants) {
        Ok(())
    } else {
        Err(Code::AccessControlListNotSupported.into())
    }
}

/// GetBucketAcl, or with a key and maybe a version GetObjectAcl.
pub(super) async fn get(
    store: &Arc<Store>,
    bucket: BucketName,
    object: Option<(ObjectKey, Option<String>)>,
) -> Result<Answer, Failure> {
    let store = Arc::clone(store);
    blocking(move || {
        require(&store, &bucket, object.as_ref())?;
        let mut answer = Xml::new("AccessControlPolicy");
        owner(&mut answer, "Owner");
        answer.open("AccessControlList");
        answer.open("Grant");
        answer.open_as(
            "Grantee",
            r#"xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser""#,
        );
        answer.text("ID", OWNER);
        answer.text("DisplayName", OWNER);
        answer.close();
        answer.text("Permission", FULL_CONTROL);
        Ok(answer.answer())
    })
    .await
}

/// PutBucketAcl, or with a key and maybe a version PutObjectAcl.
pub(super) async fn put(
    store: &Arc<Store>,
    bucket: BucketName,
    object: Option<(ObjectKey, Option<String>)>,
    headers: HeaderMap,
    payload: Payload,
) -> Result<Answer, Failure> {
    check_headers(&headers)?;
    let document = put::document(&headers, payload).await?;
    if !document.is_empty() {
        let policy = xml::parse(&document, "AccessControlPolicy")?;
        check_grants(&policy)?;
    } else if !headers.contains_key("x-amz-acl") {
        return Err(Code::MissingSecurityHeader.into());
    }
    let store = Arc::clone(store);
    blocking(move || {
        require(&store, &bucket, object.as_ref())?;
        Ok(bare(StatusCode::OK))
    })
    .await
}

fn check_grants(policy: &Element) -> Result<(), Fault> {
    let malformed = || Fault::new(Code::MalformedXML);
    let list = policy.all("AccessControlList").next();
    let mut owner_has_control = false;
    for grant in list.ok_or_else(malformed)?.all("Grant") {
        let grantee = grant.all("Grantee").next().ok_or_else(malformed)?;
        let full = grant.get("Permission") == Some(FULL_CONTROL);
        if !full || grantee.get("ID") != Some(OWNER) {
            return Err(Code::AccessControlListNotSupported.into());
        }
        owner_has_control = true;
    }
    if owner_has_control {
        Ok(())
    } else {
        Err(Code::AccessControlListNotSupported.into())
    }
}

fn require(
    store: &Store,
    bucket: &BucketName,
    object: Option<&(ObjectKey, Option<String>)>,
) -> Result<(), Failure> {
    match object {
        None => store.require(bucket),
        Some((key, version)) => {
            check_version(version.as_deref())?;
            store.read(bucket, key).map(drop)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lists_that_grant_nothing_are_taken() {
        let check = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, http::HeaderValue::from_static(value));
            check_headers(&headers).map_err(|fault| fault.code)
        };
        let refused = Err(Code::AccessControlListNotSupported);
        assert_eq!(check("x-amz-acl", "private"), Ok(()));
        assert_eq!(check("x-amz-acl", "bucket-owner-full-control"), Ok(()));
        assert_eq!(check("x-amz-acl", "public-read"), refused);
        assert_eq!(check("x-amz-grant-read", "id=directory"), refused);
        let grants = |grant: &str| {
            let text = format!(
                "<AccessControlPolicy><AccessControlList>{grant}</AccessControlList></AccessControlPolicy>"
            );
            let policy = xml::parse(text.as_bytes(), "AccessControlPolicy").expect("a tree");
            check_grants(&policy).map_err(|fault| fault.code)
        };
        let grant = |id: &str, permission: &str| {
            format!(
                "<Grant><Grantee><ID>{id}</ID></Grantee><Permission>{permission}</Permission></Grant>"
            )
        };
        assert_eq!(grants(&grant("directory", "FULL_CONTROL")), Ok(()));
        assert_eq!(grants(&grant("directory", "READ")), refused);
        assert_eq!(grants(&grant("other", "FULL_CONTROL")), refused);
        assert_eq!(grants(""), refused);
        assert_eq!(grants("<Grant/>"), Err(Code::MalformedXML));
    }
}
