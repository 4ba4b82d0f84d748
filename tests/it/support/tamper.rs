//! An upload as it was on the wire, and tampered copies of it, each with the error that S3 answers to it.

/// A request with a body.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    /// `METHOD TARGET`.
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A copy that differs in one thing.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) what: &'static str,
    pub(crate) upload: Upload,
    pub(crate) code: &'static str,
    /// The client ends its side after the body.
    pub(crate) ends: bool,
}

/// One aws-chunk: its line, and its bytes.
#[derive(Debug, Clone)]
struct Chunk {
    line: String,
    data: Vec<u8>,
}

impl Upload {
    /// The bytes on the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} HTTP/1.1\r\n", self.line);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut bytes = (head + "\r\n").into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The header's value; empty where it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        let header = self.headers.iter().find(|(other, _)| other == name);
        header.map_or("", |(_, value)| value)
    }

    fn signs(&self, name: &str) -> bool {
        let signature = self.header("authorization");
        let names = signature.split("SignedHeaders=").nth(1).unwrap_or_default();
        let names = names.split(',').next().unwrap_or_default();
        names.split(';').any(|other| other == name)
    }

    fn with(&self, name: &str, value: &str) -> Self {
        let mut copy = self.clone();
        let mut headers = copy.headers.iter_mut();
        let header = headers.find(|(other, _)| other == name);
        value.clone_into(&mut header.expect("the header is there").1);
        copy
    }

    fn with_body(&self, body: Vec<u8>) -> Self {
        let mut copy = self.with("content-length", &body.len().to_string());
        copy.body = body;
        copy
    }

    /// Whether something vouches for the bytes.
    fn is_vouched_for(&self) -> bool {
        let checksum = |(name, _): &(String, String)| name.starts_with("x-amz-checksum-");
        self.header("x-amz-content-sha256") != "UNSIGNED-PAYLOAD"
            || self.headers.iter().any(checksum)
            || !self.header("content-md5").is_empty()
    }

    /// A copy with a shorter body; its length stays where it is signed, and the connection ends.
    fn shorter(&self, what: &'static str, body: Vec<u8>, code: &'static str) -> Copy {
        let signed = self.signs("content-length") && body.len() < self.body.len();
        let upload = if signed {
            Self {
                body,
                ..self.clone()
            }
        } else {
            self.with_body(body)
        };
        Copy {
            what,
            upload,
            code,
            ends: signed,
        }
    }
}

/// Every way in which the upload can be tampered with and be noticed.
pub(crate) fn copies(upload: &Upload) -> Vec<Copy> {
    let mut copies = match upload.header("x-amz-content-sha256") {
        form if form.starts_with("STREAMING-") => of_chunks(upload, form.contains("AWS4")),
        _ => of_plain(upload),
    };
    for (name, value) in &upload.headers {
        if name.starts_with("x-amz-checksum-") || name == "x-amz-decoded-content-length" {
            copies.push(Copy {
                what: "a header altered",
                upload: upload.with(name, &other(value)),
                code: "SignatureDoesNotMatch",
                ends: false,
            });
        }
    }
    let half = upload.body[..upload.body.len() / 2].to_vec();
    copies.push(Copy {
        what: "the connection ended",
        upload: Upload {
            body: half,
            ..upload.clone()
        },
        code: "IncompleteBody",
        ends: true,
    });
    copies
}

fn of_plain(upload: &Upload) -> Vec<Copy> {
    if !upload.is_vouched_for() {
        return Vec::new();
    }
    let hashed = upload.header("x-amz-content-sha256").len() == 64;
    let code = if hashed {
        "XAmzContentSHA256Mismatch"
    } else {
        "BadDigest"
    };
    let cut = upload.body[..upload.body.len() - 1000].to_vec();
    let short = if upload.signs("content-length") {
        "IncompleteBody"
    } else {
        code
    };
    vec![
        Copy {
            what: "a byte flipped",
            upload: upload.with_body(flipped(&upload.body)),
            code,
            ends: false,
        },
        upload.shorter("shorter", cut, short),
    ]
}

