//! The disk tier: blocks of bodies in preallocated segment files, one set of files for each configured disk.
//!
//! What is held is known in memory and told without I/O ([`Disks::held`]); reading ([`Disks::read`]) checks every page that
//! it returns; writing ([`Disks::offer`]) is off the request's path, bounded, and drops what it cannot follow. Each disk is
//! its own failure domain: one that errs is not written, then not read any more, and the node goes on without it.

mod aio;
mod checksum;
mod data;
mod device;
mod folder;
mod format;
mod health;
pub mod inspect;
mod late;
mod means;
pub mod medium;
mod opened;
mod pages;
pub mod placement;
pub mod purges;
mod purging;
mod queue;
mod recovery;
mod scratch;
mod segment;
mod slots;
pub mod space;
mod tables;
mod tend;
#[cfg(test)]
mod tests;
mod write;
mod writer;

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::OwnedSemaphorePermit;
use tracing::{info, warn};

use self::aio::{Aio, Queues};
use self::device::Disk;
use self::placement::Member;
use self::purging::Purging;
use crate::memory::{Buffer, Writer};
use crate::tasks::Tasks;
use crate::types::outcome::{DiskRead, DiskState};
use crate::types::{BodyDigest, CanonicalObject, ObjectKey, OriginFingerprint};

pub use self::folder::LEAST_CAPACITY;
pub use self::means::{Means, Tuning};
pub use self::pages::Pages;

/// A configured disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The folder that the disk is used under. Exists, and is nobody else's.
    pub path: PathBuf,
    /// Bytes of files that the node may keep there.
    pub capacity: u64,
}

/// A block of a body: the unit of caching, 1 MiB but for the body's last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockId {
    pub body: BodyDigest,
    /// From the body's start, in blocks.
    pub index: u32,
}

/// When something was fetched, counted in purges: what is older than a purge that covers its object is not there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u32);

/// Why a block could not be read. The reader asks the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    /// It is not held, or no longer.
    #[error("not held")]
    Absent,
    /// What is on the disk is not what was written.
    #[error("the page is damaged")]
    Damaged,
    /// The disk failed.
    #[error("the disk failed")]
    Failed,
    /// The disk did not answer in time.
    #[error("the disk is slow")]
    Slow,
}

/// One of the reads that a disk may have at a time.
#[derive(Debug)]
pub struct Turn {
    disk: Arc<Disk>,
    permit: OwnedSemaphorePermit,
}

/// Bytes that may be kept.
#[derive(Debug, Clone)]
pub struct Offer {
    pub block: BlockId,
    /// The block's length in bytes: [`crate::types::layout::BLOCK`], or less where the body ends in it.
    pub block_length: u32,
    /// Where the buffer begins in the block. Only the whole pages in it are kept (the body's last page may be short).
    pub start: u32,
    pub buffer: Buffer,
    /// The purges that were known when the origin was asked for these bytes.
    pub epoch: Epoch,
    /// Whether a rule says that these bytes are not to be evicted for others.
    pub pinned: bool,
}

impl Miss {
    fn outcome(self) -> DiskRead {
        match self {
            Self::Absent => DiskRead::Absent,
            Self::Damaged => DiskRead::Damaged,
            Self::Failed => DiskRead::Failed,
            Self::Slow => DiskRead::Slow,
        }
    }
}

/// How long closing waits for a disk to take what was offered.
const CLOSING: Duration = Duration::from_secs(10);

/// How long a purge waits for a disk.
const PURGING: Duration = Duration::from_secs(10);

/// The disks.
#[derive(Debug)]
pub struct Disks {
    disks: Vec<Arc<Disk>>,
    purging: Arc<Purging>,
}

impl Default for Disks {
    fn default() -> Self {
        Self {
            disks: Vec::new(),
            purging: Arc::new(Purging::new(0)),
        }
    }
}

impl Disks {
    /// No disks.
    pub fn none() -> Arc<Self> {
        Arc::default()
    }

