//! What a node's metrics say of its disks.

use serde::Serialize;

use super::Metrics;

/// The disk tier in figures, all disks together; zeros where the node has none.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub(crate) struct DiskFigures {
    /// Of the segment files.
    pub(crate) allocated: f64,
    /// Of the pages that are held.
    pub(crate) live: f64,
    pub(crate) blocks: f64,
    /// Of memory.
    pub(crate) index: f64,
    /// Waiting to be written.
    pub(crate) queued: f64,
    pub(crate) segments: f64,
    pub(crate) recovered: f64,
    pub(crate) written: f64,
    /// Of pages, for clients.
    pub(crate) read: f64,
    pub(crate) evictions: f64,
    /// What became of offers, by the node's own words.
    pub(crate) offers: Vec<(String, f64)>,
    /// How reads ended.
    pub(crate) reads: Vec<(String, f64)>,
    /// How many disks are in each state.
    pub(crate) states: Vec<(String, f64)>,
}

/// Offers that ended so are on the disk.
const KEPT: [&str; 2] = ["written", "held"];

impl Metrics {
    pub(crate) fn disk(&self) -> DiskFigures {
        let figure = |name: &str| self.get(name).unwrap_or(0.0);
        DiskFigures {
            allocated: figure("forebay_disk_allocated_bytes"),
            live: figure("forebay_disk_live_bytes"),
            blocks: figure("forebay_disk_blocks"),
            index: figure("forebay_disk_index_bytes"),
            queued: figure("forebay_disk_queue_bytes"),
            segments: figure("forebay_disk_segments"),
            recovered: figure("forebay_disk_segments_recovered"),
            written: figure("forebay_disk_written_bytes_total"),
            read: figure("forebay_disk_read_bytes_total"),
            evictions: figure("forebay_disk_evictions_total"),
            offers: self.by_label("forebay_disk_offers_total", "outcome"),
            reads: self.by_label("forebay_disk_reads_total", "outcome"),
            states: self.by_label("forebay_disk_state", "state"),
        }
    }
}

impl DiskFigures {
    /// Offers that were not kept.
    pub(crate) fn dropped(&self) -> f64 {
        let dropped = |outcome: &str| !KEPT.contains(&outcome);
        let offers = self.offers.iter().filter(|(outcome, _)| dropped(outcome));
        offers.map(|(_, times)| times).sum()
    }

    /// Whether all disks are read and written. What is offered to others is dropped.
    pub(crate) fn serve(&self) -> bool {
        let serves = |(state, disks): &(String, f64)| state == "serving" || *disks == 0.0;
        self.states.iter().all(serves)
    }

    pub(crate) fn is_recovered(&self) -> bool {
        self.recovered >= self.segments
    }

    /// The share of the allocated bytes that hold something.
    pub(crate) fn fill(&self) -> f64 {
        self.live / self.allocated.max(1.0)
    }

    pub(crate) fn index_bytes_a_block(&self) -> f64 {
        self.index / self.blocks.max(1.0)
    }
}

/// Outcomes and their numbers in words.
pub(crate) fn told(outcomes: &[(String, f64)]) -> String {
    let told: Vec<String> = outcomes
        .iter()
        .filter(|(_, times)| *times > 0.0)
        .map(|(outcome, times)| format!("{outcome} {times}"))
        .collect();
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_out_does_not_serve() {
        let metrics = |out: u32, serving: u32| {
            let text = format!(
                "forebay_disk_state{{disk=\"/d\",state=\"out\"}} {out}\nforebay_disk_state{{disk=\"/d\",state=\"serving\"}} {serving}\n"
            );
            Metrics::parse(&text).expect("metrics").disk()
        };
        assert!(metrics(0, 1).serve());
        assert!(!metrics(1, 0).serve());
        assert!(DiskFigures::default().serve());
    }
}
