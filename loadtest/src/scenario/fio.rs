//! The disk by itself: `pread` from threads beside io_uring, at the depths and blocks that the disk tier reads with.

use std::time::Duration;

use clap::Args;

use super::Bench;
use crate::content::{parse_size, size_text};
use crate::harness::{Engine, Fio, Speed};

/// Settings of the scenario `fio`.
#[derive(Debug, Clone, Args)]
pub(crate) struct FioTable {
    /// Bytes of the file that is read.
    #[arg(long, value_parser = parse_size, default_value = "1GiB")]
    pub(crate) set: u64,
    /// Sizes of what is read at a time.
    #[arg(long, value_parser = parse_size, value_delimiter = ',', default_value = "64KiB,1MiB")]
    pub(crate) blocks: Vec<u64>,
    /// Reads at a time.
    #[arg(long, value_delimiter = ',', default_value = "1,8,32")]
    pub(crate) depths: Vec<usize>,
    /// How long each run lasts.
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
    /// Each engine runs so often, by turns.
    #[arg(long, default_value_t = 2)]
    pub(crate) rounds: usize,
}

impl FioTable {
    pub(crate) async fn run(&self, bench: &mut Bench) -> anyhow::Result<()> {
        bench.begin("fio");
        let folder = bench.fresh_folder("file")?;
        let Some(fio) = Fio::prepare(&folder, self.set).await? else {
            anyhow::bail!("fio is not installed");
        };
        let mut bars = Vec::new();
        for block in self.blocks.iter().copied() {
            for depth in self.depths.iter().copied() {
                for (engine, speeds) in self.turns(&fio, block, depth).await? {
                    let name = engine.as_str();
                    let what = format!("{} at depth {depth}, {name}", size_text(block));
                    let speed = mean(&speeds);
                    let note = format!(
                        "{:.4} CPU s/GB; each round {}",
                        speed.cpu_seconds_per_gb,
                        each(&speeds)
                    );
                    let row = bench.row(what.clone(), speed.gb_per_second, "GB/s");
                    bench.keep(row.note(note));
                    bars.push((what, speed.cpu_seconds_per_gb));
                }
            }
        }
        bench.chart("CPU a GB", "s/GB", bars);
        drop(fio);
        bench.end()
    }

    async fn turns(
        &self,
        fio: &Fio,
        block: u64,
        depth: usize,
    ) -> anyhow::Result<[(Engine, Vec<Speed>); 2]> {
        let mut speeds = Engine::ALL.map(|engine| (engine, Vec::new()));
        for _ in 0..self.rounds {
            for (engine, speeds) in &mut speeds {
                let time = Duration::from_secs(self.seconds);
                speeds.push(fio.read(*engine, block, depth, time).await?);
            }
        }
        Ok(speeds)
    }
}

pub(super) fn mean(speeds: &[Speed]) -> Speed {
    let number = speeds.len().max(1) as f64;
    let sum = |of: fn(&Speed) -> f64| speeds.iter().map(of).sum::<f64>() / number;
    Speed {
        gb_per_second: sum(|it| it.gb_per_second),
        cpu_seconds_per_gb: sum(|it| it.cpu_seconds_per_gb),
    }
}

fn each(speeds: &[Speed]) -> String {
    let texts: Vec<String> = speeds
        .iter()
        .map(|it| {
            format!(
                "{:.2} GB/s {:.3} s/GB",
                it.gb_per_second, it.cpu_seconds_per_gb
            )
        })
        .collect();
    texts.join(", ")
}
