//! What every scenario has at hand: the binary, a folder, the report, a place for progress lines.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::harness::{DiskFigures, Node, NodeConfig};
use crate::load::{Ask, End, Open, Order, Outcome, Plan, Sent, run_closed, run_open};
use crate::origin::{Counted, Origin};
use crate::process::{Cost, Watch};
use crate::progress::{Following, Length, Progress};
use crate::report::{Chart, Check, Plot, Report, Row};

/// How long a disk may take to serve, and its writer to write what it has taken.
const SETTLE_PATIENCE: Duration = Duration::from_secs(60);

/// A run.
pub(crate) struct Bench {
    pub(crate) binary: PathBuf,
    /// On the file system that is measured. Emptied of what each scenario made.
    pub(crate) folder: PathBuf,
    pub(crate) report: Report,
    /// Toys are told, not judged.
    pub(crate) toys: bool,
    scenario: &'static str,
    started: Instant,
    progress: Progress,
}

/// One measured run of a load.
#[derive(Clone)]
pub(crate) struct Measured {
    pub(crate) outcome: Outcome,
    /// Of the server's process tree.
    pub(crate) cost: Cost,
    /// What the origin was asked meanwhile.
    pub(crate) origin: Counted,
}

impl Measured {
    pub(crate) fn cpu_per_gb(&self) -> f64 {
        self.cost.cpu.as_secs_f64() / self.outcome.gb().max(1e-9)
    }

    pub(crate) fn cpu_micros_per_request(&self) -> f64 {
        self.cost.cpu.as_secs_f64() * 1e6 / (self.outcome.answers.max(1)) as f64
    }

    pub(crate) fn answers_a_second(&self) -> f64 {
        self.outcome.answers as f64 / self.outcome.elapsed.as_secs_f64().max(1e-9)
    }

    /// Joins another round of the same.
    pub(crate) fn add(&mut self, other: &Self) {
        self.outcome.add(&other.outcome);
        let (cost, more) = (&mut self.cost, &other.cost);
        let (own, others) = (cost.elapsed.as_secs_f64(), more.elapsed.as_secs_f64());
        cost.machine_busy =
            (cost.machine_busy * own + more.machine_busy * others) / (own + others).max(1e-9);
        cost.cpu += more.cpu;
        cost.elapsed += more.elapsed;
        cost.disk_read += more.disk_read;
        cost.disk_written += more.disk_written;
        cost.most_rss = cost.most_rss.max(more.most_rss);
        self.origin = self.origin + other.origin;
    }
}

impl Bench {
    pub(crate) fn new(binary: &Path, folder: &Path, progress: Progress) -> Self {
        Self {
            binary: binary.to_owned(),
            folder: folder.to_owned(),
            report: Report::default(),
            toys: false,
            scenario: "",
            started: Instant::now(),
            progress,
        }
    }

    /// Names the rows and lines that follow.
    pub(crate) fn begin(&mut self, scenario: &'static str) {
        self.scenario = scenario;
        self.say("begins");
    }

    /// A folder of the scenario's own, empty.
    pub(crate) fn fresh_folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join(self.scenario).join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Frees what the scenario kept on the disk, but for where something did not hold: who looks into it needs it.
    pub(crate) fn end(&mut self) -> anyhow::Result<()> {
        let folder = self.folder.join(self.scenario);
        let own = |check: &&Check| check.scenario == self.scenario;
        let held = self
            .report
            .checks
            .iter()
            .filter(own)
            .all(|check| check.held);
        if !held {
            self.say(&format!("{} is left as it is", folder.display()));
        } else if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        self.say("done");
        Ok(())
    }

    pub(crate) fn say(&mut self, text: &str) {
        let at = self.started.elapsed().as_secs_f64();
        let line = format!("[{at:7.1} s] {}: {text}", self.scenario);
        self.progress.say(&line);
    }

    /// Shows on a terminal how far something has come, until what is returned is dropped.
    pub(crate) fn follow(&mut self, length: Length, sent: &Sent) -> Following {
        self.progress.follow(self.scenario, length, sent)
    }

    pub(crate) fn row(&mut self, what: impl Into<String>, value: f64, unit: &'static str) -> Row {
        Row::new(self.scenario, what, value, unit)
    }

