//! Reads the XML documents of requests (DeleteObjects, CompleteMultipartUpload) into a small tree.
//!
//! Namespaces and attributes are dropped, unknown elements kept: who reads the tree looks for the names it knows.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::answer::Code;

/// Deeper documents than this are refused; S3's own have four levels.
const MAX_DEPTH: usize = 16;

/// An element: its local name, its text, and the elements inside.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// The elements inside that are called `name`.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first element inside that is called `name`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let child = self.children.iter().find(|child| child.name == name)?;
        Some(&child.text)
    }
}

/// Parses a document whose root is called `root`.
///
/// # Errors
/// `MalformedXML` where it is not well-formed, too deep, or something else.
pub(super) fn parse(document: &[u8], root: &str) -> Result<Element, Code> {
    let malformed = Code::MalformedXML;
    let text = std::str::from_utf8(document).map_err(|_| malformed)?;
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().map_err(|_| malformed)? {
            Event::Start(tag) => {
                if open.len() > MAX_DEPTH {
                    return Err(malformed);
                }
                open.push(named(tag.local_name().as_ref())?);
            }
            Event::Empty(tag) => {
                let element = named(tag.local_name().as_ref())?;
                last(&mut open)?.children.push(element);
            }
            Event::End(_) => {
                let element = open.pop().ok_or(malformed)?;
                last(&mut open)?.children.push(element);
            }
            Event::Text(text) => {
                let text = text.decode().map_err(|_| malformed)?;
                last(&mut open)?.text.push_str(&text);
            }
            Event::CData(text) => {
                let text = text.decode().map_err(|_| malformed)?;
                last(&mut open)?.text.push_str(&text);
            }
            Event::GeneralRef(reference) => {
                let name = reference.decode().map_err(|_| malformed)?;
                let text = resolve(&name).ok_or(malformed)?;
                last(&mut open)?.text.push(text);
            }
            Event::Eof => break,
            Event::DocType(_) => return Err(malformed),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    let (Some(mut document), true) = (open.pop(), open.is_empty()) else {
        return Err(malformed);
    };
    match document.children.pop() {
        Some(element) if element.name == root && document.children.is_empty() => Ok(element),
        _ => Err(malformed),
    }
}

fn named(name: &[u8]) -> Result<Element, Code> {
    let name = std::str::from_utf8(name).map_err(|_| Code::MalformedXML)?;
    Ok(Element {
        name: name.to_owned(),
        ..Element::default()
    })
}

fn last(open: &mut [Element]) -> Result<&mut Element, Code> {
    open.last_mut().ok_or(Code::MalformedXML)
}

fn resolve(reference: &str) -> Option<char> {
    match reference {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        other => {
            let number = other.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_document_becomes_a_tree() {
        let text = "<?xml version=\"1.0\"?><Delete xmlns=\"x\"><Quiet>true</Quiet>\
            <Object><Key>a &amp;&#x1;<![CDATA[<b>]]></Key></Object><Object/></Delete>";
        let tree = parse(text.as_bytes(), "Delete").expect("a tree");
        assert_eq!(tree.get("Quiet"), Some("true"));
        let keys: Vec<_> = tree.all("Object").map(|object| object.get("Key")).collect();
        assert_eq!(keys, [Some("a &\u{1}<b>"), None]);
    }

    #[test]
    fn what_is_no_such_document_is_refused() {
        let deep = "<a>".repeat(100_000);
        for bad in [
            "",
            "x",
            "<Delete>",
            "<Delete></Other>",
            "<Other/>",
            "<Delete/><Delete/>",
            "<!DOCTYPE a><Delete/>",
            "<Delete>&nbsp;</Delete>",
            deep.as_str(),
        ] {
            assert!(parse(bad.as_bytes(), "Delete").is_err(), "{bad:.40}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(document in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&document, "Delete");
        }
    }
}
