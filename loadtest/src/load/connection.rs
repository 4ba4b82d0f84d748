//! A connection of HTTP/1.1 that does just what a load needs: one request at a time, answers with a `Content-Length`, bodies
//! handed on where they lie in the buffer. It costs a fraction of a full client's CPU, which the server could not use else.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;

use super::{Target, Tls};

/// Large enough for a read to bring many segments, small enough to stay in the processor's cache.
const BUFFER: usize = 256 * 1024;
const MOST_HEADERS: usize = 64;

/// An open connection.
pub(crate) struct Connection {
    stream: Stream,
    buffer: Vec<u8>,
    /// What has been read and not taken.
    filled: std::ops::Range<usize>,
}

/// The head of an answer.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) length: u64,
    /// Whether the server ends the connection after it.
    pub(crate) closes: bool,
    /// `x-forebay-cache`.
    pub(crate) source: String,
}

enum Stream {
    Plain(TcpStream),
    Secret(Box<TlsStream<TcpStream>>),
}

impl Connection {
    /// In the clear.
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        Self::over(TcpStream::connect(address).await?, address, None).await
    }

    /// As the target is to be asked.
    pub(crate) async fn to(target: &Target) -> io::Result<Self> {
        let stream = TcpStream::connect(target.address).await?;
        Self::over(stream, target.address, target.tls.as_ref()).await
    }

    /// With so little room for what arrives, in bytes, that the server sees when the client pauses.
    pub(crate) async fn narrow(target: &Target, room: u32) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(room)?;
        let stream = socket.connect(target.address).await?;
        Self::over(stream, target.address, target.tls.as_ref()).await
    }

    async fn over(stream: TcpStream, address: SocketAddr, tls: Option<&Tls>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let stream = match tls {
            None => Stream::Plain(stream),
            Some(tls) => Stream::Secret(Box::new(tls.over(stream, address).await?)),
        };
        Ok(Self {
            stream,
            buffer: vec![0; BUFFER],
            filled: 0..0,
        })
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes).await,
            Stream::Secret(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// The next answer's head. `bodyless` says that there is no body whatever the length, as after HEAD.
    pub(crate) async fn head(&mut self, bodyless: bool) -> io::Result<Head> {
        loop {
            let read = &self.buffer[self.filled.clone()];
            if let Some((mut head, used)) = parse(read)? {
                self.filled.start += used;
                if bodyless || matches!(head.status, 204 | 304) {
                    head.length = 0;
                }
                // An interim answer precedes the real one.
                if head.status >= 200 {
                    return Ok(head);
                }
                continue;
            }
            if self.filled.len() == BUFFER {
                return Err(invalid("the answer's head is too long"));
            }
            self.read_on().await?;
        }
    }

    /// Reads a body of `length` and shows its parts, with their offsets.
    pub(crate) async fn body(
        &mut self,
        length: u64,
        mut show: impl FnMut(u64, &[u8]),
    ) -> io::Result<()> {
        let mut at = 0;
        while at < length {
            let part = self.part(length - at).await?;
            show(at, part);
            at += part.len() as u64;
        }
        Ok(())
    }

    /// Up to `most` more bytes of a body, at least one.
    pub(crate) async fn part(&mut self, most: u64) -> io::Result<&[u8]> {
        if self.filled.is_empty() {
            self.read_on().await?;
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let end = self.filled.end.min(self.filled.start.saturating_add(most));
        let part = self.filled.start..end;
        self.filled.start = end;
        Ok(&self.buffer[part])
    }

    async fn read_on(&mut self) -> io::Result<()> {
        if self.filled.is_empty() {
            self.filled = 0..0;
        } else if self.filled.end == BUFFER {
            self.buffer.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
        }
        let room = &mut self.buffer[self.filled.end..];
        let read = match &mut self.stream {
            Stream::Plain(stream) => stream.read(room).await?,
            Stream::Secret(stream) => stream.read(room).await?,
        };
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.filled.end += read;
        Ok(())
    }
}

/// The head at the beginning of `bytes` and its length, once all of it is there.
fn parse(bytes: &[u8]) -> io::Result<Option<(Head, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut answer = httparse::Response::new(&mut headers);
    let used = match answer.parse(bytes).map_err(invalid)? {
        httparse::Status::Complete(used) => used,
        httparse::Status::Partial => return Ok(None),
    };
    let mut head = Head {
        status: answer.code.unwrap_or_default(),
        ..Head::default()
    };
    for header in answer.headers.iter() {
        let value = std::str::from_utf8(header.value).unwrap_or_default();
        if header.name.eq_ignore_ascii_case("content-length") {
            head.length = value.parse().map_err(invalid)?;
        } else if header.name.eq_ignore_ascii_case("connection") {
            head.closes = value.eq_ignore_ascii_case("close");
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(invalid("the answer tells no length"));
        } else if header.name.eq_ignore_ascii_case("x-forebay-cache") {
            value.clone_into(&mut head.source);
        }
    }
    Ok(Some((head, used)))
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Status and body of a GET of `path` over a connection of its own, unsigned.
pub(crate) async fn get_text(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut connection = Connection::open(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    connection.send(request.as_bytes()).await?;
    let head = connection.head(false).await?;
    let mut body = Vec::new();
    let keep = |_, part: &[u8]| body.extend_from_slice(part);
    connection.body(head.length, keep).await?;
    let text = String::from_utf8(body).map_err(invalid)?;
    Ok((head.status, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_all_there() {
        let text = b"HTTP/1.1 206 Partial Content\r\nContent-Length: 7\r\nX-Forebay-Cache: disk\r\n\r\nrest";
        for cut in 0..text.len() - 4 {
            assert_eq!(parse(&text[..cut]).unwrap(), None, "{cut}");
        }
        let (head, used) = parse(text).unwrap().unwrap();
        assert_eq!(&text[used..], b"rest");
        let expected = Head {
            status: 206,
            length: 7,
            closes: false,
            source: "disk".into(),
        };
        assert_eq!(head, expected);
    }

    #[test]
    fn an_answer_without_length_is_refused() {
        let text = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert!(parse(text).is_err());
    }
}
