//! DeleteObjects: what is written for the origin is read there, by another reader, as exactly the keys and versions that
//! rights were asked for.
//!
//! Input: the document.

use forebay::gateway::fuzzing::deletion;
use forebay::origin::directory::fuzzing::{Element, document};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "deletion",
    seeds: &[
        "<?xml version=\"1.0\"?><Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>\
         <Object><Key>a&amp;b/&#13;&lt;</Key><VersionId>v1</VersionId></Object>\
         <Object><ETag>\"e\"</ETag><Key> k </Key></Object></Delete>",
        "<Delete><Object><Key>k</Key><Size>1</Size><LastModifiedTime>x</LastModifiedTime></Object><!-- c --></Delete>",
        "<Delete><Object><Key><![CDATA[<k>]]></Key></Object></Delete>",
        "<d:Delete xmlns:d=\"x\"><d:Object><d:Key>&#x1;</d:Key></d:Object></d:Delete>",
    ],
    run,
};

fn run(data: &[u8]) {
    let Some(asked) = deletion(data) else {
        return;
    };
    assert!((1..=1000).contains(&asked.objects.len()));
    for (key, version) in &asked.objects {
        assert!(!key.is_empty() && version.as_deref() != Some(""));
        let mut segments = version
            .iter()
            .flat_map(|version| version.split(['/', '\\']));
        assert!(!segments.any(|segment| segment == "." || segment == ".."));
    }
    let fits = |(key, _): &(String, Option<String>)| key.len() <= 1024;
    assert_eq!(asked.written.is_some(), asked.objects.iter().all(fits));
    let Some(written) = &asked.written else {
        return;
    };
    let again = deletion(written.as_bytes()).expect("what was written can be read");
    assert_eq!(again, asked);
    let tree =
        document(written.as_bytes(), "Delete").expect("what was written can be read by others");
    assert_eq!(seen(&tree), asked.objects);
    let quiet = tree
        .children
        .iter()
        .any(|child| child.name == "Quiet" && child.text == "true");
    assert_eq!(quiet, asked.quiet);
}

/// What another reader sees.
fn seen(tree: &Element) -> Vec<(String, Option<String>)> {
    let objects = tree.children.iter().filter(|child| child.name == "Object");
    let text = |object: &Element, name: &str| {
        let mut texts = object.children.iter().filter(|child| child.name == name);
        texts.next().map(|child| child.text.clone())
    };
    objects
        .map(|object| {
            let version = text(object, "VersionId").filter(|version| !version.is_empty());
            (text(object, "Key").expect("a key"), version)
        })
        .collect()
}
