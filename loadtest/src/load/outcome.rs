//! What a run brought.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest latency that is told apart, in microseconds; what takes longer counts as this.
const LONGEST: u64 = 600_000_000;

/// Answers, bytes, latencies and what went wrong.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
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
    /// From a request's first byte to the end of its answer, in microseconds.
    pub(crate) latency: Histogram<u64>,
    /// To the first byte of its body.
    pub(crate) first_byte: Histogram<u64>,
}

impl Default for Outcome {
    fn default() -> Self {
        let empty = Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are valid");
        Self {
            elapsed: Duration::ZERO,
            answers: 0,
            bytes: 0,
            checked: 0,
            wrong: 0,
            sources: BTreeMap::new(),
            errors: BTreeMap::new(),
            latency: empty.clone(),
            first_byte: empty,
        }
    }
}

impl Outcome {
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
    }

    pub(crate) fn failed(&mut self, error: &str) {
        *self.errors.entry(error.to_owned()).or_default() += 1;
    }

    /// Joins what another client, or an earlier run, brought.
    pub(crate) fn add(&mut self, other: &Self) {
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
        self.latency += &other.latency;
        self.first_byte += &other.first_byte;
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
