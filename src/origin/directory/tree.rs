//! The file system below one folder, which no path leaves.
//!
//! Every path is relative to the folder and is resolved by the kernel with `openat2` (beneath the folder, no symbolic links);
//! where that call is refused (old kernels, seccomp filters) the path is walked one component at a time with `O_NOFOLLOW`.
//! Knows nothing of keys. Blocking.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::fs::{mkdirat, openat, openat2, renameat, statat, unlinkat};
use rustix::io::Errno;

/// How often a folder that vanishes while something is put into it is made again.
const RETRIES: usize = 64;

/// What a folder holds under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    /// Symbolic links, sockets, devices: never an object.
    Other,
}

/// A folder and all that is below it.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    /// Whether `openat2` was refused.
    walks: AtomicBool,
}

impl Tree {
    /// Opens the folder at `path`.
    pub(super) fn open_at(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            root: openat(CWD, path, flags, Mode::empty())?,
            walks: AtomicBool::new(false),
        })
    }

    /// Opens what is at `path`.
    pub(super) fn open(&self, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        if !self.walks.load(Ordering::Relaxed) {
            let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            match openat2(&self.root, path, flags, mode, beneath) {
                Err(Errno::NOSYS | Errno::PERM) => self.walks.store(true, Ordering::Relaxed),
                other => return other,
            }
        }
        self.walk(path, flags, mode)
    }

    /// As [`Tree::open`], without `openat2`.
    fn walk(&self, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if path == "." {
            return openat(&self.root, path, flags, mode);
        }
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(Errno::INVAL);
        }
        let (parent, leaf) = split(path);
        let mut folder = None;
        for component in parent.split('/').filter(|part| !part.is_empty()) {
            let at = folder.as_ref().unwrap_or(&self.root);
            folder = Some(openat(at, component, step, Mode::empty())?);
        }
        openat(
            folder.as_ref().unwrap_or(&self.root),
            leaf,
            flags | OFlags::NOFOLLOW,
            mode,
        )
    }

    /// The file at `path`, opened to be read; none where there is no regular file.
    pub(super) fn file(&self, path: &str) -> io::Result<Option<File>> {
        // A FIFO must not hold up the open.
        self.regular(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)
    }

    /// The file at `path`, opened to be looked at only; none where there is no regular file.
    pub(super) fn look(&self, path: &str) -> io::Result<Option<File>> {
        self.regular(path, OFlags::PATH)
    }

    fn regular(&self, path: &str, flags: OFlags) -> io::Result<Option<File>> {
        match self.open(path, flags, Mode::empty()) {
            Ok(fd) => {
                let file = File::from(fd);
                Ok(file.metadata()?.is_file().then_some(file))
            }
            Err(errno) if is_absence(errno) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The bytes of a small file; none where there is none.
    pub(super) fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let Some(mut file) = self.file(path)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut file, &mut bytes)?;
        Ok(Some(bytes))
    }

    /// Makes a new file, which everybody may read whom the umask lets.
    pub(super) fn create(&self, path: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        Ok(File::from(self.open(
            path,
            flags,
            Mode::from_raw_mode(0o666),
        )?))
    }

    /// The folder at `path`.
    pub(super) fn folder(&self, path: &str) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { "." } else { path };
        self.open(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
    }

    /// The folder at `path`, which is made, with the folders above it, where it is missing. The first component is made
    /// only where `all` says so.
    pub(super) fn make_folder(&self, path: &str, all: bool) -> Result<OwnedFd, Errno> {
        match self.folder(path) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        if path.is_empty() || !(all || path.contains('/')) {
            return Err(Errno::NOENT);
        }
        let (parent, leaf) = split(path);
        let parent = self.make_folder(parent, all)?;
        match mkdirat(&parent, leaf, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => self.folder(path),
            Err(errno) => Err(errno),
        }
    }

    /// Makes a folder in the root; false where something is there.
    pub(super) fn make_top(&self, name: &str) -> Result<bool, Errno> {
        match mkdirat(&self.root, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// What is at `path`; none where there is nothing.
    pub(super) fn kind(&self, path: &str) -> io::Result<Option<Kind>> {
        let (parent, leaf) = split(path);
        let stat = self
            .folder(parent)
            .and_then(|folder| statat(&folder, leaf, AtFlags::SYMLINK_NOFOLLOW));
        match stat {
            Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode).into())),
            Err(errno) if is_absence(errno) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Moves the file at `from` to `to`, over a file that is there; makes the folders above `to`, the first one only where
    /// `all` says so.
    pub(super) fn rename(&self, from: &str, to: &str, all: bool) -> Result<(), Errno> {
        let (from_parent, from_leaf) = split(from);
        let (to_parent, to_leaf) = split(to);
        let source = self.folder(from_parent)?;
        for _ in 0..RETRIES {
            let target = match self.make_folder(to_parent, all) {
                // As below; or the first folder is not there, which the next rounds find out, too.
                Err(Errno::NOENT) => continue,
                other => other?,
            };
            match renameat(&source, from_leaf, &target, to_leaf) {
                // The folder was empty and somebody removed it in between.
                Err(Errno::NOENT) if statat(&source, from_leaf, AtFlags::empty()).is_ok() => {}
                other => return other,
            }
        }
        Err(Errno::NOENT)
    }

    /// Removes the file at `path`, if there is one.
    pub(super) fn remove(&self, path: &str) -> io::Result<()> {
        let (parent, leaf) = split(path);
        let removed = self
            .folder(parent)
            .and_then(|folder| unlinkat(&folder, leaf, AtFlags::empty()));
        match removed {
            Ok(()) => Ok(()),
            Err(errno) if is_absence(errno) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Removes the folders above `path` that are empty, up to but without the first component. Best effort.
    pub(super) fn prune_above(&self, path: &str) {
        let (mut at, _) = split(path);
        while at.contains('/') {
            let (parent, leaf) = split(at);
            let removed = self
                .folder(parent)
                .and_then(|folder| unlinkat(&folder, leaf, AtFlags::REMOVEDIR));
            if removed.is_err() {
                return;
            }
            at = parent;
        }
    }

    /// Removes an empty folder. Best effort.
    pub(super) fn remove_folder(&self, path: &str) {
        let (parent, leaf) = split(path);
        let _ = self
            .folder(parent)
            .and_then(|folder| unlinkat(&folder, leaf, AtFlags::REMOVEDIR));
    }

    /// The names in a folder, unsorted; those that are no UTF-8 are left out. None where there is no folder.
    pub(super) fn names(&self, path: &str) -> io::Result<Option<Vec<(String, Kind)>>> {
        let path = if path.is_empty() { "." } else { path };
        let folder = match self.open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()) {
            Ok(folder) => folder,
            Err(errno) if is_absence(errno) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let mut names = Vec::new();
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if matches!(name, "." | "..") {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => unknown_kind(&folder, name)?,
                known => known.into(),
            };
            names.push((name.to_owned(), kind));
        }
        Ok(Some(names))
    }
}

/// The kind of an entry of a file system that does not tell it in its listings.
fn unknown_kind(folder: impl AsFd, name: &str) -> io::Result<Kind> {
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode).into()),
        Err(Errno::NOENT) => Ok(Kind::Other),
        Err(errno) => Err(errno.into()),
    }
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        if kind.is_file() {
            Self::File
        } else if kind.is_dir() {
            Self::Folder
        } else {
            Self::Other
        }
    }
}

