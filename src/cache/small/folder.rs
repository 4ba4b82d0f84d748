//! The folder of one disk's store: numbered, begun anew under the next number where the last one cannot be used.
//!
//! `PATH/small/NNNNNNNN/` holds the files of one foyer device and a small text that tells their shape. Nothing in it is of
//! use to any other shape or version.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

/// The version of all that is written below a folder: foyer's files, keys and heads.
const FORMAT: &str = "forebay small store 1, foyer 0.22";

/// The file that tells a folder's shape.
const SHAPE: &str = "shape";

/// How a store is cut into files, each of which is evicted whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) file_bytes: u64,
    pub(super) files: u64,
}

impl Shape {
    /// Of `capacity` bytes, which are at least [`super::LEAST_CAPACITY`]: 64 to 127 files, so that one is a small part of
    /// the whole and there are few to hold open, but no file above 1 GiB, as foyer counts in 32 bits within a file.
    pub(super) fn of(capacity: u64) -> Self {
        let largest = 1 << 30;
        let file_bytes = (1 << (capacity / 64).max(1).ilog2()).min(largest);
        let files = capacity / file_bytes;
        Self { file_bytes, files }
    }

    pub(super) fn capacity(self) -> u64 {
        self.file_bytes * self.files
    }

    fn text(self) -> String {
        let Self { file_bytes, files } = self;
        format!("{FORMAT}\n{files} files of {file_bytes} bytes\n")
    }
}

/// A folder that a store may be opened in.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// Other folders, which are of no use any more.
    pub(super) others: Vec<PathBuf>,
}

/// The folder to go on with below `root`; a new one where `anew`, or where none of this shape is there.
pub(super) fn choose(root: &Path, shape: Shape, anew: bool) -> io::Result<Folder> {
    fs::create_dir_all(root)?;
    let mut numbers = Vec::new();
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name();
        if let Some(number) = name.to_str().and_then(|name| name.parse::<u32>().ok()) {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    let at = |number: u32| root.join(format!("{number:08}"));
    let last = numbers.last().copied();
    let chosen = match last.filter(|last| !anew && has_shape(&at(*last), shape)) {
        Some(last) => last,
        None => last.map_or(1, |last| last.wrapping_add(1)),
    };
    let path = at(chosen);
    fs::create_dir_all(&path)?;
    let others = numbers.into_iter().filter(|number| *number != chosen);
    Ok(Folder {
        others: others.map(at).collect(),
        path,
    })
}

fn has_shape(folder: &Path, shape: Shape) -> bool {
    fs::read_to_string(folder.join(SHAPE)).is_ok_and(|text| text == shape.text())
}

/// Gives every file in `folder` its room on the disk, so that a full disk shows now; then marks the folder as one to come
/// back to.
pub(super) fn complete(folder: &Path, shape: Shape) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_none_or(|name| name != SHAPE) {
            allocate(&path, shape.file_bytes)?;
        }
    }
    fs::write(folder.join(SHAPE), shape.text())
}

fn allocate(path: &Path, bytes: u64) -> io::Result<()> {
    let file = fs::OpenOptions::new().write(true).open(path)?;
    match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes) {
        // Where the file system cannot, the files are sparse, as foyer made them.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        done => done.map_err(io::Error::from),
    }
}

/// Whether the folder's file system reads and writes past the page cache.
pub(super) fn takes_direct(folder: &Path) -> io::Result<bool> {
    let probe = folder.join("probe");
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC | OFlags::DIRECT | OFlags::NOATIME;
    let opened = rustix::fs::openat(CWD, &probe, flags, Mode::RUSR | Mode::WUSR);
    // Some make the file before they refuse.
    let removed = match fs::remove_file(&probe) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    };
    match opened {
        Ok(_) => removed.map(|()| true),
        Err(Errno::INVAL) => removed.map(|()| false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_store_has_few_files_and_many_enough() {
        for capacity in [64 * MIB, 100 * MIB, 10_000 * MIB, 31 << 30, 4 << 40] {
            let shape = Shape::of(capacity);
            assert!(shape.files >= 64 && shape.capacity() <= capacity);
            assert!(shape.files < 128 || shape.file_bytes == 1 << 30);
            assert!(capacity - shape.capacity() < shape.file_bytes);
        }
        assert_eq!(Shape::of(64 * MIB).file_bytes, MIB);
    }

    #[test]
    fn a_folder_is_gone_on_with_if_its_shape_is_right() {
        let root = tempfile::tempdir().expect("a folder");
        let shape = Shape::of(64 * MIB);
        let choose = |shape, anew| choose(root.path(), shape, anew).expect("a folder");
        let first = choose(shape, false).path;
        assert!(first.ends_with("00000001"));
        // It was not completed.
        let second = choose(shape, false);
        assert!(second.path.ends_with("00000002"));
        assert_eq!(second.others, [first]);
        complete(&second.path, shape).expect("completed");
        assert_eq!(choose(shape, false).path, second.path);
        assert!(choose(shape, true).path.ends_with("00000003"));
        assert!(
            choose(Shape::of(128 * MIB), false)
                .path
                .ends_with("00000004")
        );
    }
}
