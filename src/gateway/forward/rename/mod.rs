//! Names in an origin's XML answers, given back as the client knows them.
//!
//! Pure. Only the text of the elements in [`Kind::of`] changes: the bucket's name, and the route's prefix at the head of
//! keys. Every other byte is copied from the origin's document as it is, known element or not.

use std::borrow::Cow;
use std::ops::Range;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use quick_xml::Reader;
use quick_xml::errors::IllFormedError;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::Event;

use crate::routes::Route;
use crate::types::ObjectKey;

/// What a URI leaves as it is (RFC 3986, "unreserved"), and the slash, which separates the parts of a key.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// A key as it goes into a path or into `x-amz-copy-source`.
pub(crate) fn encode_key(key: &str) -> String {
    percent_encode(key.as_bytes(), PATH).to_string()
}

/// Text as it goes into a document. Line ends are written as references, because a parser makes other ones of them (XML
/// 1.0, section 2.11), and so is what XML does not have at all, as S3 does.
pub(crate) fn escape_text(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    for character in escape(text).chars() {
        if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') {
            whole.push_str(&format!("&#{};", u32::from(character)));
        } else {
            whole.push(character);
        }
    }
    whole
}

/// The document behind the byte order marks before it. A reader drops one and does not count it in its positions.
pub(crate) fn without_marks(document: &[u8]) -> &[u8] {
    let mut document = document;
    while let Some(rest) = document.strip_prefix(b"\xef\xbb\xbf") {
        document = rest;
    }
    document
}

/// Whether answers of this route are the client's as they are.
pub(crate) fn is_identity(route: &Route) -> bool {
    route.prefix.is_empty() && route.bucket == route.origin_bucket
}

/// Whether a document is about the object of that key, or about another one of the bucket, of this route.
pub(crate) fn is_about(document: &[u8], route: &Route, key: &ObjectKey) -> bool {
    let names_it = |text: Text| match text.kind {
        Kind::Bucket => text.whole == route.origin_bucket.as_str(),
        Kind::Key => in_xml(&text.whole).eq(in_xml(key.as_str())),
        Kind::Location | Kind::Resource | Kind::Message => false,
    };
    texts(without_marks(document)).is_ok_and(|texts| texts.into_iter().any(names_it))
}

/// A text as a store writes it that puts U+FFFD where XML 1.0 does not have the character (section 2.2; Go's encoder does).
fn in_xml(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|character| match character {
        '\t' | '\n' | '\r' => character,
        '\0'..' ' | '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        _ => character,
    })
}

/// What an element's text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bucket,
    Key,
    /// A URL of the object.
    Location,
    /// The path of the object, as it is.
    Resource,
    /// An error's sentence, in which some stores name the object.
    Message,
}

impl Kind {
    fn of(element: &[u8]) -> Option<Self> {
        match element {
            b"Name" | b"Bucket" | b"BucketName" => Some(Self::Bucket),
            b"Key" | b"Prefix" | b"Marker" | b"NextMarker" | b"StartAfter" | b"KeyMarker"
            | b"NextKeyMarker" => Some(Self::Key),
            b"Location" => Some(Self::Location),
            b"Resource" => Some(Self::Resource),
            b"Message" => Some(Self::Message),
            _ => None,
        }
    }
}

/// A text of the origin's document.
struct Text {
    kind: Kind,
    at: Range<usize>,
    whole: String,
}

/// A piece of the origin's document and what stands there for the client.
struct Change {
    at: Range<usize>,
    text: String,
}

/// Rewrites a document.
///
/// # Errors
/// Where it is not well-formed.
pub(crate) fn rename(document: &[u8], route: &Route) -> Result<Vec<u8>, quick_xml::Error> {
    let document = without_marks(document);
    let encoded = is_url_encoded(document);
    let changes = texts(document)?.into_iter().filter_map(|text| {
        let renamed = client_text(text.kind, &text.whole, encoded, route)?;
        Some(Change {
            at: text.at,
            text: renamed,
        })
    });
    Ok(apply(document, changes))
}

/// The texts of the elements in [`Kind::of`], with their places.
fn texts(document: &[u8]) -> Result<Vec<Text>, quick_xml::Error> {
    let mut reader = Reader::from_reader(document);
    let mut texts = Vec::new();
    let mut open: Option<(Kind, usize, String)> = None;
    let mut depth = 0_usize;
    loop {
        let before = position(&reader);
        match reader.read_event()? {
            Event::Start(start) => {
                depth += 1;
                let kind = Kind::of(start.local_name().as_ref());
                open = kind.map(|kind| (kind, position(&reader), String::new()));
            }
            Event::Text(text) => append(&mut open, &text.decode()?),
            Event::CData(text) => append(&mut open, &text.decode()?),
            Event::GeneralRef(reference) => {
                if let Some(character) = reference.resolve_char_ref()? {
                    append(&mut open, character.encode_utf8(&mut [0; 4]));
                } else if let Some(text) = resolve_predefined_entity(&reference.decode()?) {
                    append(&mut open, text);
                }
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                if let Some((kind, start, whole)) = open.take() {
                    let at = start..before;
                    texts.push(Text { kind, at, whole });
                }
            }
            // A document that was cut off may end in a name that nobody has exchanged.
            Event::Eof if depth > 0 => return Err(cut_off()),
            Event::Eof => return Ok(texts),
            Event::Empty(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_) => {}
        }
    }
}

