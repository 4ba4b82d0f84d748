//! Finds a bucket's keys in the order of their bytes, a page at a time.
//!
//! Plain keys come out of a walk over the folders: sorted by name, where a folder's name counts with a slash behind it, a
//! depth-first walk meets the keys in order. Keys that are kept under their hash are merged in. Folders whose keys are all
//! outside of the page are not entered. Folders that may not be read are left out.

use std::io;
use std::iter::Peekable;
use std::ops::ControlFlow;
use std::vec::IntoIter;

use crate::origin::directory::answer::Failure;
use crate::origin::directory::path::is_plain;
use crate::origin::directory::store::Store;
use crate::origin::directory::tree::Kind;
use crate::types::BucketName;
use crate::types::names::MAX_KEY_BYTES;

/// What to list.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) prefix: String,
    pub(super) delimiter: Option<String>,
    /// The key or common prefix that the page begins behind; empty for the beginning.
    pub(super) after: String,
    pub(super) limit: usize,
}

/// An entry of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Key(String),
    /// Keys that have this in common, up to the delimiter.
    Prefix(String),
}

impl Entry {
    pub(super) fn is_prefix(&self) -> bool {
        matches!(self, Self::Prefix(_))
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Self::Key(text) | Self::Prefix(text) => text,
        }
    }
}

/// A page of a listing.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
    pub(super) truncated: bool,
}

impl Page {
    /// What the next page begins behind.
    pub(super) fn last(&self) -> Option<&str> {
        self.entries.last().map(Entry::text)
    }
}

/// The page of a bucket that a query asks for. Blocking.
pub(super) fn walk(store: &Store, bucket: &BucketName, query: &Query) -> Result<Page, Failure> {
    let mut odd = store.odd_keys(bucket)?;
    odd.sort_unstable();
    let mut collector = Collector::new(query, odd);
    // No plain key begins with what no path can hold.
    let base = query
        .prefix
        .rfind('/')
        .map_or("", |end| &query.prefix[..end]);
    let walkable = base.is_empty() && !query.prefix.starts_with('/') || is_plain(base);
    if query.limit > 0 && walkable {
        let base = if base.is_empty() {
            String::new()
        } else {
            format!("{base}/")
        };
        if descend(store, bucket, &base, &mut collector)?.is_break() {
            return Ok(collector.page);
        }
    }
    Ok(collector.finish())
}

fn descend(
    store: &Store,
    bucket: &BucketName,
    folder: &str,
    collector: &mut Collector<'_>,
) -> Result<ControlFlow<()>, Failure> {
    let path = format!("{bucket}/{folder}");
    let mut names = match store.tree.names(path.trim_end_matches('/')) {
        Ok(names) => names.unwrap_or_default(),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    names.retain(|(_, kind)| *kind != Kind::Other);
    for (name, kind) in &mut names {
        if *kind == Kind::Folder {
            name.push('/');
        }
    }
    names.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    for (name, kind) in names {
        let key = format!("{folder}{name}");
        if key.len() > MAX_KEY_BYTES {
            continue;
        }
        let flow = match kind {
            Kind::Folder if collector.wants(&key) => descend(store, bucket, &key, collector)?,
            Kind::File => collector.offer(&key),
            Kind::Folder | Kind::Other => ControlFlow::Continue(()),
        };
        if flow.is_break() {
            return Ok(flow);
        }
    }
    Ok(ControlFlow::Continue(()))
}

struct Collector<'a> {
    query: &'a Query,
    /// Keys that are known beforehand, in order.
    known: Peekable<IntoIter<String>>,
    page: Page,
    /// The common prefix that was met last: nothing else that begins with it matters.
    rolled: Option<String>,
}

impl<'a> Collector<'a> {
    fn new(query: &'a Query, known: Vec<String>) -> Self {
        Self {
            query,
            known: known.into_iter().peekable(),
            page: Page::default(),
            rolled: None,
        }
    }

    /// Whether a folder (with its slash) can hold a key of this page.
    fn wants(&self, folder: &str) -> bool {
        let Query { prefix, after, .. } = self.query;
        let in_prefix = folder.starts_with(prefix.as_str()) || prefix.starts_with(folder);
        let before = after.as_str() > folder && !after.starts_with(folder);
        let rolled = self
            .rolled
            .as_ref()
            .is_some_and(|rolled| folder.starts_with(rolled.as_str()));
        in_prefix && !before && !rolled
    }

    /// Takes a key of the walk, and before it the known ones that come before it.
    fn offer(&mut self, key: &str) -> ControlFlow<()> {
        while let Some(known) = self.known.next_if(|known| known.as_str() <= key) {
            self.take(&known)?;
            if known == key {
                return ControlFlow::Continue(());
            }
        }
        self.take(key)
    }

    fn take(&mut self, key: &str) -> ControlFlow<()> {
        let Query {
            prefix,
            delimiter,
            after,
            limit,
        } = self.query;
        let rolled = |rolled: &String| key.starts_with(rolled.as_str());
        if !key.starts_with(prefix.as_str())
            || key <= after.as_str()
            || self.rolled.as_ref().is_some_and(rolled)
        {
            return ControlFlow::Continue(());
        }
        let end = delimiter.as_ref().and_then(|delimiter| {
            let at = key[prefix.len()..].find(delimiter.as_str())?;
            Some(prefix.len() + at + delimiter.len())
        });
        let entry = match end {
            Some(end) => {
                let common = key[..end].to_owned();
                self.rolled = Some(common.clone());
                if common == *after {
                    return ControlFlow::Continue(());
                }
                Entry::Prefix(common)
            }
            None => Entry::Key(key.to_owned()),
        };
        if self.page.entries.len() >= *limit {
            self.page.truncated = *limit > 0;
            return ControlFlow::Break(());
        }
        self.page.entries.push(entry);
        ControlFlow::Continue(())
    }

    fn finish(mut self) -> Page {
        while let Some(known) = self.known.next() {
            if self.take(&known).is_break() {
                break;
            }
        }
        self.page
    }
}
