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

    /// Reads one answer; the body's length must be told by `Content-Length`.
    pub(crate) async fn read(&mut self) -> Said {
        let head = self.head().await;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let named = name.eq_ignore_ascii_case("content-length");
            named.then(|| value.trim().parse::<usize>().expect("a length"))
        });
        let mut body = vec![0; length.unwrap_or(0)];
        let read = timeout(PATIENCE, self.stream.read_exact(&mut body)).await;
        read.expect("in time").expect("a whole body");
        Said { head, body }
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
