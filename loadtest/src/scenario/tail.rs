//! Hits while others read what is cold, and what is large and in memory: how much longer the slowest hundredth of them takes
//! than in an idle server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use tokio::task::JoinSet;

use super::Bench;
use super::far::Far;
use super::sides::{Figure, Goal, Sides};
use crate::content::{parse_size, size_text};
use crate::harness::{Elsewhere, Kind, Server};
use crate::load::{self, Ask, Client, End, Outcome, Plan, Target, ranges, shuffled, whole};
use crate::origin::Set;
use crate::report::number;

/// Of the set that is hit, small beside any cache.
const HOT: u64 = 16 << 20;
/// Objects that the herd reads from memory.
const WARM: usize = 4;
const LENGTH: u64 = 64 << 10;

/// Settings of the scenario `tail`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Tail {
    #[command(flatten)]
    pub(crate) far: Far,
    /// Clients that hit, a 64 KiB range each time.
    #[arg(long, default_value_t = 8)]
    pub(crate) clients: usize,
    /// Between two hits of one client.
    #[arg(long, default_value_t = 20)]
    pub(crate) every_ms: u64,
    /// Clients that read what is cold, and then what is in memory, one object after another.
    #[arg(long, default_value_t = 64)]
    pub(crate) herd: usize,
    /// Of the objects that they read.
    #[arg(long, value_parser = parse_size, default_value = "16MiB")]
    pub(crate) size: u64,
    /// Of each run.
    #[arg(long, default_value_t = 6)]
    pub(crate) seconds: u64,
    /// Every server runs so often, by turns.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
}

/// One server's rounds.
#[derive(Default)]
struct Found {
    idle: Vec<f64>,
    hits: Outcome,
    cold: Herd,
    warm: Herd,
}

/// What there was beside a herd.
#[derive(Default)]
struct Herd {
    p99: Vec<f64>,
    read: Outcome,
}

impl Tail {
    pub(crate) async fn run(&self, bench: &mut Bench) -> anyhow::Result<()> {
        bench.begin("tail");
        let kinds = [Kind::Nginx, Kind::Varnish, Kind::Forebay];
        // The origin and the herd: what counts is how long a server lets a hit wait, not how long they do.
        let elsewhere = Elsewhere::new().context("threads")?;
        let starting = Sides::start(bench, &kinds, self.far.shared());
        let sides = elsewhere.with_tasks_of(starting).await?;
        let hot = Set::new("hot", HOT, 1);
        let warm: Arc<[Ask]> = whole(&[Set::new("warm", self.size, WARM)]).into();
        let fill = Plan {
            clients: 1,
            check_one_in: 1,
            end: End::Once,
        };
        let first_pass = whole(std::slice::from_ref(&hot)).into_iter();
        let first_pass: Arc<[Ask]> = first_pass.chain(warm.iter().cloned()).collect();
        sides
            .by_turns(bench, 2, fill, |_| Arc::clone(&first_pass))
            .await;
        let asks: Arc<[Ask]> = shuffled(ranges(&hot, LENGTH), 1).into();
        let mut found: Vec<Found> = sides.0.iter().map(|_| Found::default()).collect();
        for round in 0..self.rounds {
            for (server, found) in sides.0.iter().zip(&mut found) {
                let idle = self.probe(&server.target, &asks).await?;
                found.idle.push(idle.latency_at(0.99));
                found.hits.add(&idle);
                // More than can be read in that time: nothing is asked for twice.
                let count = self.herd * 1000;
                let cold = whole(&[Set::new(&format!("cold{round}"), self.size, count)]).into();
                for (herd, reads) in [
                    (&mut found.cold, cold),
                    (&mut found.warm, Arc::clone(&warm)),
                ] {
                    let hits = self
                        .beside(server, &elsewhere, &asks, (reads, herd))
                        .await?;
                    found.hits.add(&hits);
                }
            }
        }
        for (server, found) in sides.0.iter().zip(found) {
            self.judge(bench, server.kind, found);
        }
        sides.stop().await?;
        bench.end()
    }

