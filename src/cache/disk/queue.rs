//! What waits for being written to a disk: bounded by the memory that it keeps, gathered by block.
//!
//! Bytes of a block come in pieces, as fills end. A block whose pages are all there goes at once; one that lacks some waits a
//! little for more, so that it is written once and in one slot. What does not fit is refused, never waited for.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::pages::{self, Pages};
use super::{BlockId, Epoch, Offer};
use crate::types::outcome::DiskWrite;

/// Pages that follow one another, in one piece of memory.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// The number of the first page.
    pub(super) first: u32,
    /// Whole pages, but for the last of a body.
    pub(super) bytes: Bytes,
}

/// Pages of one block that are to be written.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) block: BlockId,
    pub(super) block_length: u32,
    pub(super) epoch: Epoch,
    pub(super) pinned: bool,
    pub(super) pages: Pages,
    /// Without order, without overlap.
    pub(super) runs: Vec<Run>,
    /// Memory that the runs keep from being freed.
    weight: usize,
    since: Instant,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Queue {
    most: usize,
    patience: Duration,
    pending: HashMap<BlockId, Pending>,
    /// Blocks in the order in which they came; some may have gone since.
    order: VecDeque<BlockId>,
    /// Those whose pages are all there.
    whole: VecDeque<BlockId>,
    weight: usize,
}

/// What a writer is to do.
#[derive(Debug)]
pub(super) enum Next {
    /// Write these.
    Write(Vec<Pending>),
    /// Wait until then, or for more.
    Wait(Instant),
    /// Wait for more.
    Idle,
}

impl Queue {
    /// Keeps `most` bytes of memory, and blocks that lack pages for `patience`.
    pub(super) fn new(most: usize, patience: Duration) -> Self {
        Self {
            most,
            patience,
            pending: HashMap::new(),
            order: VecDeque::new(),
            whole: VecDeque::new(),
            weight: 0,
        }
    }

    /// Takes the whole pages of an offer; else says why not.
    pub(super) fn add(&mut self, offer: &Offer, now: Instant) -> Result<Added, DiskWrite> {
        let end = offer.start + u32::try_from(offer.buffer.filled()).unwrap_or(0);
        let pages = Pages::within(offer.start..end, offer.block_length);
        let held = self.pending.get(&offer.block);
        let late =
            |held: &Pending| held.epoch > offer.epoch || held.block_length != offer.block_length;
        if held.is_some_and(late) {
            return Err(DiskWrite::Stale);
        }
        if pages.is_empty() {
            return Err(DiskWrite::Partial);
        }
        let held = held.filter(|held| held.epoch == offer.epoch);
        let pages = pages.without(held.map(|held| held.pages).unwrap_or_default());
        if pages.is_empty() {
            return Err(DiskWrite::Held);
        }
        let weight = offer.buffer.weight();
        if self.weight + weight > self.most {
            return Err(DiskWrite::QueueFull);
        }
        Ok(self.put(offer, pages, weight, now))
    }

    fn put(&mut self, offer: &Offer, pages: Pages, weight: usize, now: Instant) -> Added {
        let block = offer.block;
        // What was fetched before a purge makes way for what was fetched after it.
        if self
            .pending
            .get(&block)
            .is_some_and(|held| held.epoch < offer.epoch)
        {
            self.remove(&block);
        }
        let known = self.pending.contains_key(&block);
        let pending = self.pending.entry(block).or_insert_with(|| Pending {
            block,
            block_length: offer.block_length,
            epoch: offer.epoch,
            pinned: offer.pinned,
            pages: Pages::default(),
            runs: Vec::new(),
            weight: 0,
            since: now,
        });
        pending.runs.extend(runs_of(offer, pages));
        pending.pages = pending.pages.union(pages);
        pending.pinned |= offer.pinned;
        pending.weight += weight;
        self.weight += weight;
        if !known {
            self.order.push_back(block);
        }
        if pending.is_whole() {
            self.whole.push_back(block);
        }
        if known { Added::ToBlock } else { Added::Block }
    }

