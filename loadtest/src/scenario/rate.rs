//! Latencies of hits in memory at set rates: an open loop at shares of what a closed loop gets at most. A closed loop tells the
//! speed, but its clients wait when the server does; users do not.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::Bench;
use super::bench::Measured;
use super::shape::{Shape, parse_shape};
use super::timeline::{cores, curve, lines, over_time};
use crate::content::parse_size;
use crate::harness::{Freshness, Node, NodeConfig, Stop};
use crate::load::{Arrivals, Ask, End, Open, Order, Plan, mix};
use crate::origin::Origin;
use crate::report::{Axis, Line, Plot};

const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// Settings of the scenario `rate`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Rate {
    /// The node's memory.limit.
    #[arg(long, value_parser = parse_size, default_value = "1GiB")]
    pub(crate) memory: u64,
    /// Bytes of the set that is read; at most about half of the limit.
    #[arg(long, value_parser = parse_size, default_value = "256MiB")]
    pub(crate) set: u64,
    /// What is read: 64KiB ranges, 1MiB objects, 16MiB objects.
    #[arg(long, value_parser = parse_shape, value_delimiter = ',', default_value = "64KiB,1MiB")]
    pub(crate) shapes: Vec<Shape>,
    /// Beside them several shapes at once, by their weights, as 8:64KiB,1:1MiB.
    #[arg(long, value_parser = parse_part, value_delimiter = ',', value_name = "WEIGHT:SHAPE")]
    pub(crate) mix: Vec<(u64, Shape)>,
    /// Most requests in flight, in the closed loop and the open ones; what arrives beyond them waits.
    #[arg(long, default_value_t = 16)]
    pub(crate) connections: usize,
    /// Rates, in percent of what the closed loop gets.
    #[arg(long, value_delimiter = ',', default_value = "25,50,75,90")]
    pub(crate) percent: Vec<u32>,
    /// How long each run lasts.
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u64,
    /// How long answers are waited for after the last arrival.
    #[arg(long, default_value_t = 5)]
    pub(crate) drain_seconds: u64,
    /// Requests at equal gaps, rather than at gaps as between many independent clients (Poisson).
    #[arg(long)]
    pub(crate) constant: bool,
    /// Of the gaps and of the order of reads.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// One body in so many is compared.
    #[arg(long, default_value_t = 100)]
    pub(crate) check_one_in: usize,
}

fn parse_part(text: &str) -> Result<(u64, Shape), String> {
    let parts = text.split_once(':');
    let (weight, shape) = parts.ok_or("write WEIGHT:SHAPE, as 8:64KiB")?;
    match weight.parse() {
        Ok(weight) if weight > 0 => Ok((weight, parse_shape(shape)?)),
        _ => Err(format!("{weight:?} is no weight")),
    }
}

/// What is read.
struct Reads {
    name: String,
    /// How it comes into memory.
    first_pass: Arc<[Ask]>,
    asks: Arc<[Ask]>,
}

/// One of the rates.
struct Run {
    name: String,
    per_second: f64,
    measured: Measured,
}

impl Rate {
    pub(crate) async fn run(&self, bench: &mut Bench) -> anyhow::Result<()> {
        bench.begin("rate");
        for shape in &self.shapes {
            let set = shape.set(self.set);
            let reads = Reads {
                name: shape.name.to_owned(),
                first_pass: shape.first_pass(&set),
                asks: shape.asks(&set, self.seed),
            };
            self.reads(bench, &reads).await?;
        }
        if !self.mix.is_empty() {
            self.reads(bench, &self.mixed()).await?;
        }
        bench.end()
    }

