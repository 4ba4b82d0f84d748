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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{self, Memory, Pool, Writer};
    use crate::types::BodyDigest;

    const PAGE: u32 = 64 << 10;
    const BLOCK: u32 = 1 << 20;
    const PATIENCE: Duration = Duration::from_millis(200);

    fn block(index: u32) -> BlockId {
        BlockId {
            body: BodyDigest(1),
            index,
        }
    }

    /// Bytes of a block, each page filled with its number.
    fn offer(index: u32, range: std::ops::Range<u32>) -> Offer {
        let memory = Memory::new(memory::Config { limit: 64 << 20 });
        let reserved = memory.try_reserve(Pool::Fill, range.len() as u64);
        let mut writer = Writer::new(range.len(), reserved.unwrap());
        let bytes: Vec<u8> = range
            .clone()
            .map(|at| (at / PAGE).to_le_bytes()[0])
            .collect();
        writer.write(&bytes);
        Offer {
            block: block(index),
            block_length: BLOCK,
            start: range.start,
            buffer: writer.buffer(),
            epoch: Epoch(1),
            pinned: false,
        }
    }

    fn written(next: Next) -> Vec<Pending> {
        match next {
            Next::Write(batch) => batch,
            other => panic!("{other:?}"),
        }
    }

    fn are_right(pending: &Pending) -> bool {
        let runs = pending.runs.iter().flat_map(|run| {
            let pages = run.bytes.chunks(PAGE as usize);
            (run.first..).zip(pages)
        });
        let mut pages = Pages::default();
        for (page, bytes) in runs {
            assert!(!pages.contains(page), "no page twice");
            assert!(bytes.iter().all(|byte| u32::from(*byte) == page));
            pages = pages.with(page);
        }
        pages == pending.pages
    }

    #[test]
    fn a_whole_block_goes_at_once_and_a_part_waits_for_more() {
        let (now, mut queue) = (Instant::now(), Queue::new(32 << 20, PATIENCE));
        assert_eq!(queue.add(&offer(0, 0..3 * PAGE), now), Ok(Added::Block));
        assert_eq!(queue.add(&offer(1, 0..BLOCK), now), Ok(Added::Block));
        let batch = written(queue.next(now, 8 << 20, false));
        assert_eq!(batch.len(), 1);
        assert_eq!(batch[0].block, block(1));
        assert!(
            matches!(queue.next(now, 8 << 20, false), Next::Wait(until) if until == now + PATIENCE)
        );
        assert_eq!(
            queue.add(&offer(0, 2 * PAGE..BLOCK), now),
            Ok(Added::ToBlock)
        );
        let batch = written(queue.next(now, 8 << 20, false));
        assert!(are_right(&batch[0]) && batch[0].pages == Pages(u16::MAX));
        assert!(queue.is_empty() && queue.weight() == 0);
        assert!(matches!(queue.next(now, 8 << 20, false), Next::Idle));
    }

    #[test]
    fn a_part_goes_when_it_has_waited_or_room_is_needed_or_all_must() {
        let now = Instant::now();
        let with_part = || {
            let mut queue = Queue::new(8 << 20, PATIENCE);
            queue.add(&offer(0, 5 * PAGE..7 * PAGE + 9), now).unwrap();
            queue
        };
        let batch = written(with_part().next(now + PATIENCE, 8 << 20, false));
        assert!(are_right(&batch[0]) && batch[0].pages == Pages(0b110_0000));
        assert_eq!(written(with_part().next(now, 8 << 20, true)).len(), 1);
        let mut queue = with_part();
        for index in 1..6 {
            queue.add(&offer(index, PAGE..BLOCK), now).unwrap();
        }
        let batch = written(queue.next(now, 8 << 20, false));
        assert_eq!(batch.len(), 2, "until it is half empty");
    }

    #[test]
    fn what_does_not_fit_or_adds_nothing_is_refused() {
        let (now, mut queue) = (Instant::now(), Queue::new(2 << 20, PATIENCE));
        let add = |queue: &mut Queue, offer: Offer| queue.add(&offer, now);
        assert_eq!(add(&mut queue, offer(0, 1..PAGE)), Err(DiskWrite::Partial));
        assert_eq!(add(&mut queue, offer(0, 0..PAGE)), Ok(Added::Block));
        assert_eq!(add(&mut queue, offer(0, 0..PAGE)), Err(DiskWrite::Held));
        assert_eq!(add(&mut queue, offer(1, 0..BLOCK)), Ok(Added::Block));
        assert_eq!(
            add(&mut queue, offer(2, 0..BLOCK)),
            Err(DiskWrite::QueueFull)
        );
        assert!(queue.weight() <= 2 << 20);
    }

    #[test]
    fn what_was_fetched_after_a_purge_takes_the_place_of_what_was_before() {
        let (now, mut queue) = (Instant::now(), Queue::new(8 << 20, PATIENCE));
        queue.add(&offer(0, 0..4 * PAGE), now).unwrap();
        let newer = Offer {
            epoch: Epoch(2),
            ..offer(0, 0..PAGE)
        };
        assert_eq!(queue.add(&newer, now), Ok(Added::Block));
        assert_eq!(
            queue.add(&offer(0, PAGE..2 * PAGE), now),
            Err(DiskWrite::Stale)
        );
        let batch = written(queue.next(now, 8 << 20, true));
        assert_eq!((batch.len(), batch[0].pages), (1, Pages(1)));
        assert_eq!(batch[0].epoch, Epoch(2));
    }

    #[test]
    fn pages_that_are_held_are_cut_out() {
        let (now, mut queue) = (Instant::now(), Queue::new(8 << 20, PATIENCE));
        queue.add(&offer(0, 2 * PAGE..9 * PAGE), now).unwrap();
        queue.add(&offer(0, 0..3 * PAGE), now).unwrap();
        let pending = written(queue.next(now, 8 << 20, true)).remove(0);
        let left = pending.without(Pages(0b1_0010_0001));
        assert!(are_right(&left));
        assert_eq!(left.pages, Pages(0b0_1101_1110));
        assert_eq!(left.runs.len(), 3);
    }
}
