//! How much to ask an origin for. Pure.
//!
//! A fill costs one origin request, so that it should be large; bytes that nobody reads cost money and time, so that it
//! should be small. While access looks random a fill takes the asked pages only; once it is sequential it grows to a whole
//! block, then doubles up to 8 MiB; a large read is cut at multiples of 8 MiB, so that readers of one body make the same
//! fills.

use std::ops::Range;

use crate::types::layout::{BLOCK, PAGE, page_ceil, page_floor};

/// The largest fill in bytes. An origin request costs the SDK about 0.2 ms of CPU, whatever its size.
pub(super) const LARGEST_FILL: u64 = 8 << 20;

/// How reads that follow one another are widened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Growth {
    /// From the how-manieth read on that begins where another has ended.
    pub(super) after: u32,
    /// To how much at most, in bytes. It begins with a block, or twice what is asked, and doubles each time.
    pub(super) most: u64,
}

/// Of fills: a request to an origin costs more than bytes that nobody reads.
pub(super) const FILLS: Growth = Growth {
    after: 1,
    most: LARGEST_FILL,
};

/// How many streams of access are told apart within one body at most: more loaders than that rarely read one file.
const STREAMS: u64 = 16;

/// How seldom a read in random order may seem to go on where another has ended: once in so many, in all but the smallest bodies.
const SELDOM: u64 = 64;

/// Where recent fills and loads of one body ended: a miss that begins there goes on sequentially.
#[derive(Debug, Default)]
pub(super) struct History {
    streams: Vec<Stream>,
}

#[derive(Debug)]
struct Stream {
    end: u64,
    /// From where on nobody had asked for what was got.
    ahead: u64,
    /// How many reads have gone on from another.
    steps: u32,
    growth: u64,
}

impl Stream {
    /// After a read of `asked` bytes that goes on from it.
    fn step(self, asked: u64, by: Growth) -> Self {
        let steps = self.steps.saturating_add(1);
        let growth = match self.growth {
            _ if steps < by.after => 0,
            0 => BLOCK.max(2 * asked).min(by.most),
            growth => (2 * growth).min(by.most),
        };
        Self {
            steps,
            growth,
            ..self
        }
    }

    /// Where the pages end that its growth adds to `start`.
    fn grown(&self, start: u64) -> u64 {
        (start + self.growth).next_multiple_of(self.growth.clamp(PAGE, BLOCK))
    }
}

impl History {
    /// The pages to get for a read of `range`, which misses at its start, in a body of `size` bytes. Remembers the answer.
    pub(super) fn widen(&mut self, range: Range<u64>, size: u64, by: Growth) -> Range<u64> {
        let asked = page_floor(range.start)..page_ceil(range.end, size);
        let length = asked.end - asked.start;
        let told_apart = (size / (SELDOM * length.max(1))).clamp(1, STREAMS);
        let recent = usize::try_from(told_apart).expect("few");
        let before = self
            .streams
            .iter()
            .rev()
            .take(recent)
            .position(|stream| stream.end == asked.start || stream.end == range.start)
            .map(|index| self.streams.len() - 1 - index);
        let stream = match before.map(|index| self.streams.remove(index)) {
            Some(stream) => stream.step(length, by),
            None => Stream {
                end: 0,
                ahead: 0,
                steps: 0,
                growth: 0,
            },
        };
        let end = asked.end.max(stream.grown(asked.start).min(size));
        self.push(Stream {
            end,
            ahead: asked.end,
            ..stream
        });
        asked.start..end
    }

    /// The pages to get behind those that were got ahead and hold the byte at `at`, which was asked for by now. None where nothing was got
    /// ahead there, or it has gone on already.
    pub(super) fn go_on(&mut self, at: u64, size: u64, by: Growth) -> Option<Range<u64>> {
        let holds = |stream: &Stream| (stream.ahead..stream.end).contains(&at) && stream.end < size;
        let place = self.streams.iter().rposition(holds)?;
        let start = self.streams[place].end;
        let stream = self.streams.remove(place).step(0, by);
        let end = stream.grown(start).min(size);
        self.push(Stream {
            end,
            ahead: start,
            ..stream
        });
        Some(start..end)
    }

    fn push(&mut self, stream: Stream) {
        if self.streams.len() as u64 == STREAMS {
            self.streams.remove(0);
        }
        self.streams.push(stream);
    }

    /// Remembers that the read that was to end at `promised` ended at `end`.
    pub(super) fn cut_short(&mut self, promised: u64, end: u64) {
        if let Some(stream) = self.streams.iter_mut().rfind(|it| it.end == promised) {
            stream.end = end;
        }
    }
}

/// Where a fill that begins at `start` has to end at the latest.
pub(super) fn cut(start: u64) -> u64 {
    (start + 1).next_multiple_of(LARGEST_FILL)
}