    /// Begins to use disks. A disk that cannot be opened is tried again and again.
    pub fn open(configs: Vec<Config>, means: Means) -> Arc<Self> {
        let (means, count) = (Arc::new(means), configs.len());
        let purging = Arc::new(Purging::new(count));
        let new = |config| {
            let (means, purging) = (Arc::clone(&means), Arc::clone(&purging));
            Arc::new(Disk::new(config, means, purging, count as u64))
        };
        let disks: Vec<_> = configs.into_iter().map(new).collect();
        let mut told = false;
        for disk in &disks {
            let cores = means.cores.as_ref().map_or(0, |cores| cores.count());
            match Queues::new(cores) {
                Ok(queues) => {
                    let sharing = cores - queues.of_cores().len();
                    if sharing > 0 {
                        let path = disk.config.path.display();
                        info!(%path, "{sharing} of {cores} cores share one queue of this disk's reads: fs.aio-max-nr allows no more");
                    }
                    attend(disk, &Arc::new(queues));
                }
                // Once: the same holds for all.
                Err(error) if !std::mem::replace(&mut told, true) => {
                    info!(%error, "asynchronous reads cannot be used: {error}; disks are read from threads");
                }
                Err(_) => {}
            }
            means.tasks.spawn("disk", tend::run(Arc::clone(disk)));
            means
                .tasks
                .spawn("disk-writer", writer::run(Arc::clone(disk)));
        }
        Arc::new(Self { disks, purging })
    }

    /// Whether there is any.
    pub fn is_empty(&self) -> bool {
        self.disks.is_empty()
    }

    /// The pages of a block that are held and were fetched at `floor` or later. No I/O.
    pub fn held(&self, block: BlockId, floor: Epoch) -> Pages {
        let held = self.disks.iter().map(|disk| disk.held(block, floor));
        held.max_by_key(|pages| pages.count()).unwrap_or_default()
    }

    /// A turn at the disk that holds a block, if one is free.
    pub fn turn(&self, block: BlockId, floor: Epoch) -> Option<Turn> {
        let holds = |disk: &&Arc<Disk>| !disk.held(block, floor).is_empty();
        let disk = self.disks.iter().find(holds)?;
        let permit = disk.turn()?;
        let disk = Arc::clone(disk);
        Some(Turn { disk, permit })
    }

    /// Reads `range` of a block into an empty `writer` of that length, and gives back what can be read from it. The range
    /// begins where a page does and ends where a page or the block does. With a `turn` at the disk that holds it, all that
    /// has to be done is under way once the future was polled; else it may wait for a turn first.
    ///
    /// # Errors
    /// [`Miss`]: the bytes are to be had elsewhere. Never takes longer than the disk's deadline.
    pub async fn read(
        &self,
        block: BlockId,
        range: Range<u32>,
        floor: Epoch,
        writer: Writer,
        turn: Option<Turn>,
    ) -> Result<Buffer, Miss> {
        let wanted = pages::touched(&range);
        let holds = |disk: &&Arc<Disk>| disk.held(block, floor).covers(wanted);
        let disk = match self.disks.as_slice() {
            // The read itself looks whether the pages are there.
            [only] => only,
            disks => disks.iter().find(holds).ok_or(Miss::Absent)?,
        };
        let turn = turn.filter(|turn| Arc::ptr_eq(&turn.disk, disk));
        disk.read(block, range, floor, writer, turn).await
    }

    /// Takes bytes that a reader has just missed, if they are worth keeping and the disk can follow. Never waits.
    pub fn offer(&self, offer: Offer) {
        if let Some(disk) = self.disk_for(offer.block) {
            disk.offer(&offer);
        }
    }

    /// Where a block is written: where a part of it is already, or where the choice among the disks that work puts it.
    fn disk_for(&self, block: BlockId) -> Option<&Arc<Disk>> {
        if let [only] = self.disks.as_slice() {
            return Some(only);
        }
        let members = self.disks.iter().map(|disk| (disk, disk.member()));
        let usable: Vec<_> = members.filter_map(|(disk, it)| Some((disk, it?))).collect();
        let has =
            |(disk, _): &&(&Arc<Disk>, Member)| !disk.held(block, Epoch::default()).is_empty();
        if let Some((disk, _)) = usable.iter().find(has) {
            return Some(disk);
        }
        let members: Vec<_> = usable.iter().map(|(_, member)| *member).collect();
        // Where none works, one of them counts what is lost.
        let chosen = placement::choose(&members, block).map(|place| usable[place].0);
        chosen.or_else(|| self.disks.first())
    }

    /// The purges that are known: what is fetched from now on is newer than all of them.
    pub fn epoch(&self) -> Epoch {
        self.purging.latest()
    }

    /// From which epoch on bytes of an object are good.
    pub fn floor(&self, object: &CanonicalObject) -> Epoch {
        self.purging.floor(object)
    }