    /// Hits beside clients that read `reads`.
    async fn beside(
        &self,
        server: &Server,
        elsewhere: &Elsewhere,
        asks: &Arc<[Ask]>,
        (reads, herd): (Arc<[Ask]>, &mut Herd),
    ) -> anyhow::Result<Outcome> {
        let plan = Plan {
            clients: self.herd,
            check_one_in: 16,
            end: End::After(Duration::from_secs(self.seconds)),
        };
        let target = server.target.clone();
        let reading = elsewhere.run(async move { load::run(&target, &reads, plan).await });
        let (hits, read) = tokio::join!(self.probe(&server.target, asks), reading);
        let (hits, read) = (hits?, read?);
        herd.p99.push(hits.latency_at(0.99));
        herd.read.add(&read);
        Ok(hits)
    }

    /// Hits at a steady rate, from a thread that does nothing else.
    async fn probe(&self, target: &Target, asks: &Arc<[Ask]>) -> anyhow::Result<Outcome> {
        let (this, target, asks) = (self.clone(), target.clone(), Arc::clone(asks));
        let thread = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            anyhow::Ok(runtime.block_on(this.hits(&target, &asks)))
        });
        thread.await.context("the thread of the hits")?
    }

    async fn hits(&self, target: &Target, asks: &Arc<[Ask]>) -> Outcome {
        let mut clients = JoinSet::new();
        let (every, time) = (
            Duration::from_millis(self.every_ms),
            Duration::from_secs(self.seconds),
        );
        for number in 0..self.clients {
            // One after another in each interval, not all at once.
            let offset = every.mul_f64(number as f64 / self.clients as f64);
            let (client, asks) = (Client::new(target), Arc::clone(asks));
            clients.spawn(hit(client, asks, Instant::now() + offset, every, time));
        }
        let mut outcome = Outcome::default();
        while let Some(part) = clients.join_next().await {
            match part {
                Ok(part) => outcome.add(&part),
                Err(error) => outcome.failed(&format!("a client ended: {error}")),
            }
        }
        outcome
    }

    fn judge(&self, bench: &mut Bench, kind: Kind, found: Found) {
        if kind == Kind::Forebay {
            bench.check_answers("hits", &found.hits);
            bench.check_answers("the cold herd", &found.cold.read);
            bench.check_answers("the warm herd", &found.warm.read);
        }
        let idle = Figure::of(found.idle);
        for (herd, reads) in [(found.cold, "cold"), (found.warm, "in memory")] {
            let what = format!(
                "hits while {} clients read {}, {reads}, {}: p99 over idle",
                self.herd,
                size_text(self.size),
                kind.as_str()
            );
            let busy = Figure::of(herd.p99);
            // Of the medians: the p99 of one round is one of a few requests that the machine held up.
            let ratio = busy.median / idle.median.max(1e-3);
            let note = format!(
                "p99 idle {} ms ({}), busy {} ms ({}), the herd reads {:.2} GB/s",
                number(idle.median),
                idle.spread(),
                number(busy.median),
                busy.spread(),
                herd.read.gb_per_second(),
            );
            if kind == Kind::Forebay && reads == "cold" {
                Goal::at_most(3.0, 1.5).keep(bench, &what, (ratio, "x"), &note);
            } else {
                let row = bench.row(what, ratio, "x");
                bench.keep(row.note(note));
            }
        }
    }
}

/// A client's hits. Latency counts from when a hit was due, so that what one holds up counts for those after it.
async fn hit(
    mut client: Client,
    asks: Arc<[Ask]>,
    begin: Instant,
    every: Duration,
    time: Duration,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut due = begin;
    let mut order = asks.iter().cycle();
    while let Some(ask) = order.next().filter(|_| due < begin + time) {
        tokio::time::sleep_until(due.into()).await;
        match client.ask(ask, true).await {
            Ok(answer) if answer.status != 206 => outcome.failed(&format!("GET {}", answer.status)),
            Ok(answer) => {
                outcome.checked += 1;
                outcome.wrong += u64::from(!answer.right || answer.length != LENGTH);
                outcome.answered(
                    &answer.source,
                    answer.length,
                    answer.first_byte,
                    due.elapsed(),
                );
            }
            Err(error) => outcome.failed(&format!("GET {error}")),
        }
        due += every;
    }
    outcome
}
