//! A node with a full disk stops, gracefully or killed, and starts again: when its first hit is served, and how much of what
//! it had comes from the disk.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;

use super::Bench;
use super::disk::LEAST_CAPACITY;
use super::fill::fill;
use super::shape::RANGES;
use crate::content::parse_size;
use crate::harness::{Freshness, Node, NodeConfig, Stop};
use crate::load::{Ask, Client};
use crate::origin::{Origin, Set};
use crate::report::Budget;

/// A node that has served no hit by then will not.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries while the node starts.
const PAUSE: Duration = Duration::from_millis(2);

/// Settings of the scenario `restart`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Restart {
    /// Bytes on the disk.
    #[arg(long, value_parser = parse_size, default_value = "2GiB")]
    pub(crate) set: u64,
    /// The node's memory.limit.
    #[arg(long, value_parser = parse_size, default_value = "256MiB")]
    pub(crate) memory: u64,
    /// Without judging times.
    #[arg(skip)]
    pub(crate) counters_only: bool,
}

/// One way to stop and start.
#[derive(Clone, Copy)]
struct Case {
    freshness: Freshness,
    stop: Stop,
}

impl Case {
    fn name(self) -> String {
        let freshness = match self.freshness {
            Freshness::Immutable => "immutable",
            Freshness::MaxAge(_) => "max_age",
        };
        let stop = match self.stop {
            Stop::Gracefully => "after SIGTERM",
            Stop::Kill => "after kill -9",
        };
        format!("{freshness}, {stop}")
    }
}

impl Restart {
    pub(crate) async fn run(&self, bench: &mut Bench) -> anyhow::Result<()> {
        bench.begin("restart");
        for freshness in [Freshness::Immutable, Freshness::MaxAge(3600)] {
            self.of(bench, freshness).await?;
        }
        bench.end()
    }

    async fn of(&self, bench: &mut Bench, freshness: Freshness) -> anyhow::Result<()> {
        let set = RANGES.set(self.set);
        let origin = Origin::local(vec![set.clone()]).await?;
        let folder = bench.fresh_folder("node")?;
        let capacity = (set.bytes() / 2 * 3)
            .next_multiple_of(1 << 20)
            .max(LEAST_CAPACITY);
        let config = NodeConfig {
            origin: origin.address,
            memory: self.memory,
            freshness,
            disk: Some((folder.join("cache"), capacity)),
            tls: None,
        };
        let all = RANGES.first_pass(&set);
        let mut node = bench.start_node("node", &config).await?;
        let mut left = fill(bench, &node, &origin, &all, "the set").await?;
        for stop in [Stop::Gracefully, Stop::Kill] {
            let case = Case { freshness, stop };
            let gone = Instant::now();
            node.stop(stop).await?;
            bench.say(&format!(
                "stopped {} in {:.2} s",
                case.name(),
                gone.elapsed().as_secs_f64()
            ));
            node = self
                .start_again(bench, &config, &folder, &origin, &set, case)
                .await?;
            self.read_back(bench, &node, &origin, &set, &all, (case, left))
                .await;
            // What was missing has been read again, and offered.
            let live = bench.settle(&node).await?.live;
            left = (set.bytes() as f64 - live).max(0.0);
        }
        node.stop(Stop::Gracefully).await?;
        Ok(())
    }

    /// Starts the node and asks until it answers without the origin's body; then waits until all of the disk is known.
    async fn start_again(
        &self,
        bench: &mut Bench,
        config: &NodeConfig,
        folder: &Path,
        origin: &Origin,
        set: &Set,
        case: Case,
    ) -> anyhow::Result<Node> {
        let node = Node::launch(&bench.binary, folder, config).await?;
        let asks = RANGES.asks(set, 2);
        let tries = first_hit(&node, origin, &asks).await?;
        let first = node.started.elapsed();
        while !node.metrics().await?.disk().is_recovered() {
            if node.started.elapsed() > PATIENCE {
                bail!("the disk is not recovered after {PATIENCE:?}");
            }
            tokio::time::sleep(PAUSE).await;
        }
        let recovered = node.started.elapsed();
        if !self.counters_only {
            let name = case.name();
            let row = bench.row(
                format!("{name}: first hit from disk"),
                first.as_secs_f64(),
                "s",
            );
            let note = format!("from the start of the process, try {tries}");
            bench.keep(row.within(Budget::AtMost(2.0)).stretch(1.0).note(note));
            let what = format!("{name}: all of the disk is known");
            let row = bench.row(what, recovered.as_secs_f64(), "s");
            bench.keep(row);
        }
        Ok(node)
    }

    async fn read_back(
        &self,
        bench: &mut Bench,
        node: &Node,
        origin: &Origin,
        set: &Set,
        all: &Arc<[Ask]>,
        (case, left): (Case, f64),
    ) {
        let name = case.name();
        let read = bench.read_all(node, origin, all, 8).await;
        bench.check_answers(&name, &read.outcome);
        let asked = read.origin;
        let share = 1.0 - asked.sent_bytes as f64 / read.outcome.bytes.max(1) as f64;
        let found = format!(
            "{} GET, {} HEAD for {} objects",
            asked.gets, asked.heads, set.count
        );
        let row = bench.row(
            format!("{name}: bytes served without the origin"),
            share * 100.0,
            "%",
        );
        bench.keep(row.note(found.clone()));
        let again = asked.sent_bytes;
        let what = format!("{name}: only what was in memory alone is read from the origin again");
        bench.check(
            what,
            again as f64 <= left,
            format!("{again} of {left} bytes; {found}"),
        );
        let most = match case.freshness {
            Freshness::Immutable => 0,
            Freshness::MaxAge(_) => set.count as u64,
        };
        let what = format!("{name}: at most {most} questions about objects");
        bench.check(what, asked.heads <= most, found);
    }
}

/// The number of the ask that was answered right and without a body from the origin.
async fn first_hit(node: &Node, origin: &Origin, asks: &[Ask]) -> anyhow::Result<usize> {
    let mut client = Client::new(&node.target);
    for (tries, ask) in asks.iter().cycle().enumerate() {
        let before = origin.counted().gets;
        let answer = client.ask(ask, true).await;
        let hit = answer.is_ok_and(|it| it.status == 206 && it.right);
        if hit && origin.counted().gets == before {
            return Ok(tries + 1);
        }
        if node.started.elapsed() > PATIENCE {
            bail!("no hit from the disk after {PATIENCE:?}");
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("there is nothing to ask for")
}