    /// Purges the objects of an origin whose keys begin with `prefix`: what was fetched of them until now is not there any
    /// more. Returns once that is on a disk for good.
    ///
    /// # Errors
    /// Where no disk could take it: it then holds until the node ends.
    pub async fn purge(&self, origin: OriginFingerprint, prefix: &str) -> io::Result<Epoch> {
        let epoch = self.purging.add(|purges| purges.purge(origin, prefix));
        self.write_purges().await.map(|()| epoch)
    }

    /// As [`Disks::purge`], but of the object under `key` only.
    ///
    /// # Errors
    /// As there.
    pub async fn purge_key(&self, origin: OriginFingerprint, key: &ObjectKey) -> io::Result<Epoch> {
        let epoch = self.purging.add(|purges| purges.purge_key(origin, key));
        self.write_purges().await.map(|()| epoch)
    }

    async fn write_purges(&self) -> io::Result<()> {
        let written = join_all(self.disks.iter().map(write_purges)).await;
        let failed = |written: Vec<io::Result<()>>| written.into_iter().find_map(Result::err);
        if written.is_empty() || written.iter().any(Result::is_ok) {
            return Ok(());
        }
        failed(written).map_or(Ok(()), Err)
    }

    /// The disk that holds most pages of a block that were fetched at `floor` or later. No I/O.
    pub fn place(&self, block: BlockId, floor: Epoch) -> Option<(&Path, Pages)> {
        let held = |disk: &Arc<Disk>| disk.held(block, floor);
        let disk = self.disks.iter().max_by_key(|disk| held(disk).count())?;
        let held = held(disk);
        (!held.is_empty()).then_some((&*disk.config.path, held))
    }

    /// Waits until what every disk holds is known, or the disk is out.
    pub async fn recovered(&self) {
        join_all(self.disks.iter().map(|disk| disk.recovered())).await;
    }

    /// Waits until what was offered is written or dropped.
    pub async fn settle(&self) {
        join_all(self.disks.iter().map(|disk| disk.inbox.settle())).await;
    }

    /// Takes no more offers, waits a while for those that were taken to be written, and gives the folders up.
    pub async fn close(&self) {
        let closing = |disk| tokio::time::timeout(CLOSING, Disk::close(disk));
        let closed = join_all(self.disks.iter().map(|disk| closing(disk))).await;
        if closed.iter().any(Result::is_err) {
            warn!("a disk did not take in time what was to be written; that is lost");
        }
    }

    /// Brings the metrics up to date that are not counted.
    pub fn measure(&self) {
        self.disks.iter().for_each(|disk| disk.measure());
    }

    /// The disks' paths and states.
    pub fn states(&self) -> Vec<(&Path, DiskState)> {
        let state = |disk: &Arc<Disk>| disk.state();
        let disks = self.disks.iter();
        disks
            .map(|disk| (&*disk.config.path, state(disk)))
            .collect()
    }
}

/// Has a disk read asynchronously, until it is given up.
fn attend(disk: &Arc<Disk>, queues: &Arc<Queues>) {
    let Means { tasks, cores, .. } = &*disk.means;
    disk.read_through(Arc::clone(queues));
    let end = || {
        let (stopping, disk) = (tasks.clone(), Arc::clone(disk));
        async move {
            tokio::select! {
                () = stopping.stopping() => {}
                () = disk.closing() => {}
            }
        }
    };
    let patience = disk.means.tuning.read_deadline;
    tasks.spawn(
        "disk-reads-late",
        aio::watch(Arc::clone(queues), patience, end()),
    );
    let attend = |tasks: &Tasks, queue: &Arc<Aio>| {
        tasks.spawn("disk-reads", aio::attend(Arc::clone(queue), end()));
    };
    attend(tasks, queues.of_others());
    let seats = cores.iter().flat_map(|cores| cores.seats());
    for (queue, seat) in queues.of_cores().iter().zip(seats) {
        attend(&tasks.at(&seat), queue);
    }
}

/// Writes the purges to one disk.
async fn write_purges(disk: &Arc<Disk>) -> io::Result<()> {
    let opened = disk.opened().ok_or(io::ErrorKind::NotConnected)?;
    let purging = Arc::clone(&disk.purging);
    let writing = tokio::task::spawn_blocking(move || purging.write_to(&opened));
    let written = match tokio::time::timeout(PURGING, writing).await {
        Ok(written) => written.map_err(io::Error::other).flatten(),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    };
    if let Err(error) = &written {
        // It is written when the disk works again.
        disk.write_failed(error);
    }
    written
}
