//! What is gathered while one configuration is read: mistakes, the keys that were asked for, overrides.
//!
//! Shared by every [`Section`](super::section::Section) of the file, hence the cells. The catalogue of asked keys is what
//! proves `config/example.toml` and `docs/CONFIGURATION.md` equal to the code; nothing else reads it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use toml::Value;

use super::path::KeyPath;
use super::surroundings::Surroundings;
use crate::types::Problems;

/// The state of one reading.
pub(super) struct Reading<'s> {
    pub(super) surroundings: &'s Surroundings,
    /// By key path.
    overrides: BTreeMap<String, Override>,
    problems: RefCell<Problems>,
    asked: RefCell<BTreeMap<String, Option<Value>>>,
}

/// A value that an environment variable put in the place of the file's.
#[derive(Debug, Clone)]
pub(super) struct Override {
    pub(super) variable: String,
    pub(super) text: String,
}

impl<'s> Reading<'s> {
    pub(super) fn new(
        surroundings: &'s Surroundings,
        overrides: BTreeMap<String, Override>,
        problems: Problems,
    ) -> Self {
        Self {
            surroundings,
            overrides,
            problems: RefCell::new(problems),
            asked: RefCell::default(),
        }
    }

    /// Notes that the code knows a key, and its default where it has a fixed one.
    pub(super) fn ask(&self, path: &KeyPath, default: Option<Value>) {
        self.asked
            .borrow_mut()
            .insert(path.pattern().to_owned(), default);
    }

    /// The override of exactly this key.
    pub(super) fn override_of(&self, path: &KeyPath) -> Option<&Override> {
        self.overrides.get(path.as_str())
    }

    /// Adds a mistake; one that an environment variable made says so.
    pub(super) fn problem(&self, path: &KeyPath, message: impl Into<String>, hint: &str) {
        let mut message = message.into();
        let culprit = self
            .overrides
            .iter()
            .find(|(key, _)| path.is_at_or_below(key))
            .map(|(_, made)| made);
        if let Some(Override { variable, .. }) = culprit {
            message.push_str(&format!(" (set by the environment variable {variable})"));
        }
        self.problems.borrow_mut().add(path.as_str(), message, hint);
    }

    /// Adds an unknown key; where an environment variable made it up, the variable is named.
    pub(super) fn unknown(&self, path: &KeyPath, hint: &str) {
        let made_up = self
            .overrides
            .iter()
            .find(|(key, _)| path.is_prefix_of(key));
        let message = match made_up {
            Some((_, Override { variable, .. })) => {
                format!("unknown key (set by the environment variable {variable})")
            }
            None => "unknown key".to_owned(),
        };
        self.problems.borrow_mut().add(path.as_str(), message, hint);
    }

    /// The mistakes, and every key that was asked for with its default.
    pub(super) fn end(self) -> (Problems, BTreeMap<String, Option<Value>>) {
        (self.problems.into_inner(), self.asked.into_inner())
    }
}
