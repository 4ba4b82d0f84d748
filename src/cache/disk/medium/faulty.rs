//! A medium that fails as it is told: faults are data, and everything else goes to the medium below.
//!
//! A test says which operation on which file goes wrong, the how-manieth, how often and how. A call that hangs does so until
//! [`Faulty::mend`], which also takes all faults away.

use std::any::Any;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::super::scratch::{Aligned, Scratch};
use super::{File, Medium, Mode, Room};

/// What is asked of the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Folders, lists, locks, opening and making of files, lengths, removal.
    Look,
    /// Reading a small file.
    Load,
    /// Replacing a small file.
    Replace,
    /// Taking room for a segment.
    Allocate,
    /// Reading in place.
    Read,
    /// Writing in place.
    Write,
    /// Any that changes what is on the disk: replacing, taking room, writing.
    Change,
}

impl Operation {
    fn changes(self) -> bool {
        matches!(self, Self::Replace | Self::Allocate | Self::Write)
    }
}

/// How an operation goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// With an error of the system, as `EIO` is 5.
    Error(i32),
    /// A read gives this many bytes fewer than it should; a write leaves what is there in the place of its last so many bytes,
    /// and fails: it is torn.
    Short(usize),
    /// The first bit of what is read is another.
    Flip,
    /// Not before [`Faulty::mend`].
    Hang,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What goes wrong; none for every operation.
    pub operation: Option<Operation>,
    /// A part of the path; empty for every file.
    pub path: String,
    /// How many matching operations work before it begins.
    pub after: u64,
    /// How many go wrong then.
    pub times: u64,
    pub wrong: Wrong,
}

impl Fault {
    /// All of `operation`, from now on and for ever.
    pub fn all(operation: Operation, wrong: Wrong) -> Self {
        Self {
            operation: Some(operation),
            path: String::new(),
            after: 0,
            times: u64::MAX,
            wrong,
        }
    }

    /// Everything, as where the disk is gone: `EIO`.
    pub fn gone() -> Self {
        Self {
            operation: None,
            ..Self::all(Operation::Look, Wrong::Error(5))
        }
    }

    /// The same fault, but only for files whose path has `part` in it.
    #[must_use]
    pub fn on(self, part: &str) -> Self {
        Self {
            path: part.to_owned(),
            ..self
        }
    }

    /// The same fault, but once `count` operations have worked.
    #[must_use]
    pub fn after(self, count: u64) -> Self {
        Self {
            after: count,
            ..self
        }
    }

    /// The same fault, but only `count` times.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self {
            times: count,
            ..self
        }
    }
}

/// See the module. Cheap to clone; clones have the same faults.
#[derive(Debug, Clone)]
pub struct Faulty {
    inner: Arc<dyn Medium>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    plan: Mutex<Plan>,
    mended: Condvar,
}

#[derive(Debug, Default)]
struct Plan {
    faults: Vec<Fault>,
    /// Times that [`Faulty::mend`] was called: what hangs waits for the next.
    mends: u64,
    hanging: u64,
    writes: u64,
}

impl Faulty {
    /// Over a medium that works.
    pub fn new(inner: Arc<dyn Medium>) -> Self {
        Self {
            inner,
            state: Arc::default(),
        }
    }

    /// Adds a fault.
    pub fn add(&self, fault: Fault) {
        self.state.lock().faults.push(fault);
    }

    /// Takes all faults away and lets go on what hangs.
    pub fn mend(&self) {
        let mut plan = self.state.lock();
        plan.faults.clear();
        plan.mends += 1;
        self.state.mended.notify_all();
    }

    /// Calls that hang now.
    pub fn hanging(&self) -> u64 {
        self.state.lock().hanging
    }

