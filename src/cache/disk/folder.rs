//! The folder that a disk is used under: what files there are, whose it is, and how its segments are read and written.
//!
//! ```text
//! forebay-disk            the disk's id and the size of its segments
//! lock                    locked by the process that uses the folder
//! purges                  what was purged
//! probe                   written and read back where the disk is tried
//! segments/00000000.seg   blocks
//! ```

use std::any::Any;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::format;
use super::medium::{ALIGN, File, Medium, Mode};
use super::scratch::{Aligned, Scratch};
use super::space::class::MOST_SEGMENT;

/// The least segment that a disk is given.
const LEAST_SEGMENT: u64 = 16 << 20;

/// A disk has at least so many segments, so that the classes of slots have room beside each other.
const LEAST_SEGMENTS: u64 = 32;

/// The least capacity of a disk.
pub const LEAST_CAPACITY: u64 = LEAST_SEGMENT * LEAST_SEGMENTS;

const IDENTITY: &str = "forebay-disk";
const LOCK: &str = "lock";
const PROBE: &str = "probe";
const PURGES: &str = "purges";
const SEGMENTS: &str = "segments";

/// What is tried in the probe file.
const PROBE_BYTES: usize = 64 << 10;

/// A folder that this process uses.
#[derive(Debug)]
pub(super) struct Folder {
    medium: Arc<dyn Medium>,
    path: PathBuf,
    pub(super) identity: Identity,
    pub(super) mode: Mode,
    /// Why the folder cannot be written, if so.
    pub(super) unwritable: Option<io::Error>,
    /// Nobody else uses the folder while this is there.
    _lock: Box<dyn Any + Send + Sync>,
}

/// What a disk's folder says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) id: u128,
    pub(super) segment_bytes: u64,
}

impl Identity {
    fn new(segment_bytes: u64) -> Self {
        // A fresh `RandomState` is the standard library's source of randomness.
        let half = || u128::from(RandomState::new().hash_one(std::process::id()));
        Self {
            id: half() << 64 | half(),
            segment_bytes,
        }
    }

    fn encode(&self) -> String {
        let Self { id, segment_bytes } = self;
        let version = format::VERSION;
        format!("forebay-disk\nversion {version}\nid {id:032x}\nsegment {segment_bytes}\n")
    }

    /// What the text says, if it is of this version.
    pub(super) fn decode(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut lines = text.strip_prefix("forebay-disk\n")?.lines();
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let version: u8 = value("version")?.parse().ok()?;
        let id = u128::from_str_radix(value("id")?, 16).ok()?;
        let segment_bytes = value("segment")?.parse().ok()?;
        (version == format::VERSION && (1..=MOST_SEGMENT).contains(&segment_bytes))
            .then_some(Self { id, segment_bytes })
    }
}

/// The size of a disk's segments: 1 GiB, or the largest power of two of which there are enough.
pub(super) fn segment_bytes(capacity: u64) -> u64 {
    let share = (capacity / LEAST_SEGMENTS).clamp(LEAST_SEGMENT, MOST_SEGMENT);
    1 << share.ilog2()
}

