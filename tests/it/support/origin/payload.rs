//! Bodies that arrive: read to their end, decoded, and verified against everything that was claimed about them. One that is
//! short or wrong is refused, and nothing of it is kept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use xxhash_rust::xxh3::Xxh3;

use super::answer::Refused;
use super::asked::Asked;
use super::checksums::{self, Checksum, Hasher};
use super::store::Content;

/// What became of a request's body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Sent {
    /// It has not ended yet, or nobody reads it.
    #[default]
    Pending,
    /// All of it came, decoded; the trailers after it.
    Whole(Bytes, Vec<(String, String)>),
    /// All of it came and only its size and its XXH3 are kept.
    Digest(u64, u64),
    /// The connection ended after so many bytes, too early.
    Short(u64),
}

/// A body that is what it was said to be.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) content: Content,
    /// The MD5 in hex; the XXH3 where only that was made.
    pub(super) tag: String,
    pub(super) checksums: Vec<Checksum>,
}

/// The digests of a body that is being read.
struct Sink {
    /// None where bytes are not kept.
    bytes: Option<Vec<u8>>,
    size: u64,
    xxh3: Xxh3,
    hashers: Vec<(&'static str, Hasher)>,
}

impl Sink {
    fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        for (_, hasher) in &mut self.hashers {
            hasher.update(bytes);
        }
        match &mut self.bytes {
            Some(all) => all.extend_from_slice(bytes),
            None => self.xxh3.update(bytes),
        }
    }

    fn finish(&mut self, algorithm: &str) -> Vec<u8> {
        let mut hashers = self.hashers.iter();
        let at = hashers.position(|(other, _)| *other == algorithm);
        self.hashers.remove(at.expect("it was made")).1.finish()
    }
}

/// Reads and verifies a request's body. `keep` tells whether its bytes are wanted; `note` hears what became of it.
pub(super) async fn receive(
    asked: &Asked,
    mut body: Incoming,
    keep: bool,
    note: impl FnOnce(Sent),
) -> Result<Arrived, Refused> {
    let length = asked.header("content-length");
    let length: Option<u64> = length.and_then(|length| length.parse().ok());
    let payload = asked.header("x-amz-content-sha256").unwrap_or_default();
    // On CompleteMultipartUpload the checksums are the object's, not the document's.
    let completes = asked.method == http::Method::POST && asked.has("uploadId");
    let mut claims = match completes {
        true => Vec::new(),
        false => checksums::claimed(&asked.headers),
    };
    let mut decoder = match payload {
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Some(Decoder::new(asked)?),
        _ => None,
    };
    let announced = decoder
        .as_ref()
        .and_then(|decoder| checksums::known(decoder.announced.strip_prefix("x-amz-checksum-")?));
    let mut algorithms: Vec<&'static str> = claims.iter().map(|it| it.algorithm).collect();
    algorithms.extend(announced);
    algorithms.extend((keep || asked.headers.contains_key("content-md5")).then_some("md5"));
    algorithms.extend((payload.len() == 64).then_some("sha256"));
    algorithms.sort_unstable();
    algorithms.dedup();
    let mut sink = Sink {
        bytes: keep.then(Vec::new),
        size: 0,
        xxh3: Xxh3::new(),
        hashers: algorithms
            .iter()
            .map(|name| (*name, Hasher::new(name)))
            .collect(),
    };
    let mut raw = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            note(Sent::Short(raw));
            return Err(Refused::new(400, "IncompleteBody"));
        };
        let data = frame.into_data().unwrap_or_default();
        raw += data.len() as u64;
        match &mut decoder {
            Some(decoder) => decoder.push(&data, |bytes| sink.update(bytes))?,
            None => sink.update(&data),
        }
    }
    if length != Some(raw) && (raw > 0 || asked.method != http::Method::DELETE) {
        return Err(Refused::new(411, "MissingContentLength"));
    }
    let trailers = match decoder {
        Some(decoder) => decoder.finish(sink.size)?,
        None => Vec::new(),
    };
    if let Some(algorithm) = announced {
        let value = trailers[0].1.clone();
        claims.push(Checksum { algorithm, value });
    }
    let bytes = sink.bytes.take().map(Bytes::from);
    let xxh3 = sink.xxh3.digest();
    note(match &bytes {
        Some(bytes) => Sent::Whole(bytes.clone(), trailers),
        None => Sent::Digest(sink.size, xxh3),
    });
    let tag = verify(asked, payload, &claims, sink.clone_hashers())?;
    let content = match bytes {
        Some(bytes) => Content::Bytes(bytes),
        None => Content::Digest {
            size: sink.size,
            xxh3,
        },
    };
    Ok(Arrived {
        content,
        tag: tag.unwrap_or_else(|| format!("{xxh3:032x}")),
        checksums: claims,
    })
}

