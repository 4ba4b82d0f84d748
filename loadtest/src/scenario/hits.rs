//! Hits in memory beside nginx and Varnish: small, a range of something large, middling and large. Requests to Forebay are
//! signed, to the others they are not.

use std::time::Duration;

use clap::Args;

use super::Bench;
use super::contest::{Case, Cpu, Rounds};
use super::sides::{Goal, Shared, Sides};
use crate::content::parse_size;
use crate::harness::Kind;
use crate::origin::Terms;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

const SERVERS: [Kind; 3] = [Kind::Nginx, Kind::Varnish, Kind::Forebay];

const CASES: [Case; 4] = [
    Case {
        object: KIB,
        count: 1000,
        range: None,
        cpu: Cpu::Request,
        against: &[Kind::Nginx],
        connections: &[(16, Goal::at_most(1.0, 0.8)), (64, Goal::at_most(1.0, 0.8))],
    },
    Case {
        object: 256 * MIB,
        count: 1,
        range: Some(64 * KIB),
        cpu: Cpu::Request,
        against: &[Kind::Nginx],
        connections: &[(16, Goal::at_most(1.3, 1.0))],
    },
    Case {
        object: MIB,
        count: 64,
        range: None,
        cpu: Cpu::Gb,
        against: &[Kind::Nginx],
        connections: &[(2, Goal::at_most(1.0, 0.8)), (64, Goal::at_most(1.5, 1.0))],
    },
    Case {
        object: 16 * MIB,
        count: 16,
        range: None,
        cpu: Cpu::Gb,
        against: &[Kind::Nginx, Kind::Varnish],
        connections: &[(16, Goal::at_most(1.2, 1.0))],
    },
];

/// Settings of the scenario `hits`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Hits {
    /// Forebay's memory.limit.
    #[arg(long, value_parser = parse_size, default_value = "2GiB")]
    pub(crate) memory: u64,
    /// Every server runs so often, by turns.
    #[arg(long, default_value_t = 7)]
    pub(crate) rounds: usize,
    /// How long each run lasts; 0 reads everything once in each.
    #[arg(long, default_value_t = 2)]
    pub(crate) seconds: u64,
    /// One body in so many is compared.
    #[arg(long, default_value_t = 100)]
    pub(crate) check_one_in: usize,
    /// At toy size.
    #[arg(skip)]
    pub(crate) toy: bool,
}

impl Hits {
    pub(crate) async fn run(&self, bench: &mut Bench) -> anyhow::Result<()> {
        bench.begin("hits");
        let shared = Shared {
            memory: self.memory,
            capacity: 2 << 30,
            tls: false,
            terms: Terms::default(),
        };
        let sides = Sides::start(bench, &SERVERS, shared).await?;
        let rounds = Rounds {
            rounds: self.rounds,
            time: Duration::from_secs(self.seconds),
            check_one_in: self.check_one_in,
            fewer: if self.toy { 8 } else { 1 },
        };
        for case in &CASES {
            case.run(bench, &sides, rounds).await;
        }
        sides.stop().await?;
        bench.end()
    }
}
