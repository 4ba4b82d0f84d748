//! Misses one after another: how much later than from the origin itself the first byte comes.

use std::sync::Arc;

use clap::Args;

use super::Bench;
use super::bench::Measured;
use super::far::Far;
use super::sides::{Figure, Goal, Sides, of, told};
use crate::content::parse_size;
use crate::harness::Kind;
use crate::load::{Ask, End, Plan, whole};
use crate::origin::Set;

/// What a miss may add: so many milliseconds, and such a share of the time that the origin takes.
const ADDED_MS: f64 = 1.0;
const ADDED_SHARE: f64 = 0.05;

/// Settings of the scenario `ttfb`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Ttfb {
    #[command(flatten)]
    pub(crate) far: Far,
    /// Of the objects that are asked for.
    #[arg(long, value_parser = parse_size, default_value = "1MiB")]
    pub(crate) size: u64,
    /// Requests in each run.
    #[arg(long, default_value_t = 25)]
    pub(crate) requests: usize,
    /// Every server runs so often, by turns.
    #[arg(long, default_value_t = 8)]
    pub(crate) rounds: usize,
}

impl Ttfb {
    pub(crate) async fn run(&self, bench: &mut Bench) -> anyhow::Result<()> {
        bench.begin("ttfb");
        let kinds = [Kind::Direct, Kind::Nginx, Kind::Varnish, Kind::Forebay];
        let sides = Sides::start(bench, &kinds, self.far.shared()).await?;
        let plan = Plan {
            clients: 1,
            check_one_in: 1,
            end: End::Once,
        };
        // What a gateway asks once of a bucket is no part of a miss.
        let first: Arc<[Ask]> = whole(&[Set::new("first", 1 << 10, 1)]).into();
        sides.by_turns(bench, 1, plan, |_| Arc::clone(&first)).await;
        let all = whole(&[Set::new("cold", self.size, self.rounds * self.requests)]);
        let asks = |round| all[round * self.requests..][..self.requests].into();
        let runs = sides.by_turns(bench, self.rounds, plan, asks).await;
        let times = told(&runs, first_byte, "ms");
        if let Some(direct) = of(&runs, Kind::Direct) {
            let origin = direct.figure(first_byte).median;
            for own in runs.iter().filter(|it| it.kind != Kind::Direct) {
                let rounds = own.rounds.iter().zip(&direct.rounds);
                let added = rounds.map(|(own, direct)| first_byte(own) - first_byte(direct));
                let added = Figure::of(added.collect());
                let what = format!("first byte of a miss, added by {}", own.kind.as_str());
                let note = format!("median of each round: {times}; {}", added.spread());
                if own.kind == Kind::Forebay {
                    let goal = Goal::at_most(ADDED_MS + ADDED_SHARE * origin, 0.0);
                    goal.keep(bench, &what, (added.median, "ms"), &note);
                } else {
                    let row = bench.row(what, added.median, "ms");
                    bench.keep(row.note(added.spread()));
                }
            }
        }
        sides.stop().await?;
        bench.end()
    }
}

/// Of half of the requests, in milliseconds.
fn first_byte(run: &Measured) -> f64 {
    run.outcome.first_byte.value_at_quantile(0.5) as f64 / 1e3
}
