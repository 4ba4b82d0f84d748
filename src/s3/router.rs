//! Which operation a request is: method, target and query decide.

use http::{HeaderMap, HeaderName, Method, header};

use super::error::{Code, Refusal};
use super::query::{Query, decode};
use super::target::too_long;
use crate::routes::has_dot_segment;
use crate::types::names::InvalidObjectKey;
use crate::types::{CopySource, Extra, Family, Operation, OperationName, Scope, Target};

/// Sub-resources of directory buckets, which only sessions may use, and those cannot be shared between callers.
pub(super) const NOT_SERVED: [&str; 2] = ["renameObject", "session"];

/// Parameters that name operations, but are no sub-resources.
const VALUES: [&str; 5] = ["id", "list-type", "partNumber", "select-type", "uploadId"];

/// The largest number of a part.
const MAX_PART: u32 = 10_000;

/// Names the operation and what it touches.
///
/// # Errors
/// NotImplemented for what S3 has and this gateway has not, MethodNotAllowed for what S3 has not, InvalidArgument for
/// parameters that S3 refuses.
pub(super) fn route(
    method: &Method,
    target: Target,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Operation, Refusal> {
    if let Some(name) = NOT_SERVED.iter().find(|name| query.has(name)) {
        return Err(Refusal::not_implemented(&format!(
            "The sub-resource ?{name}"
        )));
    }
    let copy_source = copy_source(headers)?;
    let name = name(method, &target, query, copy_source.is_some())?;
    check_ids(query)?;
    check_part(name, query)?;
    let copies = matches!(
        name,
        OperationName::CopyObject | OperationName::UploadPartCopy
    );
    Ok(Operation {
        name,
        target,
        copy_source: copy_source.filter(|_| copies),
        prefix: query.get("prefix").unwrap_or_default().to_owned(),
        // A store may take an empty id for none.
        versioned: query.get("versionId").is_some_and(|id| !id.is_empty()),
        extras: extras(name, headers),
    })
}

/// What the headers ask for besides, as far as S3 takes it with that operation.
fn extras(name: OperationName, headers: &HeaderMap) -> Vec<Extra> {
    let asked: Vec<Extra> = headers
        .iter()
        .filter(|(name, value)| !super::headers::is_harmless(name, value))
        .filter_map(|(header, _)| Extra::of_header(header.as_str()))
        .collect();
    let conditional = headers.contains_key(header::IF_MATCH);
    if asked.is_empty() && !conditional {
        return asked;
    }
    let wanted = |extra: &Extra| match extra {
        Extra::Condition => conditional && extra.belongs_to(name),
        extra => asked.contains(extra) && extra.belongs_to(name),
    };
    Extra::ALL.into_iter().filter(wanted).collect()
}

fn name(
    method: &Method,
    target: &Target,
    query: &Query,
    copies: bool,
) -> Result<OperationName, Refusal> {
    let scope = scope(target);
    if query.0.is_empty() && scope == Scope::Object {
        // Most requests are these, and need no search.
        match *method {
            Method::GET => return Ok(OperationName::GetObject),
            Method::HEAD => return Ok(OperationName::HeadObject),
            _ => {}
        }
    }
    let sub_resource = sub_resource(query)?;
    let candidates = OperationName::ALL.iter().filter(|name| {
        let spec = name.spec();
        spec.method == method.as_str() && spec.scope == scope
    });
    let named = candidates.filter(|name| {
        let named_by = name.spec().named_by;
        let meant = sub_resource.is_none_or(|name| named_by.contains(&name));
        meant && named_by.iter().all(|name| query.has(name))
    });
    // Whatever names an operation more narrowly than another names that one.
    match named.max_by_key(|name| name.spec().named_by.len()) {
        Some(name) => refine(*name, query, copies),
        None => Err(not_found(method, scope, sub_resource)),
    }
}

fn scope(target: &Target) -> Scope {
    match target {
        Target::Service => Scope::Service,
        Target::Bucket(_) => Scope::Bucket,
        Target::Object(..) => Scope::Object,
    }
}

/// The sub-resource that a query names.
fn sub_resource(query: &Query) -> Result<Option<&'static str>, Refusal> {
    let mut names = Vec::new();
    for spec in OperationName::ALL.iter().map(|name| name.spec()) {
        let is_named =
            |name: &&&str| query.has(name) && !VALUES.contains(name) && !names.contains(*name);
        let new: Vec<&'static str> = spec.named_by.iter().filter(is_named).copied().collect();
        names.extend(new);
    }
    match names[..] {
        [] => Ok(None),
        [name] => Ok(Some(name)),
        _ => {
            let names = names.join(", ");
            let message = format!("Conflicting query string parameters: {names}");
            Err(Refusal::argument("ResourceType", names, message))
        }
    }
}

