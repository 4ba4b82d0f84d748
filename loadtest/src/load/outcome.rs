//! What a run brought.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::Series;

/// The longest latency that is told apart, in microseconds; what takes longer counts as this.
const LONGEST: u64 = 600_000_000;

/// Answers, bytes, latencies and what went wrong.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    started: Instant,
    pub(crate) elapsed: Duration,
    /// Answers as they must be.
    pub(crate) answers: u64,
    /// Bytes of their bodies.
    pub(crate) bytes: u64,
    /// Bodies that were compared.
    pub(crate) checked: u64,
    /// Bodies that were not what they must be: the gravest of errors.
    pub(crate) wrong: u64,
    /// Answers and bytes by the source that the server names (`x-forebay-cache`).
    pub(crate) sources: BTreeMap<String, (u64, u64)>,
    /// What else went wrong, and how often.
    pub(crate) errors: BTreeMap<String, u64>,
    /// Requests of an open loop that had no answer when it ended. Their wait until then is in `latency`: it is the least that
    /// they would have taken.
    pub(crate) unfinished: u64,
    /// To the end of the answer, in microseconds: from the request's first byte, in an open loop from when it was due.
    pub(crate) latency: Histogram<u64>,
    /// To the first byte of its body.
    pub(crate) first_byte: Histogram<u64>,
    /// Of an open loop: from when a request was due to its first byte, for want of a free connection or of an exact clock.
    pub(crate) waited: Histogram<u64>,
    /// When the answers came.
    pub(crate) series: Series,
}

impl Default for Outcome {
    fn default() -> Self {
        let empty = Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are valid");
        Self {
            started: Instant::now(),
            elapsed: Duration::ZERO,
            answers: 0,
            bytes: 0,
            checked: 0,
            wrong: 0,
            sources: BTreeMap::new(),
            errors: BTreeMap::new(),
            unfinished: 0,
            latency: empty.clone(),
            first_byte: empty.clone(),
            waited: empty,
            series: Series::default(),
        }
    }
}

impl Outcome {
    /// Of a run that began then.
    pub(crate) fn since(started: Instant) -> Self {
        Self {
            started,
            ..Self::default()
        }
    }

    pub(crate) fn answered(&mut self, source: &str, bytes: u64, head: Duration, whole: Duration) {
        self.answers += 1;
        self.bytes += bytes;
        if let Some(known) = self.sources.get_mut(source) {
            known.0 += 1;
            known.1 += bytes;
        } else {
            self.sources.insert(source.to_owned(), (1, bytes));
        }
        self.first_byte.saturating_record(micros(head));
        self.latency.saturating_record(micros(whole));
        self.series.count(self.started.elapsed(), 1, bytes);
    }

    pub(crate) fn waited(&mut self, time: Duration) {
        self.waited.saturating_record(micros(time));
    }

    /// Books a request that was given up after this time.
    pub(crate) fn unfinished(&mut self, after: Duration) {
        self.unfinished += 1;
        self.latency.saturating_record(micros(after));
    }

    pub(crate) fn failed(&mut self, error: &str) {
        *self.errors.entry(error.to_owned()).or_default() += 1;
    }

    /// Joins what another client, or an earlier run, brought.
    pub(crate) fn add(&mut self, other: &Self) {
        // Another client has no time of its own, and an earlier run is followed by this one.
        self.series.add(&other.series, self.elapsed);
        self.elapsed += other.elapsed;
        self.answers += other.answers;
        self.bytes += other.bytes;
        self.checked += other.checked;
        self.wrong += other.wrong;
        for (source, (answers, bytes)) in &other.sources {
            let sum = self.sources.entry(source.clone()).or_default();
            *sum = (sum.0 + answers, sum.1 + bytes);
        }
        for (error, times) in &other.errors {
            *self.errors.entry(error.clone()).or_default() += times;
        }
        self.unfinished += other.unfinished;
        self.latency += &other.latency;
        self.first_byte += &other.first_byte;
        self.waited += &other.waited;
    }

    pub(crate) fn gb(&self) -> f64 {
        self.bytes as f64 / 1e9
    }

    pub(crate) fn gb_per_second(&self) -> f64 {
        self.gb() / self.elapsed.as_secs_f64().max(1e-9)
    }

    pub(crate) fn answers_from(&self, source: &str) -> u64 {
        self.sources.get(source).map_or(0, |it| it.0)
    }

    /// The latencies of a closed loop with those put in that its clients would have met, had each sent a request every
    /// `interval` rather than waited: an estimate of what an open loop measures.
    pub(crate) fn corrected(&self, interval: Duration) -> Histogram<u64> {
        self.latency.clone_correct(micros(interval))
    }

    /// In milliseconds.
    pub(crate) fn latency_at(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e3
    }

    /// Everything that must not be, in words; nothing where all is well.
    pub(crate) fn complaints(&self) -> Option<String> {
        let mut told: Vec<String> = Vec::new();
        if self.wrong > 0 {
            told.push(format!("{} wrong bodies", self.wrong));
        }
        let errors = self.errors.iter();
        told.extend(errors.map(|(error, times)| format!("{times} x {error}")));
        (!told.is_empty()).then(|| told.join(", "))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(LONGEST).max(1)
}
