//! Small random ranges, aligned to nothing, of a large cold object: how much of it the origin sends for what is asked.

use std::sync::Arc;

use clap::Args;

use super::Bench;
use super::far::Far;
use super::sides::{Goal, Sides};
use crate::content::{parse_size, size_text};
use crate::harness::Kind;
use crate::load::{Ask, End, Plan};
use crate::origin::Set;
use crate::random::Random;

const GOAL: Goal = Goal::at_most(2.1, 1.3);

/// Settings of the scenario `ranges`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Ranges {
    #[command(flatten)]
    pub(crate) far: Far,
    /// Of the object.
    #[arg(long, value_parser = parse_size, default_value = "1GiB")]
    pub(crate) size: u64,
    /// Of a range.
    #[arg(long, value_parser = parse_size, default_value = "64KiB")]
    pub(crate) length: u64,
    /// How many ranges.
    #[arg(long, default_value_t = 2000)]
    pub(crate) count: usize,
    /// How many clients ask for them.
    #[arg(long, default_value_t = 16)]
    pub(crate) clients: usize,
}

impl Ranges {
    pub(crate) async fn run(&self, bench: &mut Bench) -> anyhow::Result<()> {
        bench.begin("ranges");
        let kinds = [Kind::Nginx, Kind::Varnish, Kind::Forebay];
        let sides = Sides::start(bench, &kinds, self.far.shared()).await?;
        let plan = Plan {
            clients: self.clients,
            check_one_in: 1,
            end: End::Once,
        };
        let runs = sides.by_turns(bench, 1, plan, |_| self.asks()).await;
        for runs in &runs {
            let ratio = runs.amplification();
            let what = format!(
                "{} random {} ranges of a cold {}, {}: origin bytes of bytes asked",
                self.count,
                size_text(self.length),
                size_text(self.size),
                runs.kind.as_str()
            );
            let note = format!(
                "{} origin requests, p50 {:.0} ms, p99 {:.0} ms",
                runs.origin_requests(),
                runs.figure(|it| it.outcome.latency_at(0.5)).median,
                runs.figure(|it| it.outcome.latency_at(0.99)).median
            );
            if runs.kind == Kind::Forebay {
                bench.check(
                    &what,
                    GOAL.budget.is_met_by(ratio),
                    format!("{ratio:.3}, {note}"),
                );
                GOAL.keep(bench, &what, (ratio, "x"), &note);
            } else {
                let row = bench.row(what, ratio, "x");
                bench.keep(row.note(note));
            }
        }
        sides.stop().await?;
        bench.end()
    }

    fn asks(&self) -> Arc<[Ask]> {
        let key: Arc<str> = Set::new("ranges", self.size, 1).key(0).into();
        let mut random = Random::seeded(1);
        let ranges = (0..self.count).map(|_| {
            let first = random.below(self.size - self.length + 1);
            Ask {
                key: Arc::clone(&key),
                range: Some((first, first + self.length)),
                ..Ask::whole("", self.size)
            }
        });
        ranges.collect()
    }
}
