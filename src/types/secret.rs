//! Secrets: where the configuration says they are, and their values, which no log ever shows.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a secret is kept. The configuration file itself never holds one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretSource {
    /// An environment variable's name.
    Env(String),
    /// A file, whose trailing line end is cut off.
    File(PathBuf),
}

/// The secret cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableSecret {
    #[error("the environment variable {0} is not set")]
    Env(String),
    #[error("{0} cannot be read")]
    File(PathBuf, #[source] std::io::Error),
    #[error("the secret is empty")]
    Empty,
}

/// A secret's value.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl SecretSource {
    /// Reads the secret.
    ///
    /// # Errors
    /// Where the variable is unset, the file unreadable, or the value empty.
    #[expect(
        clippy::disallowed_methods,
        reason = "the configuration names the variable that holds the secret"
    )]
    pub fn read(&self) -> Result<Secret, UnreadableSecret> {
        let value = match self {
            Self::Env(name) => {
                std::env::var(name).map_err(|_| UnreadableSecret::Env(name.clone()))?
            }
            Self::File(path) => std::fs::read_to_string(path)
                .map_err(|error| UnreadableSecret::File(path.clone(), error))?,
        };
        match value.trim_end_matches(['\r', '\n']) {
            "" => Err(UnreadableSecret::Empty),
            value => Ok(Secret::new(value)),
        }
    }
}

impl Secret {
    /// Wraps a value.
    pub fn new(value: &str) -> Self {
        Self(value.into())
    }

    /// The value, for the one place that signs or compares with it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_from_a_file_and_never_shown() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("secret");
        std::fs::write(&path, "hunter2\n").expect("a file");
        let secret = SecretSource::File(path).read().expect("a secret");
        assert_eq!(secret.expose(), "hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
    }

    #[test]
    fn a_missing_secret_is_named() {
        let error = SecretSource::Env("FOREBAY_NO_SUCH_VARIABLE".into())
            .read()
            .expect_err("it is not set");
        assert!(error.to_string().contains("FOREBAY_NO_SUCH_VARIABLE"));
    }
}
