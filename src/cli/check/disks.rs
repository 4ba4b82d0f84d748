//! The disks of `forebay check`: whether each folder can be had and written, has room, and is nobody else's.
//!
//! What is made for a trial is removed again. That a node with this very configuration already uses the disk counts as taken,
//! as its listeners' addresses do.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use futures::future::join_all;
use rustix::fs::{FlockOperation, OFlags, flock, statvfs};
use rustix::io::Errno;

use super::Findings;
use crate::cache::disk::Config;
use crate::types::ByteSize;

/// Held by the process that uses the disk.
const LOCK: &str = "lock";
/// Where the node keeps its segment files.
const SEGMENTS: &str = "segments";

/// What was found at one disk.
#[derive(Debug, Default)]
struct Found {
    /// By the key's last part: message and hint.
    problems: Vec<(&'static str, String, String)>,
    notes: Vec<String>,
}

impl Found {
    fn problem(&mut self, key: &'static str, message: String, hint: &str) {
        self.problems.push((key, message, hint.to_owned()));
    }
}

/// Tries every disk, and adds what is found.
pub(super) async fn try_out(disks: &[Config], findings: &mut Findings) {
    let trials = disks.iter().cloned().map(|disk| {
        // A disk that hangs holds this thread, not the check's others; the process ends all the same.
        tokio::task::spawn_blocking(move || try_one(&disk))
    });
    for (index, found) in join_all(trials).await.into_iter().enumerate() {
        let found = found.unwrap_or_else(|error| {
            let mut found = Found::default();
            let message = format!("cannot be tried: {error}");
            found.problem("path", message, "look at the kernel's log");
            found
        });
        for (key, message, hint) in found.problems {
            findings
                .unavailable
                .add(format!("disk[{index}].{key}"), message, hint);
        }
        let notes = found.notes.into_iter();
        findings
            .notes
            .extend(notes.map(|note| (format!("disk[{index}].path"), note)));
    }
}

fn try_one(disk: &Config) -> Found {
    let mut found = Found::default();
    let made = match make(&disk.path) {
        Ok(made) => made,
        Err((place, error)) => {
            found.problem(
                "path",
                format!("{} cannot be made: {error}", place.display()),
                "make the folder, and give it to Forebay's user",
            );
            return found;
        }
    };
    match write(&disk.path) {
        Ok(true) => {}
        Ok(false) => found.notes.push(format!(
            "{} refuses O_DIRECT: reads go through the kernel's cache, which takes memory besides memory.limit",
            disk.path.display()
        )),
        Err(error) => found.problem(
            "path",
            format!("{} cannot be written: {error}", disk.path.display()),
            "give the folder to Forebay's user, on a file system that is not read-only",
        ),
    }
    match is_held(&disk.path) {
        Ok(false) => {}
        Ok(true) => found.problem(
            "path",
            format!("another process uses {}", disk.path.display()),
            "give each node a folder of its own, or stop the other: perhaps this very Forebay",
        ),
        Err(error) => found.problem(
            "path",
            format!("{} cannot be locked: {error}", disk.path.display()),
            "give what is in the folder to Forebay's user, on a file system that knows locks",
        ),
    }
    room(disk, &mut found);
    for folder in made.iter().rev() {
        // Left where somebody has put something in meanwhile.
        drop(fs::remove_dir(folder));
    }
    found
}

/// Makes the folder and those above it that are missing; gives those that it made, outermost first.
fn make(path: &Path) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let missing = |folder: &&Path| fs::symlink_metadata(folder).is_err();
    let mut made: Vec<PathBuf> = path
        .ancestors()
        .take_while(missing)
        .map(Path::to_owned)
        .collect();
    made.reverse();
    for (index, folder) in made.iter().enumerate() {
        if let Err(error) = fs::create_dir(folder) {
            made[..index]
                .iter()
                .rev()
                .for_each(|folder| drop(fs::remove_dir(folder)));
            return Err((folder.clone(), error));
        }
    }
    match fs::read_dir(path) {
        Ok(_) => Ok(made),
        Err(error) => Err((path.to_owned(), error)),
    }
}

