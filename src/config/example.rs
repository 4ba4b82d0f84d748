//! Proof that `config/example.toml` and `docs/CONFIGURATION.md` say what the code does.
//!
//! The code's side is the catalogue of keys that it asked for while it read the example with every commented line put to
//! use: a key that nobody reads is refused as unknown, a key that the example lacks is found by its pattern.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;
use crate::types::ByteSize;

const EXAMPLE: &str = include_str!("../../config/example.toml");
const MANUAL: &str = include_str!("../../docs/CONFIGURATION.md");

/// A key of the example in its documented form, its value, and whether it is commented out.
struct Line {
    pattern: String,
    value: Value,
    commented: bool,
}

/// The line that a comment hides, where it hides a setting: `#key = value`, without a blank.
fn hidden(line: &str) -> Option<&str> {
    let setting = line.strip_prefix('#')?;
    let key = setting.split(" = ").next()?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    (setting.contains(" = ") && key.bytes().all(plain)).then_some(setting)
}

/// The example with its comments put to use, and the files that it names put below `folder`.
fn in_full(folder: &Path) -> String {
    let folder = folder.display().to_string();
    let lines = EXAMPLE.lines().map(|line| hidden(line).unwrap_or(line));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    text.replace("/etc/forebay", &folder)
}

fn read_example() -> (Result<Config, Problems>, Catalogue) {
    let folder = tempfile::tempdir().expect("a scratch folder");
    for file in [
        "tls.crt",
        "tls.key",
        "admin-token",
        "ca.pem",
        "session-token",
        "loader-secret",
    ] {
        std::fs::write(folder.path().join(file), "secret").expect("a file");
    }
    let variables = ["STORE_SECRET", "FOREBAY_TRAINER_SECRET"];
    let surroundings = Surroundings {
        variables: variables
            .map(|name| (name.to_owned(), "secret".to_owned()))
            .into(),
        host_name: "host".to_owned(),
        memory: ByteSize(8 << 30),
    };
    decode(&in_full(folder.path()), &surroundings)
}

fn lines() -> Vec<Line> {
    let mut table = String::new();
    let mut lines = Vec::new();
    for line in EXAMPLE.lines() {
        if let Some(header) = line.strip_prefix('[') {
            table = pattern_of(header.trim_end_matches(']').trim_start_matches('['));
            if line.starts_with("[[") {
                table.push_str("[]");
            }
            continue;
        }
        let commented = hidden(line).is_some();
        let setting = hidden(line).unwrap_or(line);
        if let Some((key, value)) = setting.split_once(" = ")
            && !setting.starts_with('#')
        {
            lines.push(Line {
                pattern: format!("{table}.{key}"),
                value: value.parse().expect("a value"),
                commented,
            });
        }
    }
    lines
}

/// `bucket.train.rule` as `bucket.NAME.rule`.
fn pattern_of(header: &str) -> String {
    let mut parts: Vec<&str> = header.split('.').collect();
    if matches!(parts[0], "origin" | "bucket" | "identity" | "policy") {
        parts[1] = "NAME";
    }
    parts.join(".")
}

/// The patterns of a value's own key and of all keys within it.
fn patterns(pattern: &str, value: &Value, into: &mut BTreeSet<String>) {
    into.insert(pattern.to_owned());
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                patterns(&format!("{pattern}.{key}"), value, into);
            }
        }
        Value::Array(values) => {
            for value in values {
                patterns(&format!("{pattern}[]"), value, into);
            }
        }
        _ => {}
    }
}

#[test]
fn every_key_of_the_example_is_known_and_good() {
    let (config, _) = read_example();
    let config = config.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.buckets.len(), 1);
}

#[test]
fn every_key_of_the_code_is_in_the_example() {
    let mut shown = BTreeSet::new();
    for line in lines() {
        patterns(&line.pattern, &line.value, &mut shown);
        // A table of its own, as [origin.NAME.credentials], shows its key too.
        let table = line.pattern.rsplit_once('.').expect("a table").0;
        shown.insert(table.to_owned());
    }
    let known: BTreeSet<String> = read_example().1.into_keys().collect();
    let lacking: Vec<_> = known.difference(&shown).collect();
    assert!(lacking.is_empty(), "config/example.toml lacks {lacking:?}");
}

#[test]
fn the_defaults_of_the_example_are_those_of_the_code() {
    let catalogue = read_example().1;
    let commented: BTreeMap<String, Value> = lines()
        .into_iter()
        .filter(|line| line.commented)
        .map(|line| (line.pattern, line.value))
        .collect();
    for (pattern, default) in &catalogue {
        if let Some(default) = default {
            assert_eq!(commented.get(pattern), Some(default), "{pattern}");
        }
    }
}

#[test]
fn the_manual_has_every_key_with_its_default() {
    let rows: BTreeMap<&str, &str> = MANUAL
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.splitn(3, " | ");
            let key = cells.next()?.trim_end_matches('`');
            Some((key, cells.next()?))
        })
        .collect();
    let catalogue = read_example().1;
    for (pattern, default) in &catalogue {
        let cell = rows.get(pattern.as_str());
        let cell = cell.unwrap_or_else(|| panic!("docs/CONFIGURATION.md lacks {pattern}"));
        if let Some(default) = default {
            assert_eq!(*cell, format!("`{default}`"), "{pattern}");
        }
    }
    for key in rows.keys() {
        assert!(catalogue.contains_key(*key), "no such key: {key}");
    }
}
