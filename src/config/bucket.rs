//! `[bucket.NAME]`: which origin, bucket and prefix stand behind a bucket that clients name, how its objects are kept, and
//! on which terms its origin serves it.

use std::time::Duration;

use toml::{Table, Value};

use super::section::Section;
use super::setting::{Setting, Text};
use crate::routes::{Freshness, Keeping, Rule, Terms};
use crate::types::names::MAX_KEY_BYTES;
use crate::types::{BucketName, OriginName};

/// A bucket as clients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    pub name: BucketName,
    pub origin: OriginName,
    /// The bucket at the origin.
    pub origin_bucket: BucketName,
    /// Joined before every key, raw. Empty for none.
    pub prefix: String,
    /// Of keys that no rule matches.
    pub keeping: Keeping,
    /// The first whose prefix matches wins.
    pub rules: Vec<Rule>,
    pub terms: Terms,
}

/// All buckets of one origin under their own names: `[bucket."*"]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wildcard {
    pub origin: OriginName,
    pub keeping: Keeping,
    pub rules: Vec<Rule>,
    pub terms: Terms,
}

/// One table of `[bucket]`.
pub(super) enum Entry {
    Named(Bucket),
    Wildcard(Wildcard),
}

/// Reads a table; `origins` are the names that it may refer to.
pub(super) fn read(name: &str, section: &mut Section<'_, '_>, origins: &[String]) -> Option<Entry> {
    let origin = origin(section, origins);
    let keeping = Keeping {
        freshness: freshness(section),
        kms: section.or("kms", false),
        pinned: section.or("pinned", false),
    };
    let terms = terms(section);
    let mut rules = Vec::new();
    section.list("rule", |section| {
        let rule = rule(section, &rules, keeping);
        rules.extend(rule);
        Some(())
    });
    if name == "*" {
        for key in ["name", "prefix"] {
            if section.take(key, None).is_some() {
                let message = "every bucket has its own name and no prefix here";
                section.problem(key, message, "remove it, or route the bucket by its name");
            }
        }
        return Some(Entry::Wildcard(Wildcard {
            origin: origin?,
            keeping,
            rules,
            terms,
        }));
    }
    let bucket: Option<BucketName> = BucketName::read(&Value::from(name));
    if bucket.is_none() {
        let message = format!("{name:?} is not a bucket's name");
        section.wrong(message, &format!("write {}", BucketName::EXAMPLE));
    }
    let origin_bucket: Option<BucketName> = section.optional("name");
    let Text(prefix) = section.or("prefix", "");
    if prefix.len() >= MAX_KEY_BYTES {
        let message = format!("{} bytes leave no room for a key", prefix.len());
        section.problem("prefix", message, "a key has at most 1,024 bytes");
    }
    let bucket = bucket?;
    Some(Entry::Named(Bucket {
        origin_bucket: origin_bucket.unwrap_or_else(|| bucket.clone()),
        name: bucket,
        origin: origin?,
        prefix,
        keeping,
        rules,
        terms,
    }))
}

fn origin(section: &mut Section<'_, '_>, origins: &[String]) -> Option<OriginName> {
    let origin: String = section.required("origin")?;
    if !origins.contains(&origin) {
        section.problem(
            "origin",
            format!("there is no origin {origin:?}"),
            &refer("origin", &origin, origins),
        );
    }
    Some(OriginName::from(origin.as_str()))
}

/// What to write instead of a name that refers to no table `[kind.NAME]`.
pub(super) fn refer(kind: &str, name: &str, names: &[String]) -> String {
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    match super::suggest::nearest(name, &known) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None if known.is_empty() => format!("add a table [{kind}.{name}]"),
        None => format!(
            "add a table [{kind}.{name}], or write one of {}",
            known.join(", ")
        ),
    }
}

const FRESHNESS_HINT: &str = "write \"immutable\", \"always\" or { max_age = \"60s\" }";

/// `"immutable"`, `"always"` or `{ max_age = … }`; the routes' own default where nothing good is written.
fn freshness(section: &mut Section<'_, '_>) -> Freshness {
    let max_age = Table::from_iter([("max_age".to_owned(), Value::from("60s"))]);
    let value = section.take("freshness", Some(Value::Table(max_age)));
    value
        .and_then(|value| written_freshness(section, value))
        .unwrap_or_default()
}

fn written_freshness(section: &Section<'_, '_>, value: Value) -> Option<Freshness> {
    match &value {
        Value::String(word) if word == "immutable" => Some(Freshness::Immutable),
        Value::String(word) if word == "always" => Some(Freshness::Always),
        Value::Table(_) => section.part("freshness", value, |part| {
            let age: Option<Duration> = part.required("max_age");
            age.map(Freshness::MaxAge)
        }),
        other => {
            let message = format!("{other} is not a kind of freshness");
            section.problem("freshness", message, FRESHNESS_HINT);
            None
        }
    }
}

/// What is true of the bucket at its origin.
fn terms(section: &mut Section<'_, '_>) -> Terms {
    let owner = section.optional("owner").map(|Text(owner)| owner);
    let is_account = |text: &String| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    if let Some(owner) = owner.as_ref().filter(|owner| !is_account(owner)) {
        let message = format!("{owner:?} is not the id of an account");
        section.problem("owner", message, "write its 12 digits, in quotes");
    }
    Terms {
        owner: owner.map(Into::into),
        requester_pays: section.or("requester_pays", false),
    }
}

/// One rule; `earlier` are those before it, which win over it, and `otherwise` is what holds where it says nothing.
fn rule(section: &mut Section<'_, '_>, earlier: &[Rule], otherwise: Keeping) -> Option<Rule> {
    let prefix: Option<Text> = section.required("prefix");
    let freshness = match section.take("freshness", None) {
        Some(value) => written_freshness(section, value),
        None => {
            section.missing("freshness", FRESHNESS_HINT);
            None
        }
    };
    let kms = section.optional("kms").unwrap_or(otherwise.kms);
    let pinned = section.optional("pinned").unwrap_or(otherwise.pinned);
    let Text(prefix) = prefix?;
    if let Some(wins) = earlier.iter().find(|rule| prefix.starts_with(&rule.prefix)) {
        section.problem(
            "prefix",
            format!("never matches: an earlier rule for {:?} wins", wins.prefix),
            "write the rule with the longer prefix first, or remove this one",
        );
    }
    Some(Rule {
        prefix,
        keeping: Keeping {
            freshness: freshness.unwrap_or_default(),
            kms,
            pinned,
        },
    })
}
