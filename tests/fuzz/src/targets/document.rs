//! XML documents: an element put behind the last child of the root is there for another reader, and nothing else has changed.
//!
//! Input: the document, whose root is called `R`.

use forebay::gateway::fuzzing::insert_at_end;
use forebay::origin::directory::fuzzing::{Element, document};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "document",
    seeds: &[
        "<?xml version=\"1.0\"?>\n<R a=\"1\"><D>t&amp;<![CDATA[<b>]]></D></R>\n",
        "<!-- c --><R a='>' />",
        "<R/>",
        "<r:R xmlns:r=\"x\">t<D><D/></D></r:R>",
    ],
    run,
};

fn run(data: &[u8]) {
    let before = document(data, "R");
    let Some(after) = insert_at_end(data, "<E>e</E>") else {
        assert!(before.is_none(), "a document that another reader takes");
        return;
    };
    let Some(mut before) = before else {
        return;
    };
    before.children.push(Element {
        name: "E".to_owned(),
        text: "e".to_owned(),
        children: Vec::new(),
    });
    assert_eq!(
        document(&after, "R"),
        Some(before),
        "{:?}",
        String::from_utf8_lossy(&after)
    );
}
