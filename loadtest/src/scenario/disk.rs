//! A set of several times the memory, read twice: what the second pass gets from the disk, beside `fio` on the same file
//! system, beside hits in memory, all by turns.

use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::Bench;
use super::bench::Measured;
use super::fill::fill;
use super::fio::mean;
use super::shape::{Shape, parse_shape};
use crate::content::{parse_size, size_text};
use crate::harness::{Engine, Fio, Freshness, Node, NodeConfig, Speed, Stop, told};
use crate::load::{End, Order, Plan};
use crate::origin::{Origin, Set};
use crate::process::usage;
use crate::report::Budget;

/// Where so much of the machine is busy, client and server together set the speed, and CPU decides.
const ALL_BUSY: f64 = 0.95;
/// CPU seconds a GB above what has to be.
const CHEAP: Budget = Budget::AtMost(0.15);
/// Speed beside what can be.
const QUICK: Budget = Budget::AtLeast(0.8);
/// The least capacity that a disk may have.
pub(super) const LEAST_CAPACITY: u64 = 512 << 20;

/// Settings of the scenario `disk`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Disk {
    /// The node's memory.limit.
    #[arg(long, value_parser = parse_size, default_value = "256MiB")]
    pub(crate) memory: u64,
    /// The set is so many times the limit.
    #[arg(long, default_value_t = 4)]
    pub(crate) times: u64,
    /// What is read: 64KiB ranges, 1MiB objects, 16MiB objects; 64KiB and 1MiB ranges of which one client reads an object's one
    /// after another.
    #[arg(long, value_parser = parse_shape, value_delimiter = ',', default_value = "64KiB,1MiB,16MiB,64KiB-in-order,1MiB-in-order")]
    pub(crate) shapes: Vec<Shape>,
    /// Numbers of clients, and depths of fio, one run for each.
    #[arg(long, value_delimiter = ',', default_value = "1,8,32")]
    pub(crate) clients: Vec<usize>,
    /// How long each run lasts; 0 reads the set once in each.
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
    /// Disk, fio and memory run so often, by turns.
    #[arg(long, default_value_t = 2)]
    pub(crate) rounds: usize,
    /// One body in so many is compared.
    #[arg(long, default_value_t = 100)]
    pub(crate) check_one_in: usize,
    /// Without fio, and without judging speeds.
    #[arg(skip)]
    pub(crate) counters_only: bool,
}

/// A node, its origin and its set.
struct Side {
    node: Node,
    origin: Origin,
    order: Order,
}

/// One row of runs: the same reads from disk and from memory, and what fio gets.
struct Turns {
    disk: Measured,
    memory: Measured,
    fio: [(Engine, Vec<Speed>); 2],
}

impl Disk {
    pub(crate) async fn run(&self, bench: &mut Bench) -> anyhow::Result<()> {
        bench.begin("disk");
        let folder = bench.fresh_folder("fio")?;
        let bytes = self.memory * self.times;
        let fio = match self.counters_only {
            true => None,
            false => Fio::prepare(&folder, bytes).await?,
        };
        if fio.is_none() && !self.counters_only {
            bench.say("fio is not installed: nothing is compared with it");
        }
        for shape in self.shapes.iter().copied() {
            self.shape(bench, shape, fio.as_ref()).await?;
        }
        drop(fio);
        bench.end()
    }

