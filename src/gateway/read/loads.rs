//! Pages of a block on their way from a disk.
//!
//! A load is made once for all who want its bytes at the time. It has no task: it belongs to those who hold it, and whichever
//! of them looks next moves it on, so that nobody waits for another reader; the disk itself works on in between. When the last
//! of them leaves, what the disk still gives is dropped.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};

use super::bodies::{BodyState, lock};
use super::source::Source;
use crate::cache::disk::{Miss, Turn};
use crate::memory::{Buffer, Reservation, Writer};

type Reading = BoxFuture<'static, Result<Buffer, Miss>>;

/// See the module. Cheap to clone; clones are the same load.
#[derive(Clone)]
pub(super) struct Load {
    /// Whole pages of one block.
    pub(super) range: Range<u64>,
    reading: Shared<Reading>,
}

/// The loads of one body that are under way.
#[derive(Debug, Default)]
pub(super) struct Loads(Mutex<Running>);

#[derive(Debug, Default)]
struct Running {
    loads: Vec<Listed>,
    /// How many there were.
    count: u64,
}

#[derive(Debug)]
struct Listed {
    number: u64,
    range: Range<u64>,
    /// Whether the disk works on it without anybody looking after it.
    has_turn: bool,
    reading: WeakShared<Reading>,
}

/// A load's place in the list; given up when the load ends, or nobody wants it any more.
struct Listing {
    body: Arc<BodyState>,
    number: u64,
}

impl Drop for Listing {
    fn drop(&mut self) {
        let mut running = lock(&self.body.loads.0);
        running.loads.retain(|listed| listed.number != self.number);
    }
}

impl Loads {
    /// The load that is to bring the byte at `offset`, for a reader that waits for it.
    pub(super) fn find(&self, offset: u64) -> Option<Load> {
        lock(&self.0).find(offset, |_| true)
    }

    /// The same for a reader that will want the byte later: a load that waits for its turn would miss it where nobody looks.
    pub(super) fn find_ahead(&self, offset: u64) -> Option<Load> {
        lock(&self.0).find(offset, |listed| listed.has_turn)
    }
}

impl Running {
    fn find(&self, offset: u64, wanted: impl Fn(&Listed) -> bool) -> Option<Load> {
        let mut found = self
            .loads
            .iter()
            .filter(|listed| listed.range.contains(&offset) && wanted(listed));
        found.find_map(|listed| {
            Some(Load {
                range: listed.range.clone(),
                reading: listed.reading.upgrade()?,
            })
        })
    }
}

impl Load {
    /// Has a disk read `range` into memory that was reserved for it, unless somebody else has begun to. With a `turn` it does
    /// not wait for one, so that nobody needs to look after it before its bytes are wanted. With `marked` the tier tells their first
    /// reader.
    pub(super) fn start(
        source: &Arc<Source>,
        body: &Arc<BodyState>,
        range: Range<u64>,
        reservation: Reservation,
        turn: Option<Turn>,
        marked: bool,
    ) -> Self {
        let mut running = lock(&body.loads.0);
        let has_turn = turn.is_some();
        if let Some(load) = running.find(range.start, |listed| listed.has_turn || !has_turn) {
            return load;
        }
        running.count += 1;
        let listing = Listing {
            body: Arc::clone(body),
            number: running.count,
        };
        let number = listing.number;
        let (source, place) = (Arc::clone(source), range.clone());
        let reading = async move {
            let wanted = source.wanted(&listing.body);
            let length = usize::try_from(place.end - place.start);
            let writer = Writer::new(length.expect("a block is small"), reservation);
            let read = source.tiers.load(&wanted, place.clone(), writer, turn);
            let read = read.await;
            // The tier has the bytes before the load leaves the list: who finds neither has really missed.
            if let Ok(buffer) = &read {
                let buffer = buffer.clone();
                source.tiers.loaded(&wanted, place.start, buffer, marked);
            }
            read
        };
        let reading = reading.boxed().shared();
        running.loads.push(Listed {
            number,
            range: range.clone(),
            has_turn,
            reading: reading.downgrade().expect("it has not ended"),
        });
        drop(running);
        let load = Self { range, reading };
        // The first look hands it to the disk.
        load.now();
        load
    }

    /// What has become of it, if it has ended.
    pub(super) fn now(&self) -> Option<Result<Buffer, Miss>> {
        loop {
            if let Some(ended) = self.reading.peek() {
                return Some(ended.clone());
            }
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(Arc::clone(&woken));
            let mut reading = self.reading.clone();
            if let Poll::Ready(ended) = reading.poll_unpin(&mut Context::from_waker(&waker)) {
                return Some(ended);
            }
            // Whoever was woken while this look was going on found it going on, and counts on it to see what he was woken for.
            drop(reading);
            if !woken.0.load(Ordering::Acquire) {
                return None;
            }
        }
    }

    /// Waits until it has ended.
    pub(super) async fn ended(&self) -> Result<Buffer, Miss> {
        self.reading.clone().await
    }
}

/// Whether there was something to see since a look began.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

impl fmt::Debug for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Load").field("range", &self.range).finish()
    }
}
