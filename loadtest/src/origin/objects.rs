//! Which objects there are: every well-named key, less what was deleted; and the sets that listings show.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::content::{self, Content};

/// Numbered objects of one size, as `objects/16MiB/000017`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Set {
    /// What the keys begin with, before the size; without a slash at its end.
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) count: usize,
}

impl Set {
    pub(crate) fn new(name: &str, size: u64, count: usize) -> Self {
        Self {
            name: name.to_owned(),
            size,
            count,
        }
    }

    /// As many objects of `size` as `bytes` need.
    pub(crate) fn of_bytes(name: &str, size: u64, bytes: u64) -> Self {
        let count = usize::try_from(bytes.div_ceil(size)).expect("it fits the machine");
        Self::new(name, size, count.max(1))
    }

    pub(crate) fn key(&self, number: usize) -> String {
        format!("{}{number:06}", self.prefix())
    }

    pub(crate) fn prefix(&self) -> String {
        format!("{}/{}/", self.name, content::size_text(self.size))
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.size * self.count as u64
    }
}

/// One version of an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) size: u64,
    pub(super) generation: u64,
    pub(super) content: Content,
}

impl Found {
    /// Strong, and another one for each generation.
    pub(super) fn etag(&self) -> String {
        let mut bytes = [0; 16];
        self.content.fill(0, &mut bytes);
        format!("\"{}\"", hex::encode(bytes))
    }
}

/// Every object of the origin.
pub(crate) struct Objects {
    sets: Vec<Set>,
    /// The generation of what was written; nothing where it was deleted.
    written: Mutex<HashMap<String, Option<u64>>>,
}

impl Objects {
    pub(super) fn new(sets: Vec<Set>) -> Self {
        Self {
            sets,
            written: Mutex::default(),
        }
    }

    pub(super) fn sets(&self) -> &[Set] {
        &self.sets
    }

    pub(super) fn find(&self, key: &str) -> Option<Found> {
        let size = content::size_named_by(key)?;
        let written = self.written.lock().expect("no holder panics");
        let generation = written.get(key).copied().unwrap_or(Some(0))?;
        Some(Found {
            size,
            generation,
            content: Content::of(key, generation),
        })
    }

    pub(super) fn write(&self, key: &str, generation: u64) {
        let mut written = self.written.lock().expect("no holder panics");
        written.insert(key.to_owned(), Some(generation));
    }

    pub(super) fn delete(&self, key: &str) {
        let mut written = self.written.lock().expect("no holder panics");
        written.insert(key.to_owned(), None);
    }
}