    /// What to write now, about `most` bytes of it. With `all`, nothing waits for more of its block.
    pub(super) fn next(&mut self, now: Instant, most: usize, all: bool) -> Next {
        let mut batch: Vec<Pending> = Vec::new();
        let mut weight = 0;
        while weight < most {
            let Some(block) = self.ready(now, all) else {
                break;
            };
            let pending = self.remove(&block).expect("it is ready");
            weight += pending.weight;
            batch.push(pending);
        }
        if !batch.is_empty() {
            return Next::Write(batch);
        }
        let oldest = self.order.front().and_then(|block| self.pending.get(block));
        oldest.map_or(Next::Idle, |oldest| {
            Next::Wait(oldest.since + self.patience)
        })
    }

    fn ready(&mut self, now: Instant, all: bool) -> Option<BlockId> {
        while let Some(block) = self.whole.pop_front() {
            if self.pending.contains_key(&block) {
                return Some(block);
            }
        }
        // Half full is time to make room.
        let hurry = all || self.weight > self.most / 2;
        while let Some(block) = self.order.front().copied() {
            match self.pending.get(&block) {
                None => drop(self.order.pop_front()),
                Some(oldest) if hurry || now >= oldest.since + self.patience => {
                    return self.order.pop_front();
                }
                Some(_) => return None,
            }
        }
        None
    }

    fn remove(&mut self, block: &BlockId) -> Option<Pending> {
        let pending = self.pending.remove(block)?;
        self.weight -= pending.weight;
        Some(pending)
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Bytes of memory that wait.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }
}

/// How an offer was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// As the first of its block.
    Block,
    /// To others of its block.
    ToBlock,
}

impl Pending {
    fn is_whole(&self) -> bool {
        self.pages.covers(Pages::all(self.block_length))
    }

    /// The same without some pages: those that are held already.
    pub(super) fn without(mut self, held: Pages) -> Self {
        self.pages = self.pages.without(held);
        let length = self.block_length;
        let cut = |run: &Run| cut(run, held, length);
        self.runs = self.runs.iter().flat_map(cut).collect();
        self
    }
}

/// The pieces of an offer's buffer that are `pages`.
fn runs_of(offer: &Offer, pages: Pages) -> Vec<Run> {
    let whole = Run {
        first: 0,
        bytes: offer.buffer.bytes(0..offer.buffer.filled()),
    };
    let mut runs = Vec::new();
    for range in ranges(pages, offer.block_length) {
        let (from, until) = (range.1.start - offer.start, range.1.end - offer.start);
        runs.push(Run {
            first: range.0,
            bytes: whole.bytes.slice(from as usize..until as usize),
        });
    }
    runs
}

/// A run without some of its pages.
fn cut(run: &Run, without: Pages, block_length: u32) -> Vec<Run> {
    let start = pages::bytes_of(run.first, block_length).start;
    let end = start + u32::try_from(run.bytes.len()).expect("a block has 2^20 bytes");
    let left = Pages::within(start..end, block_length).without(without);
    ranges(left, block_length)
        .into_iter()
        .map(|(first, range)| Run {
            first,
            bytes: run
                .bytes
                .slice((range.start - start) as usize..(range.end - start) as usize),
        })
        .collect()
}

/// Runs of pages that follow one another: the first page of each, and the bytes of the block that they are.
pub(super) fn ranges(pages: Pages, block_length: u32) -> Vec<(u32, std::ops::Range<u32>)> {
    let mut ranges: Vec<(u32, std::ops::Range<u32>)> = Vec::new();
    for page in pages.iter() {
        let bytes = pages::bytes_of(page, block_length);
        match ranges.last_mut() {
            Some((_, last)) if last.end == bytes.start => last.end = bytes.end,
            _ => ranges.push((page, bytes)),
        }
    }
    ranges
}
