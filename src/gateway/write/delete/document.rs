//! The documents of DeleteObjects: `<Delete>` read and written, `<DeleteResult>` added to. Pure.

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

use crate::gateway::forward::rename::{escape_text, without_marks};
use crate::routes::has_dot_segment;
use crate::types::{Extra, ObjectKey};

/// S3's own bound.
const MAX_KEYS: usize = 1000;

/// What S3 knows of an object besides its key.
const OTHERS: [&str; 4] = ["ETag", "LastModifiedTime", "Size", "VersionId"];

/// A `<Delete>` document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Deletion {
    pub(super) quiet: bool,
    pub(super) entries: Vec<Entry>,
}

/// An `<Object>` of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// As the client names it; not empty.
    pub(super) key: String,
    /// The other elements (`VersionId`, `ETag`, ...) and their texts.
    others: Vec<(String, String)>,
}

impl Entry {
    pub(super) fn version(&self) -> Option<&str> {
        let is_version =
            |(name, value): &&(String, String)| name == "VersionId" && !value.is_empty();
        self.others
            .iter()
            .find(is_version)
            .map(|(_, value)| value.as_str())
    }

    fn has(&self, name: &str) -> bool {
        self.others.iter().any(|(other, _)| other == name)
    }

    /// What an entry that names the object's state asks for besides.
    pub(super) fn condition(&self) -> Option<Extra> {
        let states = ["ETag", "LastModifiedTime", "Size"];
        let conditional = states.iter().any(|state| self.has(state));
        conditional.then_some(Extra::Condition)
    }

    pub(super) fn is_versioned(&self) -> bool {
        self.version().is_some()
    }
}

impl Deletion {
    /// Reads a document; none where it is not well-formed, or names no key or too many.
    pub(super) fn parse(document: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_reader(document);
        root(&mut reader)?;
        let mut deletion = Self {
            quiet: false,
            entries: Vec::new(),
        };
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => match start.local_name().as_ref() {
                    b"Object" => deletion.entries.push(entry(&mut reader)?),
                    b"Quiet" => {
                        let quiet = text(&mut reader, &start)?;
                        deletion.quiet = quiet.trim().eq_ignore_ascii_case("true");
                    }
                    _ => return None,
                },
                Event::End(_) => break,
                Event::Text(text) if text.decode().ok()?.trim().is_empty() => {}
                Event::Comment(_) => {}
                _ => return None,
            }
        }
        let count = deletion.entries.len();
        (1..=MAX_KEYS).contains(&count).then_some(deletion)
    }
}

fn root(reader: &mut Reader<&[u8]>) -> Option<()> {
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => return (start.local_name().as_ref() == b"Delete").then_some(()),
            Event::Decl(_) | Event::Text(_) | Event::Comment(_) | Event::PI(_) => {}
            _ => return None,
        }
    }
}

fn entry(reader: &mut Reader<&[u8]>) -> Option<Entry> {
    let mut entry = Entry::default();
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                let name = String::from_utf8(start.local_name().as_ref().to_vec()).ok()?;
                let value = text(reader, &start)?;
                // What is read differently by another reader might be another key's or version's.
                match name.as_str() {
                    "Key" if entry.key.is_empty() => entry.key = value,
                    // A path is made of it at stores on file systems.
                    "VersionId" if has_dot_segment(&value) => return None,
                    name if OTHERS.contains(&name) && !entry.has(name) => {
                        entry.others.push((name.to_owned(), value));
                    }
                    _ => return None,
                }
            }
            Event::End(_) => return (!entry.key.is_empty()).then_some(entry),
            Event::Empty(_) | Event::Comment(_) => {}
            Event::Text(text) if text.decode().ok()?.trim().is_empty() => {}
            _ => return None,
        }
    }
}

/// The text of an element that holds nothing else.
fn text(reader: &mut Reader<&[u8]>, start: &BytesStart<'_>) -> Option<String> {
    let raw = reader.read_text(start.name()).ok()?;
    // No document holds a NUL, not even as a reference.
    if raw.contains(['<', '\0']) {
        return None;
    }
    Some(unescape(&raw).ok()?.into_owned())
}

/// A `<Delete>` document of `entries` under the origin's keys.
pub(super) fn write(quiet: bool, entries: &[(ObjectKey, &Entry)]) -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">",
    );
    if quiet {
        xml.push_str("<Quiet>true</Quiet>");
    }
    for (key, entry) in entries {
        xml.push_str("<Object><Key>");
        xml.push_str(&escape_text(key.as_str()));
        xml.push_str("</Key>");
        for (name, value) in &entry.others {
            xml.push_str(&format!("<{name}>{}</{name}>", escape_text(value)));
        }
        xml.push_str("</Object>");
    }
    xml.push_str("</Delete>");
    xml
}

