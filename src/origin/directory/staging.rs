//! Files that are being written, and the locks under which they take their places.

use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use xxhash_rust::xxh3::xxh3_64;

use super::answer::Failure;
use super::path;
use super::store::Store;

/// Locks per kind. Names that share one wait for each other: keys for the time of two renames, uploads for that of a
/// completion.
const STRIPES: usize = 1024;

/// A file that is being written. It is removed unless it is kept.
#[derive(Debug)]
pub(super) struct Staging {
    pub(super) store: Arc<Store>,
    pub(super) file: File,
    pub(super) path: String,
}

impl Staging {
    pub(super) fn new(store: &Arc<Store>) -> Result<Self, Failure> {
        let path = format!("{}/{}", path::STAGING, store.unique());
        store.tree.make_folder(path::STAGING, true)?;
        Ok(Self {
            file: store.tree.create(&path)?,
            path,
            store: Arc::clone(store),
        })
    }

    /// Moves the file to a place inside of the state folder.
    pub(super) fn keep(&self, to: &str) -> Result<(), Errno> {
        self.store.tree.rename(&self.path, to, true)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Where the file was moved to its place, nothing is left under this name.
        let _ = self.store.tree.remove(&self.path);
    }
}

/// Locks by name, striped.
#[derive(Debug)]
pub(super) struct Locks(Vec<Mutex<()>>);

impl Default for Locks {
    fn default() -> Self {
        Self((0..STRIPES).map(|_| Mutex::new(())).collect())
    }
}

impl Locks {
    /// Waits for whoever holds the lock of `name`.
    pub(super) fn lock(&self, name: &str) -> MutexGuard<'_, ()> {
        let stripes = self.0.len() as u64;
        let stripe = usize::try_from(xxh3_64(name.as_bytes()) % stripes).unwrap_or(0);
        self.0[stripe]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
