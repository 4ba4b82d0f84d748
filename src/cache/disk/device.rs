//! One disk: from the first try to open it to the last read, whatever becomes of it meanwhile.
//!
//! A disk that cannot be opened, or fails, is tried again and again; what it holds is recovered anew each time that it comes
//! back, since nobody knows what happened to it meanwhile. Reads and offers see a disk that is open, or none.

use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tracing::{info, warn};

use super::aio::{Heard, Queues, Read, Reading};
use super::health::Health;
use super::opened::{Aim, Found, NotRead, Opened, Place};
use super::placement::Member;
use super::purging::Purging;
use super::space::Class;
use super::writer::Inbox;
use super::{BlockId, Config, Epoch, Means, Miss, Offer, Pages, Turn, pages};
use crate::memory::{Buffer, Writer};
use crate::telemetry::disk::OneDisk;
use crate::types::outcome::{DiskRead, DiskState, DiskWrite};

/// Reads of one disk at a time: what a fast disk needs to be busy, and what a hung one may take of the threads that block.
const MOST_READS: usize = 32;

/// The least memory for slot tables, and for what waits to be written.
const LEAST_TABLES: u64 = 1 << 20;
const LEAST_QUEUE: u64 = 8 << 20;

/// The most memory for what waits to be written to all disks: a part of the working memory, which is 4 GiB at most and also for
/// fills.
const MOST_QUEUES: u64 = 512 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) config: Config,
    pub(super) means: Arc<Means>,
    pub(super) metrics: Arc<OneDisk>,
    pub(super) inbox: Inbox,
    pub(super) purging: Arc<Purging>,
    opened: ArcSwapOption<Opened>,
    health: Health,
    turns: Arc<Semaphore>,
    /// None where the system allows none.
    queues: OnceLock<Arc<Queues>>,
    /// It is out by now.
    pub(super) changed: Notify,
    pub(super) progress: watch::Sender<Progress>,
    life: watch::Sender<Life>,
    pub(super) table_bytes: usize,
}

/// What became of a read that was to be made without a thread.
enum Handed {
    /// It is under way.
    Over(Reading, Aim),
    Back(OwnedSemaphorePermit, Writer),
}

/// Whether anybody looks after a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Open,
    Closing,
    Closed,
}

/// How far a disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It was not tried yet.
    Untried,
    /// It is not in use.
    Out,
    /// Some of its segments are not known yet.
    Recovering,
    /// All that it holds is known.
    Recovered,
}

impl Disk {
    /// One of `disks`, not opened yet.
    pub(super) fn new(
        config: Config,
        means: Arc<Means>,
        purging: Arc<Purging>,
        disks: u64,
    ) -> Self {
        let metrics = means.metrics.disk.of(&config.path.to_string_lossy());
        metrics.enter(DiskState::Out);
        metrics.capacity.set(gauge(config.capacity));
        let share = |all: u64, least: u64| {
            let bytes = (all / disks.max(1)).max(least);
            usize::try_from(bytes).unwrap_or(usize::MAX)
        };
        let queues = (means.memory_limit / 16).min(MOST_QUEUES);
        Self {
            inbox: Inbox::new(share(queues, LEAST_QUEUE), means.tuning.gather),
            table_bytes: share(means.memory_limit / 64, LEAST_TABLES),
            config,
            metrics,
            purging,
            opened: ArcSwapOption::empty(),
            health: Health::default(),
            turns: Arc::new(Semaphore::new(MOST_READS)),
            queues: OnceLock::new(),
            changed: Notify::new(),
            progress: watch::Sender::new(Progress::Untried),
            life: watch::Sender::new(Life::Open),
            means,
        }
    }

    /// Where the disk stands in the choice of a block's disk, if it may be written.
    pub(super) fn member(&self) -> Option<Member> {
        let opened = self.writable().ok()?;
        Some(Member {
            id: opened.folder.identity.id,
            weight: self.config.capacity,
        })
    }

    /// The disk, if it may be written.
    pub(super) fn writable(&self) -> Result<Arc<Opened>, DiskWrite> {
        match self.health.state() {
            DiskState::Serving => self.opened.load_full().ok_or(DiskWrite::Out),
            DiskState::ReadOnly => Err(DiskWrite::ReadOnly),
            DiskState::Out => Err(DiskWrite::Out),
        }
    }

    /// The disk, if it is in use.
    pub(super) fn opened(&self) -> Option<Arc<Opened>> {
        self.opened.load_full()
    }

    pub(super) fn state(&self) -> DiskState {
        self.health.state()
    }

    /// The pages of a block that are held.
    pub(super) fn held(&self, block: BlockId, floor: Epoch) -> Pages {
        let opened = self.opened.load();
        let found = opened.as_ref().and_then(|opened| opened.find(block, floor));
        found.map(|found| found.pages).unwrap_or_default()
    }

