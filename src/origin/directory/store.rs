//! Objects as files: found, replaced and removed, each in one step that no reader sees half of.
//!
//! The description of an object is a file of its own, named after the key *and* the inode of the object's file, and is there
//! before that file is renamed into place. So a reader that holds a file open finds the description of exactly that file, or
//! none, and then looks again. An object that is kept under its hash wins over a plain file of the same key. Blocking.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;

use super::answer::{Code, Failure, Fault};
use super::checksum::Checksum;
use super::conditions;
use super::meta::{Description, Identity, Meta};
use super::path;
use super::staging::{Locks, Staging};
use super::tree::{Kind, Tree, is_absence};
use crate::types::{BucketName, ObjectKey};

/// How often a reader looks again at an object that is replaced under its eyes.
const LOOKS: usize = 1000;
/// A staging file that nobody has written to for so long is left over from a crash.
const STALE_SECONDS: i64 = 24 * 60 * 60;

/// Everything below the origin's folder.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) tree: Tree,
    keys: Locks,
    pub(super) uploads: Locks,
    random: RandomState,
    sequence: AtomicU64,
}

/// An object that was found: the file stays the same, whatever is put in its place.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: File,
    pub(super) meta: Meta,
    /// Whether the object is kept under its hash.
    odd: bool,
}

impl Found {
    /// Without quotes.
    pub(super) fn etag(&self) -> &str {
        &self.meta.etag
    }
}

/// What a writer knows of the object that it makes.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) etag: String,
    pub(super) description: Description,
    pub(super) checksum: Option<Checksum>,
    pub(super) parts: Vec<u64>,
    pub(super) part_sums: Vec<String>,
    pub(super) upload: Option<String>,
}

