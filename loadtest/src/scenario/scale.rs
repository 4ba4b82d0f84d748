//! Hits in memory on more and more cores: how speed grows with them, and what a request costs then. Servers get up to half of the
//! machine's cores; who loads them gets the other half each time, so that only the servers differ.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::Bench;
use super::bench::Measured;
use super::sides::{Goal, Runs, Shared, Sides, of};
use crate::content::{parse_size, size_text};
use crate::harness::{Kind, Moved, start_on, steps, usable};
use crate::load::{Ask, End, Plan, ranges, shuffled, whole};
use crate::origin::{Set, Terms};

const KINDS: [Kind; 2] = [Kind::Nginx, Kind::Forebay];

/// What is asked for.
struct Case {
    set: Set,
    /// Nothing where objects are read whole.
    range: Option<u64>,
    connections_a_core: usize,
}

/// Settings of the scenario `scale`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Scale {
    /// Forebay's memory.limit.
    #[arg(long, value_parser = parse_size, default_value = "1GiB")]
    pub(crate) memory: u64,
    /// Every server runs so often on each number of cores, by turns.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// How long each run lasts; 0 reads everything once in each.
    #[arg(long, default_value_t = 2)]
    pub(crate) seconds: u64,
    /// One body in so many is compared.
    #[arg(long, default_value_t = 100)]
    pub(crate) check_one_in: usize,
}

impl Scale {
    pub(crate) async fn run(&self, bench: &mut Bench) -> anyhow::Result<()> {
        bench.begin("scale");
        let all = usable()?;
        let (steps, load) = steps(&all);
        if steps.is_empty() {
            bench.say("a machine with one core has none for a server alone");
        }
        let _moved = Moved::to(load)?;
        let cases = cases();
        let mut found: Vec<Vec<Vec<Runs>>> = cases.iter().map(|_| Vec::new()).collect();
        for cores in &steps {
            let shared = Shared {
                memory: self.memory,
                capacity: 2 << 30,
                tls: false,
                terms: Terms::default(),
            };
            let sides = start_on(cores, Sides::start(bench, &KINDS, shared))??;
            for (case, found) in cases.iter().zip(&mut found) {
                found.push(self.measure(bench, &sides, case, cores.len()).await);
            }
            sides.stop().await?;
        }
        for (case, found) in cases.iter().zip(&found) {
            for (step, runs) in steps.iter().zip(found) {
                judge(bench, case, step.len(), runs, &found[0]);
            }
        }
        bench.end()
    }

    async fn measure(
        &self,
        bench: &mut Bench,
        sides: &Sides,
        case: &Case,
        cores: usize,
    ) -> Vec<Runs> {
        let fill = Plan {
            clients: 8,
            check_one_in: 8,
            end: End::Once,
        };
        let all: Arc<[Ask]> = whole(std::slice::from_ref(&case.set)).into();
        // Twice: what is still on its way into a cache when its answer ends is a hit only then.
        sides.by_turns(bench, 2, fill, |_| Arc::clone(&all)).await;
        let asks: Arc<[Ask]> = match case.range {
            Some(length) => shuffled(ranges(&case.set, length), 1).into(),
            None => shuffled(all.to_vec(), 1).into(),
        };
        let plan = Plan {
            clients: case.connections_a_core * cores,
            check_one_in: self.check_one_in,
            end: match self.seconds {
                0 => End::Once,
                seconds => End::After(Duration::from_secs(seconds)),
            },
        };
        let runs = sides.by_turns(bench, self.rounds, plan, |_| Arc::clone(&asks));
        runs.await
    }
}

fn cases() -> [Case; 3] {
    let case = |set, range, connections_a_core| Case {
        set,
        range,
        connections_a_core,
    };
    [
        case(Set::new("scale", 1 << 10, 1000), None, 16),
        case(Set::new("scale", 64 << 20, 1), Some(64 << 10), 8),
        case(Set::new("scale", 1 << 20, 64), None, 4),
    ]
}

impl Case {
    fn name(&self) -> String {
        match self.range {
            Some(range) => format!("{} ranges", size_text(range)),
            None => size_text(self.set.size),
        }
    }
}

/// Speed on so many cores, and what a request costs there over what it does on one: cores that get into each other's way show in
/// that even where who loads the server has no more to give.
fn judge(bench: &mut Bench, case: &Case, cores: usize, runs: &[Runs], of_one: &[Runs]) {
    let what = match cores {
        1 => format!("{}, 1 core", case.name()),
        _ => format!("{}, {cores} cores", case.name()),
    };
    for runs in runs {
        let asked = runs.origin_requests();
        if runs.kind == Kind::Forebay {
            let what = format!("{what}: the origin is not asked");
            bench.check(what, asked == 0, asked.to_string());
        }
        let busy = runs.figure(cores_busy).median;
        let cpu = runs.figure(Measured::cpu_micros_per_request).median;
        let name = format!("{what}: speed of {}", runs.kind.as_str());
        let speed = runs.figure(Measured::answers_a_second);
        let row = bench.row(name, speed.median, "1/s");
        bench.keep(row.note(format!(
            "{}; {busy:.2} of its cores busy, {cpu:.1} us CPU a request",
            speed.spread(),
        )));
    }
    let growth = |kind| {
        let [many, one] = [runs, of_one].map(|runs| of(runs, kind));
        let cpu = |runs: &Runs| runs.figure(Measured::cpu_micros_per_request).median;
        Some(cpu(many?) / cpu(one?).max(1e-9))
    };
    if let Some(own) = growth(Kind::Forebay).filter(|_| cores > 1) {
        let note = growth(Kind::Nginx).map_or_else(String::new, |it| format!("nginx {it:.2}"));
        let name = format!("{what}: CPU a request over that on one core");
        Goal::at_most(1.25, 1.05).keep(bench, &name, (own, "x"), &note);
    }
}

fn cores_busy(run: &Measured) -> f64 {
    run.cost.cpu.as_secs_f64() / run.cost.elapsed.as_secs_f64().max(1e-9)
}