/// The parts of `range` that `missing` finds and `claimed` does not cover, cut into fills.
///
/// `missing` gives the first run of bytes in a range that no tier holds; `claimed` are the ranges of running fills.
pub(super) fn fills(
    range: Range<u64>,
    claimed: &[Range<u64>],
    missing: impl Fn(Range<u64>) -> Option<Range<u64>>,
) -> Vec<Range<u64>> {
    let mut fills = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let Some(run) = missing(at..range.end) else {
            break;
        };
        if let Some(claim) = claimed.iter().find(|claim| claim.contains(&run.start)) {
            at = claim.end;
            continue;
        }
        let next_claim = claimed
            .iter()
            .map(|claim| claim.start)
            .filter(|start| *start > run.start)
            .min();
        let end = run
            .end
            .min(cut(run.start))
            .min(next_claim.unwrap_or(u64::MAX));
        fills.push(run.start..end);
        at = end;
    }
    fills
}

/// Where the bytes of a fill come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Disk,
    Origin,
}

/// A fill cut where what is on disks begins and ends. `run_on_disk` tells where the run of pages that a disk holds ends, from
/// the page of an offset on, inside its block. What comes from a disk is cut at blocks and made whole pages of.
pub(super) fn places(
    fill: Range<u64>,
    run_on_disk: impl Fn(u64) -> Option<u64>,
) -> Vec<(Range<u64>, Place)> {
    let mut places: Vec<(Range<u64>, Place)> = Vec::new();
    let mut at = fill.start;
    while at < fill.end {
        if let Some(end) = run_on_disk(at) {
            let end = end.min(fill.end.next_multiple_of(PAGE));
            places.push((page_floor(at)..end, Place::Disk));
            at = end;
            continue;
        }
        let end = (page_floor(at) + PAGE).min(fill.end);
        match places.last_mut() {
            Some((before, Place::Origin)) if before.end == at => before.end = end,
            _ => places.push((at..end, Place::Origin)),
        }
        at = end;
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: u64 = 1 << 30;

    #[test]
    fn random_reads_take_their_pages_only() {
        let mut history = History::default();
        assert_eq!(history.widen(100..200, SIZE, FILLS), 0..PAGE);
        assert_eq!(
            history.widen(10 * BLOCK + 1..10 * BLOCK + PAGE + 1, SIZE, FILLS),
            10 * BLOCK..10 * BLOCK + 2 * PAGE
        );
        assert_eq!(
            history.widen(SIZE - 5..SIZE, SIZE, FILLS),
            SIZE - PAGE..SIZE
        );
    }

    #[test]
    fn sequential_reads_grow_to_the_largest_fill() {
        let mut history = History::default();
        let mut at = 0;
        let mut lengths = Vec::new();
        for _ in 0..6 {
            let fill = history.widen(at..at + 1000, SIZE, FILLS);
            lengths.push((fill.end - fill.start) / PAGE);
            at = fill.end;
        }
        assert_eq!(lengths[0], 1);
        assert!(
            lengths[1] >= 15 && lengths.windows(2).all(|pair| pair[0] <= pair[1] + 16),
            "{lengths:?}"
        );
        assert!(
            lengths[5] * PAGE >= LARGEST_FILL - BLOCK && lengths[5] * PAGE <= LARGEST_FILL + BLOCK
        );
    }

    const LOADS: Growth = Growth {
        after: 2,
        most: 4 * BLOCK,
    };

    /// Where reads of `length` bytes end, each of which begins where the one before has.
    fn ends(length: u64, by: Growth) -> Vec<u64> {
        let mut history = History::default();
        let mut at = 0;
        let mut ends = Vec::new();
        while at < 16 * BLOCK {
            at = history.widen(at..at + length, 16 * BLOCK, by).end;
            ends.push(at / PAGE);
        }
        ends
    }

    #[test]
    fn loads_grow_once_a_second_one_has_gone_on() {
        // A block is 16 pages; grown ones end where blocks do.
        assert_eq!(ends(1000, LOADS), [1, 2, 32, 64, 128, 192, 256]);
        assert_eq!(ends(BLOCK, LOADS), [16, 32, 64, 128, 192, 256]);
    }

    #[test]
    fn what_was_got_ahead_goes_on_once_when_it_is_asked_for() {
        let mut history = History::default();
        for page in 0..2 {
            history.widen(page * PAGE..(page + 1) * PAGE, SIZE, LOADS);
        }
        assert_eq!(history.go_on(PAGE, SIZE, LOADS), None, "it was asked for");
        let got = history.widen(2 * PAGE..3 * PAGE, SIZE, LOADS);
        assert_eq!(got, 2 * PAGE..2 * BLOCK);
        assert_eq!(history.go_on(2 * PAGE, SIZE, LOADS), None);
        let on = history.go_on(BLOCK, SIZE, LOADS);
        assert_eq!(on, Some(2 * BLOCK..4 * BLOCK));
        assert_eq!(history.go_on(BLOCK + PAGE, SIZE, LOADS), None, "it has");
        history.cut_short(4 * BLOCK, 3 * BLOCK);
        let on = history.go_on(2 * BLOCK, SIZE, LOADS);
        assert_eq!(on, Some(3 * BLOCK..7 * BLOCK));
        assert_eq!(history.go_on(3 * BLOCK, 7 * BLOCK, LOADS), None, "the end");
    }

    #[test]
    fn reads_in_random_order_are_rarely_widened() {
        for (length, size) in [(PAGE, 16 * BLOCK), (BLOCK, 16 * BLOCK), (PAGE, BLOCK)] {
            let mut history = History::default();
            let (mut asked, mut taken, mut random) = (0, 0, 1_u64);
            for _ in 0..20_000 {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let at = (random >> 33) % (size / length) * length;
                let read = history.widen(at..at + length, size, LOADS);
                asked += length;
                taken += read.end - read.start;
            }
            assert!(
                taken * 100 < asked * 104,
                "{taken} bytes for {asked} of {size}"
            );
        }
    }

    #[test]
    fn several_loaders_of_a_large_body_are_told_apart() {
        let mut history = History::default();
        let mut at: Vec<_> = (0..8).map(|loader| loader * SIZE / 8).collect();
        let from = at.clone();
        for _ in 0..6 {
            for at in &mut at {
                *at = history.widen(*at..*at + PAGE, SIZE, LOADS).end;
            }
            // One who reads much at once does not make the others forgotten.
            history.widen(SIZE / 2 + 1..SIZE, SIZE, LOADS);
        }
        assert!(at.iter().zip(from).all(|(at, from)| at - from > 8 * BLOCK));
    }

    #[test]
    fn a_stream_goes_on_where_it_really_ended() {
        let mut history = History::default();
        history.widen(0..PAGE, SIZE, FILLS);
        let promised = history.widen(PAGE..2 * PAGE, SIZE, FILLS).end;
        history.cut_short(promised, 5 * PAGE);
        let on = history.widen(5 * PAGE..6 * PAGE, SIZE, FILLS);
        assert_eq!(on, 5 * PAGE..3 * BLOCK);
        let elsewhere = history.widen(promised..promised + PAGE, SIZE, FILLS);
        assert_eq!(elsewhere, promised..promised + PAGE);
    }

    #[test]
    fn fills_go_around_what_is_held_and_claimed() {
        let held = 2 * BLOCK..3 * BLOCK;
        let missing = |range: Range<u64>| {
            let start = if held.contains(&range.start) {
                held.end
            } else {
                range.start
            };
            let end = if start < held.start {
                held.start.min(range.end)
            } else {
                range.end
            };
            (start < end).then_some(start..end)
        };
        let claimed = vec![5 * BLOCK..6 * BLOCK; 1];
        let expected = vec![
            0..2 * BLOCK,
            3 * BLOCK..5 * BLOCK,
            6 * BLOCK..8 * BLOCK,
            8 * BLOCK..9 * BLOCK,
        ];
        assert_eq!(fills(0..9 * BLOCK, &claimed, missing), expected);
    }

    #[test]
    fn what_is_on_disk_is_cut_out_in_whole_pages() {
        let held = PAGE..3 * PAGE;
        let run = |offset: u64| held.contains(&offset).then_some(held.end);
        let fill = 10..BLOCK;
        let expected = vec![
            (10..PAGE, Place::Origin),
            (PAGE..3 * PAGE, Place::Disk),
            (3 * PAGE..BLOCK, Place::Origin),
        ];
        assert_eq!(places(fill, run), expected);
        let inside = places(PAGE + 5..2 * PAGE + 1, run);
        assert_eq!(inside, vec![(PAGE..3 * PAGE, Place::Disk)]);
        assert_eq!(
            places(PAGE..2 * PAGE, run),
            vec![(PAGE..2 * PAGE, Place::Disk)]
        );
    }

    proptest! {
        #[test]
        fn fills_and_claims_cover_what_is_missing_once(
            start in 0..40 * BLOCK,
            length in 1..40 * BLOCK,
            claims in proptest::collection::vec((0..80u64, 1..8u64), 0..5),
        ) {
            let claimed: Vec<_> = claims.iter().map(|(at, blocks)| at * BLOCK..(at + blocks) * BLOCK).collect();
            let range = start..start + length;
            let fills = fills(range.clone(), &claimed, Some);
            let mut at = range.start;
            for fill in &fills {
                prop_assert!(fill.start < fill.end && fill.end - fill.start <= LARGEST_FILL);
                prop_assert!(fill.start >= at && fill.end <= range.end);
                prop_assert!(claimed.iter().all(|claim| claim.end <= fill.start || fill.end <= claim.start));
                at = fill.end;
            }
            for offset in (range.start..range.end).step_by(usize::try_from(PAGE).expect("small")) {
                let covered = fills.iter().chain(&claimed).any(|part| part.contains(&offset));
                prop_assert!(covered, "{} is in no fill and no claim", offset);
            }
        }
    }
}
