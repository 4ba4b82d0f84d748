//! A reader: walks through a range of one body, from the tier where it can, along a fill where it must.
//!
//! It holds no bytes but those it returns, and the few blocks that it has asked a disk for. Before it waits it makes sure that
//! what it will need is on its way: as far ahead as its window reaches, in parallel. The window grows while the client keeps
//! up, and shrinks when memory is short. What a disk cannot give is the origin's to give, without a word.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;

use super::bodies::{BodyState, Seat, lock};
use super::fill::{Failure, Fill, Found, RETRIES, Run};
use super::from_disk::read_on;
use super::loads::Load;
use super::plan::{self, FILLS, LARGEST_FILL, Place};
use super::source::Source;
use crate::cache::memory::Held;
use crate::memory::OpenBody;
use crate::origin;
use crate::types;
use crate::types::Body;
use crate::types::layout::{PAGE, page_ceil, page_floor};

/// Reads of at least this many bytes are large: they fill what they ask for, in parallel, whatever came before.
const LARGE: u64 = 1 << 20;

/// How often a reader that was left behind, or whose fill was given up, looks anew before it counts as a failure.
const MOST_DETOURS: u32 = 16;

/// Where the first byte came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Memory,
    Disk,
    /// A fill that this reader started.
    Own,
    /// A fill that another reader had started.
    Joined,
}

/// See the module's description.
pub(super) struct Reader {
    pub(super) source: Arc<Source>,
    pub(super) body: Arc<BodyState>,
    pub(super) range: Range<u64>,
    pub(super) at: u64,
    /// Up to where fills and loads were started or bytes were found.
    pub(super) planned: u64,
    /// How far ahead to fill, as far as memory allows.
    ahead: u64,
    following: Option<Arc<Fill>>,
    /// What disks are to give, in order.
    pub(super) loads: VecDeque<Load>,
    /// Up to where disks are read, in whole pages: further than the range where it goes on from an earlier one. Known from the
    /// first load on.
    pub(super) until: Option<u64>,
    /// Whether it has begun to read disks ahead of its range.
    pub(super) reads_ahead: bool,
    /// What a disk seemed to hold, and could not give.
    pub(super) distrusted: Range<u64>,
    /// Its share of the windows. Held from the first miss on.
    open: Option<OpenBody>,
    /// Held from the first fill on, or from the start where the reader's request started a fill.
    seat: Option<Seat>,
    /// Past the cache: the rest of the range, straight from the origin.
    direct: Option<Body>,
    started: bool,
    first: Option<Origin>,
}

impl Reader {
    /// A reader of `range` of a body.
    pub(super) fn new(source: Arc<Source>, body: Arc<BodyState>, range: Range<u64>) -> Self {
        let (at, planned) = (range.start, range.start);
        Self {
            source,
            body,
            range,
            at,
            planned,
            ahead: LARGEST_FILL,
            following: None,
            loads: VecDeque::new(),
            until: None,
            reads_ahead: false,
            distrusted: 0..0,
            open: None,
            seat: None,
            direct: None,
            started: false,
            first: None,
        }
    }

    /// Says that this reader's request started the fill that it will follow, which keeps to the reader's pace from now on.
    pub(super) fn started_the_fill(&mut self) {
        self.started = true;
        self.sit_down();
    }

    /// Bytes still to come.
    pub(super) fn remaining(&self) -> u64 {
        self.range.end - self.at
    }

    /// Where the first byte came from; memory where none was read yet.
    pub(super) fn first(&self) -> Origin {
        self.first.unwrap_or(Origin::Memory)
    }

    /// The next bytes, if they are there without waiting.
    pub(super) fn ready(&mut self) -> Option<Bytes> {
        if self.direct.is_some() {
            return None;
        }
        if let Some(bytes) = self.loaded() {
            self.first.get_or_insert(Origin::Disk);
            return Some(self.take(bytes));
        }
        if let Some(fill) = self.following.take() {
            match if fill.range.contains(&self.at) {
                fill.find(self.at)
            } else {
                Found::Passed
            } {
                Found::Bytes(bytes) => {
                    self.first.get_or_insert(match self.started {
                        true => Origin::Own,
                        false => Origin::Joined,
                    });
                    let bytes = self.take(bytes);
                    if fill.is_passed(self.at) {
                        fill.trim(self.body.fastest(&fill.range));
                    }
                    self.following = Some(fill);
                    return Some(bytes);
                }
                Found::Pending | Found::Failed(_) => {
                    self.following = Some(fill);
                    return None;
                }
                Found::Passed => {}
            }
        }
        let wanted = self.source.wanted(&self.body);
        let Held { bytes, marked } = self.source.tiers.memory.read(&wanted, self.at)?;
        if marked {
            read_on(&self.source, &self.body, self.at);
        }
        self.first.get_or_insert(Origin::Memory);
        Some(self.take(bytes))
    }

