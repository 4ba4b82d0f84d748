//! A training run: epochs over shards, each shuffled anew, read by loaders, with checkpoints written meanwhile. The first epoch
//! fills the node, the later ones are what it is there for; the last one consumes at half of the speed that they had, and tells
//! how long accelerators would have waited for data all the same.

mod checkpoint;
mod loader;
mod verdict;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use self::checkpoint::Writer;
use self::loader::{Epoch, Loaded};
use self::verdict::plots;
use super::Bench;
use super::bench::{Measured, watched};
use super::disk::LEAST_CAPACITY;
use crate::content::parse_size;
use crate::harness::{Freshness, Node, NodeConfig, Stop, told};
use crate::load::{Ask, Client, Order, Outcome, Sent, Target, whole};
use crate::origin::{Origin, Set};
use crate::progress::Length;

/// Where the set is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// memory.limit is four times the set: what caches of it is cut into shards, which do not fill alike.
    Memory,
    /// The set is larger than memory.limit, and fits on the disk.
    Disk,
}

/// Settings of the scenario `training`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Training {
    /// Where the set is kept, one run for each.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "memory,disk")]
    pub(crate) modes: Vec<Mode>,
    /// Bytes of all shards.
    #[arg(long, value_parser = parse_size, default_value = "1GiB")]
    pub(crate) set: u64,
    /// Bytes of a shard.
    #[arg(long, value_parser = parse_size, default_value = "64MiB")]
    pub(crate) shard: u64,
    /// Bytes of a read.
    #[arg(long, value_parser = parse_size, default_value = "1MiB")]
    pub(crate) read: u64,
    /// Bytes of a sample: how bytes a second become samples a second.
    #[arg(long, value_parser = parse_size, default_value = "128KiB")]
    pub(crate) sample: u64,
    /// Loaders that read at a time.
    #[arg(long, default_value_t = 8)]
    pub(crate) loaders: usize,
    /// Reads that may wait to be consumed, of each loader.
    #[arg(long, default_value_t = 2)]
    pub(crate) ahead: usize,
    /// Epochs that consume as fast as they can; the one at half speed follows them.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(2..=1000))]
    pub(crate) epochs: u64,
    /// Bytes of a checkpoint; 0B writes none.
    #[arg(long, value_parser = parse_size, default_value = "64MiB")]
    pub(crate) checkpoint: u64,
    /// From one checkpoint to the next; the first of each epoch is written at its begin.
    #[arg(long, default_value_t = 1000)]
    pub(crate) checkpoint_every_ms: u64,
    /// memory.limit where the disk is needed.
    #[arg(long, value_parser = parse_size, default_value = "256MiB")]
    pub(crate) memory: u64,
    /// Of the order of shards.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// One body in so many is compared.
    #[arg(long, default_value_t = 100)]
    pub(crate) check_one_in: usize,
}

/// What an epoch brought.
struct Read {
    name: String,
    /// The name with that of the mode.
    what: String,
    measured: Measured,
    /// Of all loaders together, of the time that they had.
    stalled: f64,
    checkpoints: Outcome,
}

impl Training {
    pub(crate) async fn run(&self, bench: &mut Bench) -> anyhow::Result<()> {
        bench.begin("training");
        for mode in self.modes.iter().copied() {
            self.mode(bench, mode).await?;
        }
        bench.end()
    }

