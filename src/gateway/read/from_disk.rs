//! The part of a reader that takes bytes from disks.
//!
//! What it waits for it asks for itself, unless another reader has; and it keeps a little more on its way. Where a read goes on
//! from an earlier one of the same body, more than it asks for is read: its client will ask for that next, and once it does the
//! disks are read on, so that they never wait for their client. Nothing here asks the origin: what a disk could not give is
//! distrusted, and then filled.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::bodies::{BodyState, lock};
use super::fill::{Failure, PATIENCE};
use super::loads::Load;
use super::plan::Growth;
use super::reader::Reader;
use super::source::Source;
use crate::memory::buffer::allocated;
use crate::memory::{Exhausted, Pool, Reservation};
use crate::types::layout::{BLOCK, PAGE, page_ceil, page_floor};

/// How far ahead of its reader a disk is read, in bytes: enough to keep it busy, and not so much that memory has to let go of
/// what was read before its reader comes to it.
const AHEAD: u64 = 4 << 20;

/// Reads of a disk that follow one another. One that looks so by chance, among reads in random order, reads no more than it asks: that
/// the next one looks so too is rare. Twice the most is read ahead of a client: what it reads, and what comes then.
const LOADS: Growth = Growth {
    after: 2,
    most: AHEAD / 2,
};

/// Reads disks on behind what was read ahead and holds the byte at `at`, which somebody reads by now.
pub(super) fn read_on(source: &Arc<Source>, body: &Arc<BodyState>, at: u64) {
    let more = lock(&body.history).go_on(at, body.id.size(), LOADS);
    let Some(more) = more else { return };
    // It asks for nothing itself.
    let nothing = more.start..more.start;
    let mut reader = Reader::new(Arc::clone(source), Arc::clone(body), nothing);
    reader.until = Some(more.end);
    reader.load_ahead();
    reader.remember();
}

impl Reader {
    /// The next bytes, where a disk has given them.
    pub(super) fn loaded(&self) -> Option<Bytes> {
        let load = self.loading()?;
        let buffer = load.now()?.ok()?;
        let from = usize::try_from(self.at - load.range.start).expect("a block is small");
        Some(buffer.bytes(from..buffer.filled()))
    }

    /// The load that is to bring the next bytes.
    fn loading(&self) -> Option<&Load> {
        self.loads.iter().find(|it| it.range.contains(&self.at))
    }

    /// Has a disk give the next bytes, where one holds them, and waits for it. False where the disks do not.
    pub(super) async fn load(&mut self) -> Result<bool, Failure> {
        let load = match self.loading() {
            Some(load) => load.clone(),
            None => {
                if self.distrusted.contains(&self.at) {
                    return Ok(false);
                }
                // Another's load is looked for first: joining it tells nothing new of access.
                let joined = self.body.loads.find(self.at);
                let load = match joined {
                    Some(load) => {
                        read_on(&self.source, &self.body, self.at);
                        load
                    }
                    None => {
                        let Some(range) = self.next_on_disk() else {
                            return Ok(false);
                        };
                        let reserved = self.reserve(range.end - range.start).await?;
                        Load::start(&self.source, &self.body, range, reserved, None, false)
                    }
                };
                self.open_body();
                self.planned = self.planned.max(load.range.end);
                self.hold(load.clone());
                self.load_ahead();
                self.remember();
                load
            }
        };
        if let Err(miss) = load.ended().await {
            tracing::debug!(%miss, "a disk could not give what it seemed to hold");
            self.loads.retain(|it| !it.range.contains(&self.at));
            self.distrusted = load.range;
        }
        Ok(true)
    }

    /// The pages to load for the reader's place. The first time it looks whether earlier reads ended here.
    fn next_on_disk(&mut self) -> Option<Range<u64>> {
        let held = self.run_on_disk(self.at)?;
        if self.until.is_none() {
            let (asked, size) = (self.at..self.range.end, self.body.id.size());
            let until = lock(&self.body.history).widen(asked, size, LOADS).end;
            self.until = Some(until);
        }
        Some(self.pages_to_load(self.at, held))
    }

    /// Where the last page of the range ends.
    fn asked_pages(&self) -> u64 {
        page_ceil(self.range.end, self.body.id.size())
    }

    /// Says where the next read goes on, if less than was to be read ahead is on its way.
    fn remember(&self) {
        let end = self.planned.max(self.asked_pages());
        if let Some(until) = self.until.filter(|until| *until > end) {
            lock(&self.body.history).cut_short(until, end);
        }
    }

