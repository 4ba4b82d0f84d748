//! What the origin is slow or wrong at.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// Latency, bandwidth and faults, as data; the default is a perfect origin.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Terms {
    /// Before the head of every answer.
    pub(crate) latency_ms: u64,
    /// Of each connection, in bytes a second; 0 is as fast as can be.
    pub(crate) bandwidth: u64,
    /// The share of requests that are answered with 503.
    pub(crate) error_rate: f64,
    /// The share of bodies that pause half-way.
    pub(crate) stall_rate: f64,
    /// How long such a pause is.
    pub(crate) stall_ms: u64,
}

impl Terms {
    pub(crate) fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms)
    }

    pub(crate) fn stall(&self) -> Duration {
        Duration::from_millis(self.stall_ms)
    }
}

/// The terms now, and the dice that rates are thrown with.
pub(super) struct Kept {
    terms: Mutex<Terms>,
    thrown: AtomicU64,
}

impl Kept {
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            terms: Mutex::new(terms),
            thrown: AtomicU64::new(0),
        }
    }

    pub(super) fn now(&self) -> Terms {
        *self.terms.lock().expect("no holder panics")
    }

    pub(super) fn set(&self, terms: Terms) {
        *self.terms.lock().expect("no holder panics") = terms;
    }

    /// Whether this request is among the share `rate`. The n-th throw is the same in every run.
    pub(super) fn hits(&self, rate: f64) -> bool {
        if rate <= 0.0 {
            return false;
        }
        let throw = self.thrown.fetch_add(1, Ordering::Relaxed);
        Random::seeded(throw).fraction() < rate
    }
}
