//! How answers are rendered: error documents, the ids of a request, and where the answer came from.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode};

use super::error::{Code, Failure, Refusal};
use crate::origin;
use crate::types::{Body, Source, body};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");
const CACHE: HeaderName = HeaderName::from_static("x-forebay-cache");
const NODE: HeaderName = HeaderName::from_static("x-forebay-node");

/// Headers of an origin's answer that end here: of its connection, and ids that are exchanged for ours.
const NOT_RELAYED: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::DATE,
    // A redirect leads to the origin, where the client is nobody.
    header::LOCATION,
    header::SERVER,
    header::TRAILER,
    header::TRANSFER_ENCODING,
];

/// What an error document says about the request itself.
pub(super) struct About<'a> {
    pub(super) method: &'a Method,
    pub(super) resource: String,
    pub(super) request_id: &'a str,
    pub(super) host_id: &'a str,
}

/// Renders a failure. The second value is the error's code for the log.
pub(super) fn failure(failure: &Failure, about: &About<'_>) -> (Response<Body>, String) {
    match failure {
        Failure::Refused(refusal) | Failure::Broken(refusal, _) => {
            (refused(refusal, about), refusal.code.as_str().to_owned())
        }
        Failure::Relayed(refusal) => relayed(refusal, about),
    }
}

/// Puts the headers on that every answer has. `ids` are those of the request.
pub(super) fn decorate(
    headers: &mut HeaderMap,
    ids: [&str; 2],
    shown: Option<(Source, &HeaderValue)>,
) {
    let text = |text: &str| HeaderValue::from_str(text).expect("ids are of letters and digits");
    let [request_id, host_id] = ids.map(text);
    headers.insert(REQUEST_ID, request_id);
    headers.insert(HOST_ID, host_id);
    headers.insert(header::SERVER, HeaderValue::from_static("forebay"));
    if let Some((source, node)) = shown {
        headers.insert(CACHE, HeaderValue::from_static(source.as_str()));
        headers.insert(NODE, node.clone());
    }
}

fn refused(refusal: &Refusal, about: &About<'_>) -> Response<Body> {
    let mut document = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
    let mut element = |name: &str, text: &str| {
        document.push_str(&format!("<{name}>{}</{name}>", escape_text(text)));
    };
    element("Code", refusal.code.as_str());
    element("Message", &refusal.message);
    for (name, text) in &refusal.fields {
        element(name, text);
    }
    element("Resource", &about.resource);
    element("RequestId", about.request_id);
    element("HostId", about.host_id);
    document.push_str("</Error>");
    let mut response = xml(refusal.code.status(), document.into(), about.method);
    if matches!(refusal.code, Code::SlowDown | Code::ServiceUnavailable) {
        let second = HeaderValue::from_static("1");
        response.headers_mut().insert(header::RETRY_AFTER, second);
    }
    response
}

