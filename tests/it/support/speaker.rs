//! A client that speaks as a certain program does: its headers in its order and its case, and of them signed what it signs.

use std::net::SocketAddr;
use std::time::SystemTime;

use bytes::Bytes;

use super::node::{ACCESS_KEY, SECRET, TestNode};
use super::sigv4::{self, Key, Signable};
use super::wire::{Said, Wire};

/// How a program speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    /// What it sends with every request.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// What it does not sign, in lower case; everything else it does.
    pub(crate) unsigned: &'static [&'static str],
    /// Whether its `x-amz-content-sha256` leaves the body out.
    pub(crate) unsigned_payload: bool,
    /// Whether it sends `content-length: 0` where there is no body, and signs it.
    pub(crate) signs_no_length: bool,
    /// Whether the request's target is a whole URL.
    pub(crate) absolute: bool,
}

/// A program that signs all that it sends.
pub(crate) const PLAIN: Dialect = Dialect {
    headers: &[],
    unsigned: &[],
    unsigned_payload: false,
    signs_no_length: false,
    absolute: false,
};

/// A request as a program makes it.
#[derive(Debug, Clone)]
pub(crate) struct Say {
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    payload: Option<&'static str>,
    /// The size of the pieces of `Transfer-Encoding: chunked`.
    pieces: Option<usize>,
}

/// A connection over which a program speaks.
#[derive(Debug)]
pub(crate) struct Speaker {
    pub(crate) wire: Wire,
    address: SocketAddr,
    dialect: Dialect,
}

impl Say {
    pub(crate) fn new(method: &'static str, target: &str) -> Self {
        Self {
            method,
            target: target.to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
            payload: None,
            pieces: None,
        }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn head(target: &str) -> Self {
        Self::new("HEAD", target)
    }

    pub(crate) fn put(target: &str, body: impl Into<Bytes>) -> Self {
        Self::new("PUT", target).body(body)
    }

    pub(crate) fn post(target: &str, body: impl Into<Bytes>) -> Self {
        Self::new("POST", target).body(body)
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// `Range: bytes=...`.
    pub(crate) fn range(self, range: impl std::fmt::Display) -> Self {
        self.header("Range", format!("bytes={range}"))
    }

    fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// What `x-amz-content-sha256` says, in place of the dialect's own habit.
    pub(crate) fn payload(mut self, payload: &'static str) -> Self {
        self.payload = Some(payload);
        self
    }

    /// Sends the body in chunks of `size` bytes and without its length.
    pub(crate) fn in_pieces(mut self, size: usize) -> Self {
        self.pieces = Some(size);
        self
    }

    /// Path and query.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    fn expects(&self) -> bool {
        self.headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("expect"))
    }
}

impl Speaker {
    /// Connects to a node.
    pub(crate) async fn to(node: &TestNode, dialect: Dialect) -> Self {
        let address = node.client.address();
        Self {
            wire: Wire::connect(address).await,
            address,
            dialect,
        }
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn say(&mut self, say: &Say) -> Said {
        self.wire.write(self.head(say)).await;
        if say.expects() {
            let head = self.wire.head().await;
            if !head.starts_with("HTTP/1.1 100 ") {
                panic!("it was not told to go on: {head}");
            }
        }
        self.wire.write(body(say)).await;
        match say.method {
            "HEAD" => self.wire.read_head().await,
            _ => self.wire.read().await,
        }
    }

    /// The request's head, signed now.
    pub(crate) fn head(&self, say: &Say) -> String {
        let headers = self.headers(say, super::now());
        let target = match self.dialect.absolute {
            true => format!("http://{}{}", self.address, say.target),
            false => say.target.clone(),
        };
        let mut head = format!("{} {target} HTTP/1.1\r\n", say.method);
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head + "\r\n"
    }

    fn headers(&self, say: &Say, at: SystemTime) -> Vec<(String, String)> {
        let time = sigv4::timestamp(at);
        let payload = match (say.payload, self.dialect.unsigned_payload) {
            (Some(payload), _) => payload.to_owned(),
            (None, true) => "UNSIGNED-PAYLOAD".to_owned(),
            (None, false) => sigv4::sha256(&say.body),
        };
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut headers = vec![("Host".to_owned(), self.address.to_string())];
        headers.extend(self.dialect.headers.iter().map(own));
        let given = say.headers.iter();
        headers.extend(given.map(|(name, value)| ((*name).to_owned(), value.clone())));
        headers.push(("X-Amz-Date".to_owned(), time.clone()));
        headers.push(("X-Amz-Content-SHA256".to_owned(), payload.clone()));
        let has_body = matches!(say.method, "PUT" | "POST");
        if say.pieces.is_some() {
            headers.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
        } else if has_body || self.dialect.signs_no_length {
            headers.push(("Content-Length".to_owned(), say.body.len().to_string()));
        }
        let lower: Vec<(String, String)> = headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
            .collect();
        let mut signed: Vec<&str> = lower.iter().map(|(name, _)| name.as_str()).collect();
        signed.retain(|name| !self.dialect.unsigned.contains(name));
        signed.sort_unstable();
        signed.dedup();
        let key = Key {
            secret: SECRET,
            time: &time,
            region: "us-east-1",
        };
        let signature = key.sign(&Signable {
            method: say.method,
            target: &say.target,
            headers: &lower,
            signed: &signed,
            payload: &payload,
        });
        headers.push((
            "Authorization".to_owned(),
            format!(
                "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{}, SignedHeaders={}, Signature={signature}",
                key.scope(),
                signed.join(";")
            ),
        ));
        headers
    }
}

fn body(say: &Say) -> Bytes {
    let Some(size) = say.pieces else {
        return say.body.clone();
    };
    let mut framed = Vec::with_capacity(say.body.len() + 64);
    for piece in say.body.chunks(size) {
        framed.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        framed.extend_from_slice(piece);
        framed.extend_from_slice(b"\r\n");
    }
    framed.extend_from_slice(b"0\r\n\r\n");
    framed.into()
}

/// A body in the frames of aws-chunked, `size` bytes each, with a checksum after it.
pub(crate) fn aws_chunked(data: &[u8], size: usize, trailer: (&str, &str)) -> Bytes {
    let mut framed = Vec::with_capacity(data.len() + 128);
    for chunk in data.chunks(size) {
        framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
    }
    framed.extend_from_slice(format!("0\r\n{}:{}\r\n\r\n", trailer.0, trailer.1).as_bytes());
    framed.into()
}
