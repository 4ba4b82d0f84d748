//! What the fuzz targets of `tests/fuzz` see of the directory origin. Compiled with the feature `fuzzing` only.

use super::tags::{Carrier, Tags};
use super::{path, xml};
use crate::types::{BucketName, ObjectKey};

/// An element of a document: its local name, its text, and the elements inside.
#[derive(Debug, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub text: String,
    pub children: Vec<Element>,
}

/// Where a key is kept, relative to the origin's folder: its own place, or that of keys that no path can hold.
pub fn place(bucket: &BucketName, key: &ObjectKey) -> String {
    path::plain(bucket, key).unwrap_or_else(|| path::odd(bucket, key))
}

/// Where the description of a key is kept, and the folder of its bucket's uploads.
pub fn state(bucket: &BucketName, key: &ObjectKey, inode: u64) -> (String, String) {
    (path::meta(bucket, key, inode), path::uploads(bucket))
}

/// Tags as they are stored, read from a header; none where S3 does not take them.
pub fn tags_of_header(value: &str) -> Option<String> {
    let tags = Tags::of_header(value).ok()?;
    Some(tags.to_stored().unwrap_or_default())
}

/// Tags as they are stored, read from a document; none where S3 does not take them of an object.
pub fn tags_of_document(document: &[u8]) -> Option<String> {
    let tags = Tags::of_document(document, Carrier::Object).ok()?;
    Some(tags.to_stored().unwrap_or_default())
}

/// The document of tags that are stored so.
pub fn tags_document(stored: &str) -> String {
    let document = Tags::stored(stored).document().finish();
    String::from_utf8(document.to_vec()).expect("text")
}

/// Reads a request's document whose root is called `root`; none where it is none.
pub fn document(bytes: &[u8], root: &str) -> Option<Element> {
    xml::parse(bytes, root).ok().map(public)
}

fn public(element: xml::Element) -> Element {
    Element {
        name: element.name,
        text: element.text,
        children: element.children.into_iter().map(public).collect(),
    }
}
