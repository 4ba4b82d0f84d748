//! Uploads that are signed chunk by chunk, as SDKs send them where the connection is not secret.

use std::fmt::Write;
use std::io;

use jiff::Timestamp;

use super::sign::{self, CHUNKS, Parts, Signer};
use super::{Ask, Connection, Target};

/// Signed at a time: what AWS's Java SDK takes.
pub(crate) const CHUNK: u64 = 128 * 1024;
const SIGNATURE: &str = ";chunk-signature=";
/// Digits of a signature.
const DIGITS: u64 = 64;

/// A client that uploads over one connection.
pub(crate) struct ChunkedUpload {
    target: Target,
    signer: Signer,
    connection: Connection,
}

impl ChunkedUpload {
    /// Fails where the target has no credentials: there is nothing to sign with.
    pub(crate) async fn open(target: &Target) -> io::Result<Self> {
        let credentials = target
            .credentials
            .clone()
            .ok_or_else(|| io::Error::other("chunks cannot be signed without credentials"))?;
        Ok(Self {
            target: target.clone(),
            signer: Signer::new(credentials, &target.region, &target.address.to_string()),
            connection: Connection::to(target).await?,
        })
    }

    /// Uploads the object of `ask`; the answer's status.
    pub(crate) async fn put(&mut self, ask: &Ask) -> io::Result<u16> {
        let moment = sign::moment(Timestamp::now());
        let (head, mut signature) = self.head(ask, &moment);
        self.connection.send(head.as_bytes()).await?;
        let content = ask.content();
        let mut at = 0;
        while at < ask.size {
            let length = CHUNK.min(ask.size - at);
            let mut bytes = vec![0; usize::try_from(length).expect("a chunk is small")];
            content.fill(at, &mut bytes);
            signature = self.send(&bytes, &moment, &signature).await?;
            at += length;
        }
        self.send(&[], &moment, &signature).await?;
        let head = self.connection.head(false).await?;
        self.connection.body(head.length, |_, _| ()).await?;
        Ok(head.status)
    }

    /// The request's head and its signature.
    fn head(&mut self, ask: &Ask, moment: &str) -> (String, String) {
        let path = format!("/{}/{}", self.target.bucket, ask.key);
        let (length, size) = (encoded(ask.size).to_string(), ask.size.to_string());
        let generation = ask.generation.to_string();
        let headers = [
            ("content-encoding", "aws-chunked"),
            ("content-length", length.as_str()),
            ("x-amz-decoded-content-length", size.as_str()),
            ("x-amz-meta-generation", generation.as_str()),
        ];
        let parts = Parts {
            method: "PUT",
            path: &path,
            query: "",
            headers: &headers,
            payload: CHUNKS,
        };
        let (lines, signature) = self.signer.sign_and_tell(&parts, moment);
        let mut head = format!("PUT {path} HTTP/1.1\r\nhost: {}\r\n", self.target.address);
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        (head + &lines + "\r\n", signature)
    }

    /// Sends a chunk and gives its signature.
    async fn send(&mut self, bytes: &[u8], moment: &str, before: &str) -> io::Result<String> {
        let signature = self.signer.chunk(moment, before, bytes);
        let mut chunk = format!("{:x}{SIGNATURE}{signature}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.connection.send(&chunk).await?;
        Ok(signature)
    }
}

/// Bytes that a body of `size` takes in chunks, the empty one at its end among them.
fn encoded(size: u64) -> u64 {
    let around = |length: u64| {
        let digits = format!("{length:x}").len() as u64;
        digits + SIGNATURE.len() as u64 + DIGITS + 4 + length
    };
    let rest = size % CHUNK;
    let last = if rest > 0 { around(rest) } else { 0 };
    size / CHUNK * around(CHUNK) + last + around(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_take_their_frames_too() {
        // 20000;chunk-signature=...: 5 digits, 17 of the word, 64 of the signature, two line ends.
        assert_eq!(
            encoded(CHUNK),
            (5 + 17 + 64 + 4 + CHUNK) + (1 + 17 + 64 + 4)
        );
        assert_eq!(encoded(CHUNK + 5), encoded(CHUNK) + 1 + 17 + 64 + 4 + 5);
        assert_eq!(encoded(0), 86);
    }
}
