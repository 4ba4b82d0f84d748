//! Requests written and answers read byte by byte, for what no HTTP client does.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection.
#[derive(Debug)]
pub(crate) struct Wire<S = TcpStream> {
    stream: S,
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Said {
    /// The status code.
    pub(crate) fn status(&self) -> u16 {
        let code = self.head.split(' ').nth(1);
        code.and_then(|code| code.parse().ok())
            .unwrap_or_else(|| panic!("no status: {self:?}"))
    }

    /// A header's value; empty where it did not come.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let value =
            lines.find_map(|(other, value)| other.eq_ignore_ascii_case(name).then_some(value));
        value.unwrap_or_default().trim()
    }

    /// The code in an error document.
    pub(crate) fn code(&self) -> String {
        let text = self.text();
        let code = text
            .split_once("<Code>")
            .and_then(|(_, rest)| rest.split_once("</Code>"));
        code.map(|(code, _)| code.to_owned()).unwrap_or_default()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Wire {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        Self { stream }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Speaks over a connection that is there.
    pub(crate) fn over(stream: S) -> Self {
        Self { stream }
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let written = self.stream.write_all(bytes.as_ref()).await;
        written.expect("the other side takes it");
    }

    /// Writes what the other side takes of this, which may have heard enough, and ends this side where `ends`.
    pub(crate) async fn offer(&mut self, bytes: impl AsRef<[u8]>, ends: bool) {
        let written = self.stream.write_all(bytes.as_ref()).await;
        if ends && written.is_ok() {
            // The other side may have hung up by now.
            drop(self.stream.shutdown().await);
        }
    }

    /// Reads one answer with its body, whose end `Content-Length` or chunks tell.
    pub(crate) async fn read(&mut self) -> Said {
        let mut said = self.read_head().await;
        if said.header("transfer-encoding") == "chunked" {
            said.body = self.chunks().await;
            return said;
        }
        let length = match said.header("content-length") {
            "" => 0,
            length => length.parse().expect("a length"),
        };
        said.body = self.take(length).await;
        said
    }

    /// Reads one answer that has no body, whatever its head says.
    pub(crate) async fn read_head(&mut self) -> Said {
        Said {
            head: self.head().await,
            body: Vec::new(),
        }
    }

    /// Reads what comes until the other side ends.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await;
        // A reset is an end too.
        drop(read.expect("in time"));
        rest
    }

    /// Says that nothing more will be written.
    pub(crate) async fn finish(&mut self) {
        self.stream
            .shutdown()
            .await
            .expect("the other side is there");
    }

    async fn take(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let read = timeout(PATIENCE, self.stream.read_exact(&mut bytes)).await;
        read.expect("in time").expect("a whole body");
        bytes
    }

    /// Reads a body in chunks, whose head has been read.
    pub(crate) async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let mut chunk = self.chunk().await;
            if chunk.is_empty() {
                return body;
            }
            body.append(&mut chunk);
        }
    }

    /// Reads one chunk of a body; the last one is empty.
    pub(crate) async fn chunk(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.extend(self.take(1).await);
        }
        let size = std::str::from_utf8(&line).expect("text").trim();
        let size = usize::from_str_radix(size, 16).expect("a size");
        let mut chunk = self.take(size + 2).await;
        chunk.truncate(size);
        chunk
    }

    /// Reads the head of an answer.
    pub(crate) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = timeout(PATIENCE, self.stream.read_u8()).await;
            head.push(byte.expect("in time").expect("a whole head"));
        }
        String::from_utf8(head).expect("text")
    }
}

/// A request's head in origin form, with the headers as they were signed.
pub(crate) fn head(request: &Request<Full<Bytes>>) -> String {
    let target = request.uri().path_and_query().expect("a path").as_str();
    head_with_target(request, target)
}

/// A request's head with another target.
pub(crate) fn head_with_target(request: &Request<Full<Bytes>>, target: &str) -> String {
    let mut head = format!("{} {target} HTTP/1.1\r\n", request.method());
    for (name, value) in request.headers() {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().expect("text")));
    }
    head + "\r\n"
}
