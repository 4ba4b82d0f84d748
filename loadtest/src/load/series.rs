//! Answers and bytes over time.

use std::time::Duration;

use serde::Serialize;

/// Of a series that has not become long.
const INTERVAL: Duration = Duration::from_millis(250);
/// A longer series joins its intervals by twos: a plot has no more places, and a soak lasts for days.
const MOST: usize = 1024;

/// Counts in equal intervals from the start of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Series {
    interval: Duration,
    /// Answers and bytes.
    counts: Vec<(u64, u64)>,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            interval: INTERVAL,
            counts: Vec::new(),
        }
    }
}

impl Series {
    /// Counts answers that came `at` this time after the start.
    pub(super) fn count(&mut self, at: Duration, answers: u64, bytes: u64) {
        while self.place(at) >= MOST {
            self.coarsen();
        }
        let place = self.place(at);
        if place >= self.counts.len() {
            self.counts.resize(place + 1, (0, 0));
        }
        let count = &mut self.counts[place];
        *count = (count.0 + answers, count.1 + bytes);
    }

    /// Joins a series that began `later` than this one.
    pub(super) fn add(&mut self, other: &Self, later: Duration) {
        while self.interval < other.interval {
            self.coarsen();
        }
        for (number, (answers, bytes)) in (0_u32..).zip(&other.counts) {
            if *answers > 0 {
                self.count(later + other.interval * number, *answers, *bytes);
            }
        }
    }

    fn place(&self, at: Duration) -> usize {
        let place = at.as_nanos() / self.interval.as_nanos();
        usize::try_from(place).expect("a run ends before the machine does")
    }

    fn coarsen(&mut self) {
        self.interval *= 2;
        let sum = |two: &[(u64, u64)]| {
            let sum = |of: fn(&(u64, u64)) -> u64| two.iter().map(of).sum();
            (sum(|it| it.0), sum(|it| it.1))
        };
        self.counts = self.counts.chunks(2).map(sum).collect();
    }

    /// The middle of each interval in seconds, and answers a second in it. The last interval, which the end of the run cuts, is
    /// left out where there are others.
    pub(crate) fn answers_a_second(&self) -> Vec<(f64, f64)> {
        self.rates(|count| count.0 as f64)
    }

    /// As [`Series::answers_a_second`], in GB a second.
    pub(crate) fn gb_a_second(&self) -> Vec<(f64, f64)> {
        self.rates(|count| count.1 as f64 / 1e9)
    }

    fn rates(&self, of: fn(&(u64, u64)) -> f64) -> Vec<(f64, f64)> {
        let width = self.interval.as_secs_f64();
        let whole = self.counts.len().saturating_sub(1).max(1);
        let counts = self.counts.iter().take(whole).enumerate();
        let rate = |(number, count)| ((number as f64 + 0.5) * width, of(count) / width);
        counts.map(rate).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn answers_fall_into_their_intervals() {
        let mut series = Series::default();
        series.count(ms(0), 1, 100);
        series.count(ms(249), 1, 100);
        series.count(ms(250), 1, 7);
        series.count(ms(800), 1, 9);
        assert_eq!(series.counts, [(2, 200), (1, 7), (0, 0), (1, 9)]);
        let rates = [(0.125, 8.0), (0.375, 4.0), (0.625, 0.0)];
        assert_eq!(series.answers_a_second(), rates);
        assert_eq!(series.gb_a_second()[0], (0.125, 8e-7));
    }

    #[test]
    fn a_later_run_follows_and_another_client_adds() {
        let mut series = Series::default();
        series.count(ms(100), 1, 10);
        let other = series.clone();
        series.add(&other, ms(0));
        series.add(&other, ms(500));
        assert_eq!(series.counts, [(2, 20), (0, 0), (1, 10)]);
    }

    #[test]
    fn a_long_series_becomes_coarse_and_loses_nothing() {
        let mut series = Series::default();
        for second in 0..1000 {
            series.count(ms(second * 1000), 1, 1000);
        }
        assert_eq!(series.interval, ms(1000));
        assert_eq!(series.counts, vec![(1, 1000); 1000]);
        let mut short = Series::default();
        short.count(ms(1250), 5, 5);
        short.add(&series, ms(0));
        assert_eq!(short.counts[..2], [(1, 1000), (6, 1005)]);
    }
}