/// Tells apart what one method, target and set of parameters name.
fn refine(name: OperationName, query: &Query, copies: bool) -> Result<OperationName, Refusal> {
    use OperationName as Name;
    let missing = |name: &'static str| {
        let message = format!("This operation needs the parameter {name}");
        Err(Refusal::argument(name, "", message))
    };
    match name {
        Name::CopyObject | Name::PutObject if query.has("partNumber") => missing("uploadId"),
        Name::CopyObject | Name::PutObject if query.has("uploadId") => missing("partNumber"),
        Name::CopyObject | Name::PutObject if copies => Ok(Name::CopyObject),
        Name::CopyObject | Name::PutObject => Ok(Name::PutObject),
        Name::UploadPart | Name::UploadPartCopy if copies => Ok(Name::UploadPartCopy),
        Name::UploadPart | Name::UploadPartCopy => Ok(Name::UploadPart),
        other => Ok(other),
    }
}

/// Why nothing has that method, target and sub-resource.
fn not_found(method: &Method, scope: Scope, sub_resource: Option<&str>) -> Refusal {
    let is_of = |scope: Scope, name: &str| {
        let mut specs = OperationName::ALL.iter().map(|name| name.spec());
        specs.any(|spec| spec.scope == scope && spec.named_by.contains(&name))
    };
    let keyless = |name: &str| is_of(Scope::Bucket, name) && !is_of(Scope::Object, name);
    match sub_resource {
        Some(name) if scope == Scope::Object && keyless(name) => Refusal::because(
            Code::InvalidRequest,
            format!("Key is not expected for the {method} method ?{name} subresource"),
        ),
        Some(_) | None => Refusal::new(Code::MethodNotAllowed),
    }
}

/// Refuses ids of which stores on file systems make paths, and an id of no upload, which stores take for no id: the request
/// would be another. What else is wrong with a value the origin says in its own words.
fn check_ids(query: &Query) -> Result<(), Refusal> {
    for name in ["uploadId", "versionId"] {
        let Some(value) = query.get(name) else {
            continue;
        };
        if has_dot_segment(value) {
            return Err(Refusal::argument(name, value, "The id is not valid."));
        }
        if name == "uploadId" && value.is_empty() {
            return Err(Refusal::new(Code::NoSuchUpload));
        }
    }
    Ok(())
}

/// Refuses an uploaded part's number that is none: there are stores that take such a request for one that puts an object.
fn check_part(name: OperationName, query: &Query) -> Result<(), Refusal> {
    let takes_part = matches!(name.spec().family, Family::UploadPart | Family::CopyPart);
    let number = query.get("partNumber").unwrap_or_default();
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit())
        && number
            .parse()
            .is_ok_and(|part: u32| (1..=MAX_PART).contains(&part));
    if !takes_part || is_number {
        return Ok(());
    }
    let message = "Part number must be an integer between 1 and 10000, inclusive";
    Err(Refusal::argument("partNumber", number, message))
}