    /// Takes an offer; what becomes of it is counted.
    pub(super) fn offer(&self, offer: &Offer) {
        if let Err(why) = self.take(offer) {
            self.metrics.writes(why).increment();
        }
    }

    fn take(&self, offer: &Offer) -> Result<(), DiskWrite> {
        let opened = self.writable()?;
        // Every offer is an access: the index knows which of them belong together.
        opened.space().missed(offer.block);
        // One that adds to a block that waits is counted with it.
        self.inbox.put(offer).map(|_| ())
    }

    /// Reads a range of a block, as [`super::Disks::read`] says.
    pub(super) async fn read(
        &self,
        block: BlockId,
        range: Range<u32>,
        floor: Epoch,
        writer: Writer,
        turn: Option<Turn>,
    ) -> Result<Buffer, Miss> {
        let started = Instant::now();
        let length = range.len() as u64;
        let read = self.read_in_time(block, range, floor, writer, turn).await;
        let outcome = match read {
            Ok(_) => DiskRead::Hit,
            Err(miss) => miss.outcome(),
        };
        self.metrics.reads(outcome).increment();
        let (buffer, arrived) = read?;
        self.metrics.read_bytes.add(length);
        self.metrics.read_time.record(arrived - started);
        self.health.read_worked();
        Ok(buffer)
    }

