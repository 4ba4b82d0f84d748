//! What the scenarios of misses share: an origin that is some way off.

use clap::Args;

use super::sides::Shared;
use crate::content::parse_size;
use crate::origin::Terms;

/// The origin's distance, and what servers may keep.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Far {
    /// Of the origin, before every answer.
    #[arg(long, default_value_t = 30)]
    pub(crate) latency_ms: u64,
    /// Of each of the origin's connections, a second.
    #[arg(long, value_parser = parse_size, default_value = "90MB")]
    pub(crate) bandwidth: u64,
    /// Forebay's memory.limit.
    #[arg(long, value_parser = parse_size, default_value = "1GiB")]
    pub(crate) memory: u64,
    /// What the other servers may keep.
    #[arg(long, value_parser = parse_size, default_value = "6GiB")]
    pub(crate) capacity: u64,
}

impl Far {
    /// An origin near by and little memory: for toys.
    pub(super) const NEAR: Self = Self {
        latency_ms: 1,
        bandwidth: 0,
        memory: 256 << 20,
        capacity: 1 << 30,
    };

    pub(super) fn shared(self) -> Shared {
        Shared {
            memory: self.memory,
            capacity: self.capacity,
            tls: false,
            terms: Terms {
                latency_ms: self.latency_ms,
                bandwidth: self.bandwidth,
                ..Terms::default()
            },
        }
    }
}
