//! Metrics of the cache: fills, flights, and what went past it.

use super::metrics::Counter;

/// What the read path counts.
#[derive(Debug, Default)]
pub struct CacheMetrics {
    /// Requests for missing bytes
    pub fills: Counter,
    /// Bytes of fills received from origins
    pub fill_bytes: Counter,
    /// Requests to an origin that were sent again after a failure
    pub fill_retries: Counter,
    /// Fills that ended short
    pub fills_failed: Counter,
    /// Reads that waited for another read's question about the object
    pub joined_flights: Counter,
    /// Readers that a fill had left behind and that found nothing in the tier
    pub detours: Counter,
    /// Bodies whose rest was read past the cache
    pub direct_reads: Counter,
    /// Reads that were the origin's to answer
    pub passed_through: Counter,
    /// Reads refused because memory and the bypass lane were full
    pub slowed_down: Counter,
}