/// Whether the error says that nothing that could be an object is there.
pub(super) fn is_absence(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG | Errno::NXIO
    )
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, Tree) {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let tree = Tree::open_at(folder.path()).expect("a tree");
        (folder, tree)
    }

    #[test]
    fn no_path_leaves_the_folder_either_way() {
        for walks in [false, true] {
            let (folder, tree) = tree();
            tree.walks.store(walks, Ordering::Relaxed);
            let outside = tempfile::tempdir().expect("a scratch folder");
            std::fs::write(outside.path().join("secret"), "s").expect("a file");
            std::fs::create_dir(folder.path().join("in")).expect("a folder");
            std::fs::write(folder.path().join("in/file"), "f").expect("a file");
            let link = |to: &Path, name: &str| {
                std::os::unix::fs::symlink(to, folder.path().join(name)).expect("a link");
            };
            link(outside.path(), "out");
            link(&outside.path().join("secret"), "secret");
            for path in ["out/secret", "secret", "missing", "in"] {
                assert!(tree.file(path).expect("no error").is_none(), "{path}");
                assert!(tree.look(path).expect("no error").is_none(), "{path}");
            }
            assert!(tree.file("../x").is_err());
            assert!(tree.file("/etc/passwd").is_err());
            assert!(tree.create("out/new").is_err());
            assert!(tree.names("out").expect("no error").is_none());
            assert_eq!(tree.read("in/file").expect("a file"), Some(b"f".to_vec()));
            assert_eq!(tree.kind("out").expect("a kind"), Some(Kind::Other));
            assert_eq!(tree.names("").expect("a folder").map(|n| n.len()), Some(3));
        }
    }

    #[test]
    fn a_rename_makes_folders_but_not_the_first() {
        let (folder, tree) = tree();
        tree.create("new").expect("a file");
        assert_eq!(tree.rename("new", "bucket/a/b", false), Err(Errno::NOENT));
        std::fs::create_dir(folder.path().join("bucket")).expect("a folder");
        assert_eq!(tree.rename("new", "bucket/a/b/c", false), Ok(()));
        tree.remove("bucket/a/b/c").expect("removed");
        tree.prune_above("bucket/a/b/c");
        assert_eq!(tree.kind("bucket/a").expect("a kind"), None);
        assert_eq!(tree.kind("bucket").expect("a kind"), Some(Kind::Folder));
    }
}
