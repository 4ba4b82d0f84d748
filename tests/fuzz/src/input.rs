//! How targets cut libFuzzer's bytes into what a parser takes. Mostly lines of text, so that seeds and findings can be read.

use std::future::Future;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The first `N` lines and what follows them; lines that are missing are empty.
pub(crate) fn lines<const N: usize>(text: &str) -> ([&str; N], &str) {
    let mut rest = text;
    let lines = [(); N].map(|()| {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        rest = after;
        line
    });
    (lines, rest)
}

/// Headers from lines `name: value`; none where a line is no header that hyper would let in.
pub(crate) fn headers(text: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in text.lines() {
        let (name, value) = line.split_once(':')?;
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_str(value.trim()).ok()?);
    }
    Some(headers)
}

/// `bytes` in pieces of these sizes, taken in turn; empty pieces included.
pub(crate) fn pieces(bytes: &[u8], sizes: &[u8]) -> Vec<Bytes> {
    let mut rest = Bytes::copy_from_slice(bytes);
    let mut pieces = Vec::new();
    let mut sizes = sizes.iter().cycle();
    // All sizes may be zero.
    for _ in 0..bytes.len() {
        let size = sizes.next().map_or(rest.len(), |size| usize::from(*size));
        pieces.push(rest.split_to(size.min(rest.len())));
    }
    pieces.push(rest);
    pieces
}

/// Runs `future` to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// Percent-encodes all but letters and digits.
pub(crate) fn encode(text: &str) -> String {
    let encode = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(encode).collect()
}

/// Decodes percent-encoding by the letter of RFC 3986; none where an escape is broken or the bytes are no text.
pub(crate) fn decode(raw: &str) -> Option<String> {
    let raw = raw.as_bytes();
    let (mut bytes, mut at) = (Vec::new(), 0);
    while at < raw.len() {
        if raw[at] == b'%' {
            let digit = |at: usize| char::from(*raw.get(at)?).to_digit(16);
            let byte = digit(at + 1)? * 16 + digit(at + 2)?;
            bytes.push(u8::try_from(byte).expect("two digits"));
            at += 3;
        } else {
            bytes.push(raw[at]);
            at += 1;
        }
    }
    String::from_utf8(bytes).ok()
}
