//! Every scenario at toy size, in under three minutes: that all of it runs, and the counters that must be exact. No times.

use super::Bench;
use super::far::Far;
use super::settings::{
    Chunked, Cold, Disk, Herd, Hits, Memory, Ranges, Rate, Restart, Scale, Slow, Small, Soak, Tail,
    Tls, Training, Ttfb,
};
use super::shape::{RANGES, SHAPES};
use super::training::Mode;

const MIB: u64 = 1 << 20;

/// Runs everything small.
pub(crate) async fn quick(bench: &mut Bench) -> anyhow::Result<()> {
    bench.toys = true;
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
    training(bench).await?;
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
    side_by_side(bench).await?;
    misses(bench).await?;
    // Times of toys mean nothing.
    bench.report.rows.clear();
    bench.report.charts.clear();
    bench.report.plots.clear();
    Ok(())
}

async fn training(bench: &mut Bench) -> anyhow::Result<()> {
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
    training.run(bench).await
}

async fn side_by_side(bench: &mut Bench) -> anyhow::Result<()> {
    let hits = Hits {
        memory: 1024 * MIB,
        rounds: 1,
        seconds: 0,
        check_one_in: 1,
        toy: true,
    };
    hits.run(bench).await?;
    let scale = Scale {
        memory: 256 * MIB,
        rounds: 1,
        seconds: 0,
        check_one_in: 1,
    };
    scale.run(bench).await?;
    let tls = Tls {
        memory: 256 * MIB,
        rounds: 1,
        seconds: 0,
        check_one_in: 1,
        toy: true,
    };
    tls.run(bench).await?;
    let chunked = Chunked {
        memory: 64 * MIB,
        size: 4 * MIB,
        uploads: 2,
        rounds: 1,
    };
    chunked.run(bench).await
}

async fn misses(bench: &mut Bench) -> anyhow::Result<()> {
    let far = Far::NEAR;
    let ttfb = Ttfb {
        far,
        size: MIB,
        requests: 10,
        rounds: 1,
    };
    ttfb.run(bench).await?;
    let cold = Cold {
        far,
        size: 64 * MIB,
        rounds: 1,
    };
    cold.run(bench).await?;
    let herd = Herd {
        far,
        size: 8 * MIB,
        clients: 100,
        rounds: 1,
    };
    herd.run(bench).await?;
    let ranges = Ranges {
        far,
        size: 256 * MIB,
        length: 64 << 10,
        count: 500,
        clients: 4,
    };
    ranges.run(bench).await?;
    let tail = Tail {
        far,
        clients: 4,
        every_ms: 20,
        herd: 8,
        size: MIB,
        seconds: 1,
        rounds: 1,
    };
    tail.run(bench).await?;
    let slow = Slow {
        far,
        size: MIB,
        clients: 32,
        pace: MIB,
        limit: 64 * MIB,
    };
    slow.run(bench).await
}