/// Writes a page to a new file, and removes it; whether the file could be opened with `O_DIRECT`.
fn write(folder: &Path) -> io::Result<bool> {
    let mut trial = tempfile::Builder::new()
        .prefix("forebay-check-")
        .tempfile_in(folder)?;
    trial.write_all(&[0; 4096])?;
    trial.as_file().sync_all()?;
    let direct = i32::try_from(OFlags::DIRECT.bits()).expect("a flag of open(2)");
    let opened = File::options()
        .read(true)
        .custom_flags(direct)
        .open(trial.path());
    match opened {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a process holds the disk's lock.
fn is_held(folder: &Path) -> io::Result<bool> {
    let lock = match File::open(folder.join(LOCK)) {
        Ok(lock) => lock,
        // Nobody has ever used it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        // Given back as the file is closed.
        Ok(()) => Ok(false),
        Err(Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Whether the file system has what the capacity still needs.
fn room(disk: &Config, found: &mut Found) {
    let free = match statvfs(&disk.path) {
        Ok(system) => system.f_bavail.saturating_mul(system.f_frsize),
        Err(error) => {
            let message = format!("its file system cannot be asked for its size: {error}");
            return found.problem("path", message, "look at the kernel's log");
        }
    };
    let used = used(&disk.path.join(SEGMENTS));
    let needed = disk.capacity.saturating_sub(used);
    if free < needed {
        let mib = |bytes: u64| ByteSize(bytes >> 20 << 20);
        found.problem(
            "capacity",
            format!(
                "{} is free in {}, {} is still needed",
                mib(free),
                disk.path.display(),
                mib(needed)
            ),
            &format!("write at most \"{}\", or make room", mib(used + free)),
        );
    }
}

/// Bytes on the disk of the files in a folder.
fn used(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let sizes = entries
        .flatten()
        .filter_map(|entry| Some(entry.metadata().ok()?.blocks() * 512));
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(path: &Path, capacity: u64) -> Config {
        Config {
            path: path.to_owned(),
            capacity,
        }
    }

    fn problems(disk: &Config) -> Vec<&'static str> {
        let found = try_one(disk);
        found.problems.into_iter().map(|it| it.0).collect()
    }

    #[test]
    fn a_folder_that_can_be_made_is_good_and_is_not_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        assert_eq!(problems(&disk(&path, 1 << 20)), [""; 0]);
        assert!(!folder.path().join("a").exists());
        std::fs::create_dir_all(&path).unwrap();
        assert_eq!(problems(&disk(&path, 1 << 20)), [""; 0]);
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
    }

    #[test]
    fn a_path_that_leads_through_a_file_cannot_be_had() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(problems(&disk(file.path(), 1)), ["path"]);
        assert_eq!(problems(&disk(&file.path().join("a"), 1)), ["path"]);
    }

    #[test]
    fn a_disk_that_somebody_holds_and_that_has_no_room_is_told_both() {
        let folder = tempfile::tempdir().unwrap();
        let lock = File::create(folder.path().join(LOCK)).unwrap();
        assert_eq!(problems(&disk(folder.path(), 1)), [""; 0]);
        flock(&lock, FlockOperation::LockExclusive).unwrap();
        let found = try_one(&disk(folder.path(), u64::MAX / 2));
        let keys: Vec<_> = found.problems.iter().map(|it| it.0).collect();
        assert_eq!(keys, ["path", "capacity"]);
        assert!(found.problems[0].1.contains("another process"));
    }

    #[test]
    fn what_segments_take_already_is_not_needed_again() {
        let folder = tempfile::tempdir().unwrap();
        let segments = folder.path().join(SEGMENTS);
        std::fs::create_dir(&segments).unwrap();
        std::fs::write(segments.join("00000000.seg"), vec![1; 1 << 20]).unwrap();
        assert!(used(&segments) >= 1 << 20);
        assert_eq!(used(&folder.path().join("none")), 0);
    }
}