fn of_chunks(upload: &Upload, signed: bool) -> Vec<Copy> {
    let (chunks, trailers) = parse(&upload.body);
    let (noticed, short) = if signed {
        ("SignatureDoesNotMatch", "SignatureDoesNotMatch")
    } else {
        ("BadDigest", "IncompleteBody")
    };
    let mut bad = chunks.clone();
    bad[0].data = flipped(&bad[0].data);
    let mut copies = vec![upload.shorter("a byte flipped", encode(&bad, &trailers), noticed)];
    let mut forged = trailers.clone();
    for trailer in forged
        .iter_mut()
        .filter(|it| it.starts_with("x-amz-checksum"))
    {
        let (name, value) = trailer.split_once(':').expect("a trailer");
        *trailer = format!("{name}:{}", other(value));
    }
    if forged != trailers {
        let body = encode(&chunks, &forged);
        copies.push(upload.shorter("another trailing checksum", body, noticed));
        let missing = match upload.signs("content-length") {
            true => "IncompleteBody",
            false => "MalformedTrailerError",
        };
        copies.push(upload.shorter("no trailer", encode(&chunks, &[]), missing));
    }
    if signed {
        for place in [0, chunks.len() - 1] {
            let mut forged = chunks.clone();
            forged[place].line = other(&forged[place].line);
            let body = encode(&forged, &trailers);
            copies.push(upload.shorter("a chunk's signature altered", body, noticed));
        }
    }
    let mut dropped = chunks.clone();
    dropped.remove(chunks.len() - 2);
    copies.push(upload.shorter("the last chunk dropped", encode(&dropped, &trailers), short));
    for size in [chunks[0].data.len() - 1, chunks[0].data.len() + 1] {
        let mut resized = chunks.clone();
        let (_, extension) = chunks[0]
            .line
            .split_at(chunks[0].line.find(';').unwrap_or(chunks[0].line.len()));
        resized[0].line = format!("{size:x}{extension}");
        copies.push(upload.shorter("a chunk's size altered", encode(&resized, &trailers), short));
    }
    let end = chunks[..chunks.len() - 1]
        .iter()
        .flat_map(encoded)
        .collect();
    copies.push(upload.shorter("the end missing", end, "IncompleteBody"));
    copies
}

/// The chunks with the empty last one, and the trailers as lines.
fn parse(mut body: &[u8]) -> (Vec<Chunk>, Vec<String>) {
    let mut chunks = Vec::new();
    loop {
        let end = body.windows(2).position(|it| it == b"\r\n");
        let line = String::from_utf8(body[..end.expect("a line")].to_vec()).expect("text");
        body = &body[line.len() + 2..];
        let digits = line.split(';').next().expect("a size");
        let size = usize::from_str_radix(digits, 16).expect("a size");
        let data = body[..size].to_vec();
        chunks.push(Chunk { line, data });
        if size == 0 {
            let trailers = String::from_utf8(body.to_vec()).expect("text");
            let lines = trailers.split("\r\n").filter(|line| !line.is_empty());
            return (chunks, lines.map(str::to_owned).collect());
        }
        body = &body[size + 2..];
    }
}

fn encoded(chunk: &Chunk) -> Vec<u8> {
    let end: &[u8] = if chunk.data.is_empty() { b"" } else { b"\r\n" };
    [chunk.line.as_bytes(), b"\r\n", &chunk.data, end].concat()
}

fn encode(chunks: &[Chunk], trailers: &[String]) -> Vec<u8> {
    let mut body: Vec<u8> = chunks.iter().flat_map(encoded).collect();
    for trailer in trailers {
        body.extend_from_slice(format!("{trailer}\r\n").as_bytes());
    }
    body.extend_from_slice(b"\r\n");
    body
}

/// A byte in the middle flipped.
fn flipped(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes
}

/// The first digit exchanged for another one: still base64, hexadecimal or a number, of the same length. Of a chunk's line
/// the last: the first are its size.
fn other(value: &str) -> String {
    let at = if value.contains(';') {
        value.len() - 1
    } else {
        0
    };
    let digit = if &value[at..=at] == "1" { "2" } else { "1" };
    format!("{}{digit}{}", &value[..at], &value[at + 1..])
}
