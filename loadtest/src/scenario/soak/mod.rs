//! Churn for as long as one likes: objects are written, overwritten, read, deleted, and more of them than the disk holds, so
//! that it evicts. Nothing may grow, no read may be wrong or late behind a write, and the disk's books must balance at the end.

mod client;

use std::time::{Duration, Instant};

use clap::Args;
use tokio::process::Command;
use tokio::task::JoinSet;

use self::client::{Turns, live, objects_of};
use super::Bench;
use super::disk::LEAST_CAPACITY;
use super::timeline::{cores, descriptors, over_time, own_descriptors, rss};
use crate::content::parse_size;
use crate::fit::{late_median, late_rise};
use crate::harness::{Freshness, NodeConfig, Stop, told};
use crate::load::{Arrivals, Client, Outcome, Queue, Sent, Target};
use crate::origin::Origin;
use crate::process::{Usage, Watch};
use crate::progress::Length;
use crate::report::{Budget, Line};

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
    /// So many actions a second, at gaps as between independent clients, and latencies from when each was due; otherwise each
    /// client acts again when it has its answer.
    #[arg(long, value_name = "PER_SECOND", value_parser = parse_rate)]
    pub(crate) rate: Option<f64>,
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

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok();
    let rate = rate.filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| format!("{text:?} is no number above zero"))
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
        let watch = Watch::start_beside(node.pid, origin.connections());
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
            self.tell(bench, &outcome);
            growth(bench, &cost.samples);
            plots(bench, &outcome, &cost.samples);
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
        let (time, started) = (Duration::from_secs(self.seconds), Instant::now());
        let turns = match self.rate {
            None => Turns::Closed(started + time),
            Some(rate) => {
                let arrivals = Arrivals::poisson(rate, time, 1);
                Turns::Open(Queue::begin(&arrivals, self.clients))
            }
        };
        let mut clients = JoinSet::new();
        for number in 0..self.clients {
            let known = objects_of(number, self.objects);
            let outcome = Outcome::since(started);
            clients.spawn(live(
                Client::new(target),
                known,
                number as u64,
                turns.clone(),
                outcome,
            ));
        }
        let mut outcome = Outcome::since(started);
        let _shown = bench.follow(Length::Time(time), &Sent::default());
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

    fn tell(&self, bench: &mut Bench, outcome: &Outcome) {
        let per_second = outcome.answers as f64 / outcome.elapsed.as_secs_f64().max(1e-9);
        let note = format!(
            "{:.2} GB read, p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms{}",
            outcome.gb(),
            outcome.latency_at(0.5),
            outcome.latency_at(0.99),
            outcome.latency_at(0.999),
            match self.rate {
                Some(rate) => format!(", at {rate} actions a second, each from when it was due"),
                None => String::new(),
            }
        );
        let row = bench.row("answers", per_second, "requests/s");
        bench.keep(row.note(note));
    }
}

/// What grows without end rises all the time; what fills, or comes and goes, does not.
fn growth(bench: &mut Bench, samples: &[(f64, Usage)]) {
    let memory = rss(samples);
    let (rise, median) = (late_rise(&memory), late_median(&memory));
    let row = bench.row(
        "resident memory: rise over the second half of the run",
        rise / median.max(1.0) * 100.0,
        "%",
    );
    let note = format!("{rise:.1} MiB by a line through it (Theil and Sen), of {median:.0} MiB");
    bench.keep(row.within(Budget::AtMost(5.0)).note(note));
    // Connections to the origin come and go with what is asked of it, and are kept for a while when they rest.
    let own = own_descriptors(samples);
    let row = bench.row(
        "open descriptors but for connections that the origin has too: rise over the second half of the run",
        late_rise(&own),
        "more",
    );
    let all = descriptors(samples);
    let note = format!(
        "of {:.0}; {:.0} with them",
        late_median(&own),
        late_median(&all)
    );
    bench.keep(row.within(Budget::AtMost(2.0)).note(note));
}

fn plots(bench: &mut Bench, outcome: &Outcome, samples: &[(f64, Usage)]) {
    let answers = outcome.series.answers_a_second();
    for (title, unit, points) in [
        ("answers over time", "answers a second", answers),
        ("resident memory over time", "MiB", rss(samples)),
        (
            "open descriptors over time",
            "descriptors",
            descriptors(samples),
        ),
        (
            "open descriptors without connections to the origin over time",
            "descriptors",
            own_descriptors(samples),
        ),
        ("CPU of the server over time", "cores", cores(samples)),
    ] {
        let name = unit.to_owned();
        bench.plot(over_time(title, unit, vec![Line { name, points }]));
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