    /// The pages to load for the byte at `offset`, where a disk holds those up to `held`: no more than a window.
    fn pages_to_load(&self, offset: u64, held: u64) -> Range<u64> {
        let end = held.min(self.until.unwrap_or_else(|| self.asked_pages()));
        let window = (offset + self.window().max(PAGE)) / PAGE * PAGE;
        page_floor(offset)..end.min(window)
    }

    /// Up to where a disk holds the pages from that of `offset` on, inside its block.
    pub(super) fn run_on_disk(&self, offset: u64) -> Option<u64> {
        if self.distrusted.contains(&offset) {
            return None;
        }
        let wanted = self.source.wanted(&self.body);
        self.source.tiers.run_on_disk(&wanted, offset)
    }

    /// Memory for a load that the reader waits for.
    async fn reserve(&mut self, length: u64) -> Result<Reservation, Failure> {
        let bytes = allocated(usize::try_from(length).expect("a block is small"));
        let memory = &self.source.memory;
        if let Ok(reservation) = memory.try_reserve(Pool::Fill, bytes) {
            return Ok(reservation);
        }
        // Nothing is held while it waits, so that those who hold something never wait for each other.
        self.loads.clear();
        self.planned = self.at;
        let reserved = memory.reserve(Pool::Fill, bytes, PATIENCE).await;
        reserved.map_err(|Exhausted| Failure::NoMemory)
    }

    fn hold(&mut self, load: Load) {
        let place = |held: &Load| held.range.start < load.range.start;
        let place = self.loads.partition_point(place);
        self.loads.insert(place, load);
    }

    /// Keeps the disks busy a little ahead of the reader, as long as that costs no wait. Says whether what comes then is not
    /// theirs to give.
    pub(super) fn load_ahead(&mut self) -> bool {
        let source = Arc::clone(&self.source);
        let wanted = source.wanted(&self.body);
        let reach = self.reach_of_disks();
        self.planned = self.planned.max(self.at);
        while self.planned < reach {
            let held = self
                .loads
                .iter()
                .find(|it| it.range.contains(&self.planned));
            if let Some(held) = held {
                self.planned = held.range.end;
                continue;
            }
            match source.tiers.memory.missing(&wanted, self.planned..reach) {
                None => self.planned = reach,
                Some(missing) if missing.start > self.planned => self.planned = missing.start,
                Some(_) => {
                    let Some(held) = self.run_on_disk(self.planned) else {
                        return true;
                    };
                    let range = self.pages_to_load(self.planned, held);
                    let Some(load) = self.start_ahead(range) else {
                        return false;
                    };
                    self.planned = load.range.end;
                    self.hold(load);
                }
            }
        }
        self.planned < self.range.end && self.run_on_disk(self.planned).is_none()
    }

    /// Up to where disks are read now: a little ahead. Behind the range that is whole blocks, so that a later read finds each in
    /// one piece.
    fn reach_of_disks(&self) -> u64 {
        let reach = self.at + AHEAD.min(self.window());
        let asked = reach.min(self.range.end);
        match self.until {
            Some(until) if until > self.asked_pages() => {
                asked.max(until.min(reach / BLOCK * BLOCK))
            }
            _ => asked,
        }
    }

    /// A load whose bytes are wanted later; none where memory or the disk is short.
    fn start_ahead(&mut self, range: Range<u64>) -> Option<Load> {
        if let Some(load) = self.body.loads.find_ahead(range.start) {
            return Some(load);
        }
        let source = &self.source;
        let turn = source.tiers.turn(&source.wanted(&self.body), range.start)?;
        let length = usize::try_from(range.end - range.start).expect("a block is small");
        let reserved = source
            .memory
            .try_reserve(Pool::Fill, allocated(length))
            .ok()?;
        let is_ahead = range.start >= self.range.end;
        // Whoever reads the first of what is ahead has the disks read on.
        let marked = is_ahead && !self.reads_ahead;
        self.reads_ahead |= is_ahead;
        let turn = Some(turn);
        let load = Load::start(source, &self.body, range, reserved, turn, marked);
        if is_ahead {
            self.see_through(load.clone());
        }
        Some(load)
    }

    /// Has a load end that is ahead of the range: its reader may have gone by then.
    fn see_through(&self, load: Load) {
        let (source, body) = (Arc::clone(&self.source), Arc::clone(&self.body));
        let read_ahead = &source.metrics.cache.read_ahead_bytes;
        read_ahead.add(load.range.end - load.range.start);
        self.source.tasks.spawn("read ahead", async move {
            // What the disk could not give, the next read finds missing.
            if load.ended().await.is_ok() {
                let wanted = source.wanted(&body);
                source.tiers.memory.touch(&wanted, load.range.start);
            }
        });
    }
}
