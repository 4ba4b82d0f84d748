//! What the fuzz targets of `tests/fuzz` see of DeleteObjects. Compiled with the feature `fuzzing` only.

use super::document::{self, Deletion};

/// What a `<Delete>` document asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    pub quiet: bool,
    /// Keys, and their version ids.
    pub objects: Vec<(String, Option<String>)>,
    /// The same as it is written for the origin, where every key is one.
    pub written: Option<String>,
}

/// Reads a document.
pub fn parse(bytes: &[u8]) -> Option<Asked> {
    let deletion = Deletion::parse(bytes)?;
    let passed: Option<Vec<_>> = deletion
        .entries
        .iter()
        .map(|entry| Some((entry.key.parse().ok()?, entry)))
        .collect();
    let object = |entry: &document::Entry| (entry.key.clone(), entry.version().map(str::to_owned));
    Some(Asked {
        quiet: deletion.quiet,
        objects: deletion.entries.iter().map(object).collect(),
        written: passed.map(|passed| document::write(deletion.quiet, &passed)),
    })
}

/// Puts `xml` behind the last child of a document's root.
pub fn insert_at_end(bytes: &[u8], xml: &str) -> Option<Vec<u8>> {
    document::insert_at_end(bytes, xml)
}