    async fn shape(
        &self,
        bench: &mut Bench,
        shape: Shape,
        fio: Option<&Fio>,
    ) -> anyhow::Result<()> {
        let folder = bench.fresh_folder("disk")?;
        let set = shape.set(self.memory * self.times);
        let disk = self.side(bench, shape, set, Some(&folder)).await?;
        let fits = shape.set(self.memory);
        let memory = self.side(bench, shape, fits, None).await?;
        let mut bars = Vec::new();
        for clients in self.clients.iter().copied() {
            let turns = self
                .turns(bench, clients, &disk, &memory, (fio, shape.block))
                .await?;
            let what = format!("{}, {clients} clients", shape.name);
            self.judge(bench, &what, &turns);
            bars.push((format!("{what}, disk"), turns.disk.cpu_per_gb()));
            bars.push((format!("{what}, memory"), turns.memory.cpu_per_gb()));
        }
        let figures = disk.node.metrics().await?.disk();
        let kernel = usage(disk.node.pid).disk_read as f64 / 1e9;
        bench.say(&format!(
            "reads from the disk: {}; {:.2} GB of pages, {kernel:.2} GB by the kernel's count",
            told(&figures.reads),
            figures.read / 1e9
        ));
        if !self.counters_only {
            bench.chart("CPU of the server a GB", "s/GB", bars);
        }
        disk.node.stop(Stop::Gracefully).await?;
        memory.node.stop(Stop::Gracefully).await?;
        std::fs::remove_dir_all(folder)?;
        Ok(())
    }

    /// A node that holds its whole set, on disk or in memory.
    async fn side(
        &self,
        bench: &mut Bench,
        shape: Shape,
        set: Set,
        folder: Option<&Path>,
    ) -> anyhow::Result<Side> {
        let origin = Origin::local(vec![set.clone()]).await?;
        let capacity = (set.bytes() / 2 * 3)
            .next_multiple_of(1 << 20)
            .max(LEAST_CAPACITY);
        let config = NodeConfig {
            origin: origin.address,
            memory: if folder.is_some() {
                self.memory
            } else {
                self.memory * 4
            },
            freshness: Freshness::Immutable,
            disk: folder.map(|folder| (folder.join("cache"), capacity)),
            tls: None,
        };
        let name = if folder.is_some() { "disk" } else { "memory" };
        let node = bench.start_node(name, &config).await?;
        let first_pass = shape.first_pass(&set);
        let what = format!("{} of {} into {name}", size_text(set.bytes()), shape.name);
        fill(bench, &node, &origin, &first_pass, &what).await?;
        let order = shape.order(&set, 1);
        Ok(Side {
            node,
            origin,
            order,
        })
    }

    async fn turns(
        &self,
        bench: &mut Bench,
        clients: usize,
        disk: &Side,
        memory: &Side,
        (fio, block): (Option<&Fio>, u64),
    ) -> anyhow::Result<Turns> {
        let time = Duration::from_secs(self.seconds);
        let plan = Plan {
            clients,
            check_one_in: self.check_one_in,
            end: if time.is_zero() {
                End::Once
            } else {
                End::After(time)
            },
        };
        let mut found: Option<Turns> = None;
        for _ in 0..self.rounds {
            let mut speeds = Engine::ALL.map(|engine| (engine, Vec::new()));
            if let Some(fio) = fio {
                for (engine, speeds) in &mut speeds {
                    speeds.push(fio.read(*engine, block, clients, time).await?);
                }
            }
            let disk = bench
                .measure(&disk.node, &disk.origin, &disk.order, plan)
                .await;
            let memory = bench
                .measure(&memory.node, &memory.origin, &memory.order, plan)
                .await;
            match &mut found {
                None => {
                    found = Some(Turns {
                        disk,
                        memory,
                        fio: speeds,
                    });
                }
                Some(sum) => {
                    sum.disk.add(&disk);
                    sum.memory.add(&memory);
                    for ((_, all), (_, more)) in sum.fio.iter_mut().zip(speeds) {
                        all.extend(more);
                    }
                }
            }
        }
        anyhow::Context::context(found, "there is at least one round")
    }

