//! Servers side by side: rounds by turns (A B C, A B C, ...), so that what else the machine does falls on all of them, and
//! figures as medians over the rounds.

use std::sync::Arc;

use anyhow::Context;

use super::Bench;
use super::bench::Measured;
use crate::harness::{Kind, Server, Wanted};
use crate::load::{self, Ask, Plan};
use crate::origin::Terms;
use crate::process::{Cost, Watch};
use crate::report::{Budget, number};

/// The running servers of a scenario.
pub(super) struct Sides(pub(super) Vec<Server>);

/// The rounds of one server.
pub(super) struct Runs {
    pub(super) kind: Kind,
    pub(super) rounds: Vec<Measured>,
}

/// A median over rounds, with the least and the most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figure {
    pub(super) median: f64,
    least: f64,
    most: f64,
}

/// What a ratio must be, and what we would like it to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goal {
    pub(super) budget: Budget,
    pub(super) stretch: f64,
}

/// What every server of a scenario is started with but for the binary, which the bench knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shared {
    pub(super) memory: u64,
    pub(super) capacity: u64,
    pub(super) tls: bool,
    pub(super) terms: Terms,
}

impl Sides {
    /// Starts those that are installed, and says which are not.
    pub(super) async fn start(
        bench: &mut Bench,
        kinds: &[Kind],
        shared: Shared,
    ) -> anyhow::Result<Self> {
        let mut servers = Vec::new();
        for kind in kinds.iter().copied() {
            let folder = bench.fresh_folder(kind.as_str())?;
            let wanted = Wanted {
                binary: &bench.binary,
                memory: shared.memory,
                capacity: shared.capacity,
                tls: shared.tls,
                terms: shared.terms,
            };
            match Server::start(kind, &folder, wanted).await? {
                Some(server) => servers.push(server),
                None => bench.say(&format!(
                    "{} is not installed: nothing is compared with it",
                    kind.as_str()
                )),
            }
        }
        Ok(Self(servers))
    }

    /// Sends every server the requests of every round, which differ where they are to be cold.
    pub(super) async fn by_turns(
        &self,
        bench: &mut Bench,
        rounds: usize,
        plan: Plan,
        asks: impl Fn(usize) -> Arc<[Ask]>,
    ) -> Vec<Runs> {
        let mut runs: Vec<Runs> = self.0.iter().map(Runs::none_of).collect();
        for round in 0..rounds {
            let asks = asks(round);
            for (server, runs) in self.0.iter().zip(&mut runs) {
                runs.rounds.push(measure(server, &asks, plan).await);
            }
        }
        for runs in &runs {
            runs.check(bench);
        }
        runs
    }

    /// Ends them all.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        for server in self.0 {
            let kind = server.kind;
            server.stop().await.with_context(|| kind.as_str())?;
        }
        Ok(())
    }
}

/// One round of one server.
pub(super) async fn measure(server: &Server, asks: &Arc<[Ask]>, plan: Plan) -> Measured {
    let before = server.origin.counted();
    let watch = server.pid().map(Watch::start);
    let outcome = load::run(&server.target, asks, plan).await;
    Measured {
        outcome,
        cost: watch.map_or_else(Cost::default, Watch::end),
        origin: server.origin.counted() - before,
    }
}

impl Runs {
    fn none_of(server: &Server) -> Self {
        Self {
            kind: server.kind,
            rounds: Vec::new(),
        }
    }

    pub(super) fn figure(&self, of: fn(&Measured) -> f64) -> Figure {
        Figure::of(self.rounds.iter().map(of).collect())
    }

    /// Bytes that the origin sent for each that was delivered, all rounds together.
    pub(super) fn amplification(&self) -> f64 {
        let sent: u64 = self.rounds.iter().map(|it| it.origin.sent_bytes).sum();
        let got: u64 = self.rounds.iter().map(|it| it.outcome.bytes).sum();
        sent as f64 / got.max(1) as f64
    }

    /// Of all rounds.
    pub(super) fn origin_requests(&self) -> u64 {
        self.rounds.iter().map(|it| it.origin.requests()).sum()
    }

    /// As `nginx 30.9 us (28-33)`.
    pub(super) fn told(&self, of: fn(&Measured) -> f64, unit: &str) -> String {
        let Figure {
            median,
            least,
            most,
        } = self.figure(of);
        let [median, least, most] = [median, least, most].map(number);
        format!("{} {median} {unit} ({least}-{most})", self.kind.as_str())
    }

    /// Forebay must not be wrong; another server that is makes a bad comparison, which is said.
    fn check(&self, bench: &mut Bench) {
        let mut sum: Option<Measured> = None;
        for round in &self.rounds {
            match &mut sum {
                None => sum = Some(round.clone()),
                Some(sum) => sum.add(round),
            }
        }
        let Some(sum) = sum else { return };
        if self.kind == Kind::Forebay {
            bench.check_answers("Forebay", &sum.outcome);
        } else if let Some(complaints) = sum.outcome.complaints() {
            bench.say(&format!("{}: {complaints}", self.kind.as_str()));
        }
    }
}

/// Those of one server.
pub(super) fn of(runs: &[Runs], kind: Kind) -> Option<&Runs> {
    runs.iter().find(|runs| runs.kind == kind)
}

/// All servers' figures in words, after one another.
pub(super) fn told(runs: &[Runs], of: fn(&Measured) -> f64, unit: &str) -> String {
    let told: Vec<String> = runs.iter().map(|runs| runs.told(of, unit)).collect();
    told.join(", ")
}

impl Figure {
    pub(super) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or(0.0);
        let half = values.len() / 2;
        let median = match values.len() % 2 {
            0 => f64::midpoint(at(half.saturating_sub(1)), at(half)),
            _ => at(half),
        };
        Self {
            median,
            least: at(0),
            most: at(values.len().saturating_sub(1)),
        }
    }

    /// Round by round, so that a slow minute weighs on both.
    pub(super) fn ratio(own: &Runs, other: &Runs, of: fn(&Measured) -> f64) -> Self {
        let rounds = own.rounds.iter().zip(&other.rounds);
        let pairs = rounds.map(|(own, other)| (of(own), of(other)));
        // In a toy's round a server may take less than CPU is counted in.
        let pairs = pairs.filter(|(_, other)| *other > 0.0);
        Self::of(pairs.map(|(own, other)| own / other).collect())
    }

    pub(super) fn spread(self) -> String {
        format!("rounds {}-{}", number(self.least), number(self.most))
    }
}

impl Goal {
    pub(super) const fn at_most(budget: f64, stretch: f64) -> Self {
        Self {
            budget: Budget::AtMost(budget),
            stretch,
        }
    }

    pub(super) const fn at_least(budget: f64, stretch: f64) -> Self {
        Self {
            budget: Budget::AtLeast(budget),
            stretch,
        }
    }

    /// Leaves the row of a ratio, its goals and what the servers did.
    pub(super) fn keep(
        self,
        bench: &mut Bench,
        what: &str,
        (value, unit): (f64, &'static str),
        note: &str,
    ) {
        let row = bench.row(what, value, unit).within(self.budget);
        bench.keep(row.stretch(self.stretch).note(note));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_the_middle_of_its_rounds() {
        let odd = Figure::of(vec![3.0, 1.0, 9.0]);
        assert_eq!((odd.median, odd.least, odd.most), (3.0, 1.0, 9.0));
        assert_eq!(Figure::of(vec![4.0, 2.0]).median, 3.0);
        assert_eq!(Figure::of(Vec::new()).median, 0.0);
    }
}
