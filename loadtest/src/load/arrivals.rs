//! When the requests of an open loop begin: at a rate that does not ask how the server does.
//!
//! A thread lets arrivals in when their time has come, to some tens of microseconds (a timer of the runtime is good to a
//! millisecond only). Who is free takes the next one; an arrival that nobody is free for waits, and its wait is part of its
//! latency.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::random::Random;

/// The moments of a run at which requests begin, from its start. The same for the same settings.
#[derive(Debug, Clone)]
pub(crate) struct Arrivals {
    per_second: f64,
    time: Duration,
    /// Where the gaps are drawn.
    random: Option<Random>,
    number: u64,
    /// Of the last drawn one, in seconds.
    at: f64,
}

impl Arrivals {
    /// One every 1 / `per_second`, the first at once, the last before `time`.
    pub(crate) fn constant(per_second: f64, time: Duration) -> Self {
        Self {
            per_second,
            time,
            random: None,
            number: 0,
            at: 0.0,
        }
    }

    /// With gaps as they are between many independent clients: drawn, exponentially distributed, 1 / `per_second` on average.
    pub(crate) fn poisson(per_second: f64, time: Duration, seed: u64) -> Self {
        Self {
            random: Some(Random::seeded(seed)),
            ..Self::constant(per_second, time)
        }
    }

    /// How long requests arrive.
    pub(crate) fn time(&self) -> Duration {
        self.time
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.at = match &mut self.random {
            None => self.number as f64 / self.per_second,
            Some(random) => self.at - (1.0 - random.fraction()).ln() / self.per_second,
        };
        self.number += 1;
        let at = Duration::try_from_secs_f64(self.at).ok()?;
        (at < self.time).then_some(at)
    }
}

/// One request that is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// In the order of arrival, from 0.
    pub(crate) number: usize,
    /// When it should have been sent.
    pub(crate) intended: Instant,
}

/// Requests that have arrived and wait for somebody who is free.
pub(crate) struct Queue {
    started: Instant,
    /// One for each arrival that is due and not taken, and at the end one for each taker, to see that there are no more.
    due: Semaphore,
    left: Mutex<std::iter::Enumerate<Arrivals>>,
}

impl Queue {
    /// Begins now. At most `takers` may call [`Queue::next`] at a time, none of them once it was told that there are no more.
    pub(crate) fn begin(arrivals: &Arrivals, takers: usize) -> Arc<Self> {
        let queue = Arc::new(Self {
            started: Instant::now(),
            due: Semaphore::new(0),
            left: Mutex::new(arrivals.clone().enumerate()),
        });
        let (weak, arrivals, started) = (Arc::downgrade(&queue), arrivals.clone(), queue.started);
        tokio::task::spawn_blocking(move || let_in(&weak, arrivals, started, takers));
        queue
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Waits for the next arrival. Nothing where all have been taken.
    pub(crate) async fn next(&self) -> Option<Arrival> {
        self.due.acquire().await.ok()?.forget();
        let mut left = self.left.lock().expect("no holder panics");
        let (number, at) = left.next()?;
        Some(Arrival {
            number,
            intended: self.started + at,
        })
    }
}

/// Ends with the last arrival, or when nobody holds the queue any more.
fn let_in(queue: &Weak<Queue>, arrivals: Arrivals, started: Instant, takers: usize) {
    let add = |permits| {
        let queue = queue.upgrade();
        queue.is_some_and(|queue| {
            queue.due.add_permits(permits);
            true
        })
    };
    for at in arrivals {
        let wait = at.saturating_sub(started.elapsed());
        if !wait.is_zero() {
            #[expect(
                clippy::disallowed_methods,
                reason = "the time is what is waited for, and a thread of its own is the more exact clock"
            )]
            std::thread::sleep(wait);
        }
        if !add(1) {
            return;
        }
    }
    add(takers);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_constant_rate_has_equal_gaps_and_ends_before_its_time() {
        let at: Vec<_> = Arrivals::constant(4.0, SECOND).collect();
        let expected = [0, 250, 500, 750].map(Duration::from_millis);
        assert_eq!(at, expected);
        // Gaps that are no whole numbers do not add up to a drift.
        let many: Vec<_> = Arrivals::constant(3.0, 1000 * SECOND).collect();
        assert_eq!(many.len(), 3000);
        assert_eq!(many[2997], 999 * SECOND);
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_the_spread_of_independent_clients() {
        let at: Vec<_> = Arrivals::poisson(1000.0, 20 * SECOND, 3).collect();
        assert_eq!(
            at,
            Arrivals::poisson(1000.0, 20 * SECOND, 3).collect::<Vec<_>>()
        );
        assert_ne!(
            at,
            Arrivals::poisson(1000.0, 20 * SECOND, 4).collect::<Vec<_>>()
        );
        let expected = 19_500..20_500;
        assert!(expected.contains(&at.len()), "{}", at.len());
        let gaps = at.windows(2).map(|two| (two[1] - two[0]).as_secs_f64());
        // A share of 1/e of the gaps is longer than the mean.
        let long = gaps.filter(|gap| *gap > 0.001).count() as f64 / at.len() as f64;
        assert!((0.355..0.381).contains(&long), "{long}");
    }

    #[tokio::test]
    async fn every_arrival_is_taken_once_and_not_before_its_time() {
        let arrivals = Arrivals::constant(500.0, Duration::from_millis(100));
        let queue = Queue::begin(&arrivals, 3);
        let take = || async {
            let mut taken = Vec::new();
            while let Some(arrival) = queue.next().await {
                assert!(arrival.intended <= Instant::now());
                taken.push(arrival.number);
            }
            taken
        };
        let (one, two, three) = tokio::join!(take(), take(), take());
        let mut taken = [one, two, three].concat();
        taken.sort_unstable();
        assert_eq!(taken, (0..50).collect::<Vec<_>>());
        assert!(queue.started().elapsed() >= Duration::from_millis(98));
    }
}