    /// The next bytes; none at the end of the range.
    ///
    /// # Errors
    /// Why the rest cannot be had. Nothing was skipped: what came before is right.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let mut detours = 0;
        while self.at < self.range.end {
            if let Some(bytes) = self.ready() {
                return Ok(Some(bytes));
            }
            if self.direct.is_some() {
                return self.next_direct().await;
            }
            if self.following.is_none() {
                match self.load().await {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(Failure::NoMemory) if self.at > self.range.start => {
                        self.go_direct().await?;
                        continue;
                    }
                    Err(failure) => return Err(failure),
                }
            }
            let Some(fill) = self.following.take().or_else(|| self.follow()) else {
                continue;
            };
            match fill.wait(self.at).await {
                Found::Bytes(_) => self.following = Some(fill),
                Found::Passed | Found::Failed(Failure::Deserted) | Found::Pending => {
                    // Left behind: the tier may have it, else it is asked for anew.
                    self.source.metrics.cache.detours.increment();
                    detours += 1;
                    self.planned = self.at;
                    if detours > MOST_DETOURS {
                        self.go_direct().await?;
                    }
                }
                Found::Failed(Failure::NoMemory) if self.at > self.range.start => {
                    self.go_direct().await?
                }
                Found::Failed(failure) => return Err(failure),
            }
        }
        Ok(None)
    }

    fn take(&mut self, mut bytes: Bytes) -> Bytes {
        bytes.truncate(usize::try_from(self.remaining()).unwrap_or(usize::MAX));
        self.at += bytes.len() as u64;
        while self.loads.front().is_some_and(|it| it.range.end <= self.at) {
            self.loads.pop_front();
        }
        if let Some(seat) = &self.seat {
            seat.advance(self.at, self.window());
        }
        if self.open.is_some() {
            self.plan_ahead();
        }
        bytes
    }

    /// How far ahead of this reader fills may run, in bytes.
    pub(super) fn window(&self) -> u64 {
        self.ahead.min(self.source.memory.window())
    }

    /// Where the window ends, or the range; a large window ends where a fill does.
    fn reach(&self) -> u64 {
        let window = self.window();
        let end = self.at + window;
        let end = if window < LARGEST_FILL {
            end
        } else {
            plan::cut(end - 1)
        };
        end.min(self.range.end)
    }

    /// The fill to wait for; none where the bytes have meanwhile arrived.
    fn follow(&mut self) -> Option<Arc<Fill>> {
        let wanted = self.wanted();
        self.planned = wanted.end.max(self.planned);
        self.fill(wanted, true)
    }

    /// Keeps fills running as far ahead as the window reaches, once half of what was planned is used up.
    fn plan_ahead(&mut self) {
        if self.planned >= self.range.end || !self.load_ahead() {
            return;
        }
        if self.planned > self.at + self.window() / 2 {
            return;
        }
        self.ahead = (self.ahead * 2).min(u64::MAX / 2);
        let until = self.reach();
        let from = self.planned.max(self.at);
        if from < until {
            self.planned = until;
            self.fill(from..page_ceil(until, self.body.id.size()), false);
        }
    }

    /// What to fill for a miss at the reader's place: all that it asks for within the window, or, where that is little,
    /// what the history of access suggests. Of what a fill is bringing already nothing is to be learnt.
    fn wanted(&self) -> Range<u64> {
        let (size, until) = (self.body.id.size(), self.reach());
        let claims = |fill: &Arc<Fill>| Some(fill.claim()).filter(|it| it.contains(&self.at));
        let claimed = lock(&self.body.fills).iter().find_map(claims);
        let fresh = claimed.map_or(self.at, |claim| claim.end);
        if fresh >= until || self.range.end - self.range.start >= LARGE {
            page_floor(self.at)..page_ceil(until, size)
        } else {
            let fresh = lock(&self.body.history).widen(fresh..until, size, FILLS);
            page_floor(self.at)..fresh.end
        }
    }

    /// Starts fills for what is neither held nor being filled in `range`. With `following`, gives the fill at the reader's
    /// place.
    fn fill(&mut self, range: Range<u64>, following: bool) -> Option<Arc<Fill>> {
        self.sit_down();
        let body = Arc::clone(&self.body);
        let mut running = lock(&body.fills);
        let claims: Vec<_> = running.iter().map(|fill| fill.claim()).collect();
        let tiers = &self.source.tiers;
        let wanted = self.source.wanted(&self.body);
        let missing = |range| tiers.memory.missing(&wanted, range);
        // What is left of a page behind a fill that ends where the reader does, as one of a part, is not worth a request.
        let end = self.range.end;
        let is_worth_it = |range: &Range<u64>| range.start < end || range.end - range.start >= PAGE;
        let fills = plan::fills(range, &claims, missing).into_iter();
        let fills = fills.filter(is_worth_it);
        let on_disk = |offset| self.run_on_disk(offset);
        let places = fills.flat_map(|range| plan::places(range, on_disk));
        for (range, place) in places.collect::<Vec<_>>() {
            if place == Place::Disk {
                // From there on it is loaded, when the reader comes near.
                self.planned = self.planned.min(range.start);
                break;
            }
            let fill = Fill::new(range);
            running.push(Arc::clone(&fill));
            self.started |= fill.range.contains(&self.at);
            let run = Run {
                fill,
                body: Arc::clone(&self.body),
                source: Arc::clone(&self.source),
                adopted: false,
            };
            self.source.metrics.cache.fills.increment();
            self.source.tasks.spawn("fill", run.run(None));
        }
        running
            .iter()
            .rfind(|fill| following && fill.claim().contains(&self.at))
            .cloned()
    }

    fn sit_down(&mut self) {
        self.open_body();
        if self.seat.is_none() {
            let seat = self.body.seat(&(self.at..self.range.end), self.window());
            self.seat = Some(seat);
        }
    }

    pub(super) fn open_body(&mut self) {
        let memory = &self.source.memory;
        self.open.get_or_insert_with(|| memory.open_body());
    }

    /// Reads the rest straight from the origin, past memory and tiers.
    async fn go_direct(&mut self) -> Result<(), Failure> {
        self.source.metrics.cache.direct_reads.increment();
        (self.seat, self.open) = (None, None);
        self.loads.clear();
        let opened = self.open_direct(0).await;
        opened.inspect_err(|failure| self.source.fill_failed(&self.body.id, failure))
    }

    /// Asks for the rest of the range, again after a pause where the origin fails; `failed` times it has done so already.
    async fn open_direct(&mut self, mut failed: u32) -> Result<(), Failure> {
        loop {
            let rest = self.at..self.range.end;
            match self.source.open(&self.body.id, rest).await {
                Ok(body) => {
                    self.direct = Some(body);
                    return Ok(());
                }
                Err(error) if error.is_retryable() && failed < RETRIES => {
                    failed += 1;
                    self.source.pause_before_retry(failed, &error).await;
                }
                Err(error) => return Err(Failure::from(error)),
            }
        }
    }

    async fn next_direct(&mut self) -> Result<Option<Bytes>, Failure> {
        let mut failed = 0;
        while let Some(answer) = &mut self.direct {
            let error = match answer.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) if !bytes.is_empty() => return Ok(Some(self.take(bytes))),
                    Ok(_) | Err(_) => continue,
                },
                Some(Err(error)) => origin::Error::Unreachable(error),
                None => origin::Error::Nonsense("its body ended early"),
            };
            if failed == RETRIES {
                return Err(Failure::from(error));
            }
            failed += 1;
            self.source.pause_before_retry(failed, &error).await;
            self.open_direct(failed).await?;
        }
        Ok(None)
    }
}

