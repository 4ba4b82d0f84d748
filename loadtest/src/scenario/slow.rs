//! Many cold reads at once by clients that take their time: what memory it takes to serve them.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use tokio::task::JoinSet;

use super::Bench;
use super::far::Far;
use super::sides::{Goal, Sides};
use crate::content::{parse_size, size_text};
use crate::harness::{Kind, Server};
use crate::load::{Ask, Client, Connection, Outcome, Target, whole};
use crate::origin::Set;
use crate::process::{Watch, usage};

const MIB: f64 = (1 << 20) as f64;
/// What the process may take beyond its limit, in MiB.
const BEYOND_LIMIT: f64 = 256.0;
/// Room for what has arrived at a client, in bytes: what does not fit there waits in the server.
const ROOM: u32 = 64 * 1024;
/// Taken at a time.
const SIP: u64 = 32 * 1024;
/// An answer that has not come by then will not.
const PATIENCE: Duration = Duration::from_secs(180);

/// Settings of the scenario `slow`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Slow {
    #[command(flatten)]
    pub(crate) far: Far,
    /// Of the objects.
    #[arg(long, value_parser = parse_size, default_value = "16MiB")]
    pub(crate) size: u64,
    /// How many read, each an object of its own.
    #[arg(long, default_value_t = 256)]
    pub(crate) clients: usize,
    /// Of each client, a second.
    #[arg(long, value_parser = parse_size, default_value = "1MB")]
    pub(crate) pace: u64,
    /// Forebay's memory.limit here.
    #[arg(long, value_parser = parse_size, default_value = "256MiB")]
    pub(crate) limit: u64,
}

impl Slow {
    pub(crate) async fn run(&self, bench: &mut Bench) -> anyhow::Result<()> {
        bench.begin("slow");
        let far = Far {
            memory: self.limit,
            ..self.far
        };
        let kinds = [Kind::Nginx, Kind::Varnish, Kind::Forebay];
        let sides = Sides::start(bench, &kinds, far.shared()).await?;
        for server in &sides.0 {
            self.of(bench, server).await?;
        }
        sides.stop().await?;
        bench.end()
    }

    async fn of(&self, bench: &mut Bench, server: &Server) -> anyhow::Result<()> {
        let pid = server.pid().context("it is a process")?;
        let before = usage(pid).rss as f64 / MIB;
        let watch = Watch::start(pid);
        let outcome = self.read(&server.target).await;
        let cost = watch.end();
        let kind = server.kind.as_str();
        let what = format!(
            "{} slow clients, each a cold {}, {kind}: resident memory",
            self.clients,
            size_text(self.size)
        );
        let most = cost.most_rss as f64 / MIB;
        let note = format!(
            "{before:.0} MiB before, {} answers in {:.1} s, p99 of the first byte {:.0} ms, {}",
            outcome.answers,
            outcome.elapsed.as_secs_f64(),
            outcome.first_byte.value_at_quantile(0.99) as f64 / 1e3,
            outcome.complaints().unwrap_or_else(|| "all right".into())
        );
        if server.kind == Kind::Forebay {
            bench.check_answers("slow clients", &outcome);
            let limit = self.limit as f64 / MIB;
            Goal::at_most(limit + BEYOND_LIMIT, limit).keep(bench, &what, (most, "MiB"), &note);
        } else {
            let row = bench.row(what, most, "MiB");
            bench.keep(row.note(note));
        }
        Ok(())
    }

    async fn read(&self, target: &Target) -> Outcome {
        let target = Arc::new(target.clone());
        let started = Instant::now();
        let mut clients = JoinSet::new();
        for ask in whole(&[Set::new("slow", self.size, self.clients)]) {
            let (target, pace) = (Arc::clone(&target), self.pace);
            clients.spawn(async move {
                tokio::time::timeout(PATIENCE, read(&target, &ask, pace)).await
            });
        }
        let mut outcome = Outcome::default();
        while let Some(ended) = clients.join_next().await {
            match ended {
                Ok(Ok(Ok(one))) => outcome.add(&one),
                Ok(Ok(Err(error))) => outcome.failed(&format!("GET {error}")),
                Ok(Err(_)) => outcome.failed("GET takes too long"),
                Err(error) => outcome.failed(&format!("a client ended: {error}")),
            }
        }
        outcome.elapsed = started.elapsed();
        outcome
    }
}

/// One client's read, at most `pace` bytes a second.
async fn read(target: &Target, ask: &Ask, pace: u64) -> io::Result<Outcome> {
    let mut outcome = Outcome::default();
    let started = Instant::now();
    let mut connection = Connection::narrow(target, ROOM).await?;
    let head = Client::new(target).head(ask).to_owned();
    connection.send(head.as_bytes()).await?;
    let answer = connection.head(false).await?;
    if (answer.status, answer.length) != (200, ask.size) {
        outcome.failed(&format!("GET {} of {} bytes", answer.status, answer.length));
        return Ok(outcome);
    }
    let content = ask.content();
    let (mut at, mut right, mut first_byte) = (0, true, None);
    while at < ask.size {
        let part = connection.part(SIP.min(ask.size - at)).await?;
        right &= content.holds(at, part);
        at += part.len() as u64;
        let begun = *first_byte.get_or_insert_with(Instant::now);
        let due = begun + Duration::from_secs_f64(at as f64 / pace as f64);
        tokio::time::sleep_until(due.into()).await;
    }
    outcome.checked += 1;
    outcome.wrong += u64::from(!right);
    let begun = first_byte.map_or_else(|| started.elapsed(), |it| it - started);
    outcome.answered(&answer.source, ask.size, begun, started.elapsed());
    Ok(outcome)
}