impl Store {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let store = Self {
            tree: Tree::open_at(folder)?,
            keys: Locks::default(),
            uploads: Locks::default(),
            random: RandomState::new(),
            sequence: AtomicU64::new(0),
        };
        store.sweep();
        Ok(store)
    }

    /// Removes what crashed writers left. Best effort: the folder may be read-only.
    fn sweep(&self) {
        let Ok(Some(names)) = self.tree.names(path::STAGING) else {
            return;
        };
        let age = |name: &str| {
            let file = self
                .tree
                .look(&format!("{}/{name}", path::STAGING))
                .ok()??;
            Some(Identity::of(&file.metadata().ok()?).seconds)
        };
        let newest = format!("{}/{}", path::STAGING, self.unique());
        let Ok(now) = self.tree.create(&newest).and_then(|file| file.metadata()) else {
            return;
        };
        let now = Identity::of(&now).seconds;
        for (name, _) in names {
            if age(&name).is_some_and(|seconds| now - seconds > STALE_SECONDS) {
                let _ = self.tree.remove(&format!("{}/{name}", path::STAGING));
            }
        }
        let _ = self.tree.remove(&newest);
    }

    /// A name that nothing else has: 32 hex digits.
    pub(super) fn unique(&self) -> String {
        let number = self.sequence.fetch_add(1, Ordering::Relaxed);
        let high = self.random.hash_one(number);
        let low = RandomState::new().hash_one((number, std::process::id()));
        format!("{high:016x}{low:016x}")
    }

    /// Makes sure that a bucket is there.
    pub(super) fn require(&self, bucket: &BucketName) -> Result<(), Failure> {
        match self.tree.folder(bucket.as_str()) {
            Ok(_) => Ok(()),
            Err(errno) if is_absence(errno) => {
                let fault = Fault::new(Code::NoSuchBucket).detail("BucketName", bucket.as_str());
                Err(fault.into())
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// The object of a key, opened to be read.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`.
    pub(super) fn read(&self, bucket: &BucketName, key: &ObjectKey) -> Result<Found, Failure> {
        self.require(bucket)?;
        let found = self.find(bucket, key, Tree::file)?;
        found.ok_or_else(|| Fault::no_such_key(key).into())
    }

    /// What is known of a key's object, if there is one. The file cannot be read.
    pub(super) fn look(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> Result<Option<Found>, Failure> {
        self.find(bucket, key, Tree::look)
    }

    fn find(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        open: fn(&Tree, &str) -> io::Result<Option<File>>,
    ) -> Result<Option<Found>, Failure> {
        let mut last = None;
        for _ in 0..LOOKS {
            let Some((file, odd)) = self.place(bucket, key, open)? else {
                return Ok(None);
            };
            let identity = Identity::of(&file.metadata()?);
            let meta = match self.meta(bucket, key, identity)? {
                Some(meta) => meta,
                // Without a description the file is foreign, or was replaced since it was opened: then it is another one
                // now, and its description is there.
                None if last == Some(identity.inode) => Meta::foreign(identity),
                None => {
                    last = Some(identity.inode);
                    continue;
                }
            };
            return Ok(Some(Found { file, meta, odd }));
        }
        Err(io::Error::other("the object is replaced too often to be read").into())
    }

    fn place(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        open: fn(&Tree, &str) -> io::Result<Option<File>>,
    ) -> Result<Option<(File, bool)>, Failure> {
        if let Some(file) = open(&self.tree, &path::odd(bucket, key))? {
            return Ok(Some((file, true)));
        }
        let Some(plain) = path::plain(bucket, key) else {
            return Ok(None);
        };
        Ok(open(&self.tree, &plain)?.map(|file| (file, false)))
    }

    fn meta(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        identity: Identity,
    ) -> Result<Option<Meta>, Failure> {
        let bytes = self.tree.read(&path::meta(bucket, key, identity.inode))?;
        let meta = bytes.and_then(|bytes| serde_json::from_slice::<Meta>(&bytes).ok());
        Ok(meta.filter(|meta| meta.identity == identity))
    }

    /// Puts a written file in the place of a key's object.
    ///
    /// # Errors
    /// `NoSuchBucket`, and what the conditions say.
    pub(super) fn commit(
        &self,
        (bucket, key): (&BucketName, &ObjectKey),
        staging: Staging,
        draft: Draft,
        conditions: &conditions::Write,
    ) -> Result<Meta, Failure> {
        staging.file.sync_data()?;
        let identity = Identity::of(&staging.file.metadata()?);
        let meta = Meta {
            identity,
            etag: draft.etag,
            description: draft.description,
            checksum: draft.checksum,
            parts: draft.parts,
            part_sums: draft.part_sums,
            upload: draft.upload,
        };
        let described = self.stage_json(&staging.store, &meta)?;
        let _guard = self.keys.lock(&format!("{bucket}/{key}"));
        self.require(bucket)?;
        let current = self.look(bucket, key)?;
        conditions.check(key, current.as_ref().map(Found::etag))?;
        let meta_path = path::meta(bucket, key, identity.inode);
        described.keep(&meta_path)?;
        let odd = current.as_ref().is_some_and(|found| found.odd);
        if let Err(failure) = self.put_in_place(bucket, key, staging, odd) {
            let _ = self.tree.remove(&meta_path);
            return Err(failure);
        }
        if let Some(old) = current {
            self.forget(bucket, key, old.meta.identity.inode, identity.inode);
        }
        Ok(meta)
    }

    fn put_in_place(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        staging: Staging,
        odd: bool,
    ) -> Result<(), Failure> {
        if let Some(plain) = path::plain(bucket, key).filter(|_| !odd) {
            // A link or a pipe that somebody put there stays.
            if matches!(self.tree.kind(&plain)?, None | Some(Kind::File)) {
                match self.tree.rename(&staging.path, &plain, false) {
                    Err(errno) if is_occupied(errno) => {}
                    other => return Ok(other?),
                }
            }
        }
        let odd = path::odd(bucket, key);
        let mut name = Staging::new(&staging.store)?;
        name.file.write_all(key.as_str().as_bytes())?;
        name.file.sync_data()?;
        name.keep(&format!("{odd}.key"))?;
        Ok(staging.keep(&odd)?)
    }

    /// Changes what is said about a key's object. The object itself stays.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`.
    pub(super) fn describe(
        &self,
        store: &Arc<Self>,
        (bucket, key): (&BucketName, &ObjectKey),
        change: impl FnOnce(&mut Description),
    ) -> Result<(), Failure> {
        self.require(bucket)?;
        let _guard = self.keys.lock(&format!("{bucket}/{key}"));
        let found = self.look(bucket, key)?;
        let mut meta = found.ok_or_else(|| Fault::no_such_key(key))?.meta;
        change(&mut meta.description);
        let described = self.stage_json(store, &meta)?;
        Ok(described.keep(&path::meta(bucket, key, meta.identity.inode))?)
    }

    /// Removes the description of a file that is no longer an object. Best effort: one that stays describes nothing.
    fn forget(&self, bucket: &BucketName, key: &ObjectKey, old: u64, new: u64) {
        if old != new {
            let _ = self.tree.remove(&path::meta(bucket, key, old));
        }
    }

    /// Removes a key's object, if there is one, and says whether there was.
    ///
    /// # Errors
    /// 412 where `tag` names another version, `NoSuchKey` where it is given and nothing is there.
    pub(super) fn remove(
        &self,
        bucket: &BucketName,
        key: &ObjectKey,
        tag: Option<&str>,
    ) -> Result<bool, Failure> {
        let _guard = self.keys.lock(&format!("{bucket}/{key}"));
        let Some(found) = self.look(bucket, key)? else {
            return match tag {
                Some(_) => Err(Fault::no_such_key(key).into()),
                None => Ok(false),
            };
        };
        conditions::delete(tag, &found.meta.etag)?;
        // The plain file first: it must not come to light again when the one that hides it is gone.
        if let Some(plain) = path::plain(bucket, key)
            && self.tree.kind(&plain)? == Some(Kind::File)
        {
            self.tree.remove(&plain)?;
            self.tree.prune_above(&plain);
        }
        if found.odd {
            let odd = path::odd(bucket, key);
            self.tree.remove(&odd)?;
            let _ = self.tree.remove(&format!("{odd}.key"));
        }
        self.forget(bucket, key, found.meta.identity.inode, 0);
        Ok(true)
    }

    /// The keys of a bucket that are kept under their hash, unsorted.
    pub(super) fn odd_keys(&self, bucket: &BucketName) -> Result<Vec<String>, Failure> {
        let folder = path::odd_folder(bucket);
        let mut keys = Vec::new();
        for (name, _) in self.tree.names(&folder)?.unwrap_or_default() {
            if name.contains('.') {
                continue;
            }
            let key = self.tree.read(&format!("{folder}/{name}.key"))?;
            let key = key.and_then(|bytes| String::from_utf8(bytes).ok());
            keys.extend(key.filter(|key| path::hash(key) == name));
        }
        Ok(keys)
    }

    /// A staged file that holds `value` as JSON.
    pub(super) fn stage_json(
        &self,
        store: &Arc<Self>,
        value: &impl serde::Serialize,
    ) -> Result<Staging, Failure> {
        let mut staging = Staging::new(store)?;
        let json = serde_json::to_vec(value).map_err(io::Error::from)?;
        staging.file.write_all(&json)?;
        staging.file.sync_data()?;
        Ok(staging)
    }
}

/// Whether the error of a rename says that the place is taken by something that is no object.
fn is_occupied(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::NOTDIR
            | Errno::ISDIR
            | Errno::LOOP
            | Errno::NAMETOOLONG
            | Errno::EXIST
            | Errno::NOTEMPTY
    )
}