/// Reads `x-amz-copy-source`: `[/]BUCKET/KEY[?versionId=ID]`, percent-encoded.
fn copy_source(headers: &HeaderMap) -> Result<Option<CopySource>, Refusal> {
    static NAME: HeaderName = HeaderName::from_static("x-amz-copy-source");
    let named = headers.iter().filter(|(name, _)| **name == NAME);
    let mut values = named.map(|(_, value)| value);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let raw = value.to_str().unwrap_or_default();
    let invalid = |message| Refusal::argument(NAME.as_str(), raw, message);
    let (path, version_id) = match raw.split_once("?versionId=") {
        Some((path, id)) => (path, Some(decode(id)?.into_owned())),
        None => (raw, None),
    };
    let unusable = |id: &str| id.is_empty() || has_dot_segment(id);
    if values.next().is_some() || path.contains('?') || version_id.as_deref().is_some_and(unusable)
    {
        return Err(invalid(
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        ));
    }
    let path = decode(path).map_err(|_| invalid("Invalid copy source encoding."))?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (bucket, key) = path.split_once('/').ok_or_else(|| {
        invalid("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
    })?;
    let bucket = bucket
        .parse()
        .map_err(|_| invalid("Invalid copy source bucket name"))?;
    let key = key.parse().map_err(|error| match error {
        InvalidObjectKey::Empty => invalid("Invalid copy source object key"),
        InvalidObjectKey::TooLong(length) => too_long(length),
    })?;
    Ok(Some(CopySource {
        bucket,
        key,
        version_id,
    }))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn routed(
        method: &Method,
        path: &str,
        query: &str,
        copy: Option<&str>,
    ) -> Result<Operation, Code> {
        let target = super::super::target::parse(path, None, &[]).expect("a target");
        let mut headers = HeaderMap::new();
        if let Some(copy) = copy {
            let name = HeaderName::from_static("x-amz-copy-source");
            headers.insert(name, HeaderValue::from_str(copy).expect("a value"));
        }
        let mut query = Query::parse(query).expect("a query");
        query.drop_signature();
        route(method, target, &query, &headers).map_err(|refusal| refusal.code)
    }

    fn name(method: &Method, path: &str, query: &str) -> Result<OperationName, Code> {
        routed(method, path, query, None).map(|operation| operation.name)
    }

    #[test]
    fn every_operation_is_found() {
        use OperationName as Name;
        for (method, path, query, expected) in [
            (Method::GET, "/", "", Name::ListBuckets),
            (Method::HEAD, "/train", "", Name::HeadBucket),
            (Method::PUT, "/train/", "", Name::CreateBucket),
            (Method::DELETE, "/train", "", Name::DeleteBucket),
            (Method::GET, "/train", "location=", Name::GetBucketLocation),
            (Method::GET, "/train", "location", Name::GetBucketLocation),
            (Method::GET, "/train", "", Name::ListObjects),
            (
                Method::GET,
                "/train/",
                "list-type=2&prefix=a%2F",
                Name::ListObjectsV2,
            ),
            (Method::GET, "/train", "uploads", Name::ListMultipartUploads),
            (Method::POST, "/train", "delete", Name::DeleteObjects),
            (Method::GET, "/train/a", "x-id=GetObject", Name::GetObject),
            (Method::GET, "/train/a", "partNumber=1", Name::GetObject),
            (Method::HEAD, "/train/a", "", Name::HeadObject),
            (Method::GET, "/train/a", "uploadId=u", Name::ListParts),
            (Method::PUT, "/train/a", "", Name::PutObject),
            (
                Method::PUT,
                "/train/a",
                "partNumber=10000&uploadId=u",
                Name::UploadPart,
            ),
            (
                Method::POST,
                "/train/a",
                "uploads",
                Name::CreateMultipartUpload,
            ),
            (
                Method::POST,
                "/train/a",
                "uploadId=u",
                Name::CompleteMultipartUpload,
            ),
            (
                Method::DELETE,
                "/train/a",
                "uploadId=u",
                Name::AbortMultipartUpload,
            ),
            (
                Method::DELETE,
                "/train/a",
                "versionId=v",
                Name::DeleteObject,
            ),
        ] {
            assert_eq!(
                name(&method, path, query),
                Ok(expected),
                "{method} {path}?{query}"
            );
        }
        let copy = |query| {
            routed(
                &Method::PUT,
                "/train/b",
                query,
                Some("/train/a%20b%2B?versionId=v"),
            )
        };
        let operation = copy("").expect("a copy");
        assert_eq!(operation.name, Name::CopyObject);
        let source = operation.copy_source.expect("a source");
        assert_eq!(
            (source.key.as_str(), source.version_id.as_deref()),
            ("a b+", Some("v"))
        );
        let part = copy("partNumber=1&uploadId=u").expect("a copied part");
        assert_eq!(part.name, Name::UploadPartCopy);
        assert_eq!(part.rights().len(), 2);
    }

    #[test]
    fn sub_resources_name_operations() {
        use OperationName as Name;
        for (method, path, query, expected) in [
            (Method::GET, "/train/a", "tagging", Name::GetObjectTagging),
            (Method::GET, "/train", "tagging=", Name::GetBucketTagging),
            (
                Method::PUT,
                "/train/a",
                "acl&versionId=v",
                Name::PutObjectAcl,
            ),
            (Method::GET, "/train", "versions", Name::ListObjectVersions),
            (
                Method::GET,
                "/train",
                "inventory",
                Name::ListBucketInventoryConfigurations,
            ),
            (
                Method::GET,
                "/train",
                "inventory&id=a",
                Name::GetBucketInventoryConfiguration,
            ),
            (
                Method::POST,
                "/train/a",
                "select&select-type=2",
                Name::SelectObjectContent,
            ),
            (Method::POST, "/train/a", "restore", Name::RestoreObject),
            (Method::GET, "/train/a", "id=1", Name::GetObject),
        ] {
            let found = name(&method, path, query);
            assert_eq!(found, Ok(expected), "{method} {path}?{query}");
        }
    }

    #[test]
    fn what_is_missing_is_said_to_be_missing() {
        for (method, path, query) in [
            (Method::PUT, "/train/a", "renameObject"),
            (Method::GET, "/train", "session"),
        ] {
            let code = name(&method, path, query);
            assert_eq!(code, Err(Code::NotImplemented), "{method} {path}?{query}");
        }
    }

    #[test]
    fn what_s3_refuses_is_refused() {
        for (method, path, query) in [
            (Method::PUT, "/train/a", "partNumber=1"),
            (Method::PUT, "/train/a", "uploadId=u"),
            (Method::GET, "/train/a", "versionId=..%2F..%2Fother"),
            (Method::DELETE, "/train/a", "uploadId=..%2F.."),
            (Method::DELETE, "/train/a", "uploadId=."),
            (Method::PUT, "/train/a", "uploadId=u&partNumber=1a"),
            (Method::PUT, "/train/a", "uploadId=u&partNumber=%2B1"),
            (Method::PUT, "/train/a", "uploadId=u&partNumber=10001"),
        ] {
            let code = name(&method, path, query);
            assert_eq!(code, Err(Code::InvalidArgument), "{method} {path}?{query}");
        }
        for (method, query) in [
            (Method::DELETE, "uploadId="),
            (Method::GET, "uploadId="),
            (Method::POST, "uploadId="),
            (Method::PUT, "uploadId=&partNumber=1"),
        ] {
            let code = name(&method, "/train/a", query);
            assert_eq!(code, Err(Code::NoSuchUpload), "{method} {query}");
        }
        for (method, path) in [
            (Method::PUT, "/"),
            (Method::POST, "/train/a"),
            (Method::PATCH, "/train/a"),
            (Method::POST, "/train/a?acl"),
            (Method::HEAD, "/train/a?tagging"),
            (Method::PUT, "/train?versions"),
        ] {
            let (path, query) = path.split_once('?').unwrap_or((path, ""));
            assert_eq!(
                name(&method, path, query),
                Err(Code::MethodNotAllowed),
                "{method} {path}"
            );
        }
        for (query, code) in [
            ("acl&tagging", Code::InvalidArgument),
            ("lifecycle", Code::InvalidRequest),
            ("policy", Code::InvalidRequest),
            ("uploads", Code::MethodNotAllowed),
        ] {
            assert_eq!(name(&Method::GET, "/train/a", query), Err(code), "{query}");
        }
        for bad in [
            "",
            "train",
            "train/",
            "a/b",
            "train/a?versionId=",
            "train/a?versionId=..%2Fb",
            "train/%zz",
            "/train/a?x=1",
        ] {
            let code = routed(&Method::PUT, "/train/b", "", Some(bad)).map(|_| ());
            assert_eq!(code, Err(Code::InvalidArgument), "{bad}");
        }
    }
}