fn cut_off() -> quick_xml::Error {
    IllFormedError::MissingEndTag(String::new()).into()
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).expect("a position inside of a slice")
}

fn append(open: &mut Option<(Kind, usize, String)>, text: &str) {
    if let Some((_, _, whole)) = open {
        whole.push_str(text);
    }
}

fn apply(document: &[u8], changes: impl Iterator<Item = Change>) -> Vec<u8> {
    let mut renamed = Vec::with_capacity(document.len());
    let mut copied = 0;
    for Change { at, text } in changes {
        renamed.extend_from_slice(&document[copied..at.start]);
        renamed.extend_from_slice(escape_text(&text).as_bytes());
        copied = at.end;
    }
    renamed.extend_from_slice(&document[copied..]);
    renamed
}

/// Whether the origin percent-encoded the keys, as it says in `EncodingType`, in the client's own spelling.
fn is_url_encoded(document: &[u8]) -> bool {
    let mark = b"<EncodingType>url<";
    let mut windows = document.windows(mark.len());
    windows.any(|window| window.eq_ignore_ascii_case(mark))
}

/// The text for the client; none where it stays.
fn client_text(kind: Kind, text: &str, encoded: bool, route: &Route) -> Option<String> {
    match kind {
        Kind::Bucket => (text == route.origin_bucket.as_str()).then(|| route.bucket.to_string()),
        Kind::Key if encoded => strip_encoded(text, &route.prefix).map(str::to_owned),
        Kind::Key => text.strip_prefix(&route.prefix).map(str::to_owned),
        Kind::Location => client_location(text, route),
        Kind::Resource => client_resource(text, route),
        Kind::Message => client_message(text, route),
    }
}

/// `/BUCKET[/KEY]` in place of the origin's.
fn client_resource(resource: &str, route: &Route) -> Option<String> {
    let (bucket, key) = match resource.strip_prefix('/')?.split_once('/') {
        Some((bucket, key)) => (bucket, Some(key)),
        None => (resource.strip_prefix('/')?, None),
    };
    if bucket != route.origin_bucket.as_str() {
        return None;
    }
    Some(match key {
        Some(key) => {
            let key = key.strip_prefix(&route.prefix).unwrap_or(key);
            format!("/{}/{key}", route.bucket)
        }
        None => format!("/{}", route.bucket),
    })
}

/// The sentence with `BUCKET/` in place of the origin's bucket and the route's prefix (MinIO writes "Invalid arguments
/// provided for BUCKET/KEY", and of a part BUCKET and a file of its own).
fn client_message(message: &str, route: &Route) -> Option<String> {
    let clients = format!("{}/", route.bucket);
    let bucket = format!("{}/", route.origin_bucket);
    let prefix = format!("{bucket}{}", route.prefix);
    message.contains(&bucket).then(|| {
        message
            .replace(&prefix, &clients)
            .replace(&bucket, &clients)
    })
}

/// `/BUCKET/KEY` in place of the origin's URL, of which the client shall know nothing.
fn client_location(location: &str, route: &Route) -> Option<String> {
    let (_, path) = location.split_once("://").unwrap_or(("", location));
    let (_, path) = path.split_once('/')?;
    let bucket = format!("{}/", route.origin_bucket);
    // Path style has the bucket in the path, virtual-host style in the host's name.
    let key = path.strip_prefix(&bucket).unwrap_or(path);
    let prefix = encode_key(&route.prefix);
    let key = strip_encoded(key, &route.prefix)
        .or_else(|| key.strip_prefix(&prefix))
        .map_or(Cow::Borrowed(key), Cow::Borrowed);
    Some(format!("/{}/{key}", route.bucket))
}

/// Takes `prefix` from the head of a percent-encoded text, whatever the encoder left as it was. The rest stays as it is.
fn strip_encoded<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let mut rest = text.as_bytes();
    for wanted in prefix.bytes() {
        let (byte, length) = match rest {
            [b'%', high, low, ..] => (hex_digit(*high)? << 4 | hex_digit(*low)?, 3),
            // Stores that encode as forms do write a space so; a plus is then `%2B`.
            [b'+', ..] if wanted == b' ' => (b' ', 1),
            [byte, ..] => (*byte, 1),
            [] => return None,
        };
        if byte != wanted {
            return None;
        }
        rest = &rest[length..];
    }
    text.get(text.len() - rest.len()..)
}

fn hex_digit(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests;
