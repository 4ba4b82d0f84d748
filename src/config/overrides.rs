//! Environment variables that stand for keys: `FOREBAY__LISTEN__S3__ADDRESS` sets `listen.s3.address`.
//!
//! They are laid over the parsed file before anything is decoded, so that the rules and the messages are the same for both.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::path::KeyPath;
use super::reading::Override;
use crate::types::Problems;

/// What the names of such variables begin with; double underscores separate the keys of the path.
const PREFIX: &str = "FOREBAY__";

/// Puts the values of the variables into `table`; the result tells which keys they are, by path.
pub(super) fn apply(
    table: &mut Table,
    variables: &BTreeMap<String, String>,
    problems: &mut Problems,
) -> BTreeMap<String, Override> {
    let mut overrides = BTreeMap::new();
    for (variable, text) in variables {
        let Some(name) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        match put(table, name, parse(text)) {
            Ok(path) => {
                let made = Override {
                    variable: variable.clone(),
                    text: text.clone(),
                };
                overrides.insert(path.as_str().to_owned(), made);
            }
            Err(message) => problems.add(
                variable,
                message,
                "write the key's path in capitals, as in FOREBAY__LISTEN__S3__ADDRESS",
            ),
        }
    }
    overrides
}

/// A TOML value, else the text itself.
fn parse(text: &str) -> Value {
    text.parse()
        .unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn put(table: &mut Table, name: &str, value: Value) -> Result<KeyPath, &'static str> {
    let mut path = KeyPath::default();
    let mut table = table;
    let (parents, last) = match name.rsplit_once("__") {
        Some((parents, last)) => (Some(parents), last),
        None => (None, name),
    };
    for segment in parents.iter().flat_map(|parents| parents.split("__")) {
        let key = written_as(table, segment)?;
        path = path.key(&key);
        let entry = table.entry(key).or_insert(Value::Table(Table::new()));
        table = match entry {
            Value::Table(inner) => inner,
            Value::Array(_) => {
                return Err("leads into a list, which a variable can only set whole");
            }
            _ => return Err("leads into a value that is not a table"),
        };
    }
    let key = written_as(table, last)?;
    path = path.key(&key);
    table.insert(key, value);
    Ok(path)
}

/// The key of `table` that a segment means: one that is there already, whatever its case and its hyphens, or a new one.
fn written_as(table: &Table, segment: &str) -> Result<String, &'static str> {
    if segment.is_empty() {
        return Err("is not the name of a key");
    }
    let plain = |key: &str| key.to_ascii_lowercase().replace('-', "_");
    let wanted = plain(segment);
    let existing = table.keys().find(|key| plain(key) == wanted);
    Ok(existing.cloned().unwrap_or(wanted))
}