    pub(crate) fn keep(&mut self, mut row: Row) {
        if self.toys {
            (row.budget, row.met) = (None, None);
        }
        self.say(&row.line());
        self.report.rows.push(row);
    }

    pub(crate) fn chart(&mut self, title: &str, unit: &'static str, bars: Vec<(String, f64)>) {
        let title = format!("{}: {title}", self.scenario);
        self.report.charts.push(Chart { title, unit, bars });
    }

    pub(crate) fn plot(&mut self, mut plot: Plot) {
        plot.title = format!("{}: {}", self.scenario, plot.title);
        self.report.plots.push(plot);
    }

    pub(crate) fn check(&mut self, what: impl Into<String>, held: bool, found: impl Into<String>) {
        let (what, found) = (what.into(), found.into());
        if !held {
            self.say(&format!("DOES NOT HOLD: {what}; found {found}"));
        }
        self.report.checks.push(Check {
            scenario: self.scenario,
            what,
            held,
            found,
        });
    }

    /// That every answer came and was right.
    pub(crate) fn check_answers(&mut self, what: &str, outcome: &Outcome) {
        let found = outcome.complaints().unwrap_or_else(|| {
            format!(
                "{} answers, {} bodies compared",
                outcome.answers, outcome.checked
            )
        });
        let held = outcome.complaints().is_none() && outcome.answers > 0;
        self.check(format!("{what}: every answer is right"), held, found);
    }

    /// Starts a node and waits until it is ready, and its disks serve, which is a little later.
    pub(crate) async fn start_node(&self, name: &str, config: &NodeConfig) -> anyhow::Result<Node> {
        let folder = self.folder.join(self.scenario).join(name);
        let node = Node::start(&self.binary, &folder, config).await?;
        let started = Instant::now();
        while !node.metrics().await?.disk().serve() {
            if started.elapsed() > SETTLE_PATIENCE {
                anyhow::bail!("the node's disks do not serve after {SETTLE_PATIENCE:?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(node)
    }

    /// Runs a load and measures the node meanwhile.
    pub(crate) async fn measure(
        &mut self,
        node: &Node,
        origin: &Origin,
        order: &Order,
        plan: Plan,
    ) -> Measured {
        let length = match plan.end {
            End::Once => Length::Requests(order.len() as u64),
            End::After(time) => Length::Time(time),
        };
        let sent = Sent::default();
        let _shown = self.follow(length, &sent);
        watched(node, origin, run_closed(&node.target, order, plan, &sent)).await
    }

    /// As [`Bench::measure`], at a rate.
    pub(crate) async fn measure_open(
        &mut self,
        node: &Node,
        origin: &Origin,
        order: &Order,
        plan: &Open,
    ) -> Measured {
        let sent = Sent::default();
        let _shown = self.follow(Length::Time(plan.arrivals.time()), &sent);
        watched(node, origin, run_open(&node.target, order, plan, &sent)).await
    }

    /// Reads everything once, checking one body in eight.
    pub(crate) async fn read_all(
        &mut self,
        node: &Node,
        origin: &Origin,
        asks: &Arc<[Ask]>,
        clients: usize,
    ) -> Measured {
        let plan = Plan {
            clients,
            check_one_in: 8,
            end: End::Once,
        };
        self.measure(node, origin, &Order::in_turn(asks), plan)
            .await
    }

    /// Waits until the disk's writer has written all that it has taken.
    pub(crate) async fn settle(&mut self, node: &Node) -> anyhow::Result<DiskFigures> {
        let started = Instant::now();
        loop {
            let figures = node.metrics().await?.disk();
            if figures.queued == 0.0 {
                return Ok(figures);
            }
            if started.elapsed() > SETTLE_PATIENCE {
                self.say(&format!(
                    "{} bytes still wait to be written",
                    figures.queued
                ));
                return Ok(figures);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// What a load brings, and what it costs the node and asks of the origin.
pub(super) async fn watched(
    node: &Node,
    origin: &Origin,
    load: impl Future<Output = Outcome>,
) -> Measured {
    let before = origin.counted();
    let watch = Watch::start(node.pid);
    let outcome = load.await;
    Measured {
        outcome,
        cost: watch.end(),
        origin: origin.counted() - before,
    }
}
