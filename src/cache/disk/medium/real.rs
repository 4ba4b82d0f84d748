//! The machine's file systems.

use std::any::Any;
use std::fs;
use std::io::{self, IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, FlockOperation, OFlags};
use rustix::io::Errno;

use super::{File, Medium, Mode, Room};

/// The machine's file systems.
#[derive(Debug, Clone, Copy, Default)]
pub struct Real;

impl Medium for Real {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            Err(_) | Ok(()) => Ok(()),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            // A name that is no text is none of ours.
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        open(path, mode, OFlags::RDWR)
    }

    fn open_to_read(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        open(path, mode, OFlags::RDONLY)
    }

    fn create(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        open(path, mode, OFlags::RDWR | OFlags::CREATE)
    }

    fn load(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let fresh = path.with_extension("new");
        let mut file = fs::File::create(&fresh)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        fs::File::open(folder)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        // The lock is the open file's: it ends with it, however the process ends.
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(file))
    }
}

fn open(path: &Path, mode: Mode, how: OFlags) -> io::Result<Arc<dyn File>> {
    let mut flags = OFlags::CLOEXEC | how;
    if mode == Mode::Direct {
        flags |= OFlags::DIRECT;
    }
    let file = rustix::fs::open(path, flags, rustix::fs::Mode::from_raw_mode(0o600))?;
    Ok(Arc::new(Open {
        file: file.into(),
        mode,
    }))
}

#[derive(Debug)]
struct Open {
    file: fs::File,
    mode: Mode,
}

impl File for Open {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        // Through the page cache the kernel may have to copy, or to wait where it is asked.
        (self.mode == Mode::Direct).then(|| self.file.as_fd())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn allocate(&self, length: u64) -> io::Result<Room> {
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, length) {
            Ok(()) => Ok(Room::Reserved),
            Err(Errno::OPNOTSUPP) => {
                rustix::fs::ftruncate(&self.file, length)?;
                Ok(Room::Sparse)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn read_at<'a>(
        &self,
        into: &'a mut [MaybeUninit<u8>],
        offset: u64,
    ) -> io::Result<&'a mut [u8]> {
        // One call: the system cuts a read of a file short at the file's end only, and no signal interrupts it.
        let (filled, _) = rustix::io::pread(&self.file, into, offset)?;
        Ok(filled)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let (mut rest, mut offset) = (bytes, offset);
        while !rest.is_empty() {
            let written = retry(|| rustix::io::pwrite(&self.file, rest, offset))?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = &rest[written..];
            offset += written as u64;
        }
        Ok(())
    }

    fn write_parts_at(&self, mut parts: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        while !parts.is_empty() {
            let written = retry(|| rustix::io::pwritev(&self.file, parts, offset))?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            IoSlice::advance_slices(&mut parts, written);
            offset += written as u64;
        }
        Ok(())
    }
}

/// Makes a call again where a signal came first.
fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}
