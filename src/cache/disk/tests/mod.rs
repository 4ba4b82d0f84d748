//! The tier as its users see it, over real files in small segments.

mod aio;
mod crash;
mod faults;
mod inspection;
mod life;
mod pages;
mod several;

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::medium::Real;
use super::medium::faulty::Faulty;
use super::*;
use crate::clock::Clock;
use crate::memory::{self, Memory, Pool, buffer};
use crate::tasks::Cores;
use crate::telemetry::Metrics;

const PAGE: u32 = 64 << 10;
const BLOCK: u32 = 1 << 20;
const MIB: u64 = 1 << 20;

/// Disks over folders of their own. Two worlds over the same folders are a node before and after its restart.
pub(super) struct World {
    pub(super) disks: Arc<Disks>,
    pub(super) medium: Faulty,
    pub(super) metrics: Arc<Metrics>,
    pub(super) tasks: Tasks,
    pub(super) cores: Arc<Cores>,
    memory: Memory,
}

/// What a world is made with.
#[derive(Clone)]
pub(super) struct Setup {
    folders: Vec<Arc<tempfile::TempDir>>,
    capacity: u64,
    pub(super) tuning: Tuning,
}

impl Setup {
    /// `count` disks of `capacity` bytes, in segments of 4 MiB.
    pub(super) fn new(count: usize, capacity: u64) -> Self {
        let folder = |_| Arc::new(tempfile::tempdir().expect("a folder"));
        Self {
            folders: (0..count).map(folder).collect(),
            capacity,
            tuning: Tuning {
                read_deadline: Duration::from_secs(20),
                gather: Duration::from_millis(5),
                probe_every: Duration::from_millis(20),
                segment_bytes: Some(4 * MIB),
            },
        }
    }

    pub(super) fn path(&self, disk: usize) -> &Path {
        self.folders[disk].path()
    }

    /// Opens the disks, and waits until they are recovered or out.
    pub(super) async fn open(&self) -> World {
        let world = self.start(Faulty::new(Arc::new(Real)));
        world.disks.recovered().await;
        world
    }

    /// Begins to open the disks over a medium that may have faults already.
    pub(super) fn start(&self, medium: Faulty) -> World {
        let paths: Vec<PathBuf> = self.folders.iter().map(|it| it.path().to_owned()).collect();
        let names = paths.iter().map(|it| it.to_string_lossy().into_owned());
        let metrics = Arc::new(Metrics::with_disks(names));
        let tasks = Tasks::default();
        let cores = Arc::new(Cores::new("disk-test").expect("there are threads"));
        let capacity = self.capacity;
        let configs = paths.into_iter().map(|path| Config { path, capacity });
        let means = Means {
            medium: Arc::new(medium.clone()),
            tasks: tasks.clone(),
            cores: Some(Arc::clone(&cores)),
            clock: Clock::system(),
            metrics: Arc::clone(&metrics),
            memory_limit: 128 * MIB,
            tuning: self.tuning,
        };
        World {
            disks: Disks::open(configs.collect(), means),
            medium,
            metrics,
            tasks,
            cores,
            memory: Memory::new(memory::Config { limit: 1 << 30 }),
        }
    }
}

/// Block `index` of a body.
pub(super) fn block(body: u128, index: u32) -> BlockId {
    BlockId {
        body: BodyDigest(body),
        index,
    }
}

/// What is in a block: marks that tell where they are, every 512 bytes, and between them what tells the block.
pub(super) fn content(block: BlockId, range: Range<u32>) -> Vec<u8> {
    let seed = u32::try_from(block.body.0 & 0xffff).expect("16 bits") * 31 + block.index;
    let mut bytes = vec![seed.to_le_bytes()[0]; range.len()];
    for at in (range.start.next_multiple_of(512)..range.end).step_by(512) {
        let mark = (seed << 20 ^ at).to_be_bytes();
        let place = &mut bytes[(at - range.start) as usize..];
        let length = place.len().min(mark.len());
        place[..length].copy_from_slice(&mark[..length]);
    }
    bytes
}

impl World {
    /// An offer of a range of a block, as a fill makes it.
    pub(super) fn bytes(&self, block: BlockId, length: u32, range: Range<u32>) -> Offer {
        let bytes = content(block, range.clone());
        let reserved = self
            .memory
            .try_reserve(Pool::Fill, buffer::allocated(bytes.len()));
        let mut writer = Writer::new(bytes.len(), reserved.expect("there is room"));
        assert_eq!(writer.write(&bytes), bytes.len());
        Offer {
            block,
            block_length: length,
            start: range.start,
            buffer: writer.buffer(),
            epoch: self.disks.epoch(),
            pinned: false,
        }
    }

    /// Offers a range of a block of that length.
    pub(super) fn offer(&self, block: BlockId, length: u32, range: Range<u32>) {
        self.disks.offer(self.bytes(block, length, range));
    }

    /// Offers a whole block and waits until it is written or dropped.
    pub(super) async fn keep(&self, block: BlockId, length: u32) {
        self.offer(block, length, 0..length);
        self.disks.settle().await;
    }

    pub(super) async fn read(
        &self,
        block: BlockId,
        range: Range<u32>,
        floor: Epoch,
    ) -> Result<Vec<u8>, Miss> {
        let length = range.len();
        let reserved = self
            .memory
            .try_reserve(Pool::Fill, buffer::allocated(length));
        let writer = Writer::new(length, reserved.expect("there is room"));
        let buffer = self.disks.read(block, range, floor, writer, None).await?;
        Ok(buffer.as_slice().to_vec())
    }

    /// Reads a range, which is right or a miss.
    pub(super) async fn right(&self, block: BlockId, range: Range<u32>) -> Result<(), Miss> {
        let read = self.read(block, range.clone(), Epoch(0)).await?;
        assert!(read == content(block, range), "wrong bytes");
        Ok(())
    }

    pub(super) fn held(&self, block: BlockId) -> Pages {
        self.disks.held(block, Epoch(0))
    }

    /// What a disk counts.
    pub(super) fn counts(
        &self,
        setup: &Setup,
        disk: usize,
    ) -> Arc<crate::telemetry::disk::OneDisk> {
        self.metrics.disk.of(&setup.path(disk).to_string_lossy())
    }

    /// Waits until a disk is in a state.
    pub(super) async fn becomes(&self, disk: usize, state: DiskState) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while self.disks.states()[disk].1 != state {
            assert!(tokio::time::Instant::now() < deadline, "never {state:?}");
            tokio::task::yield_now().await;
        }
    }

    /// Gives the folders up, as a node does that ends.
    pub(super) async fn close(self) {
        self.disks.close().await;
        self.tasks.drain(Duration::from_secs(20)).await;
    }
}
