//! Names in an origin's documents: only the texts of the elements that name buckets, keys and places change, every other
//! byte stays; a key loses the route's prefix and nothing else.
//!
//! Input: the route's prefix, then the document.

use std::sync::{Arc, OnceLock};

use forebay::gateway::fuzzing::renamed;
use forebay::origin::directory::{Config, Directory};
use forebay::routes::{Freshness, NamedOrigin, Route};
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "rename",
    seeds: &[
        "p &/\n<?xml version='1.0'?>\n<ListBucketResult  xmlns=\"x\" ><Name>corp-train</Name><!-- c -->\
         <Prefix>p &amp;/</Prefix><Marker></Marker><NextMarker/><Contents><Key>p &#38;/a&lt;&#13;</Key></Contents>\
         <CommonPrefixes><Prefix><![CDATA[p &/d/]]></Prefix></CommonPrefixes></ListBucketResult>\n",
        "a b/\n<R><Key>a%20b%2Fx%2By</Key><EncodingType>url</EncodingType><Key>a+b/other</Key></R>",
        "p/\n<Error><Key>p/k</Key><BucketName>corp-train</BucketName><Resource>/corp-train/p/k</Resource></Error>",
        "p/\n<C><Location>https://corp-train.s3.amazonaws.com/p%2Fk</Location><Bucket>corp-train</Bucket></C>",
    ],
    run,
};

const NAMES: [&[u8]; 3] = [b"Name", b"Bucket", b"BucketName"];
const KEYS: [&[u8]; 7] = [
    b"Key",
    b"Prefix",
    b"Marker",
    b"NextMarker",
    b"StartAfter",
    b"KeyMarker",
    b"NextKeyMarker",
];
const PLACES: [&[u8]; 2] = [b"Location", b"Resource"];

fn run(data: &[u8]) {
    let at = data
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(data.len());
    let (prefix, document) = (&data[..at], data.get(at + 1..).unwrap_or_default());
    let Ok(prefix) = std::str::from_utf8(prefix) else {
        return;
    };
    // XML has no NUL, not even as a reference: such a document is nobody's to read.
    if document.contains(&0) {
        return;
    }
    let route = route(prefix);
    let Some(after) = renamed(document, &route) else {
        return;
    };
    // Marks before the document are no part of it.
    let mut document = document;
    while let Some(rest) = document.strip_prefix("\u{feff}".as_bytes()) {
        document = rest;
    }
    let before = Parts::of(document).expect("it was read");
    let after = Parts::of(&after).expect("what was written can be read");
    assert_eq!(before.others, after.others);
    assert_eq!(before.texts.len(), after.texts.len());
    // Stores repeat the client's own spelling.
    let mark = b"<EncodingType>url<";
    let mut windows = document.windows(mark.len());
    let is_encoded = windows.any(|it| it.eq_ignore_ascii_case(mark));
    for ((name, before), (_, after)) in before.texts.iter().zip(&after.texts) {
        let name = name.as_slice();
        if NAMES.contains(&name) {
            let expected = if before == "corp-train" {
                "train"
            } else {
                before
            };
            assert_eq!(after, expected);
        } else if KEYS.contains(&name) && is_encoded {
            // In which spelling the prefix stands there is the store's own choice.
            assert!(before.ends_with(after.as_str()));
        } else if KEYS.contains(&name) {
            assert_eq!(after, before.strip_prefix(prefix).unwrap_or(before));
        } else {
            assert!(after == before || after.starts_with("/train/"));
        }
    }
}

fn route(prefix: &str) -> Route {
    static ORIGIN: OnceLock<NamedOrigin> = OnceLock::new();
    let origin = ORIGIN.get_or_init(|| {
        let path = std::env::temp_dir();
        NamedOrigin {
            name: "folder".into(),
            origin: Arc::new(Directory::open(&Config { path }).expect("a folder")),
        }
    });
    let name = |name: &str| name.parse().expect("a name");
    Route::new(
        name("train"),
        origin.clone(),
        name("corp-train"),
        prefix.to_owned(),
        Vec::new(),
        Freshness::Always,
    )
}

/// A document taken apart: the texts that may change, by element, and all bytes between them.
#[derive(Default)]
struct Parts {
    texts: Vec<(Vec<u8>, String)>,
    others: Vec<Vec<u8>>,
}

impl Parts {
    fn of(document: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_reader(document);
        let (mut parts, mut kept) = (Self::default(), 0);
        let mut open: Option<(usize, Vec<u8>, String)> = None;
        loop {
            let before = usize::try_from(reader.buffer_position()).ok()?;
            let event = reader.read_event().ok()?;
            let after = usize::try_from(reader.buffer_position()).ok()?;
            match event {
                Event::Start(start) => {
                    let name = start.local_name().as_ref().to_vec();
                    let all = [&NAMES[..], &KEYS[..], &PLACES[..]].concat();
                    open = all
                        .contains(&name.as_slice())
                        .then(|| (after, name, String::new()));
                }
                Event::End(_) => {
                    if let Some((from, name, text)) = open.take() {
                        parts.texts.push((name, text));
                        parts.others.push(document[kept..from].to_vec());
                        kept = before;
                    }
                }
                Event::Text(text) => add(&mut open, &text.decode().ok()?),
                Event::CData(text) => add(&mut open, &text.decode().ok()?),
                Event::GeneralRef(reference) => match reference.resolve_char_ref().ok()? {
                    Some(character) => add(&mut open, &character.to_string()),
                    None => add(
                        &mut open,
                        resolve_predefined_entity(&reference.decode().ok()?).unwrap_or_default(),
                    ),
                },
                Event::Eof => break,
                _ => {}
            }
        }
        parts.others.push(document[kept..].to_vec());
        Some(parts)
    }
}

fn add(open: &mut Option<(usize, Vec<u8>, String)>, text: &str) {
    if let Some((_, _, whole)) = open {
        whole.push_str(text);
    }
}