fn xml(status: StatusCode, document: Bytes, method: &Method) -> Response<Body> {
    let bodiless =
        *method == Method::HEAD || status == StatusCode::NOT_MODIFIED || document.is_empty();
    let mut response = Response::new(if bodiless {
        body::empty()
    } else {
        body::full(document)
    });
    *response.status_mut() = status;
    if !bodiless {
        let value = HeaderValue::from_static("application/xml");
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

/// The origin's error answer with our ids.
fn relayed(refusal: &origin::Refusal, about: &About<'_>) -> (Response<Body>, String) {
    let document = with_ids(&refusal.body, about);
    let code = element(&refusal.body, "Code").unwrap_or_else(|| refusal.status.as_str().to_owned());
    let mut response = xml(refusal.status, document, about.method);
    // A HEAD's answer tells the length of the document that it leaves out.
    let kept = |name: &HeaderName| {
        !NOT_RELAYED.contains(name)
            || (*name == header::CONTENT_LENGTH && *about.method == Method::HEAD)
    };
    if refusal.headers.contains_key(header::CONTENT_TYPE) {
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    for (name, value) in refusal.headers.iter().filter(|(name, _)| kept(name)) {
        response.headers_mut().append(name.clone(), value.clone());
    }
    (response, code)
}

/// The text of the first element of that name.
pub(super) fn element(document: &[u8], name: &str) -> Option<String> {
    let document = std::str::from_utf8(document).ok()?;
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    rest.split_once('<').map(|(text, _)| text.to_owned())
}

/// Text as it goes into a document. Characters that XML does not have at all are written as references, as S3 does.
pub(super) fn escape_text(text: &str) -> String {
    let escaped = quick_xml::escape::escape(text);
    let mut whole = String::with_capacity(escaped.len());
    for character in escaped.chars() {
        if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') {
            whole.push_str(&format!("&#x{:x};", u32::from(character)));
        } else {
            whole.push(character);
        }
    }
    whole
}

/// The document with the texts of `RequestId` and `HostId` exchanged for ours. Its names are the client's already.
fn with_ids(document: &Bytes, about: &About<'_>) -> Bytes {
    let Ok(text) = std::str::from_utf8(document) else {
        return document.clone();
    };
    let mut text = text.to_owned();
    for (name, id) in [("RequestId", about.request_id), ("HostId", about.host_id)] {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        if let Some(start) = text.find(&open).map(|at| at + open.len())
            && let Some(length) = text[start..].find(&close)
        {
            text.replace_range(start..start + length, id);
        }
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::gateway;

    fn about(method: &Method) -> About<'_> {
        About {
            method,
            resource: "/train/a&b".to_owned(),
            request_id: "OURS",
            host_id: "OUR+HOST",
        }
    }

    async fn text(response: Response<Body>) -> String {
        let bytes = response.into_body().collect().await.expect("a body");
        String::from_utf8(bytes.to_bytes().to_vec()).expect("text")
    }

    #[tokio::test]
    async fn an_error_document_is_escaped_and_carries_the_ids() {
        let bucket = "no-such".parse().expect("a bucket's name");
        let error = gateway::Error::NoSuchBucket(bucket);
        let (response, code) = failure(&error.into(), &about(&Method::GET));
        assert_eq!(
            (response.status().as_u16(), code.as_str()),
            (404, "NoSuchBucket")
        );
        assert_eq!(
            text(response).await,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchBucket</Code>\
             <Message>The specified bucket does not exist</Message><BucketName>no-such</BucketName>\
             <Resource>/train/a&amp;b</Resource><RequestId>OURS</RequestId><HostId>OUR+HOST</HostId></Error>"
        );
    }

    #[test]
    fn no_text_breaks_a_document() {
        let escaped = escape_text("<a>\0\r\n&\u{ffff}ü");
        assert_eq!(escaped, "&lt;a&gt;&#x0;&#xd;&#xa;&amp;&#xffff;ü");
    }

    #[tokio::test]
    async fn an_overload_asks_to_come_back_and_a_head_has_no_body() {
        let (response, _) = failure(&gateway::Error::SlowDown.into(), &about(&Method::HEAD));
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(text(response).await, "");
    }

    #[tokio::test]
    async fn the_origins_error_keeps_all_but_the_ids() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ETAG, HeaderValue::from_static("\"e\""));
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("999"));
        headers.insert(header::LOCATION, HeaderValue::from_static("http://origin/"));
        let refusal = origin::Refusal {
            status: StatusCode::PRECONDITION_FAILED,
            headers,
            body: "<Error><Code>PreconditionFailed</Code><Odd>1</Odd><Resource>/train/&#xFFFD;</Resource><RequestId>theirs</RequestId><HostId>x</HostId></Error>".into(),
        };
        let error = || {
            let refusal = Box::new(refusal.clone());
            gateway::Error::Origin(origin::Error::Refused(refusal))
        };
        let (head, _) = failure(&error().into(), &about(&Method::HEAD));
        assert_eq!(head.headers()["content-length"], "999");
        let (response, code) = failure(&error().into(), &about(&Method::GET));
        assert_eq!(code, "PreconditionFailed");
        assert_eq!(response.headers()["etag"], "\"e\"");
        assert!(!response.headers().contains_key("content-length"));
        assert!(!response.headers().contains_key("location"));
        assert_eq!(response.headers().get_all("vary").iter().count(), 2);
        assert_eq!(
            text(response).await,
            "<Error><Code>PreconditionFailed</Code><Odd>1</Odd><Resource>/train/&#xFFFD;</Resource><RequestId>OURS</RequestId><HostId>OUR+HOST</HostId></Error>"
        );
    }
}
