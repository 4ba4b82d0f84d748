//! One request, as it is planned.

use std::sync::Arc;

use crate::content::Content;

/// What is done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Head,
    Put,
    Delete,
}

impl Verb {
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) verb: Verb,
    pub(crate) key: Arc<str>,
    /// Of the object.
    pub(crate) size: u64,
    /// Which bytes are expected, or written.
    pub(crate) generation: u64,
    /// First byte and end of a range.
    pub(crate) range: Option<(u64, u64)>,
}

impl Ask {
    pub(crate) fn whole(key: &str, size: u64) -> Self {
        Self {
            verb: Verb::Get,
            key: key.into(),
            size,
            generation: 0,
            range: None,
        }
    }

    /// The offsets of the bytes that a GET must bring.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        self.range.unwrap_or((0, self.size))
    }

    pub(crate) fn content(&self) -> Content {
        Content::of(&self.key, self.generation)
    }
}
