//! Churn for as long as one likes: objects are written, overwritten, read, deleted, and more of them than the disk holds, so
//! that it evicts. Nothing may grow, no read may be wrong or late behind a write, and the disk's books must balance at the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::process::Command;
use tokio::task::JoinSet;

use super::Bench;
use super::disk::LEAST_CAPACITY;
use crate::content::parse_size;
use crate::harness::{Freshness, NodeConfig, Stop, told};
use crate::load::{Ask, Client, Outcome, Target, Verb};
use crate::origin::{Origin, Set};
use crate::process::{Usage, Watch};
use crate::random::Random;
use crate::report::Budget;

/// Of the objects of a client, in turn.
const SIZES: [u64; 5] = [4_096, 110_000, 1 << 20, 3 << 20, 8 << 20];
/// What the process may take beyond memory.limit, as its documentation promises.
const BEYOND_LIMIT: u64 = 256 << 20;

/// Settings of the scenario `soak`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Soak {
    /// How long.
    #[arg(long, default_value_t = 3600)]
    pub(crate) seconds: u64,
    /// At a time.
    #[arg(long, default_value_t = 16)]
    pub(crate) clients: usize,
    /// Of each client; of five sizes, 2.5 MB on average.
    #[arg(long, default_value_t = 100)]
    pub(crate) objects: usize,
    /// The node's memory.limit.
    #[arg(long, value_parser = parse_size, default_value = "256MiB")]
    pub(crate) memory: u64,
    /// The disk's capacity: less than the objects together, so that they do not all fit. 0B: without a disk.
    #[arg(long, value_parser = parse_size, default_value = "2GiB")]
    pub(crate) capacity: u64,
    /// Without judging growth.
    #[arg(skip)]
    pub(crate) counters_only: bool,
}

/// What one client knows of an object that only it writes.
struct Known {
    key: Arc<str>,
    size: u64,
    /// Nothing where it is deleted.
    generation: Option<u64>,
    /// Of the last write.
    last: u64,
}

impl Soak {
    pub(crate) async fn run(&self, bench: &mut Bench) -> anyhow::Result<()> {
        bench.begin("soak");
        let origin = Origin::local(Vec::new()).await?;
        let folder = bench.fresh_folder("node")?;
        let disk = folder.join("cache");
        let config = NodeConfig {
            origin: origin.address,
            memory: self.memory,
            freshness: Freshness::MaxAge(60),
            disk: (self.capacity > 0).then(|| (disk.clone(), self.capacity.max(LEAST_CAPACITY))),
            tls: None,
        };
        let node = bench.start_node("node", &config).await?;
        let watch = Watch::start(node.pid);
        let outcome = self.churn(bench, &node.target).await;
        let cost = watch.end();
        bench.check_answers("churn", &outcome);
        let uploads = origin.counted();
        let found = format!("{} of {}", uploads.wrong_uploads, uploads.puts);
        bench.check(
            "every upload arrives whole",
            uploads.wrong_uploads == 0,
            found,
        );
        let most = cost.most_rss;
        let limit = self.memory + BEYOND_LIMIT;
        let found = format!("{} of {} MiB", most >> 20, limit >> 20);
        bench.check(
            "memory stays within the limit and 256 MiB",
            most <= limit,
            found,
        );
        if !self.counters_only {
            self.growth(bench, &cost.samples);
        }
        let figures = bench.settle(&node).await?;
        bench.say(&format!(
            "{} evictions, {:.2} live of allocated; offers: {}",
            figures.evictions,
            figures.fill(),
            told(&figures.offers)
        ));
        node.stop(Stop::Gracefully).await?;
        if self.capacity > 0 {
            inspect(bench, &disk).await?;
        }
        bench.end()
    }

    async fn churn(&self, bench: &mut Bench, target: &Target) -> Outcome {
        let until = Instant::now() + Duration::from_secs(self.seconds);
        let mut clients = JoinSet::new();
        for number in 0..self.clients {
            let known = (0..self.objects)
                .map(|object| known(number, object))
                .collect();
            clients.spawn(live(Client::new(target), known, number as u64, until));
        }
        let mut outcome = Outcome::default();
        let started = Instant::now();
        let mut minutes = tokio::time::interval(Duration::from_secs(60));
        loop {
            tokio::select! {
                ended = clients.join_next() => match ended {
                    Some(Ok(part)) => outcome.add(&part),
                    Some(Err(error)) => outcome.failed(&format!("a client ended: {error}")),
                    None => break,
                },
                _ = minutes.tick() => {
                    let (run, all) = (started.elapsed().as_secs(), self.seconds);
                    bench.say(&format!("{run} of {all} s"));
                }
            }
        }
        outcome.elapsed = started.elapsed();
        outcome
    }

