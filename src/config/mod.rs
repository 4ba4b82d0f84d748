//! The configuration: one TOML file and the variables over it, read whole, with all mistakes told at once.
//!
//! The file is parsed to a table, variables are laid over it, and then every setting is decoded by itself: a mistake is
//! noted with its key and reading goes on. Secrets and TLS files are read; nothing is bound and nobody is contacted.

mod access;
mod bucket;
mod disk;
mod listen;
mod machine;
mod node;
mod origin;
mod overrides;
mod path;
mod reading;
mod secret;
mod section;
mod setting;
mod suggest;
mod surroundings;

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

pub use access::{Access, Grant, Identity, Policy};
pub use bucket::{Bucket, Wildcard};
pub use listen::{Admin, Listen, S3 as S3Listener, Tls};
pub use node::{Drain, LogFormat, Memory, Node, Telemetry};
pub use origin::{Origin, Store};
pub use secret::KeptSecret;
pub use surroundings::Surroundings;

use crate::cache;
use crate::types::Problems;
use bucket::Entry;
use reading::Reading;
use section::Section;

/// A whole configuration without a mistake in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub node: Node,
    pub listen: Listen,
    pub memory: Memory,
    /// In the order of the file; none overlaps another.
    pub disks: Vec<cache::disk::Config>,
    pub drain: Drain,
    pub telemetry: Telemetry,
    /// In the order of their names.
    pub origins: Vec<Origin>,
    /// In the order of their names; each refers to an origin that exists.
    pub buckets: Vec<Bucket>,
    pub wildcard: Option<Wildcard>,
    pub access: Access,
}

/// Every key that the code asked for, by pattern, with its default where it has a fixed one.
type Catalogue = BTreeMap<String, Option<Value>>;

/// Reads the file at `path` in the surroundings of this process.
///
/// # Errors
/// Every mistake of the file, or the one that keeps it from being read at all.
pub fn load(path: &Path) -> Result<Config, Problems> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let mut problems = Problems::default();
        problems.add(
            path.display().to_string(),
            format!("cannot be read: {error}"),
            "name a readable TOML file with --config",
        );
        problems
    })?;
    parse(&text, &Surroundings::of_process())
}

/// Reads a configuration's `text`.
///
/// # Errors
/// Every mistake in it; a mistake of TOML's syntax alone, with its line and column.
pub fn parse(text: &str, surroundings: &Surroundings) -> Result<Config, Problems> {
    decode(text, surroundings).0
}

fn decode(text: &str, surroundings: &Surroundings) -> (Result<Config, Problems>, Catalogue) {
    let mut table: Table = match text.parse() {
        Ok(table) => table,
        Err(error) => return (Err(syntax_error(text, &error)), Catalogue::new()),
    };
    let mut problems = Problems::default();
    let overrides = overrides::apply(&mut table, &surroundings.variables, &mut problems);
    let reading = Reading::new(surroundings, overrides, problems);
    let config = Section::file(&reading, table, whole);
    let (problems, catalogue) = reading.end();
    (problems.or(config), catalogue)
}

fn whole(file: &mut Section<'_, '_>) -> Config {
    let mut origin_names = Vec::new();
    let origins = file.each("origin", |name, section| {
        origin_names.push(name.to_owned());
        origin::read(name, section)
    });
    let (buckets, wildcard) = buckets(file, &origin_names);
    let anybody = file.has("identity") || file.has("anonymous");
    if !anybody {
        let hint = "add [identity.NAME] with access_key_id, secret_access_key and policies";
        file.missing("identity", hint);
    }
    let access = access::read(file);
    Config {
        node: file.within("node", node::node),
        listen: file.within("listen", listen::read),
        memory: file.within("memory", node::memory),
        disks: disk::read(file),
        drain: file.within("drain", node::drain),
        telemetry: file.within("telemetry", node::telemetry),
        origins,
        buckets,
        wildcard,
        access,
    }
}

fn buckets(file: &mut Section<'_, '_>, origins: &[String]) -> (Vec<Bucket>, Option<Wildcard>) {
    if !file.has("bucket") {
        let hint = "add [bucket.NAME] with origin = \"NAME\", and [origin.NAME] for it";
        file.missing("bucket", hint);
    }
    let mut wildcard = None;
    let entries = file.each("bucket", |name, section| {
        bucket::read(name, section, origins)
    });
    let named = entries.into_iter().filter_map(|entry| match entry {
        Entry::Named(bucket) => Some(bucket),
        Entry::Wildcard(all) => {
            wildcard = Some(all);
            None
        }
    });
    (named.collect(), wildcard)
}

fn syntax_error(text: &str, error: &toml::de::Error) -> Problems {
    let before = error.span().map_or("", |span| &text[..span.start]);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    let mut problems = Problems::default();
    problems.add(
        format!("line {line}, column {column}"),
        error.message(),
        "this is not TOML: see https://toml.io for its syntax",
    );
    problems
}

#[cfg(test)]
mod example;
#[cfg(test)]
mod tests;
