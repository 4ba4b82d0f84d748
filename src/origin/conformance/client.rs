//! The suite's hands: S3 requests as an origin gets them, and answers that can be asserted on.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::origin::{Call, Error, Origin, Payload, Stream};
use crate::types::{Body, BoxError, BucketName, OperationName};

pub(super) struct Client<'a> {
    pub(super) origin: &'a dyn Origin,
    pub(super) bucket: &'a BucketName,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

pub(super) async fn collect(body: Body) -> Bytes {
    body.collect().await.expect("a whole body").to_bytes()
}

impl Outcome {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The status and the code of an error.
    pub(super) fn refusal(&self) -> (u16, &str) {
        let text = self.text();
        let code = text.split("<Code>").nth(1);
        let code = code.and_then(|rest| rest.split("</Code>").next());
        (self.status.as_u16(), code.unwrap_or(text))
    }

    /// The text of every element of this name.
    pub(super) fn fields(&self, name: &str) -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let found = self.text().split(&open).skip(1);
        found
            .filter_map(|rest| rest.split(&close).next())
            .map(unescape)
            .collect()
    }

    pub(super) fn field(&self, name: &str) -> Option<String> {
        self.fields(name).into_iter().next()
    }
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&#39;", "'")
        .replace("&#34;", "\"")
        .replace("&amp;", "&")
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

type Pairs<'a> = &'a [(&'a str, &'a str)];

