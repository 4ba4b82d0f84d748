//! What the origin says: statuses, headers, documents, and S3's errors. Every answer carries the origin's own ids, which no
//! client may ever see.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

use forebay::types::body::{Body, empty, full};

/// In the origin's answers, and nowhere behind the node.
pub(crate) const REQUEST_ID: &str = "THE0ORIGINS0REQUEST";
/// As [`REQUEST_ID`].
pub(crate) const HOST_ID: &str = "the/origins+host=";

/// An error answer.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) headers: HeaderMap,
}

impl Refused {
    pub(super) fn new(status: u16, code: &'static str) -> Self {
        Self {
            status: StatusCode::from_u16(status).expect("a status"),
            code,
            headers: HeaderMap::new(),
        }
    }

    pub(super) fn argument(_name: &str) -> Self {
        Self::new(400, "InvalidArgument")
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        set(&mut self.headers, name, value);
        self
    }

    pub(super) fn response(self) -> Response<Body> {
        let mut response = Response::new(full(document(self.code)));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        set(response.headers_mut(), "content-type", "application/xml");
        if self.status == StatusCode::NOT_MODIFIED {
            *response.body_mut() = empty();
            response.headers_mut().remove("content-type");
        }
        response
    }
}

/// An error document.
pub(super) fn document(code: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>as asked</Message>\
         <RequestId>{REQUEST_ID}</RequestId><HostId>{HOST_ID}</HostId></Error>"
    )
}

pub(super) fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    headers.insert(name, value.parse().expect("a header"));
}

/// An answer without a body.
pub(super) fn status(status: u16) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response
}

/// A document, with S3's declaration before it.
pub(super) fn xml(root: &str, inner: &str) -> Response<Body> {
    raw(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inner}</{root}>"
    ))
}

/// A document as it is.
pub(super) fn raw(document: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(document));
    set(response.headers_mut(), "content-type", "application/xml");
    response
}

/// `<name>text</name>`, escaped.
pub(super) fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", quick_xml::escape::escape(text))
}

/// The contents of every element `name` of a document, as they stand there.
pub(super) fn inner<'a>(document: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let parts = document.split(open.as_str()).skip(1);
    parts
        .filter_map(|part| Some(part.split_once(close.as_str())?.0))
        .collect()
}

/// The text of the first element `name`, unescaped.
pub(super) fn text(document: &str, name: &str) -> Option<String> {
    let text = inner(document, name).first().copied()?;
    let text = quick_xml::escape::unescape(text.trim()).expect("escaped text");
    Some(text.into_owned())
}
