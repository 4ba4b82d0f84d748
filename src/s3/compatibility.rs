//! Holds `docs/S3-COMPATIBILITY.md` to the code: its table of operations is made from the table in [`crate::types`], and what
//! it says of a header is tried on the functions that decide.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::headers;
use super::router::NOT_SERVED;
use crate::types::operation::Scope;
use crate::types::operation::name::Spec;
use crate::types::{Extra, Family, OperationName};

const DOCUMENT: &str = include_str!("../../docs/S3-COMPATIBILITY.md");

/// The lines between two marks.
fn section(name: &str) -> Vec<&'static str> {
    let lines = DOCUMENT.lines();
    let inside = lines.skip_while(|line| *line != format!("<!-- {name} -->"));
    let inside = inside.skip(1);
    inside
        .take_while(|line| !line.starts_with("<!--"))
        .filter(|line| line.starts_with('|'))
        .collect()
}

/// The texts of a row's cells.
fn cells(row: &'static str) -> Vec<&'static str> {
    let row = row.trim_matches('|');
    row.split('|').map(str::trim).collect()
}

fn operations() -> Vec<String> {
    let mut table = vec![
        "| operation | request | rights | how |".to_owned(),
        "| --- | --- | --- | --- |".to_owned(),
    ];
    for name in OperationName::ALL {
        let spec = name.spec();
        let alone = match name.is_of_aws_alone() {
            true => "; AWS alone has it: 501 at other stores",
            false => "",
        };
        table.push(format!(
            "| {} | `{}` | {} | {}{alone} |",
            spec.name,
            request(spec),
            rights(spec),
            how(spec.family)
        ));
    }
    table
}

fn request(spec: &Spec) -> String {
    let path = match spec.scope {
        Scope::Service => "/",
        Scope::Bucket => "/BUCKET",
        Scope::Object => "/BUCKET/KEY",
    };
    let query = spec.named_by.join("&");
    let mark = if query.is_empty() { "" } else { "?" };
    let source = match spec.family {
        Family::Copy | Family::CopyPart => " x-amz-copy-source",
        _ => "",
    };
    format!("{} {path}{mark}{query}{source}", spec.method)
}

fn rights(spec: &Spec) -> String {
    let list = |actions: &[&str]| {
        let actions: Vec<String> = actions.iter().map(|name| format!("`{name}`")).collect();
        actions.join(", ")
    };
    let source = match spec.family {
        Family::Copy | Family::CopyPart => "; of the source `s3:GetObject`",
        Family::DeleteMany => "those of DeleteObject, for each key",
        Family::ListBuckets => "shows the buckets where anything is allowed",
        _ => "",
    };
    let versions = if spec.version_actions.is_empty() {
        String::new()
    } else {
        format!("; of a version {}", list(spec.version_actions))
    };
    format!("{}{versions}{source}", list(spec.actions))
}

fn how(family: Family) -> &'static str {
    match family {
        Family::Read => "cached",
        Family::ListBuckets => "answered here; of a wildcard route from the origin's list",
        Family::LookAtBucket => "answered here after the origin's first success",
        Family::CreateBucket => "passed through, where a route names the bucket",
        Family::DeleteBucket => "passed through; 501 where the bucket is a prefix at its origin",
        Family::List => "passed through, with the client's names",
        Family::Put
        | Family::Delete
        | Family::UploadPart
        | Family::Upload
        | Family::CreateUpload => "passed through",
        Family::DeleteMany => "passed through, denied key by key",
        Family::Copy | Family::CopyPart => "passed through; 501 across origins",
        Family::CompleteUpload => "passed through",
        Family::ObjectDetail | Family::Select => "passed through",
        Family::ObjectChange => "passed through; the next read asks the origin",
        Family::BucketSetting => "passed through",
        Family::BucketDetail | Family::BucketChange => {
            "passed through; 501 where the bucket is a prefix at its origin"
        }
    }
}

#[test]
fn the_table_of_operations_is_the_codes() {
    let expected = operations();
    assert!(
        section("operations") == expected,
        "docs/S3-COMPATIBILITY.md has another table of operations; paste this:\n\n{}\n",
        expected.join("\n")
    );
    for name in NOT_SERVED {
        assert!(
            DOCUMENT.contains(&format!("`?{name}`")),
            "?{name} is refused, and not documented"
        );
    }
}

/// What becomes of a header with an operation.
fn treatment(header: &HeaderName, operation: OperationName) -> &'static str {
    let value = HeaderValue::from_static("1");
    let mut all = HeaderMap::from_iter([(header.clone(), value)]);
    if headers::refuse_boundless(&all).is_err() {
        return "refused";
    }
    headers::drop_idle(operation, &mut all);
    if headers::meaningful(&all).is_empty() {
        "dropped"
    } else {
        "handed on"
    }
}

#[test]
fn headers_are_treated_as_the_document_says() {
    let rows = section("headers");
    assert!(rows.len() > 10, "the table was not understood");
    let mut seen = Vec::new();
    for row in rows.into_iter().skip(2).map(cells) {
        let [names, expected, of, ..] = row[..] else {
            panic!("a row of less than three cells: {row:?}");
        };
        for name in names.split(", ") {
            let name = name.trim_matches('`').replace('*', "x");
            let header: HeaderName = name.parse().expect("a header's name");
            for operation in OperationName::ALL {
                let named = of.split(", ").any(|name| name == operation.as_str());
                let expected = match (of, named) {
                    ("every operation", _) | (_, true) => expected,
                    (_, false) => "dropped",
                };
                assert_eq!(
                    treatment(&header, *operation),
                    expected,
                    "{name} with {operation:?}"
                );
            }
            seen.push(name);
        }
    }
    for header in headers::documented() {
        assert!(seen.contains(&header), "{header} is not documented");
    }
    let by_header = |extra: &Extra| *extra != Extra::Condition;
    for extra in Extra::ALL.into_iter().filter(by_header) {
        let documented = seen
            .iter()
            .any(|name| Extra::of_header(name) == Some(extra));
        assert!(documented, "{extra:?} is not documented");
    }
}
