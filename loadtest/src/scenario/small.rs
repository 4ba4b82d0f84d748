//! Many objects of 110 KB: how much of the disk they fill that they take, and what their index costs in memory.

use clap::Args;

use super::Bench;
use super::disk::LEAST_CAPACITY;
use super::fill::fill;
use crate::content::parse_size;
use crate::harness::{Freshness, NodeConfig, Stop};
use crate::load::{shuffled, whole};
use crate::origin::{Origin, Set};
use crate::report::Budget;

/// Settings of the scenario `small`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Small {
    /// How many.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) objects: usize,
    /// How large.
    #[arg(long, value_parser = parse_size, default_value = "110KB")]
    pub(crate) size: u64,
    /// The node's memory.limit: a part of it indexes the records on disk, so that it sets how many objects can be known.
    #[arg(long, value_parser = parse_size, default_value = "1GiB")]
    pub(crate) memory: u64,
    /// Where the set is so small that half-empty segments weigh: the share is told, not judged.
    #[arg(skip)]
    pub(crate) counters_only: bool,
}

impl Small {
    pub(crate) async fn run(&self, bench: &mut Bench) -> anyhow::Result<()> {
        bench.begin("small");
        let set = Set::new("objects", self.size, self.objects);
        let origin = Origin::local(vec![set.clone()]).await?;
        let folder = bench.fresh_folder("node")?;
        let capacity = (set.bytes() * 2)
            .next_multiple_of(1 << 20)
            .max(LEAST_CAPACITY);
        let config = NodeConfig {
            origin: origin.address,
            memory: self.memory,
            freshness: Freshness::Immutable,
            disk: Some((folder.join("cache"), capacity)),
            tls: None,
        };
        let node = bench.start_node("node", &config).await?;
        let asks = shuffled(whole(&[set]), 1).into();
        fill(bench, &node, &origin, &asks, "the objects").await?;
        let figures = bench.settle(&node).await?;
        let held = figures.blocks;
        let found = format!("{held} of {} blocks", self.objects);
        let all = held == self.objects as f64;
        bench.check("every object is on the disk once", all, found);
        let index = bench.row(
            "memory of the index a block",
            figures.index_bytes_a_block(),
            "B",
        );
        let note = format!("{} bytes for {held} blocks", figures.index);
        if self.counters_only {
            bench.say(&index.line());
        } else {
            bench.keep(index.within(Budget::AtMost(64.0)).note(note));
            let fill = bench.row("live bytes of allocated bytes", figures.fill(), "x");
            let note = format!("{} of {} bytes", figures.live, figures.allocated);
            bench.keep(fill.within(Budget::AtLeast(0.75)).stretch(0.9).note(note));
        }
        node.stop(Stop::Gracefully).await?;
        bench.end()
    }
}
