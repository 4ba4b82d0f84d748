//! Hits in memory of several servers by turns: CPU first, speed and latency second.

use std::sync::Arc;
use std::time::Duration;

use super::Bench;
use super::bench::Measured;
use super::sides::{Figure, Goal, Runs, Sides, told};
use crate::content::size_text;
use crate::harness::Kind;
use crate::load::{Ask, End, Plan, ranges, shuffled, whole};
use crate::origin::Set;

/// One kind of hit.
pub(super) struct Case {
    pub(super) object: u64,
    /// Of objects.
    pub(super) count: usize,
    /// Nothing where objects are read whole.
    pub(super) range: Option<u64>,
    pub(super) cpu: Cpu,
    /// Forebay is compared with the best of these.
    pub(super) against: &'static [Kind],
    /// Numbers of connections, and what the ratio must be at each.
    pub(super) connections: &'static [(usize, Goal)],
}

/// What CPU is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cpu {
    Request,
    Gb,
}

/// How often and how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rounds {
    pub(super) rounds: usize,
    /// Zero reads everything once in each.
    pub(super) time: Duration,
    pub(super) check_one_in: usize,
    /// Objects are so many times fewer: 1, but for a toy.
    pub(super) fewer: usize,
}

impl Cpu {
    fn of(self) -> fn(&Measured) -> f64 {
        match self {
            Self::Request => Measured::cpu_micros_per_request,
            Self::Gb => Measured::cpu_per_gb,
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Request => "us",
            Self::Gb => "s/GB",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Gb => "GB",
        }
    }
}

impl Case {
    fn name(&self) -> String {
        match self.range {
            Some(range) => format!("{} ranges", size_text(range)),
            None => size_text(self.object),
        }
    }

    fn set(&self, rounds: Rounds) -> Set {
        let count = (self.count / rounds.fewer).max(1);
        Set::new("hits", self.object, count)
    }

    fn asks(&self, rounds: Rounds) -> Arc<[Ask]> {
        let set = self.set(rounds);
        let asks = match self.range {
            Some(length) => ranges(&set, length),
            None => whole(&[set]),
        };
        shuffled(asks, 1).into()
    }

    /// Brings the objects into every server, then measures at each number of connections.
    pub(super) async fn run(&self, bench: &mut Bench, sides: &Sides, rounds: Rounds) {
        let fill = Plan {
            clients: 8,
            check_one_in: 8,
            end: End::Once,
        };
        let all: Arc<[Ask]> = whole(&[self.set(rounds)]).into();
        // Twice: what is still on its way into a cache when its answer ends is a hit only then.
        sides.by_turns(bench, 2, fill, |_| Arc::clone(&all)).await;
        let asks = self.asks(rounds);
        for (connections, goal) in self.connections.iter().copied() {
            let plan = Plan {
                clients: connections,
                check_one_in: rounds.check_one_in,
                end: match rounds.time.is_zero() {
                    true => End::Once,
                    false => End::After(rounds.time),
                },
            };
            let runs = sides.by_turns(bench, rounds.rounds, plan, |_| Arc::clone(&asks));
            let runs = runs.await;
            self.judge(bench, connections, goal, &runs);
        }
    }

    fn judge(&self, bench: &mut Bench, connections: usize, goal: Goal, runs: &[Runs]) {
        let what = format!("{}, {connections} connections", self.name());
        let (cpu, unit) = (self.cpu.of(), self.cpu.unit());
        for runs in runs {
            let asked = runs.origin_requests();
            let kind = runs.kind.as_str();
            if runs.kind == Kind::Forebay {
                let what = format!("{what}: the origin is not asked");
                bench.check(what, asked == 0, asked.to_string());
            } else if asked > 0 {
                bench.say(&format!("{what}: {kind} asks the origin {asked} times"));
            }
        }
        let own = runs.iter().find(|runs| runs.kind == Kind::Forebay);
        let others = runs.iter().filter(|it| self.against.contains(&it.kind));
        let best = others.min_by(|one, other| {
            let (one, other) = (one.figure(cpu).median, other.figure(cpu).median);
            one.total_cmp(&other)
        });
        let cpus = told(runs, cpu, unit);
        if let (Some(own), Some(best)) = (own, best) {
            let ratio = Figure::ratio(own, best, cpu);
            let name = format!(
                "{what}: CPU a {} over {}",
                self.cpu.word(),
                best.kind.as_str()
            );
            let note = format!("{cpus}; {}", ratio.spread());
            goal.keep(bench, &name, (ratio.median, "x"), &note);
        }
        for runs in runs {
            self.speed(bench, &what, runs);
        }
        let bars = runs
            .iter()
            .map(|it| (it.kind.as_str().to_owned(), it.figure(cpu).median));
        let title = format!("{what}: CPU a {}", self.cpu.word());
        bench.chart(&title, unit, bars.collect());
    }

    fn speed(&self, bench: &mut Bench, what: &str, runs: &Runs) {
        let at = |quantile: f64| {
            let rounds = runs.rounds.iter();
            Figure::of(rounds.map(|it| it.outcome.latency_at(quantile)).collect()).median
        };
        let (of, unit): (fn(&Measured) -> f64, _) = match self.cpu {
            Cpu::Request => (Measured::answers_a_second, "1/s"),
            Cpu::Gb => (|it| it.outcome.gb_per_second(), "GB/s"),
        };
        let speed = runs.figure(of);
        let note = format!(
            "p50 {:.2} ms, p99 {:.2} ms; {}",
            at(0.5),
            at(0.99),
            speed.spread()
        );
        let name = format!("{what}: speed of {}", runs.kind.as_str());
        let row = bench.row(name, speed.median, unit);
        bench.keep(row.note(note));
    }
}