/// Puts `xml` behind the last child of a document's root.
pub(super) fn insert_at_end(document: &[u8], xml: &str) -> Option<Vec<u8>> {
    let document = without_marks(document);
    let mut reader = Reader::from_reader(document);
    let mut depth = 0usize;
    loop {
        let before = usize::try_from(reader.buffer_position()).ok()?;
        match reader.read_event().ok()? {
            Event::Start(_) => depth += 1,
            Event::End(_) if depth == 1 => {
                return Some([&document[..before], xml.as_bytes(), &document[before..]].concat());
            }
            Event::End(_) => depth -= 1,
            Event::Empty(root) if depth == 0 => {
                let name = String::from_utf8(root.name().as_ref().to_vec()).ok()?;
                let tag = String::from_utf8(root.to_vec()).ok()?;
                let end = usize::try_from(reader.buffer_position()).ok()?;
                let tag = tag.trim_end_matches(|it: char| it.is_whitespace() || it == '/');
                let middle = format!("<{tag}>{xml}</{name}>");
                return Some([&document[..before], middle.as_bytes(), &document[end..]].concat());
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_document_is_read_and_written_again() {
        let xml = br#"<?xml version="1.0"?>
            <Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"> <Quiet>true</Quiet>
            <Object><Key>a&amp;b/&#13;&lt;</Key><VersionId>v1</VersionId></Object>
            <Object><ETag>"e"</ETag><Key> k </Key></Object></Delete>"#;
        let read = Deletion::parse(xml).expect("well-formed");
        assert!(read.quiet && read.entries[0].is_versioned() && !read.entries[1].is_versioned());
        assert_eq!(read.entries[0].key, "a&b/\r<");
        assert_eq!(read.entries[1].key, " k ");
        let passed: Vec<_> = read
            .entries
            .iter()
            .map(|entry| (entry.key.parse().expect("a key"), entry))
            .collect();
        let written = write(read.quiet, &passed);
        assert_eq!(Deletion::parse(written.as_bytes()), Some(read));
    }

    #[test]
    fn what_is_no_deletion_is_refused() {
        let object = "<Object><Key>k</Key></Object>";
        let many = format!("<Delete>{}</Delete>", object.repeat(1001));
        for bad in [
            "",
            "<Delete/>",
            "<Delete></Delete>",
            "<Delete><Object></Object></Delete>",
            "<Delete><Object><Key></Key></Object></Delete>",
            "<Delete><Object><Key>k</Key></Object>",
            "<Delete><Object><Key>k</Key><Key>l</Key></Object></Delete>",
            "<Delete><Object><Key>k</Key><VersionId>../v</VersionId></Object></Delete>",
            "<Delete><Object><Key>k</Key><versionId>v</versionId></Object></Delete>",
            "<Delete><Object><Key>k</Key><ETag>1</ETag><ETag>2</ETag></Object></Delete>",
            "<Delete><Object><Key><b/></Key></Object></Delete>",
            "<Other><Object><Key>k</Key></Object></Other>",
            "<Delete><Object><Key>&unknown;</Key></Object></Delete>",
            "<Delete><Object><Key>k\0</Key></Object></Delete>",
            &many,
        ] {
            assert_eq!(Deletion::parse(bad.as_bytes()), None, "{bad:.60}");
        }
        let most = format!("<Delete>{}</Delete>", object.repeat(1000));
        assert!(Deletion::parse(most.as_bytes()).is_some());
    }

    proptest! {
        #[test]
        fn every_key_goes_on_as_it_came(
            keys in proptest::collection::vec("(?s)[^\0]{1,40}", 1..5),
            version in proptest::option::of("[a-zA-Z0-9<&]{1,12}"),
            quiet in any::<bool>(),
        ) {
            let others = version.map(|id| ("VersionId".to_owned(), id));
            let entry = |key: String| Entry { key, others: others.iter().cloned().collect() };
            let asked = Deletion { quiet, entries: keys.into_iter().map(entry).collect() };
            let passed: Vec<_> = asked
                .entries
                .iter()
                .map(|entry| (entry.key.parse().expect("a key"), entry))
                .collect();
            let written = write(quiet, &passed);
            prop_assert!(!written.contains(['\r', '\u{1}', '\u{85}']), "XML would lose them");
            prop_assert_eq!(Deletion::parse(written.as_bytes()), Some(asked));
        }

        #[test]
        fn no_document_makes_it_panic(document in "(<Delete>)?[<>/&;#a-cKeyObject!\\[\\]-]{0,60}(</Delete>)?") {
            let _ = Deletion::parse(document.as_bytes());
            if let Some(longer) = insert_at_end(document.as_bytes(), "<E/>") {
                prop_assert!(longer.len() > document.len());
            }
        }
    }

    #[test]
    fn errors_are_added_behind_what_the_origin_said() {
        let added = |document: &str| {
            let bytes = insert_at_end(document.as_bytes(), "<E/>").expect("well-formed");
            String::from_utf8(bytes).expect("text")
        };
        assert_eq!(
            added("<?x?><R a=\"1\"><D/></R>\n"),
            "<?x?><R a=\"1\"><D/><E/></R>\n"
        );
        assert_eq!(added("<R a=\"1\" />"), "<R a=\"1\"><E/></R>");
        assert_eq!(added("<R //>"), "<R><E/></R>");
        assert_eq!(added("\u{feff}<R><D/></R>"), "<R><D/><E/></R>");
        assert_eq!(insert_at_end(b"", "<E/>"), None);
    }
}
