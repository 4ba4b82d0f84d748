//! Every scenario at toy size, in under three minutes: that all of it runs, and the counters that must be exact. No times.

use super::Bench;
use super::settings::{Disk, Memory, Rate, Restart, Small, Soak, Training};
use super::shape::{RANGES, SHAPES};
use super::training::Mode;

const MIB: u64 = 1 << 20;

/// Runs everything small.
pub(crate) async fn quick(bench: &mut Bench) -> anyhow::Result<()> {
    let memory = Memory {
        memory: 256 * MIB,
        set: 32 * MIB,
        shapes: SHAPES.to_vec(),
        clients: vec![2],
        seconds: 1,
        zipf: None,
        check_one_in: 1,
    };
    memory.run(bench).await?;
    let rate = Rate {
        memory: 256 * MIB,
        set: 32 * MIB,
        shapes: vec![RANGES],
        mix: vec![(8, RANGES), (1, SHAPES[1])],
        connections: 4,
        percent: vec![25, 50],
        seconds: 1,
        drain_seconds: 5,
        constant: false,
        seed: 1,
        check_one_in: 1,
    };
    rate.run(bench).await?;
    let disk = Disk {
        memory: 64 * MIB,
        times: 4,
        shapes: SHAPES.to_vec(),
        clients: vec![8],
        seconds: 0,
        rounds: 1,
        check_one_in: 1,
        counters_only: true,
    };
    disk.run(bench).await?;
    let training = Training {
        modes: vec![Mode::Memory, Mode::Disk],
        set: 128 * MIB,
        shard: 8 * MIB,
        read: MIB,
        sample: 128 << 10,
        loaders: 4,
        ahead: 2,
        epochs: 2,
        checkpoint: 4 * MIB,
        checkpoint_every_ms: 100,
        memory: 64 * MIB,
        seed: 1,
        check_one_in: 1,
    };
    training.run(bench).await?;
    let restart = Restart {
        set: 128 * MIB,
        memory: 64 * MIB,
        counters_only: true,
    };
    restart.run(bench).await?;
    let small = Small {
        objects: 1000,
        size: 110_000,
        memory: 64 * MIB,
        counters_only: true,
    };
    small.run(bench).await?;
    let soak = Soak {
        seconds: 10,
        clients: 4,
        rate: None,
        objects: 100,
        memory: 64 * MIB,
        capacity: 512 * MIB,
        counters_only: true,
    };
    soak.run(bench).await?;
    // Times of toys mean nothing.
    bench.report.rows.clear();
    bench.report.charts.clear();
    bench.report.plots.clear();
    Ok(())
}
