//! Uploads that are signed chunk by chunk beside the same uploads whose payload is not signed.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use sha2::{Digest as _, Sha256};

use super::Bench;
use super::sides::{Figure, Goal, Shared, Sides};
use crate::content::{parse_size, size_text};
use crate::harness::{Kind, Server};
use crate::load::{Ask, CHUNK, ChunkedUpload, Client, Outcome, Verb};
use crate::origin::{Set, Terms};
use crate::process::Watch;
use crate::report::number;

/// Settings of the scenario `chunked`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Chunked {
    /// Forebay's memory.limit.
    #[arg(long, value_parser = parse_size, default_value = "256MiB")]
    pub(crate) memory: u64,
    /// Of an upload.
    #[arg(long, value_parser = parse_size, default_value = "64MiB")]
    pub(crate) size: u64,
    /// Uploads in each run, one after another.
    #[arg(long, default_value_t = 8)]
    pub(crate) uploads: usize,
    /// Both kinds run so often, by turns.
    #[arg(long, default_value_t = 7)]
    pub(crate) rounds: usize,
}

impl Chunked {
    pub(crate) async fn run(&self, bench: &mut Bench) -> anyhow::Result<()> {
        bench.begin("chunked");
        let shared = Shared {
            memory: self.memory,
            capacity: 0,
            tls: false,
            terms: Terms::default(),
        };
        let sides = Sides::start(bench, &[Kind::Forebay], shared).await?;
        let server = sides.0.first().context("Forebay is always there")?;
        let (mut outcome, mut unsigned, mut signed) = (Outcome::default(), Vec::new(), Vec::new());
        let mut hashed = Vec::new();
        for round in 0..self.rounds {
            unsigned.push(self.plain(server, round, &mut outcome).await?);
            signed.push(self.chunks(server, round, &mut outcome).await?);
            hashed.push(hashing(self.size * self.uploads as u64)?);
        }
        let puts = server.origin.counted().puts;
        let wrong = server.origin.counted().wrong_uploads;
        let wanted = (2 * self.rounds * self.uploads) as u64;
        bench.check_answers("uploads", &outcome);
        let found = format!("{puts} of {wanted}, {wrong} wrong");
        let held = puts == wanted && wrong == 0;
        bench.check("every upload arrives whole and decoded", held, found);
        let ratios = signed
            .iter()
            .zip(&unsigned)
            .map(|(one, other)| one / other.max(1e-9));
        let ratio = Figure::of(ratios.collect());
        // Whoever looks at no two chunks at once takes both.
        let least = unsigned.iter().zip(&hashed).map(|(one, other)| one + other);
        let above = signed
            .iter()
            .zip(least)
            .map(|(one, least)| one / least.max(1e-9));
        let above = Figure::of(above.collect());
        let what = format!("PUT of {} in signed chunks", size_text(self.size));
        let [signed, unsigned, hashed] =
            [signed, unsigned, hashed].map(|it| number(Figure::of(it).median));
        let note = format!(
            "signed {signed} s/GB, unsigned {unsigned} s/GB; {}; {}",
            ratio.spread(),
            instructions()
        );
        let by_itself = format!("{what}: CPU a GB over unsigned");
        Goal::at_most(1.5, 1.2).keep(bench, &by_itself, (ratio.median, "x"), &note);
        let note = format!("SHA-256 by itself {hashed} s/GB; {}", above.spread());
        let hashed_once = format!("{what}: CPU a GB over unsigned and one hash of it");
        Goal::at_most(1.2, 1.1).keep(bench, &hashed_once, (above.median, "x"), &note);
        sides.stop().await?;
        bench.end()
    }

    fn asks(&self, round: usize) -> impl Iterator<Item = Ask> {
        let set = Set::new("uploads", self.size, self.uploads);
        let generation = round as u64 + 1;
        (0..self.uploads).map(move |number| Ask {
            verb: Verb::Put,
            key: Arc::from(set.key(number)),
            generation,
            ..Ask::whole("", set.size)
        })
    }

    /// CPU seconds of the server a GB.
    async fn plain(
        &self,
        server: &Server,
        round: usize,
        outcome: &mut Outcome,
    ) -> anyhow::Result<f64> {
        let watch = Watch::start(server.pid().context("it is a process")?);
        let mut client = Client::new(&server.target);
        for ask in self.asks(round) {
            client.send(&ask, false, outcome).await;
        }
        Ok(watch.end().cpu.as_secs_f64() / self.gb())
    }

    async fn chunks(
        &self,
        server: &Server,
        round: usize,
        outcome: &mut Outcome,
    ) -> anyhow::Result<f64> {
        let watch = Watch::start(server.pid().context("it is a process")?);
        let mut client = ChunkedUpload::open(&server.target).await?;
        for ask in self.asks(round) {
            match client.put(&ask).await? {
                200 => outcome.answers += 1,
                status => outcome.failed(&format!("PUT in chunks {status}")),
            }
        }
        Ok(watch.end().cpu.as_secs_f64() / self.gb())
    }

    /// Of a run.
    fn gb(&self) -> f64 {
        (self.size * self.uploads as u64) as f64 / 1e9
    }
}

/// CPU seconds a GB of SHA-256 by itself, in pieces of the size of chunks.
fn hashing(bytes: u64) -> anyhow::Result<f64> {
    let chunk = vec![7; usize::try_from(CHUNK)?];
    let before = thread_time()?;
    for _ in 0..bytes.div_ceil(CHUNK) {
        black_box(Sha256::digest(black_box(&chunk)));
    }
    let took = thread_time()? - before;
    Ok(took as f64 / bytes as f64)
}

/// What the calling thread has had of a processor, in nanoseconds; see `proc_pid_schedstat`, which is right to a tick of the clock.
fn thread_time() -> anyhow::Result<u64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let time = told.split_whitespace().next().context("it tells nothing")?;
    Ok(time.parse()?)
}

/// Whether the processor helps with the hash of every byte, which decides what a signature costs.
fn instructions() -> &'static str {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has = |word| processor.split_whitespace().any(|it| it == word);
    if has("sha_ni") || has("sha2") {
        "the processor has instructions for SHA-256"
    } else {
        "the processor has no instructions for SHA-256"
    }
}
