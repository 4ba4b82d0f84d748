//! Time as an argument: the system's clock in a node, a hand-driven one in tests.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// A monotonic and a wall clock. Cheap to clone; clones share the time.
#[derive(Clone)]
pub struct Clock(Kind);

#[derive(Clone)]
enum Kind {
    System { start: Instant },
    Manual { now: Arc<AtomicU64> },
}

/// A point in monotonic time, counted from the clock's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub Duration);

impl Moment {
    /// The time from `earlier` to this moment; zero where `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `by` later.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Kind::System {
            start: Instant::now(),
        })
    }

    /// A clock that stands still until [`Clock::advance`] moves it.
    pub fn manual() -> Self {
        Self(Kind::Manual {
            now: Arc::default(),
        })
    }

    /// The monotonic time now.
    pub fn now(&self) -> Moment {
        match &self.0 {
            Kind::System { start } => Moment(start.elapsed()),
            Kind::Manual { now } => Moment(Duration::from_nanos(now.load(Ordering::SeqCst))),
        }
    }

    /// The wall-clock time now.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the wall clock"
    )]
    pub fn wall(&self) -> SystemTime {
        match &self.0 {
            Kind::System { .. } => SystemTime::now(),
            Kind::Manual { .. } => SystemTime::UNIX_EPOCH + self.now().0,
        }
    }

    /// Moves a manual clock on; the system's clock takes no orders.
    pub fn advance(&self, by: Duration) {
        if let Kind::Manual { now } = &self.0 {
            now.fetch_add(
                u64::try_from(by.as_nanos()).unwrap_or(u64::MAX),
                Ordering::SeqCst,
            );
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}
