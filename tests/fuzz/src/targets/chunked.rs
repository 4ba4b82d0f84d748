//! The aws-chunked coding without signatures: however a body is cut on its way, it is read as a decoder that sees the whole
//! of it at once reads it; what is let out of a broken one is the beginning of what it says.
//!
//! Input: the decoded length, the trailer announced, the sizes of the pieces in which the body comes; then the body.

use forebay::s3::fuzzing::{Received, upload};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Target;
use crate::input::{block_on, lines, pieces};

pub(super) const TARGET: Target = Target {
    name: "chunked",
    seeds: &[
        "11\nx-amz-checksum-crc32\n\x01\x02\x07\nA\r\n0123456789\r\n1;chunk-signature=x\r\na\r\n0\r\n\
         x-amz-checksum-crc32:NhCmhg==\r\n\r\n",
        "5\nx-amz-checksum-sha1\n\x03\n3\r\nhel\r\n2\r\nlo\r\n0\r\nX-Amz-Checksum-SHA1 : a \r\n",
        "0\nx-amz-checksum-crc32c\n\n0\r\nx-amz-checksum-crc32c:AAAAAA==\n\n",
        "5\nx-amz-checksum-crc32\n\x02\n5\r\nhelloworld\r\n0\r\n\r\n",
        "5\nx-amz-checksum-crc32\n\x05\nffffffffffffffff\r\nhello",
    ],
    run,
};

/// The longest line, as the decoder has it.
const MAX_LINE: usize = 8 << 10;

fn run(data: &[u8]) {
    let Some((length, announced, sizes, wire)) = split(data) else {
        return;
    };
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-decoded-content-length", length),
        ("x-amz-trailer", announced),
    ] {
        let value = HeaderValue::from_str(value).expect("letters and digits");
        headers.insert(HeaderName::from_static(name), value);
    }
    let read = |sizes: &[u8]| block_on(upload(&headers, pieces(wire, sizes), None));
    let (whole, cut) = (read(&[]), read(sizes));
    let (Ok(whole), Ok(cut)) = (whole, cut) else {
        panic!("these headers are fine: {headers:?}");
    };
    assert_eq!((&whole.bytes, &whole.end), (&cut.bytes, &cut.end));
    let length: u64 = length.parse().expect("digits");
    assert!(whole.bytes.len() as u64 <= length);
    // Nothing is gathered: a piece that goes on is one that came, or less.
    let longest = pieces(wire, sizes).iter().map(|piece| piece.len()).max();
    assert!(Some(cut.largest) <= longest);
    check(&whole, &reference(wire, length, announced));
}

/// A decoder's result: what it read, and its trailer where the body was whole.
type Decoded = (Vec<u8>, Option<String>);

fn check(received: &Received, (bytes, trailer): &Decoded) {
    assert!(bytes.starts_with(&received.bytes));
    match (&received.end, trailer) {
        (Some(Ok(Some(trailers))), Some(value)) => {
            assert_eq!(&received.bytes, bytes);
            assert_eq!(trailers.len(), 1);
            assert_eq!(trailers.values().next().expect("one"), value);
        }
        (Some(Err(_)), None) => {}
        both => panic!("{both:?}"),
    }
}

fn split(data: &[u8]) -> Option<(&str, &str, &[u8], &[u8])> {
    let ends: Vec<usize> = (0..data.len())
        .filter(|at| data[*at] == b'\n')
        .take(3)
        .collect();
    let [first, second, third] = ends[..] else {
        return None;
    };
    let ([length, announced], _) = lines(std::str::from_utf8(&data[..second]).ok()?);
    let is_length =
        (1..=19).contains(&length.len()) && length.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = announced.starts_with("x-amz-checksum-")
        && announced
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let sizes = &data[second + 1..third];
    (first < second && is_length && is_name).then_some((
        length,
        announced,
        sizes,
        &data[third + 1..],
    ))
}

/// Reads a body that lies there whole.
fn reference(wire: &[u8], length: u64, announced: &str) -> Decoded {
    let (mut rest, mut bytes) = (wire, Vec::new());
    let trailer = decode(&mut rest, &mut bytes, length, announced);
    (bytes, trailer)
}

fn decode(rest: &mut &[u8], bytes: &mut Vec<u8>, length: u64, announced: &str) -> Option<String> {
    loop {
        let line = line(rest).ok()??;
        let digits = line.split(';').next().unwrap_or_default();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let size = u64::from_str_radix(digits, 16).ok()?;
        if size > length - bytes.len() as u64 {
            return None;
        }
        if size == 0 {
            break;
        }
        let size = usize::try_from(size).ok()?.min(rest.len());
        let (chunk, after) = rest.split_at(size);
        bytes.extend_from_slice(chunk);
        *rest = after;
        if !self::line(rest).ok()??.is_empty() {
            return None;
        }
    }
    let (mut trailer, mut signatures) = (None, 0);
    while let Some(line) = line(rest).ok()?.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        match name.trim().to_ascii_lowercase() {
            // Of the body without signatures it says nothing.
            name if name == "x-amz-trailer-signature" && signatures == 0 => signatures = 1,
            name if name == announced && trailer.is_none() => {
                trailer = Some(value.trim().to_owned())
            }
            _ => return None,
        }
    }
    let whole = rest.is_empty() && bytes.len() as u64 == length;
    trailer.filter(|value| whole && HeaderValue::from_str(value).is_ok())
}

/// It can be no line.
struct Unreadable;

/// The next line, of whichever end; none where nothing is left.
fn line<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a str>, Unreadable> {
    if rest.is_empty() {
        return Ok(None);
    }
    let end = rest.iter().position(|byte| *byte == b'\n');
    let line = &rest[..end.unwrap_or(rest.len())];
    *rest = &rest[end.map_or(rest.len(), |end| end + 1)..];
    if line.len() > MAX_LINE {
        return Err(Unreadable);
    }
    let line = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line));
    line.map(Some).map_err(|_| Unreadable)
}
