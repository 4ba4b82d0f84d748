//! Browsers' forms: however a form is cut on its way, it is read the same; its file ends where the first delimiter behind its
//! beginning is; and a file that streams is the one that reading ahead finds.
//!
//! Input: the boundary, the sizes of the pieces in which the form comes; then the form.

use forebay::s3::fuzzing::form;

use super::Target;
use crate::input::{block_on, pieces};

pub(super) const TARGET: Target = Target {
    name: "form",
    seeds: &[
        "B\n\x01\x02\x07\n--B\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\na\r\n--B\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n\r\n--Bx\r\n--B--\r\n",
        "B\n\x03\n\r\n--B \r\ncontent-disposition: form-data; name=file; filename*=utf-8''%C3%BC\r\n\r\nx\r\n--B\r\n\
         Content-Disposition: form-data; name=\"submit\"\r\n\r\nUpload\r\n--B--\r\n",
        "-\n\x05\n---\r\nContent-Disposition: form-data; name=\"a\\\"b\"\r\n\r\n\r\n-----",
        "B\n\n--B\r\nContent-Disposition: form-data; name=\"FILE\"\r\n\r\n\r\n--B--",
    ],
    run,
};

fn run(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let (Some(boundary), Some(sizes), Some(wire)) = (lines.next(), lines.next(), lines.next())
    else {
        return;
    };
    let Ok(boundary) = std::str::from_utf8(boundary) else {
        return;
    };
    let read = |sizes: &[u8], look_ahead| block_on(form(boundary, pieces(wire, sizes), look_ahead));
    let whole = read(&[], u64::MAX);
    assert_eq!(whole, read(sizes, u64::MAX));
    let streamed = read(&[], 0);
    assert_eq!(streamed, read(sizes, 0));
    let Some(whole) = whole else {
        assert_eq!(streamed, None);
        return;
    };
    let (length, file) = &whole.file;
    assert_eq!(*length, file.len() as u64);
    assert_eq!(first_delimiter(file, boundary), None);
    let close = format!("\r\n--{boundary}--\r\n");
    let last = wire.ends_with(&[file.as_slice(), close.as_bytes()].concat());
    match streamed {
        Some(streamed) => assert_eq!(streamed, whole),
        None => {
            assert!(!last || first_delimiter(&wire[..wire.len() - close.len()], boundary).is_some())
        }
    }
}

/// Where the first delimiter begins in bytes that are all there.
fn first_delimiter(bytes: &[u8], boundary: &str) -> Option<usize> {
    let delimiter = format!("\r\n--{boundary}");
    (0..bytes.len()).find(|at| {
        let rest = bytes[*at..].strip_prefix(delimiter.as_bytes());
        rest.is_some_and(|rest| matches!(rest, [b' ' | b'\t' | b'\r', ..] | [b'-', b'-', ..]))
    })
}
