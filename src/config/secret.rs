//! Secrets in the file: `{ env = "NAME" }` or `{ file = "PATH" }`, read at once, so that a missing one is told with the rest.

use std::fmt;
use std::path::PathBuf;

use toml::Value;

use super::section::Section;
use crate::types::{Secret, SecretSource};

const HINT: &str = "write { env = \"NAME\" } or { file = \"/path\" }";

/// A secret, and where it came from.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptSecret {
    pub source: SecretSource,
    pub value: Secret,
}

impl fmt::Debug for KeptSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeptSecret").field(&self.source).finish()
    }
}

/// The secret under `key`; to write none is a mistake.
pub(super) fn required(section: &mut Section<'_, '_>, key: &'static str) -> Option<KeptSecret> {
    let Some(value) = section.take(key, None) else {
        section.missing(key, HINT);
        return None;
    };
    read(section, key, value)
}

/// The secret under `key`, where one is written.
pub(super) fn optional(section: &mut Section<'_, '_>, key: &'static str) -> Option<KeptSecret> {
    let value = section.take(key, None)?;
    read(section, key, value)
}

fn read(section: &Section<'_, '_>, key: &'static str, value: Value) -> Option<KeptSecret> {
    if !value.is_table() {
        // The value may be the secret itself: it is not repeated.
        section.problem(key, "a secret is never written in the file itself", HINT);
        return None;
    }
    section.part(key, value, |part| {
        let source = match (part.has("env"), part.has("file")) {
            (true, true) => {
                part.wrong("both env and file are given", "keep one of them");
                None
            }
            (false, false) => {
                part.wrong("no source is given", HINT);
                None
            }
            _ => Some(()),
        };
        let env = part.optional::<String>("env").map(SecretSource::Env);
        let file = part.optional::<PathBuf>("file").map(SecretSource::File);
        source?;
        let source = env.or(file)?;
        let value = reveal(part, &source)?;
        Some(KeptSecret { source, value })
    })
}

fn reveal(part: &Section<'_, '_>, source: &SecretSource) -> Option<Secret> {
    let (key, revealed) = match source {
        SecretSource::Env(name) => {
            let variables = &part.reading().surroundings.variables;
            let value = variables
                .get(name)
                .map(|value| value.trim_end_matches(['\r', '\n']));
            let revealed = match value {
                // Perhaps the secret itself, which is not repeated.
                None if !is_variable(name) => Err((
                    "there is no such environment variable".to_owned(),
                    "write the name of the variable that holds the secret, not the secret, and set it",
                )),
                None => Err((
                    format!("the environment variable {name} is not set"),
                    "set it, or name another one",
                )),
                Some("") => Err((
                    format!("the environment variable {name} is empty"),
                    "set it to the secret",
                )),
                Some(value) => Ok(Secret::new(value)),
            };
            ("env", revealed)
        }
        SecretSource::File(path) => {
            let revealed = source.read().map_err(|error| {
                let cause = std::error::Error::source(&error);
                let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
                let message = match cause.as_str() {
                    "" => format!("{}: {error}", path.display()),
                    _ => format!("{error}{cause}"),
                };
                (message, "put the secret there, readable by Forebay's user")
            });
            ("file", revealed)
        }
    };
    revealed
        .map_err(|(message, hint)| part.problem(key, message, hint))
        .ok()
}

/// Whether `name` looks like a variable's: letters of one case, digits, underscores. Generated secrets mix cases.
fn is_variable(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let one_case = name == name.to_ascii_uppercase() || name == name.to_ascii_lowercase();
    one_case && name.bytes().all(plain) && !name.starts_with(|first: char| first.is_ascii_digit())
}