    /// The last third against the one before: what grows without end grows between them.
    fn growth(&self, bench: &mut Bench, samples: &[(f64, Usage)]) {
        let third = samples.len() / 3;
        let median = |part: &[(f64, Usage)], of: fn(&Usage) -> u64| {
            let mut values: Vec<u64> = part.iter().map(|(_, usage)| of(usage)).collect();
            values.sort_unstable();
            values.get(values.len() / 2).copied().unwrap_or(0) as f64
        };
        let (before, last) = (&samples[third..2 * third], &samples[2 * third..]);
        let rss = median(last, |it| it.rss) / median(before, |it| it.rss).max(1.0);
        let row = bench.row(
            "resident memory, last third of the run over the second",
            rss,
            "x",
        );
        bench.keep(row.within(Budget::AtMost(1.05)));
        let fds = median(last, |it| it.descriptors) - median(before, |it| it.descriptors);
        let row = bench.row("open descriptors, last third over the second", fds, "more");
        bench.keep(row.within(Budget::AtMost(2.0)));
    }
}

fn known(client: usize, object: usize) -> Known {
    let size = SIZES[object % SIZES.len()];
    Known {
        key: Set::new(&format!("soak/{client}"), size, 0)
            .key(object)
            .into(),
        size,
        generation: Some(0),
        last: 0,
    }
}

async fn live(mut client: Client, mut objects: Vec<Known>, seed: u64, until: Instant) -> Outcome {
    let mut random = Random::seeded(seed);
    let mut outcome = Outcome::default();
    while Instant::now() < until {
        let at = random.index(objects.len());
        act(&mut client, &mut objects[at], &mut random, &mut outcome).await;
    }
    outcome
}

async fn act(client: &mut Client, known: &mut Known, random: &mut Random, outcome: &mut Outcome) {
    let get = Ask {
        key: Arc::clone(&known.key),
        generation: known.generation.unwrap_or(0),
        ..Ask::whole("", known.size)
    };
    let draw = random.below(100);
    if draw < 15 || known.generation.is_none() {
        known.last += 1;
        let put = Ask {
            verb: Verb::Put,
            generation: known.last,
            ..get
        };
        client.send(&put, false, outcome).await;
        known.generation = Some(known.last);
    } else if draw < 20 {
        let delete = Ask {
            verb: Verb::Delete,
            ..get.clone()
        };
        client.send(&delete, false, outcome).await;
        known.generation = None;
        gone(client, &get, outcome).await;
    } else if draw < 30 {
        let head = Ask {
            verb: Verb::Head,
            ..get
        };
        client.send(&head, false, outcome).await;
    } else if draw < 60 {
        let first = random.below(known.size);
        let end = first + 1 + random.below(known.size - first);
        let range = Ask {
            range: Some((first, end)),
            ..get
        };
        client.send(&range, true, outcome).await;
    } else {
        client.send(&get, true, outcome).await;
    }
}

/// A read after a delete must not find anything.
async fn gone(client: &mut Client, get: &Ask, outcome: &mut Outcome) {
    match client.ask(get, false).await {
        Ok(answer) if answer.status == 404 => {}
        Ok(answer) => outcome.failed(&format!("GET after DELETE {}", answer.status)),
        Err(error) => outcome.failed(&format!("GET {error}")),
    }
}

/// `forebay disk inspect` finds nothing wrong on what a stopped node has left.
async fn inspect(bench: &mut Bench, disk: &std::path::Path) -> anyhow::Result<()> {
    let output = Command::new(&bench.binary)
        .args(["disk", "inspect"])
        .arg(disk)
        .args(["--output", "json"])
        .output()
        .await?;
    let text = String::from_utf8_lossy(&output.stdout);
    let told = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = match output.status.success() {
        true => told,
        false => format!(
            "{}: {told} {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ),
    };
    bench.check(
        "`forebay disk inspect` finds the books in balance",
        output.status.success(),
        told,
    );
    Ok(())
}