    /// A turn, if one is free.
    pub(super) fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).try_acquire_owned().ok()
    }

    async fn read_in_time(
        &self,
        block: BlockId,
        range: Range<u32>,
        floor: Epoch,
        writer: Writer,
        turn: Option<Turn>,
    ) -> Result<(Buffer, Instant), Miss> {
        let opened = self.opened.load_full().ok_or(Miss::Absent)?;
        let found = opened.find(block, floor);
        let holds = |found: &Found| found.pages.covers(pages::touched(&range));
        let found = found.filter(holds).ok_or(Miss::Absent)?;
        let place = Place {
            found,
            block,
            range,
        };
        let turn = match turn {
            Some(turn) => turn.permit,
            None => self.next_turn().await.ok_or(Miss::Slow)?,
        };
        self.read_place(opened, place, writer, turn).await
    }

    /// A turn, once one is free; none where that takes too long. Whether the disk is slow is told by those who have the turns,
    /// and not by whoever looks for his own too late.
    async fn next_turn(&self) -> Option<OwnedSemaphorePermit> {
        if let Some(turn) = self.turn() {
            return Some(turn);
        }
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = tokio::time::timeout(self.means.tuning.read_deadline, turn).await;
        turn.ok().and_then(Result::ok)
    }

    /// The bytes, and when they were there.
    async fn read_place(
        &self,
        opened: Arc<Opened>,
        place: Place,
        writer: Writer,
        turn: OwnedSemaphorePermit,
    ) -> Result<(Buffer, Instant), Miss> {
        let handed = self.hand_over(&opened, &place, turn, writer);
        let (turn, writer) = match handed.map_err(|why| self.not_read(&why))? {
            Handed::Back(turn, writer) => (turn, writer),
            Handed::Over(reading, aim) => match reading.await {
                Heard::Back(turn, writer) => (turn, writer),
                Heard::Late => return Err(self.is_late()),
                Heard::Arrived(arrived) => {
                    self.metrics.aio_reads.increment();
                    let at = arrived.at;
                    let read = arrived.check(|bytes| aim.check(bytes));
                    let buffer = opened.conclude(place.found, read);
                    let buffer = buffer.map_err(|why| self.not_read(&why))?;
                    return Ok((buffer, at));
                }
            },
        };
        let reading = Box::pin(self.read_from_a_thread(opened, place, writer, turn));
        reading.await
    }

    async fn read_from_a_thread(
        &self,
        opened: Arc<Opened>,
        place: Place,
        mut writer: Writer,
        turn: OwnedSemaphorePermit,
    ) -> Result<(Buffer, Instant), Miss> {
        let reading = spawn_blocking(move || {
            // Held until the disk has answered, however long nobody has been waiting any more.
            let _turn = turn;
            let read = opened.read(&place, &mut writer);
            read.map(|()| (writer.buffer(), Instant::now()))
        });
        let reading = tokio::time::timeout(self.means.tuning.read_deadline, reading).await;
        let read = reading.map_err(|_| self.is_late())?;
        let read = read.map_err(io::Error::other).map_err(NotRead::from);
        read.flatten().map_err(|why| self.not_read(&why))
    }

    /// Begins to read without a thread, where that can be.
    fn hand_over(
        &self,
        opened: &Opened,
        place: &Place,
        turn: OwnedSemaphorePermit,
        writer: Writer,
    ) -> Result<Handed, NotRead> {
        let Some(queues) = self.queues.get() else {
            return Ok(Handed::Back(turn, writer));
        };
        let Some(aim) = opened.aim(place)? else {
            return Ok(Handed::Back(turn, writer));
        };
        let read = Read {
            segment: Arc::clone(&aim.segment),
            offset: aim.offset,
            length: place.range.len(),
            writer,
            turn,
        };
        Ok(match queues.mine().start(read) {
            Ok(reading) => Handed::Over(reading, aim),
            Err(read) => Handed::Back(read.turn, read.writer),
        })
    }

    /// Reads through `queues` from now on, wherever that can be.
    pub(super) fn read_through(&self, queues: Arc<Queues>) {
        // Only once: the disk was just made.
        let _ = self.queues.set(queues);
    }

    fn not_read(&self, why: &NotRead) -> Miss {
        match why {
            NotRead::Absent => {}
            NotRead::Damaged(page) => {
                let disk = self.config.path.display();
                warn!(%disk, page, "a block on {disk} is damaged; it is given up");
            }
            NotRead::Failed(error) => self.read_failed(error),
        }
        why.into()
    }

    fn is_late(&self) -> Miss {
        self.read_failed(&io::ErrorKind::TimedOut.into());
        Miss::Slow
    }

    /// Notes that a read failed, or came too late.
    pub(super) fn read_failed(&self, error: &io::Error) {
        if self.health.read_failed() {
            self.left(error);
        }
    }

    /// Notes that a write failed.
    pub(super) fn write_failed(&self, error: &io::Error) {
        if self.health.write_failed() {
            self.metrics.enter(DiskState::ReadOnly);
            let disk = self.config.path.display();
            warn!(%disk, %error, "a write to {disk} failed: {error}; it is only read from now on");
        }
    }

    /// Takes the disk into use.
    pub(super) fn enter(&self, opened: &Arc<Opened>) {
        self.opened.store(Some(Arc::clone(opened)));
        self.progress.send_replace(Progress::Recovering);
        self.serve_again();
    }

    /// Writes again: the disk was tried, and works.
    pub(super) fn serve_again(&self) {
        self.health.serve();
        self.metrics.enter(DiskState::Serving);
        let disk = self.config.path.display();
        info!(%disk, "{disk} is in use");
    }

    /// Uses the disk no more.
    pub(super) fn leave(&self, error: &io::Error) {
        if self.health.leave() {
            self.left(error);
        }
    }

    fn left(&self, error: &io::Error) {
        self.metrics.enter(DiskState::Out);
        self.opened.store(None);
        self.changed.notify_one();
        let disk = self.config.path.display();
        warn!(%disk, %error, "{disk} failed: {error}; it is not used from now on");
    }

    /// Copies to the metrics what is known elsewhere.
    pub(super) fn measure(&self) {
        let metrics = &self.metrics;
        metrics.queued.set(gauge(self.inbox.weight() as u64));
        let Some(opened) = self.opened() else {
            let of_index = [
                &metrics.allocated,
                &metrics.live,
                &metrics.pinned,
                &metrics.index,
            ];
            of_index
                .into_iter()
                .chain(&metrics.blocks)
                .for_each(|it| it.set(0));
            return;
        };
        let space = opened.space();
        let segment = opened.folder.identity.segment_bytes;
        metrics
            .allocated
            .set(gauge(u64::from(space.files()) * segment));
        metrics.live.set(gauge(space.live_bytes()));
        metrics.index.set(gauge(space.index_bytes() as u64));
        metrics.segments.set(i64::from(space.files()));
        metrics
            .recovered
            .set(gauge(space.segments().count() as u64));
        let mut pinned = 0;
        for (class, blocks) in Class::ALL.into_iter().zip(&metrics.blocks) {
            let usage = space.usage(class);
            pinned += usage.pinned * class.bytes();
            blocks.set(gauge(usage.blocks));
        }
        metrics.pinned.set(gauge(pinned));
    }

    /// Waits until what the disk holds is known, or it is out.
    pub(super) async fn recovered(&self) {
        let mut progress = self.progress.subscribe();
        let known = |it: &Progress| matches!(it, Progress::Out | Progress::Recovered);
        // The sender lives as long as the disk.
        let _ = progress.wait_for(known).await;
    }

    /// Writes what waits, and gives the folder up.
    pub(super) async fn close(&self) {
        self.inbox.close();
        self.inbox.settle().await;
        self.life.send_replace(Life::Closing);
        let mut life = self.life.subscribe();
        let _ = life.wait_for(|life| *life == Life::Closed).await;
    }

    /// Resolves once the disk is to be given up.
    pub(super) async fn closing(&self) {
        let mut life = self.life.subscribe();
        let _ = life.wait_for(|life| *life != Life::Open).await;
    }

    /// Nobody looks after the disk any more.
    pub(super) fn closed(&self) {
        self.health.leave();
        self.metrics.enter(DiskState::Out);
        self.opened.store(None);
        self.progress.send_replace(Progress::Out);
        self.life.send_replace(Life::Closed);
    }
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
