//! The aws-chunked coding with signatures: what a client has signed is let through, and whatever is done to it on its way,
//! nothing else is taken for whole.
//!
//! Input: bytes that choose the body, its chunks, its trailer, the damage, and the pieces in which it comes.

use aws_lc_rs::{digest, hmac};
use forebay::s3::fuzzing::upload;
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::arbitrary::{Result, Unstructured};

use super::Target;
use crate::input::{block_on, pieces};

pub(super) const TARGET: Target = Target {
    name: "signed",
    seeds: &[
        "\x01\x03abc\x02de\x00\x00\x05\x02",
        "\x00\x07forebay\x01x\x03\x04\x10\x01",
        "\x01\x00\x02\x20\x01\x11",
    ],
    run,
};

const SECRET: &str = "hunter2";
const TIME: &str = "20261123T000000Z";
const SCOPE: &str = "20261123/mars-1/s3/aws4_request";
const TRAILER: &str = "x-amz-checksum-crc32";

fn run(data: &[u8]) {
    let mut input = Unstructured::new(data);
    // Input that is used up gives zeros: no error is left to come.
    let _ = tried(&mut input);
}

fn tried(input: &mut Unstructured<'_>) -> Result<()> {
    let trailer = input.arbitrary::<bool>()?.then_some("NhCmhg==");
    let mut chunks: Vec<Vec<u8>> = Vec::new();
    for _ in 0..input.int_in_range(0..=3)? {
        let length = input.int_in_range(1..=20)?;
        chunks.push(input.bytes(length)?.to_vec());
    }
    let body = chunks.concat();
    let headers = headers(body.len(), trailer.is_some());
    let wire = encoded(&chunks, trailer);
    let whole = block_on(upload(&headers, pieces(&wire, &[]), Some(SECRET)))
        .expect("these headers are fine");
    assert_eq!(whole.bytes, body);
    assert_eq!(trailer_of(whole.end), Some(trailer.map(str::to_owned)));

    let mut damaged = wire.clone();
    for _ in 0..input.int_in_range(0..=3)? {
        damage(&mut damaged, input)?;
    }
    let sizes = input.bytes(input.len().min(4))?;
    let read = block_on(upload(&headers, pieces(&damaged, sizes), Some(SECRET)))
        .expect("these headers are fine");
    assert!(read.bytes.len() <= body.len());
    if let Some(claimed) = trailer_of(read.end) {
        assert_eq!(read.bytes, body);
        assert_eq!(claimed.as_deref(), trailer);
    }
    Ok(())
}

/// None where the body was not whole, else its trailer.
fn trailer_of(
    end: Option<std::result::Result<Option<HeaderMap>, String>>,
) -> Option<Option<String>> {
    let trailers = end.expect("an end").ok()?;
    let value = trailers.as_ref().and_then(|trailers| trailers.get(TRAILER));
    Some(value.map(|value| value.to_str().expect("text").to_owned()))
}

fn damage(wire: &mut Vec<u8>, input: &mut Unstructured<'_>) -> Result<()> {
    let at = input.int_in_range(0..=wire.len() - 1)?;
    let end = (at + input.int_in_range(1..=100)?).min(wire.len());
    match input.int_in_range(0..=4)? {
        0 => wire[at] ^= input.int_in_range(1..=255u8)?,
        1 if wire.len() > end - at => drop(wire.drain(at..end)),
        2 => wire.insert(at, input.arbitrary()?),
        3 => {
            let copy = wire[at..end].to_vec();
            let to = input.int_in_range(0..=wire.len())?;
            wire.splice(to..to, copy);
        }
        _ => wire.truncate(at.max(1)),
    }
    Ok(())
}

fn headers(length: usize, has_trailer: bool) -> HeaderMap {
    let kind = if has_trailer { "-TRAILER" } else { "" };
    let mut headers = HeaderMap::new();
    let mut put = |name, value: String| {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::try_from(value).expect("text"),
        );
    };
    put("host", "h".to_owned());
    put("x-amz-date", TIME.to_owned());
    put(
        "x-amz-content-sha256",
        format!("STREAMING-AWS4-HMAC-SHA256-PAYLOAD{kind}"),
    );
    put("x-amz-decoded-content-length", length.to_string());
    let mut signed = "host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length".to_owned();
    if has_trailer {
        put("x-amz-trailer", TRAILER.to_owned());
        signed.push_str(";x-amz-trailer");
    }
    let seed = seed();
    put(
        "authorization",
        format!("AWS4-HMAC-SHA256 Credential=FB/{SCOPE}, SignedHeaders={signed}, Signature={seed}"),
    );
    headers
}

/// The request's own signature; nobody looks at it here but as the first link of the chain.
fn seed() -> String {
    "5".repeat(64)
}

/// The body as a client sends it (AWS, "Signature Calculations for the Authorization Header: Transferring Payload in
/// Multiple Chunks", and the same "Including Trailing Headers").
fn encoded(chunks: &[Vec<u8>], trailer: Option<&str>) -> Vec<u8> {
    let (mut wire, mut previous) = (Vec::new(), seed());
    let last = Vec::new();
    for chunk in chunks.iter().chain([&last]) {
        let text = format!("{}\n{}", sha256(b""), sha256(chunk));
        previous = signature("AWS4-HMAC-SHA256-PAYLOAD", &previous, &text);
        wire.extend_from_slice(
            format!("{:x};chunk-signature={previous}\r\n", chunk.len()).as_bytes(),
        );
        if !chunk.is_empty() {
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
    }
    if let Some(value) = trailer {
        let line = format!("{TRAILER}:{value}");
        let hash = sha256(format!("{line}\n").as_bytes());
        let signature = signature("AWS4-HMAC-SHA256-TRAILER", &previous, &hash);
        wire.extend_from_slice(
            format!("{line}\r\nx-amz-trailer-signature:{signature}\r\n").as_bytes(),
        );
    }
    wire.extend_from_slice(b"\r\n");
    wire
}

fn signature(kind: &str, previous: &str, hashes: &str) -> String {
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in SCOPE.split('/') {
        key = mac(&key, part);
    }
    hex::encode(mac(
        &key,
        &format!("{kind}\n{TIME}\n{SCOPE}\n{previous}\n{hashes}"),
    ))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}