impl Folder {
    /// Takes the folder into use. Segments get the size that they have there already, or `fresh` where there are none; a size
    /// of which `capacity` has room for too few is given up.
    pub(super) fn open(
        medium: &Arc<dyn Medium>,
        path: &Path,
        capacity: u64,
        fresh: u64,
    ) -> io::Result<Self> {
        medium.list(path)?;
        let lock = medium.lock(&path.join(LOCK))?;
        medium.make_folder(&path.join(SEGMENTS))?;
        let identity = match medium.load(&path.join(IDENTITY)) {
            Ok(text) => Identity::decode(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let enough = |it: &Identity| it.segment_bytes <= fresh || capacity / it.segment_bytes >= 8;
        let identity = match identity.filter(enough) {
            Some(identity) => identity,
            None => {
                let identity = Identity::new(fresh);
                medium.replace(&path.join(IDENTITY), identity.encode().as_bytes())?;
                identity
            }
        };
        let mut folder = Self {
            medium: Arc::clone(medium),
            path: path.to_owned(),
            identity,
            mode: Mode::Direct,
            unwritable: None,
            _lock: lock,
        };
        let mut probed = folder.probe();
        if matches!(&probed, Err(error) if error.kind() == io::ErrorKind::InvalidInput) {
            folder.mode = Mode::Buffered;
            probed = folder.probe();
        }
        folder.unwritable = probed.err();
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file and reads it back. It stays, so that a full disk can be tried too.
    pub(super) fn probe(&self) -> io::Result<()> {
        let path = self.path.join(PROBE);
        let file = self.medium.create(&path, self.mode)?;
        let mut bytes = Aligned::zeros(PROBE_BYTES);
        bytes.as_mut()[..16].copy_from_slice(&self.identity.id.to_le_bytes());
        file.write_at(bytes.as_ref(), 0)?;
        let mut scratch = Scratch::new(PROBE_BYTES);
        let read = scratch.read(&*file, 0, PROBE_BYTES)?;
        if read != bytes.as_ref() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(())
    }

    /// Whether the folder is still the one that was opened: a mount that has gone leaves another in its place.
    pub(super) fn check(&self) -> io::Result<()> {
        let text = self.medium.load(&self.path.join(IDENTITY))?;
        if Identity::decode(&text) == Some(self.identity) {
            Ok(())
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }

    /// The numbers of the segments that are there.
    pub(super) fn segments(&self) -> io::Result<Vec<u32>> {
        segments(&*self.medium, &self.path)
    }

    pub(super) fn open_segment(&self, number: u32) -> io::Result<Arc<dyn File>> {
        let path = segment_path(&self.path, number);
        self.medium.open(&path, self.mode)
    }

    pub(super) fn create_segment(&self, number: u32) -> io::Result<Arc<dyn File>> {
        let path = segment_path(&self.path, number);
        self.medium.create(&path, self.mode)
    }

    pub(super) fn remove_segment(&self, number: u32) -> io::Result<()> {
        self.medium.remove(&segment_path(&self.path, number))
    }

    /// The purges that were written here; none where none were.
    pub(super) fn purges(&self) -> io::Result<Option<Vec<u8>>> {
        match self.medium.load(&self.path.join(PURGES)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the purges, for good.
    pub(super) fn write_purges(&self, content: &[u8]) -> io::Result<()> {
        self.medium.replace(&self.path.join(PURGES), content)
    }
}

/// The numbers of the segments in a folder.
pub(super) fn segments(medium: &dyn Medium, path: &Path) -> io::Result<Vec<u32>> {
    let names = medium.list(&path.join(SEGMENTS))?;
    let number = |name: &String| {
        let digits = name.strip_suffix(".seg").filter(|it| it.len() == 8)?;
        digits.parse().ok()
    };
    let mut numbers: Vec<u32> = names.iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// What a folder says of itself; none where nobody keeps blocks there, or in another format.
pub(super) fn identity(medium: &dyn Medium, path: &Path) -> io::Result<Option<Identity>> {
    let text = medium.load(&path.join(IDENTITY))?;
    Ok(Identity::decode(&text))
}

/// Whether somebody uses the folder; none where that cannot be told.
pub(super) fn is_in_use(medium: &dyn Medium, path: &Path) -> Option<bool> {
    match medium.lock(&path.join(LOCK)) {
        Ok(_) => Some(false),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(true),
        Err(_) => None,
    }
}

pub(super) fn segment_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(SEGMENTS).join(format!("{number:08}.seg"))
}

const _: () = assert!(PROBE_BYTES.is_multiple_of(ALIGN));

#[cfg(test)]
mod tests {
    use super::super::medium::Real;
    use super::*;

    #[test]
    fn a_disk_has_segments_of_a_gigabyte_or_enough_smaller_ones() {
        let sizes = [512 << 20, 600 << 20, 1 << 30, 31 << 30, 32 << 30, 1 << 44];
        let sizes = sizes.map(|capacity| segment_bytes(capacity) >> 20);
        assert_eq!(sizes, [16, 16, 32, 512, 1024, 1024]);
    }

    #[test]
    fn an_identity_is_read_as_it_was_written_and_no_other_version() {
        let identity = Identity::new(16 << 20);
        let text = identity.encode();
        assert_eq!(Identity::decode(text.as_bytes()), Some(identity));
        let newer = text.replace("version 1", "version 2");
        assert_eq!(Identity::decode(newer.as_bytes()), None);
        assert_eq!(Identity::decode(b"something else"), None);
        assert_ne!(Identity::new(1).id, identity.id);
    }

    #[test]
    fn a_folder_is_used_once_and_keeps_its_size_of_segments() {
        let place = tempfile::tempdir().unwrap();
        let medium: Arc<dyn Medium> = Arc::new(Real);
        let open = |capacity, fresh| Folder::open(&medium, place.path(), capacity, fresh);
        let first = open(1 << 30, 16 << 20).unwrap();
        let used = open(1 << 30, 16 << 20).unwrap_err();
        assert_eq!(used.kind(), io::ErrorKind::WouldBlock);
        first.check().unwrap();
        let identity = first.identity;
        drop(first);
        assert_eq!(open(2 << 30, 64 << 20).unwrap().identity, identity);
        // Two segments are too few.
        assert_ne!(open(32 << 20, 4 << 20).unwrap().identity, identity);
    }

    #[test]
    fn a_folder_whose_disk_was_changed_does_not_pass_its_check() {
        let place = tempfile::tempdir().unwrap();
        let medium: Arc<dyn Medium> = Arc::new(Real);
        let folder = Folder::open(&medium, place.path(), 1 << 30, 16 << 20).unwrap();
        std::fs::remove_file(place.path().join(IDENTITY)).unwrap();
        assert_eq!(folder.check().unwrap_err().kind(), io::ErrorKind::NotFound);
        let other = Identity::new(1 << 20).encode();
        std::fs::write(place.path().join(IDENTITY), other).unwrap();
        assert_eq!(
            folder.check().unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }
}