    /// Operations of the kind [`Operation::Change`] that were asked for so far.
    pub fn writes(&self) -> u64 {
        self.state.lock().writes
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What goes wrong with this call, if anything; hangs and errors happen here.
    fn meet(&self, operation: Operation, path: &Path) -> io::Result<Option<Wrong>> {
        let mut plan = self.lock();
        plan.writes += u64::from(operation.changes());
        let wrong = plan.next(operation, path);
        match wrong {
            Some(Wrong::Error(code)) => Err(io::Error::from_raw_os_error(code)),
            Some(Wrong::Hang) => {
                let before = plan.mends;
                plan.hanging += 1;
                while plan.mends == before {
                    let woken = self.mended.wait(plan);
                    plan = woken.unwrap_or_else(PoisonError::into_inner);
                }
                plan.hanging -= 1;
                Ok(None)
            }
            Some(Wrong::Short(_) | Wrong::Flip) | None => Ok(wrong),
        }
    }
}

impl Plan {
    fn next(&mut self, operation: Operation, path: &Path) -> Option<Wrong> {
        let path = path.to_string_lossy();
        let mut wrong = None;
        for fault in &mut self.faults {
            let meant = match fault.operation {
                None => true,
                Some(Operation::Change) => operation.changes(),
                Some(meant) => meant == operation,
            };
            if !meant || !path.contains(&fault.path) {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
            } else if fault.times > 0 && wrong.is_none() {
                fault.times -= 1;
                wrong = Some(fault.wrong);
            }
        }
        wrong
    }
}

#[deny(clippy::missing_trait_methods)]
impl Medium for Faulty {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.state.meet(Operation::Look, path)?;
        self.inner.make_folder(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.state.meet(Operation::Look, folder)?;
        self.inner.list(folder)
    }

    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        self.state.meet(Operation::Look, path)?;
        Ok(self.around(self.inner.open(path, mode)?, path))
    }

    fn open_to_read(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        self.state.meet(Operation::Look, path)?;
        Ok(self.around(self.inner.open_to_read(path, mode)?, path))
    }

    fn create(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        self.state.meet(Operation::Look, path)?;
        Ok(self.around(self.inner.create(path, mode)?, path))
    }

    fn load(&self, path: &Path) -> io::Result<Vec<u8>> {
        let wrong = self.state.meet(Operation::Load, path)?;
        let mut content = self.inner.load(path)?;
        match wrong {
            Some(Wrong::Short(by)) => content.truncate(content.len().saturating_sub(by)),
            Some(Wrong::Flip) => flip(&mut content),
            Some(Wrong::Error(_) | Wrong::Hang) | None => {}
        }
        Ok(content)
    }

    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.state.meet(Operation::Replace, path)?;
        self.inner.replace(path, content)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.state.meet(Operation::Look, path)?;
        self.inner.remove(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.state.meet(Operation::Look, path)?;
        self.inner.lock(path)
    }
}

impl Faulty {
    fn around(&self, inner: Arc<dyn File>, path: &Path) -> Arc<dyn File> {
        Arc::new(FaultyFile {
            inner,
            path: path.to_owned(),
            state: Arc::clone(&self.state),
        })
    }
}

#[derive(Debug)]
struct FaultyFile {
    inner: Arc<dyn File>,
    path: PathBuf,
    state: Arc<State>,
}

#[deny(clippy::missing_trait_methods)]
impl File for FaultyFile {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        // What is to go wrong has to come this way.
        let works = self.state.lock().faults.is_empty();
        works.then(|| self.inner.descriptor()).flatten()
    }

    fn length(&self) -> io::Result<u64> {
        self.state.meet(Operation::Look, &self.path)?;
        self.inner.length()
    }

    fn allocate(&self, length: u64) -> io::Result<Room> {
        self.state.meet(Operation::Allocate, &self.path)?;
        self.inner.allocate(length)
    }

    fn read_at<'a>(
        &self,
        into: &'a mut [MaybeUninit<u8>],
        offset: u64,
    ) -> io::Result<&'a mut [u8]> {
        let wrong = self.state.meet(Operation::Read, &self.path)?;
        let read = self.inner.read_at(into, offset)?;
        match wrong {
            Some(Wrong::Short(by)) => {
                let left = read.len().saturating_sub(by);
                Ok(&mut read[..left])
            }
            Some(Wrong::Flip) => {
                flip(read);
                Ok(read)
            }
            Some(Wrong::Error(_) | Wrong::Hang) | None => Ok(read),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self.state.meet(Operation::Write, &self.path)? {
            Some(Wrong::Short(by)) => {
                let left = bytes.len().saturating_sub(by);
                let mut scratch = Scratch::new(bytes.len());
                let there = scratch.read(&*self.inner, offset, bytes.len())?;
                let mut torn = Aligned::copy(there);
                torn.as_mut()[..left].copy_from_slice(&bytes[..left]);
                self.inner.write_at(torn.as_ref(), offset)?;
                Err(io::ErrorKind::WriteZero.into())
            }
            Some(Wrong::Error(_) | Wrong::Hang | Wrong::Flip) | None => {
                self.inner.write_at(bytes, offset)
            }
        }
    }

    fn write_parts_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        // One call is one operation, however many parts it has.
        let parts: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
        self.write_at(Aligned::copy(&parts).as_ref(), offset)
    }
}

fn flip(bytes: &mut [u8]) {
    if let Some(first) = bytes.first_mut() {
        *first ^= 1;
    }
}