    async fn mode(&self, bench: &mut Bench, mode: Mode) -> anyhow::Result<()> {
        let set = Set::of_bytes("shards", self.shard, self.set);
        let origin = Origin::local(vec![set.clone()]).await?;
        let folder = bench.fresh_folder("node")?;
        let (memory, disk) = match mode {
            Mode::Memory => (set.bytes() * 4, None),
            Mode::Disk => {
                let capacity = (set.bytes() / 2 * 3).next_multiple_of(1 << 20);
                let capacity = capacity.max(LEAST_CAPACITY);
                (self.memory, Some((folder.join("cache"), capacity)))
            }
        };
        let config = NodeConfig {
            origin: origin.address,
            memory,
            freshness: Freshness::Immutable,
            disk,
            tls: None,
        };
        let node = bench.start_node("node", &config).await?;
        let every = Duration::from_millis(self.checkpoint_every_ms.max(1));
        let mut writer = Writer::new(Client::new(&node.target), self.checkpoint, every);
        let mut reads: Vec<Read> = Vec::new();
        for number in 0..=usize::try_from(self.epochs)? {
            let pace = (number as u64 == self.epochs).then(|| self.half(&reads));
            let name = told_epoch(number, pace.is_some());
            let read = self
                .epoch(bench, (&node, &origin), &set, &mut writer, (number, pace))
                .await;
            let what = format!("{}, {name}", told_mode(mode));
            let read = Read { name, what, ..read };
            self.judge(bench, mode, number, &set, &read);
            reads.push(read);
            let figures = bench.settle(&node).await?;
            if mode == Mode::Disk {
                let offers = told(&figures.offers);
                bench.say(&format!("the disk so far: {offers}"));
            }
        }
        if self.checkpoint > 0 {
            let restored = writer.restore().await;
            bench.check_answers("the last checkpoint, read again", &restored);
            let counted = origin.counted();
            let (puts, wrong) = (counted.puts, counted.wrong_uploads);
            let held = puts == writer.written as u64 && wrong == 0;
            let found = format!("{puts} of {}, {wrong} of them wrong", writer.written);
            bench.check("every checkpoint arrives once and whole", held, found);
        }
        plots(bench, mode, &reads);
        node.stop(Stop::Gracefully).await?;
        Ok(())
    }

    /// Bytes a second of each loader that are half of what the last epoch had.
    fn half(&self, reads: &[Read]) -> f64 {
        let last = reads.last().map(|read| &read.measured.outcome);
        let speed = last.map_or(0.0, Outcome::gb_per_second) * 1e9;
        (speed / 2.0 / self.loaders as f64).max(1.0)
    }

    /// One epoch, counted from 0, at a pace of each loader's consumer where there is one.
    async fn epoch(
        &self,
        bench: &mut Bench,
        (node, origin): (&Node, &Origin),
        set: &Set,
        writer: &mut Writer,
        (number, pace): (usize, Option<f64>),
    ) -> Read {
        let shards: Arc<[Ask]> = whole(std::slice::from_ref(set)).into();
        let epoch = Arc::new(Epoch {
            shards: Order::epochs(&shards, self.seed),
            number,
            taken: AtomicUsize::new(0),
            read: self.read,
            ahead: self.ahead,
            pace,
            check_one_in: self.check_one_in,
            started: Instant::now(),
            sent: Sent::default(),
        });
        let all = set.count as u64 * set.size.div_ceil(self.read);
        let _shown = bench.follow(Length::Requests(all), &epoch.sent);
        let (ended, over) = oneshot::channel();
        let mut stalled = Duration::ZERO;
        let reads = async {
            let loaded = load(&node.target, &epoch, self.loaders).await;
            stalled = loaded.stalled;
            // The writer ends when this is dropped, too.
            drop(ended);
            loaded.outcome
        };
        let writes = async {
            match self.checkpoint {
                0 => Outcome::default(),
                _ => writer.write_until(over).await,
            }
        };
        let (measured, checkpoints) = tokio::join!(watched(node, origin, reads), writes);
        let time = measured.outcome.elapsed.as_secs_f64() * self.loaders as f64;
        Read {
            name: String::new(),
            what: String::new(),
            measured,
            stalled: stalled.as_secs_f64() / time.max(1e-9),
            checkpoints,
        }
    }
}

/// What all loaders brought together.
async fn load(target: &Target, epoch: &Arc<Epoch>, loaders: usize) -> Loaded {
    let mut running = JoinSet::new();
    for _ in 0..loaders {
        running.spawn(Arc::clone(epoch).load(target.clone()));
    }
    let mut all = Loaded::default();
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(loaded) => {
                all.outcome.add(&loaded.outcome);
                all.stalled += loaded.stalled;
            }
            Err(error) => all.outcome.failed(&format!("a loader ended: {error}")),
        }
    }
    all.outcome.elapsed = epoch.started.elapsed();
    all
}

fn told_mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Memory => "in memory",
        Mode::Disk => "on the disk",
    }
}

fn told_epoch(number: usize, paced: bool) -> String {
    let kind = match (number, paced) {
        (_, true) => "warm, at half speed",
        (0, _) => "cold",
        _ => "warm",
    };
    format!("epoch {} ({kind})", number + 1)
}
