//! What the fuzz targets of `tests/fuzz` see of the directory origin. Compiled with the feature `fuzzing` only.

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