    fn judge(&self, bench: &mut Bench, what: &str, turns: &Turns) {
        let Turns { disk, memory, fio } = turns;
        bench.check_answers(&format!("{what}, second pass"), &disk.outcome);
        bench.check_answers(&format!("{what}, in memory"), &memory.outcome);
        let asked = disk.origin.requests();
        let held = asked == 0;
        bench.check(
            format!("{what}: the origin is not asked in the second pass"),
            held,
            asked.to_string(),
        );
        let from_disk = disk.outcome.answers_from("disk");
        let found = format!("{from_disk} of {}", disk.outcome.answers);
        bench.check(format!("{what}: the disk answers"), from_disk > 0, found);
        if self.counters_only {
            return;
        }
        let share = disk.cost.disk_read as f64 / disk.outcome.bytes.max(1) as f64;
        let busy = disk.cost.machine_busy;
        let own = disk.outcome.gb_per_second();
        let note = format!(
            "{:.0} % of the answers began from memory, the disk gave {:.0} % of the bytes; p50 {:.2} ms, p99 {:.2} ms; machine {:.0} % busy; in memory {:.2} GB/s",
            disk.outcome.answers_from("memory") as f64 * 100.0 / disk.outcome.answers.max(1) as f64,
            share * 100.0,
            disk.outcome.latency_at(0.5),
            disk.outcome.latency_at(0.99),
            busy * 100.0,
            memory.outcome.gb_per_second(),
        );
        let speed = bench.row(format!("{what}: speed"), own, "GB/s");
        bench.keep(speed.note(note));
        let extra = disk.cpu_per_gb() - memory.cpu_per_gb();
        let note = format!(
            "{:.3} from disk, {:.3} in memory",
            disk.cpu_per_gb(),
            memory.cpu_per_gb()
        );
        let cpu = bench.row(format!("{what}: CPU above a hit in memory"), extra, "s/GB");
        bench.keep(cpu.within(CHEAP).note(note));
        let best = fio.iter().map(|(engine, speeds)| (mean(speeds), engine));
        let best =
            best.max_by(|(one, _), (other, _)| one.gb_per_second.total_cmp(&other.gb_per_second));
        let Some((best, engine)) = best.filter(|(best, _)| best.gb_per_second > 0.0) else {
            return;
        };
        let ratio = bench.row(
            format!("{what}: speed beside fio"),
            own / best.gb_per_second,
            "x",
        );
        let mut ratio = ratio
            .within(QUICK)
            .stretch(0.95)
            .figure(format!("{own:.2} GB/s"))
            .note(format!(
                "fio {} {:.2} GB/s with {:.3} CPU s/GB",
                engine.as_str(),
                best.gb_per_second,
                best.cpu_seconds_per_gb
            ));
        if ratio.met == Some(false) && busy >= ALL_BUSY {
            ratio = ratio.judged(CHEAP.is_met_by(extra));
            ratio
                .note
                .push_str("; all cores were busy, so that CPU decides");
        }
        bench.keep(ratio);
        Self::judge_by_floors(bench, what, turns, best);
    }

    /// What the device costs whoever reads it is not the node's, nor is the time of one after the other: rows beside what is budgeted
    /// by itself.
    fn judge_by_floors(bench: &mut Bench, what: &str, turns: &Turns, fio: Speed) {
        let Turns { disk, memory, .. } = turns;
        let extra = disk.cpu_per_gb() - memory.cpu_per_gb() - fio.cpu_seconds_per_gb;
        let what_cpu = format!("{what}: CPU above a hit in memory and fio");
        let cpu = bench.row(what_cpu, extra, "s/GB");
        bench.keep(cpu.within(CHEAP));
        let [own, in_memory] = [disk, memory].map(|it| it.outcome.gb_per_second());
        let in_turns = 1.0 / (1.0 / fio.gb_per_second + 1.0 / in_memory.max(1e-9));
        let what_speed = format!("{what}: speed beside fio and then memory");
        let speed = bench.row(what_speed, own / in_turns, "x");
        let note = format!("one after the other they give {in_turns:.2} GB/s");
        let speed = speed.within(QUICK).stretch(0.95).note(note);
        bench.keep(speed);
    }
}