impl Sink {
    fn clone_hashers(&self) -> Self {
        Self {
            bytes: None,
            size: self.size,
            xxh3: Xxh3::new(),
            hashers: self.hashers.clone(),
        }
    }
}

/// Compares what came with what was claimed; gives the MD5 in hex, where it was made.
fn verify(
    asked: &Asked,
    payload: &str,
    claims: &[Checksum],
    mut sink: Sink,
) -> Result<Option<String>, Refused> {
    if payload.len() == 64 {
        let mut again = sink.clone_hashers();
        if hex::encode(again.finish("sha256")) != payload {
            return Err(Refused::new(400, "XAmzContentSHA256Mismatch"));
        }
    } else if payload != "UNSIGNED-PAYLOAD" && payload != "STREAMING-UNSIGNED-PAYLOAD-TRAILER" {
        return Err(Refused::new(501, "NotImplemented"));
    }
    for claim in claims {
        if BASE64.encode(sink.finish(claim.algorithm)) != claim.value {
            return Err(Refused::new(400, "BadDigest"));
        }
    }
    if !sink.hashers.iter().any(|(name, _)| *name == "md5") {
        return Ok(None);
    }
    let md5 = sink.finish("md5");
    match asked.header("content-md5") {
        Some(claim) if BASE64.encode(&md5) != claim => Err(Refused::new(400, "BadDigest")),
        Some(_) | None => Ok(Some(hex::encode(md5))),
    }
}

/// Decodes aws-chunked without signatures, with one trailer.
struct Decoder {
    announced: String,
    length: u64,
    line: Vec<u8>,
    phase: Phase,
    trailers: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Size,
    Data(u64),
    DataEnd,
    Trailers,
    Ended,
}

impl Decoder {
    fn new(asked: &Asked) -> Result<Self, Refused> {
        let bad = || Refused::new(400, "InvalidRequest");
        let coding = asked.header("content-encoding").unwrap_or_default();
        if !coding.split(',').any(|it| it.trim() == "aws-chunked") {
            return Err(bad());
        }
        let length = asked.header("x-amz-decoded-content-length");
        Ok(Self {
            announced: asked.header("x-amz-trailer").ok_or_else(bad)?.to_owned(),
            length: length
                .and_then(|length| length.parse().ok())
                .ok_or_else(bad)?,
            line: Vec::new(),
            phase: Phase::Size,
            trailers: Vec::new(),
        })
    }

    fn push(&mut self, mut data: &[u8], mut out: impl FnMut(&[u8])) -> Result<(), Refused> {
        while !data.is_empty() {
            if let Phase::Data(left) = self.phase {
                let take = usize::try_from(left).map_or(data.len(), |left| left.min(data.len()));
                out(&data[..take]);
                data = &data[take..];
                self.phase = match left - take as u64 {
                    0 => Phase::DataEnd,
                    left => Phase::Data(left),
                };
                continue;
            }
            self.line.push(data[0]);
            data = &data[1..];
            if self.line.ends_with(b"\r\n") {
                let line = std::mem::take(&mut self.line);
                let line = String::from_utf8(line).map_err(|_| malformed())?;
                self.phase = self.next(line.trim_end())?;
            }
        }
        Ok(())
    }

    fn next(&mut self, line: &str) -> Result<Phase, Refused> {
        match self.phase {
            Phase::Size => match u64::from_str_radix(line, 16).map_err(|_| malformed())? {
                0 => Ok(Phase::Trailers),
                size => Ok(Phase::Data(size)),
            },
            Phase::DataEnd if line.is_empty() => Ok(Phase::Size),
            Phase::Trailers if line.is_empty() => Ok(Phase::Ended),
            Phase::Trailers => {
                let (name, value) = line.split_once(':').ok_or_else(malformed)?;
                self.trailers.push((name.to_owned(), value.to_owned()));
                Ok(Phase::Trailers)
            }
            Phase::DataEnd | Phase::Data(_) | Phase::Ended => Err(malformed()),
        }
    }

    fn finish(self, size: u64) -> Result<Vec<(String, String)>, Refused> {
        let names: Vec<&str> = self
            .trailers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        let whole = self.phase == Phase::Ended && size == self.length;
        match whole && names == [self.announced.as_str()] {
            true => Ok(self.trailers),
            false => Err(malformed()),
        }
    }
}

fn malformed() -> Refused {
    Refused::new(400, "IncompleteBody")
}
