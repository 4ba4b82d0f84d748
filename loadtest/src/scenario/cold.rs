//! A large object that nobody has asked for yet, read by one client in one stream, beside the same from the origin itself.

use std::sync::Arc;

use clap::Args;

use super::Bench;
use super::bench::Measured;
use super::far::Far;
use super::sides::{Figure, Goal, Runs, Sides, measure, of, told};
use crate::content::{parse_size, size_text};
use crate::harness::Kind;
use crate::load::{Ask, End, Plan};
use crate::origin::Set;

/// Settings of the scenario `cold`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Cold {
    #[command(flatten)]
    pub(crate) far: Far,
    /// Of the object.
    #[arg(long, value_parser = parse_size, default_value = "1GiB")]
    pub(crate) size: u64,
    /// Every server runs so often, by turns, each time with another object.
    #[arg(long, default_value_t = 2)]
    pub(crate) rounds: usize,
}

impl Cold {
    pub(crate) async fn run(&self, bench: &mut Bench) -> anyhow::Result<()> {
        bench.begin("cold");
        let kinds = [Kind::Direct, Kind::Nginx, Kind::Varnish, Kind::Forebay];
        let sides = Sides::start(bench, &kinds, self.far.shared()).await?;
        // To compare bytes would take the client as long as to read them.
        let plan = Plan {
            clients: 1,
            check_one_in: 0,
            end: End::Once,
        };
        let set = Set::new("cold", self.size, self.rounds + 1);
        let object =
            |number: usize| -> Arc<[Ask]> { [Ask::whole(&set.key(number), self.size)].into() };
        let runs = sides.by_turns(bench, self.rounds, plan, object).await;
        self.judge(bench, &runs);
        let forebay = sides.0.iter().find(|it| it.kind == Kind::Forebay);
        if let Some(forebay) = forebay {
            let checked = Plan {
                check_one_in: 1,
                ..plan
            };
            let run = measure(forebay, &object(self.rounds), checked).await;
            bench.check_answers("a cold object, compared", &run.outcome);
            let sent = run.origin.sent_bytes as f64 / self.size as f64;
            let row = bench.row("a cold object: origin bytes of object bytes", sent, "x");
            bench.keep(row);
        }
        sides.stop().await?;
        bench.end()
    }

    fn judge(&self, bench: &mut Bench, runs: &[Runs]) {
        let Some(direct) = of(runs, Kind::Direct) else {
            return;
        };
        let seconds = |it: &Measured| it.outcome.elapsed.as_secs_f64();
        let first_byte = |it: &Measured| it.outcome.first_byte.max() as f64 / 1e3;
        let note = format!(
            "whole: {}; first byte: {}",
            told(runs, seconds, "s"),
            told(runs, first_byte, "ms")
        );
        for own in runs.iter().filter(|it| it.kind != Kind::Direct) {
            let ratio = Figure::ratio(direct, own, seconds);
            let what = format!(
                "{} cold, one client: speed of {} over direct",
                size_text(self.size),
                own.kind.as_str()
            );
            if own.kind == Kind::Forebay {
                let goal = Goal::at_least(4.0, 8.0);
                let note = format!("{note}; {}", ratio.spread());
                goal.keep(bench, &what, (ratio.median, "x"), &note);
            } else {
                let row = bench.row(what, ratio.median, "x");
                bench.keep(row.note(ratio.spread()));
            }
        }
    }
}
