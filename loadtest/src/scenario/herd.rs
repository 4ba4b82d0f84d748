//! Many clients at once, one cold object: the origin sends it once.

use std::sync::Arc;

use clap::Args;

use super::Bench;
use super::far::Far;
use super::sides::{Goal, Sides};
use crate::content::{parse_size, size_text};
use crate::harness::Kind;
use crate::load::{Ask, End, Plan};
use crate::origin::Set;

/// Settings of the scenario `herd`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Herd {
    #[command(flatten)]
    pub(crate) far: Far,
    /// Of the object.
    #[arg(long, value_parser = parse_size, default_value = "64MiB")]
    pub(crate) size: u64,
    /// How many ask for it.
    #[arg(long, default_value_t = 100)]
    pub(crate) clients: usize,
    /// Every server runs so often, by turns, each time with another object.
    #[arg(long, default_value_t = 2)]
    pub(crate) rounds: usize,
}

impl Herd {
    pub(crate) async fn run(&self, bench: &mut Bench) -> anyhow::Result<()> {
        bench.begin("herd");
        let kinds = [Kind::Nginx, Kind::Varnish, Kind::Forebay];
        let sides = Sides::start(bench, &kinds, self.far.shared()).await?;
        let plan = Plan {
            clients: self.clients,
            check_one_in: 1,
            end: End::Once,
        };
        let set = Set::new("herd", self.size, self.rounds);
        let asks = |round| -> Arc<[Ask]> {
            let ask = Ask::whole(&set.key(round), self.size);
            vec![ask; self.clients].into()
        };
        let runs = sides.by_turns(bench, self.rounds, plan, asks).await;
        for runs in &runs {
            let sum =
                |of: fn(&super::bench::Measured) -> u64| runs.rounds.iter().map(of).sum::<u64>();
            let sent = sum(|it| it.origin.sent_bytes);
            let ratio = sent as f64 / set.bytes() as f64;
            let (gets, heads) = (sum(|it| it.origin.gets), sum(|it| it.origin.heads));
            let what = format!(
                "{} clients, one cold object of {}, {}: origin bytes of object bytes",
                self.clients,
                size_text(self.size),
                runs.kind.as_str()
            );
            let note = format!("{gets} GETs and {heads} HEADs for {} objects", self.rounds);
            if runs.kind == Kind::Forebay {
                bench.check(&what, sent == set.bytes(), format!("{ratio:.4}, {note}"));
                Goal::at_most(1.0, 1.0).keep(bench, &what, (ratio, "x"), &note);
            } else {
                let row = bench.row(what, ratio, "x");
                bench.keep(row.note(note));
            }
        }
        sides.stop().await?;
        bench.end()
    }
}
