//! Hits in memory: a set that fits, read again and again.

use std::time::Duration;

use clap::Args;

use super::Bench;
use super::bench::Measured;
use super::shape::{Shape, parse_shape};
use super::timeline::{curve, lines, over_time};
use crate::content::{parse_size, size_text};
use crate::harness::{Freshness, Node, NodeConfig, Stop};
use crate::load::{End, Order, Plan, zipf};
use crate::origin::Origin;
use crate::report::{Axis, Plot};

/// More than a run lasts for, mostly; then they are drawn anew in the same order.
const DRAWS: usize = 200_000;

/// Settings of the scenario `memory`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Memory {
    /// The node's memory.limit.
    #[arg(long, value_parser = parse_size, default_value = "1GiB")]
    pub(crate) memory: u64,
    /// Bytes of the set that is read; at most about half of the limit.
    #[arg(long, value_parser = parse_size, default_value = "256MiB")]
    pub(crate) set: u64,
    /// What is read: 64KiB ranges, 1MiB objects, 16MiB objects.
    #[arg(long, value_parser = parse_shape, value_delimiter = ',', default_value = "64KiB,1MiB,16MiB")]
    pub(crate) shapes: Vec<Shape>,
    /// Numbers of clients, one run for each.
    #[arg(long, value_delimiter = ',', default_value = "1,8,32")]
    pub(crate) clients: Vec<usize>,
    /// How long each run lasts.
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
    /// Draws what is read with a chance of 1 / rank^SKEW, rather than everything in turn, shuffled.
    #[arg(long, value_name = "SKEW")]
    pub(crate) zipf: Option<f64>,
    /// One body in so many is compared.
    #[arg(long, default_value_t = 100)]
    pub(crate) check_one_in: usize,
}

impl Memory {
    pub(crate) async fn run(&self, bench: &mut Bench) -> anyhow::Result<()> {
        bench.begin("memory");
        for shape in self.shapes.iter().copied() {
            let set = shape.set(self.set);
            let origin = Origin::local(vec![set.clone()]).await?;
            bench.fresh_folder("node")?;
            let config = NodeConfig {
                origin: origin.address,
                memory: self.memory,
                freshness: Freshness::Immutable,
                disk: None,
                tls: None,
            };
            let node = bench.start_node("node", &config).await?;
            bench.say(&format!(
                "fills {} for {}",
                size_text(set.bytes()),
                shape.name
            ));
            let fill = bench
                .read_all(&node, &origin, &shape.first_pass(&set), 8)
                .await;
            bench.check_answers(&format!("{}, first pass", shape.name), &fill.outcome);
            self.measure(bench, &node, &origin, shape).await;
            node.stop(Stop::Gracefully).await?;
        }
        bench.end()
    }

    async fn measure(&self, bench: &mut Bench, node: &Node, origin: &Origin, shape: Shape) {
        let set = shape.set(self.set);
        let order = match self.zipf {
            None => shape.order(&set, 1),
            Some(skew) => Order::in_turn(&zipf(&shape.asks(&set, 1), DRAWS, skew, 1).into()),
        };
        let mut runs = Vec::new();
        for clients in self.clients.iter().copied() {
            let plan = Plan {
                clients,
                check_one_in: self.check_one_in,
                end: End::After(Duration::from_secs(self.seconds)),
            };
            let run = bench.measure(node, origin, &order, plan).await;
            let what = format!("{}, {clients} clients", shape.name);
            bench.check_answers(&what, &run.outcome);
            let asked = run.origin.requests();
            bench.check(
                format!("{what}: the origin is not asked"),
                asked == 0,
                asked.to_string(),
            );
            let from_memory = run.outcome.answers_from("memory");
            let found = format!("{from_memory} of {}", run.outcome.answers);
            let held = from_memory == run.outcome.answers;
            bench.check(format!("{what}: every answer is from memory"), held, found);
            let note = format!(
                "p50 {:.2} ms, p99 {:.2} ms, {:.0} us CPU a request, machine {:.0} % busy",
                run.outcome.latency_at(0.5),
                run.outcome.latency_at(0.99),
                run.cpu_micros_per_request(),
                run.cost.machine_busy * 100.0
            );
            let speed = bench.row(
                format!("{what}: speed"),
                run.outcome.gb_per_second(),
                "GB/s",
            );
            bench.keep(speed.note(note));
            let cpu = bench.row(
                format!("{what}: CPU of the server"),
                run.cpu_per_gb(),
                "s/GB",
            );
            bench.keep(cpu);
            runs.push((what, run));
        }
        plots(bench, shape, &runs);
    }
}

fn plots(bench: &mut Bench, shape: Shape, runs: &[(String, Measured)]) {
    let named = || runs.iter().map(|(what, run)| (what.as_str(), run));
    let speed = lines(named(), |run| run.outcome.series.gb_a_second());
    let title = format!("speed over time, {}", shape.name);
    bench.plot(over_time(title, "GB/s", speed));
    bench.plot(Plot {
        title: format!("latency curves, {}", shape.name),
        x: Axis::tail("percentile"),
        y: Axis::log("ms"),
        lines: lines(named(), |run| curve(&run.outcome.latency)),
    });
    let bars = named().map(|(what, run)| (what.to_owned(), run.cpu_per_gb()));
    bench.chart("CPU of the server a GB", "s/GB", bars.collect());
}