impl Client<'_> {
    pub(super) fn call(
        &self,
        operation: OperationName,
        method: Method,
        key: Option<&str>,
        query: Pairs<'_>,
        headers: Pairs<'_>,
    ) -> Call {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let header = |(name, value): &(&str, &str)| {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
            (name, value.parse().expect("a header's value"))
        };
        Call {
            operation,
            method,
            bucket: Some(self.bucket.clone()),
            key: key.map(|key| key.parse().expect("a key")),
            query: query.iter().map(owned).collect(),
            headers: headers.iter().map(header).collect(),
            payload: Payload::Whole(Bytes::new()),
        }
    }

    /// Asks for an operation by the method that it has.
    pub(super) async fn ask(
        &self,
        operation: OperationName,
        key: Option<&str>,
        query: Pairs<'_>,
        headers: Pairs<'_>,
    ) -> Outcome {
        self.tell(operation, key, query, headers, "").await
    }

    /// As [`Client::ask`], with a document.
    pub(super) async fn tell(
        &self,
        operation: OperationName,
        key: Option<&str>,
        query: Pairs<'_>,
        headers: Pairs<'_>,
        document: &str,
    ) -> Outcome {
        let method = operation.spec().method.parse().expect("a method");
        let mut call = self.call(operation, method, key, query, headers);
        call.payload = Payload::Whole(Bytes::copy_from_slice(document.as_bytes()));
        self.send(call).await
    }

    pub(super) async fn send(&self, call: Call) -> Outcome {
        let answer = self.origin.call(call).await.expect("an answer");
        let (parts, body) = answer.into_parts();
        Outcome {
            status: parts.status,
            headers: parts.headers,
            body: collect(body).await,
        }
    }

    /// Sends a body in two frames.
    pub(super) async fn send_body(&self, mut call: Call, body: &[u8]) -> Outcome {
        call.payload = Payload::Stream(stream(vec![
            Ok(Bytes::copy_from_slice(&body[..body.len() / 2])),
            Ok(Bytes::copy_from_slice(&body[body.len() / 2..])),
        ]));
        self.send(call).await
    }

    pub(super) async fn put(&self, key: &str, body: &[u8], headers: Pairs<'_>) -> Outcome {
        let call = self.call(
            OperationName::PutObject,
            Method::PUT,
            Some(key),
            &[],
            headers,
        );
        self.send_body(call, body).await
    }

    /// Sends a body that ends in an error.
    pub(super) async fn put_broken(&self, key: &str) -> Result<(), Error> {
        let mut call = self.call(OperationName::PutObject, Method::PUT, Some(key), &[], &[]);
        let mut body = stream(vec![
            Ok(Bytes::from_static(b"half")),
            Err("the client went away".into()),
        ]);
        body.length = 8;
        call.payload = Payload::Stream(body);
        self.origin.call(call).await.map(drop)
    }

    pub(super) async fn get(&self, key: &str, headers: Pairs<'_>) -> Outcome {
        self.read(key, &[], headers, false).await
    }

    pub(super) async fn read(
        &self,
        key: &str,
        query: Pairs<'_>,
        headers: Pairs<'_>,
        bodiless: bool,
    ) -> Outcome {
        let operation = if bodiless {
            OperationName::HeadObject
        } else {
            OperationName::GetObject
        };
        self.ask(operation, Some(key), query, headers).await
    }

    pub(super) async fn delete(&self, key: &str) -> Outcome {
        self.ask(OperationName::DeleteObject, Some(key), &[], &[])
            .await
    }

    pub(super) async fn delete_many(&self, keys: &[&str]) -> Outcome {
        let objects: String = keys
            .iter()
            .map(|key| format!("<Object><Key>{}</Key></Object>", escape(key)))
            .collect();
        self.delete_listed(&format!("<Delete>{objects}</Delete>"))
            .await
    }

    pub(super) async fn delete_listed(&self, document: &str) -> Outcome {
        let operation = OperationName::DeleteObjects;
        self.tell(operation, None, &[("delete", "")], &[], document)
            .await
    }

    pub(super) async fn copy(&self, from: &str, to: &str, headers: Pairs<'_>) -> Outcome {
        let source = self.copy_source(from);
        let mut all = vec![("x-amz-copy-source", source.as_str())];
        all.extend_from_slice(headers);
        self.ask(OperationName::CopyObject, Some(to), &[], &all)
            .await
    }

    pub(super) fn copy_source(&self, key: &str) -> String {
        let key = utf8_percent_encode(key, NON_ALPHANUMERIC);
        format!("/{}/{key}", self.bucket)
    }

    pub(super) async fn list(&self, version: u8, query: Pairs<'_>) -> Outcome {
        let mut all = query.to_vec();
        let operation = if version == 2 {
            all.push(("list-type", "2"));
            OperationName::ListObjectsV2
        } else {
            OperationName::ListObjects
        };
        self.ask(operation, None, &all, &[]).await
    }

    /// The keys that one listing names.
    pub(super) async fn keys(&self, query: Pairs<'_>, url: bool) -> Vec<String> {
        let mut all = query.to_vec();
        if url {
            all.push(("encoding-type", "url"));
        }
        let listed = self.list(2, &all).await;
        assert_eq!(listed.status, StatusCode::OK, "{listed:?}");
        let decode = |key: String| {
            let key = percent_decode_str(&key.replace('+', "%20"))
                .decode_utf8_lossy()
                .into_owned();
            if url { key } else { key.clone() }
        };
        let keys = listed.fields("Key");
        if url {
            keys.into_iter().map(decode).collect()
        } else {
            keys
        }
    }

    /// The keys and common prefixes of all pages, sorted.
    pub(super) async fn pages(&self, version: u8, query: Pairs<'_>) -> Vec<String> {
        let mut found = Vec::new();
        let mut marker: Option<(&str, String)> = None;
        loop {
            let mut all = query.to_vec();
            all.extend(marker.as_ref().map(|(name, value)| (*name, value.as_str())));
            let page = self.list(version, &all).await;
            let keys = page.fields("Key");
            let prefixes = page.text().split("<CommonPrefixes>").skip(1);
            let prefixes = prefixes
                .filter_map(|rest| rest.split("<Prefix>").nth(1)?.split("</Prefix>").next());
            let last = keys.last().cloned();
            found.extend(prefixes.map(unescape));
            found.extend(keys);
            if page.field("IsTruncated") != Some("true".into()) {
                found.sort_unstable();
                return found;
            }
            marker = if version == 2 {
                page.field("NextContinuationToken")
                    .map(|token| ("continuation-token", token))
            } else {
                let next = page.field("NextMarker").or(last);
                next.map(|next| ("marker", next))
            };
            assert!(marker.is_some(), "a truncated page says where to go on");
        }
    }

    /// Removes every object.
    pub(super) async fn empty(&self) {
        for key in self.keys(&[], true).await {
            assert_eq!(self.delete(&key).await.status, StatusCode::NO_CONTENT);
        }
    }
}

fn stream(frames: Vec<Result<Bytes, BoxError>>) -> Stream {
    let length = frames
        .iter()
        .flatten()
        .map(|bytes| bytes.len() as u64)
        .sum();
    let frames = frames.into_iter().map(|frame| frame.map(Frame::data));
    Stream {
        body: StreamBody::new(futures::stream::iter(frames)).boxed_unsync(),
        length,
        sha256: None,
        trailer: None,
    }
}