    /// The set is divided among the shapes equally, reads by their weights.
    fn mixed(&self) -> Reads {
        let bytes = self.set / self.mix.len() as u64;
        let (mut names, mut first_pass, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
        for (weight, shape) in &self.mix {
            let set = shape.set(bytes);
            names.push(format!("{weight} x {}", shape.name));
            first_pass.extend_from_slice(&shape.first_pass(&set));
            kinds.push((*weight, shape.asks(&set, self.seed).to_vec()));
        }
        let count = kinds.iter().map(|(_, asks)| asks.len()).sum();
        Reads {
            name: names.join(" and "),
            first_pass: first_pass.into(),
            asks: mix(&kinds, count, self.seed).into(),
        }
    }

    async fn reads(&self, bench: &mut Bench, reads: &Reads) -> anyhow::Result<()> {
        let Reads {
            name,
            first_pass,
            asks,
        } = reads;
        let origin = Origin::local(Vec::new()).await?;
        bench.fresh_folder("node")?;
        let config = NodeConfig {
            origin: origin.address,
            memory: self.memory,
            freshness: Freshness::Immutable,
            disk: None,
            tls: None,
        };
        let node = bench.start_node("node", &config).await?;
        let fill = bench.read_all(&node, &origin, first_pass, 8).await;
        bench.check_answers(&format!("{name}, first pass"), &fill.outcome);
        let plan = Plan {
            clients: self.connections,
            check_one_in: self.check_one_in,
            end: End::After(Duration::from_secs(self.seconds)),
        };
        let closed = bench
            .measure(&node, &origin, &Order::in_turn(asks), plan)
            .await;
        let most = self.closed(bench, name, &closed);
        let order = Order::epochs(asks, self.seed);
        let mut runs = Vec::new();
        for percent in self.percent.iter().copied() {
            let per_second = most * f64::from(percent) / 100.0;
            let what = format!("{name}, {percent} %");
            let measured = self
                .open(bench, (&node, &origin), &order, per_second, &what)
                .await;
            runs.push(Run {
                name: format!("{percent} %"),
                per_second,
                measured,
            });
        }
        plots(bench, name, &runs);
        node.stop(Stop::Gracefully).await?;
        Ok(())
    }

    /// Answers a second of the closed loop.
    fn closed(&self, bench: &mut Bench, name: &str, run: &Measured) -> f64 {
        let what = format!("{name}, closed loop of {}", self.connections);
        bench.check_answers(&what, &run.outcome);
        let most = run.outcome.answers as f64 / run.outcome.elapsed.as_secs_f64().max(1e-9);
        let interval = Duration::from_secs_f64(self.connections as f64 / most.max(1e-3));
        let corrected = run.outcome.corrected(interval);
        let note = format!(
            "{}; p99 {:.2} ms once corrected for what its clients left out while they waited",
            told(run),
            corrected.value_at_quantile(0.99) as f64 / 1e3,
        );
        let row = bench.row(format!("{what}: most"), most, "requests/s");
        bench.keep(row.note(note));
        most
    }

    async fn open(
        &self,
        bench: &mut Bench,
        (node, origin): (&Node, &Origin),
        order: &Order,
        per_second: f64,
        what: &str,
    ) -> Measured {
        let time = Duration::from_secs(self.seconds);
        let arrivals = match self.constant {
            true => Arrivals::constant(per_second, time),
            false => Arrivals::poisson(per_second, time, self.seed),
        };
        let due = arrivals.clone().count() as u64;
        let plan = Open {
            arrivals,
            connections: self.connections,
            drain: Duration::from_secs(self.drain_seconds),
            check_one_in: self.check_one_in,
        };
        let run = bench.measure_open(node, origin, order, &plan).await;
        let outcome = &run.outcome;
        bench.check_answers(what, outcome);
        let (answers, unfinished) = (outcome.answers, outcome.unfinished);
        let found = format!("{answers} answered and {unfinished} unfinished of {due}");
        bench.check(
            format!("{what}: every request that was due is accounted for"),
            answers + unfinished == due,
            found,
        );
        let from_memory = outcome.answers_from("memory");
        let asked = run.origin.requests();
        bench.check(
            format!("{what}: every answer is from memory"),
            from_memory == answers && asked == 0,
            format!("{from_memory} of {answers}, {asked} origin requests"),
        );
        let note = format!(
            "at {per_second:.0} requests/s: {}; {unfinished} unfinished; sent late by p50 {:.2} ms, p99 {:.2} ms, which is in these",
            told(&run),
            outcome.waited.value_at_quantile(0.5) as f64 / 1e3,
            outcome.waited.value_at_quantile(0.99) as f64 / 1e3,
        );
        let row = bench.row(
            format!("{what} of the most: p99"),
            outcome.latency_at(0.99),
            "ms",
        );
        bench.keep(row.note(note));
        run
    }
}

fn told(run: &Measured) -> String {
    let latencies = QUANTILES.map(|(name, quantile)| {
        let latency = run.outcome.latency_at(quantile);
        format!("{name} {latency:.2} ms")
    });
    format!(
        "{}, {:.0} us CPU a request, machine {:.0} % busy",
        latencies.join(", "),
        run.cpu_micros_per_request(),
        run.cost.machine_busy * 100.0
    )
}

fn plots(bench: &mut Bench, reads: &str, runs: &[Run]) {
    let of_rate = QUANTILES.map(|(name, quantile)| {
        let point = |run: &Run| (run.per_second, run.measured.outcome.latency_at(quantile));
        Line {
            name: name.to_owned(),
            points: runs.iter().map(point).collect(),
        }
    });
    bench.plot(Plot {
        title: format!("latency over rate, {reads}"),
        x: Axis::linear("requests a second"),
        y: Axis::log("ms"),
        lines: of_rate.into(),
    });
    let named = || runs.iter().map(|run| (run.name.as_str(), &run.measured));
    bench.plot(Plot {
        title: format!("latency curves, {reads}"),
        x: Axis::tail("percentile"),
        y: Axis::log("ms"),
        lines: lines(named(), |run| curve(&run.outcome.latency)),
    });
    let title = |what: &str| format!("{what} over time, {reads}");
    let answers = lines(named(), |run| run.outcome.series.answers_a_second());
    bench.plot(over_time(title("answers"), "answers a second", answers));
    let busy = lines(named(), |run| cores(&run.cost.samples));
    bench.plot(over_time(title("CPU of the server"), "cores", busy));
}