/// What the client's connection takes the bytes from.
pub(super) struct Answer {
    state: State,
    remaining: u64,
}

type Step = (Box<Reader>, Result<Option<Bytes>, Failure>);

enum State {
    /// The bytes that were awaited before the answer's head was sent.
    First(Bytes, Box<Reader>),
    Reading(Box<Reader>),
    Waiting(futures::future::BoxFuture<'static, Step>),
    Ended,
}

impl Answer {
    /// The body that begins with `first` and goes on with `reader`.
    pub(super) fn new(first: Bytes, reader: Reader) -> Self {
        let remaining = first.len() as u64 + reader.remaining();
        Self {
            state: State::First(first, Box::new(reader)),
            remaining,
        }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = types::BoxError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, types::BoxError>>> {
        use std::task::Poll;
        let (reader, step) = match std::mem::replace(&mut self.state, State::Ended) {
            State::First(bytes, reader) => (reader, Ok(Some(bytes))),
            State::Reading(mut reader) => match reader.ready() {
                Some(bytes) => (reader, Ok(Some(bytes))),
                None => {
                    let waiting = async move {
                        let step = reader.next().await;
                        (reader, step)
                    };
                    self.state = State::Waiting(Box::pin(waiting));
                    return self.poll_frame(context);
                }
            },
            State::Waiting(mut waiting) => match waiting.as_mut().poll(context) {
                Poll::Ready(step) => step,
                Poll::Pending => {
                    self.state = State::Waiting(waiting);
                    return Poll::Pending;
                }
            },
            State::Ended => return Poll::Ready(None),
        };
        match step {
            Ok(Some(bytes)) => {
                self.remaining -= bytes.len() as u64;
                if self.remaining > 0 {
                    self.state = State::Reading(reader);
                }
                Poll::Ready(Some(Ok(http_body::Frame::data(bytes))))
            }
            Ok(None) => Poll::Ready(None),
            Err(failure) => Poll::Ready(Some(Err(failure.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.remaining)
    }
}
