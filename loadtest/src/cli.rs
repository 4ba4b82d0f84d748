//! The command line: one command for each scenario, `quick` and `all` for several, `origin` for the synthetic origin alone.

use std::io::{Write, stderr, stdout};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::content::parse_size;
use crate::origin::{Origin, Set, Terms};
use crate::progress::Progress;
use crate::report::{About, Baseline, Report};
use crate::scenario::settings::{
    Chunked, Cold, Disk, FioTable, Herd, Hits, Memory, Ranges, Rate, Restart, Scale, Slow, Small,
    Soak, Tail, Tls, Training, Ttfb,
};
use crate::scenario::{Bench, quick};

/// A check did not hold, or a budget was missed where that was asked for.
const EXIT_FAILED: u8 = 1;
const EXIT_USAGE: u8 = 64;

/// Measures Forebay: runs it beside a synthetic origin, loads it, and reports what came of it.
#[derive(Debug, Parser)]
#[command(name = "forebay-loadtest", version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Common {
    /// The binary that is measured. Default: `forebay` beside this one.
    #[arg(long, global = true, value_name = "FILE")]
    forebay: Option<PathBuf>,
    /// Where nodes keep their disks, on the file system that is to be measured. What is made there is removed again.
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        default_value = "forebay-loadtest-data"
    )]
    folder: PathBuf,
    /// Where the report goes, as NAME.json and NAME.html.
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        default_value = "forebay-loadtest-report"
    )]
    report: PathBuf,
    /// Whether a missed budget, or a figure worse than the baseline's, makes the exit code 1, as a check that does not hold does.
    #[arg(long, global = true)]
    strict: bool,
    /// An earlier report (its JSON) to compare with.
    #[arg(long, global = true, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Compare with a baseline of another machine all the same.
    #[arg(long, global = true)]
    other_machine: bool,
    /// By how much a figure may differ from the baseline's, in percent.
    #[arg(long, global = true, value_name = "PERCENT", default_value_t = 10.0)]
    tolerance: f64,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything at toy size: checks that it runs and the counters that must be exact, judges no times.
    Quick,
    /// Every scenario but the soak, each with its defaults.
    All,
    /// Hits in memory.
    Memory(Memory),
    /// Hits in memory beside nginx and Varnish.
    Hits(Hits),
    /// Hits in memory on 1, 2, 4, ... cores, up to half of the machine's; the others load.
    Scale(Scale),
    /// Hits in memory over TLS beside nginx.
    Tls(Tls),
    /// Misses one after another: the first byte, beside the origin itself.
    Ttfb(Ttfb),
    /// A large cold object in one stream, beside the origin itself.
    Cold(Cold),
    /// Many clients at once, one cold object.
    Herd(Herd),
    /// Small random ranges of a large cold object.
    Ranges(Ranges),
    /// Hits while others read what is cold.
    Tail(Tail),
    /// Uploads signed chunk by chunk beside unsigned ones.
    Chunked(Chunked),
    /// Cold reads by many slow clients: memory.
    Slow(Slow),
    /// A set larger than memory, its second pass from the disk, beside fio and beside memory.
    Disk(Disk),
    /// Latencies of hits in memory at set rates (an open loop).
    Rate(Rate),
    /// Stop and start again with a full disk.
    Restart(Restart),
    /// Many objects of 110 KB: space and index.
    Small(Small),
    /// Epochs over shards, shuffled anew, with checkpoints: in memory, and on the disk.
    Training(Training),
    /// Churn for a set time: nothing may grow.
    Soak(Soak),
    /// The disk without Forebay: pread from threads beside io_uring.
    Fio(FioTable),
    /// Serve the synthetic origin until interrupted.
    Origin(Serve),
}

/// Settings of `origin`.
#[derive(Debug, Args)]
struct Serve {
    #[arg(long, default_value = "127.0.0.1:9100")]
    listen: SocketAddr,
    /// Objects that listings show, as NAME:SIZE:COUNT; any key that names its size is there too.
    #[arg(long, value_parser = parse_set)]
    set: Vec<Set>,
    /// Before every answer.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Of each connection, a second.
    #[arg(long, value_parser = parse_size)]
    bandwidth: Option<u64>,
    /// The share of requests that fail with 503.
    #[arg(long, default_value_t = 0.0)]
    error_rate: f64,
    /// The share of bodies that pause half-way.
    #[arg(long, default_value_t = 0.0)]
    stall_rate: f64,
    /// How long they pause.
    #[arg(long, default_value_t = 1000)]
    stall_ms: u64,
}

fn parse_set(text: &str) -> Result<Set, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let [name, size, count] = parts.as_slice() else {
        return Err("write NAME:SIZE:COUNT, as objects:16MiB:1000".into());
    };
    let count = count
        .parse()
        .map_err(|_| format!("{count:?} is no number"))?;
    Ok(Set::new(name, parse_size(size)?, count))
}

/// Runs the command that the process was started with.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            return ExitCode::from(code);
        }
    };
    let runtime = tokio::runtime::Runtime::new();
    let ended = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        runtime.block_on(async {
            match cli.command {
                Command::Origin(settings) => serve(settings).await.map(|()| true),
                command => tokio::select! {
                    held = measure(&cli.common, command) => held,
                    told = told_to_end() => told.and_then(|()| anyhow::bail!("told to end")),
                },
            }
        })
    });
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_FAILED),
        Err(error) => {
            let _ = writeln!(stderr(), "forebay-loadtest: {error:#}");
            ExitCode::from(EXIT_FAILED)
        }
    }
}

/// Returns at SIGTERM or SIGINT: what has been started is then ended too, rather than left behind.
async fn told_to_end() -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminated.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

async fn serve(settings: Serve) -> anyhow::Result<()> {
    let terms = Terms {
        latency_ms: settings.latency_ms,
        bandwidth: settings.bandwidth.unwrap_or(0),
        error_rate: settings.error_rate,
        stall_rate: settings.stall_rate,
        stall_ms: settings.stall_ms,
    };
    let origin = Origin::start(settings.listen, settings.set, terms).await?;
    writeln!(stdout(), "http://{}", origin.address)?;
    tokio::select! {
        () = origin.serve() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}

/// Whether everything that must hold does.
async fn measure(common: &Common, command: Command) -> anyhow::Result<bool> {
    let binary = match &common.forebay {
        Some(binary) => binary.clone(),
        None => std::env::current_exe()?.with_file_name("forebay"),
    };
    std::fs::create_dir_all(&common.folder)?;
    // The node is told paths that hold wherever it runs.
    let folder = common.folder.canonicalize()?;
    let mut bench = Bench::new(&binary, &folder, Progress::on_stderr());
    bench.report.about = About::here(&binary, &folder);
    // Before minutes are spent on what cannot be compared then.
    let baseline = match &common.baseline {
        Some(file) => Some(Baseline::read(
            file,
            &bench.report.about,
            common.other_machine,
        )?),
        None => None,
    };
    let name = name(&command);
    let ended = scenarios(&mut bench, command).await;
    // What was found before a failure is worth as much.
    let report = &mut bench.report;
    report.comparison = baseline.map(|it| it.compare(&report.rows, common.tolerance));
    let [json, html] = report.write(&common.report, name)?;
    writeln!(stdout(), "{}\n{}", json.display(), html.display())?;
    ended.and_then(|()| conclude(report, common.strict))
}

/// Tells how the run ended, and whether that is well.
fn conclude(report: &Report, strict: bool) -> anyhow::Result<bool> {
    let mut out = stdout();
    let missed = report.rows.iter().filter(|row| row.met == Some(false));
    let (missed, failed) = (missed.count(), report.failed_checks());
    writeln!(out, "{} rows, {missed} budgets missed", report.rows.len())?;
    let mut worse = 0;
    if let Some(comparison) = &report.comparison {
        worse = comparison.worse();
        for change in &comparison.changes {
            writeln!(out, "{}", change.line())?;
        }
        let compared = comparison.changes.len();
        writeln!(
            out,
            "{compared} rows beside {}: {worse} worse",
            comparison.with
        )?;
    }
    let held = report.checks.len() - failed;
    writeln!(out, "loadtest: {held} passed, {failed} failed")?;
    Ok(failed == 0 && (missed + worse == 0 || !strict))
}

fn name(command: &Command) -> &'static str {
    match command {
        Command::Quick => "quick",
        Command::All => "all",
        Command::Memory(_) => "memory",
        Command::Hits(_) => "hits",
        Command::Scale(_) => "scale",
        Command::Tls(_) => "tls",
        Command::Ttfb(_) => "ttfb",
        Command::Cold(_) => "cold",
        Command::Herd(_) => "herd",
        Command::Ranges(_) => "ranges",
        Command::Tail(_) => "tail",
        Command::Chunked(_) => "chunked",
        Command::Slow(_) => "slow",
        Command::Disk(_) => "disk",
        Command::Rate(_) => "rate",
        Command::Restart(_) => "restart",
        Command::Small(_) => "small",
        Command::Training(_) => "training",
        Command::Soak(_) => "soak",
        Command::Fio(_) => "fio",
        Command::Origin(_) => "origin",
    }
}

async fn scenarios(bench: &mut Bench, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Quick => quick(bench).await,
        Command::All => all(bench).await,
        Command::Memory(settings) => settings.run(bench).await,
        Command::Hits(settings) => settings.run(bench).await,
        Command::Scale(settings) => settings.run(bench).await,
        Command::Tls(settings) => settings.run(bench).await,
        Command::Ttfb(settings) => settings.run(bench).await,
        Command::Cold(settings) => settings.run(bench).await,
        Command::Herd(settings) => settings.run(bench).await,
        Command::Ranges(settings) => settings.run(bench).await,
        Command::Tail(settings) => settings.run(bench).await,
        Command::Chunked(settings) => settings.run(bench).await,
        Command::Slow(settings) => settings.run(bench).await,
        Command::Disk(settings) => settings.run(bench).await,
        Command::Rate(settings) => settings.run(bench).await,
        Command::Restart(settings) => settings.run(bench).await,
        Command::Small(settings) => settings.run(bench).await,
        Command::Training(settings) => settings.run(bench).await,
        Command::Soak(settings) => settings.run(bench).await,
        Command::Fio(settings) => settings.run(bench).await,
        Command::Origin(_) => anyhow::bail!("it is served, not measured"),
    }
}

async fn all(bench: &mut Bench) -> anyhow::Result<()> {
    defaults::<Memory>().run(bench).await?;
    defaults::<Rate>().run(bench).await?;
    defaults::<Hits>().run(bench).await?;
    defaults::<Scale>().run(bench).await?;
    defaults::<Tls>().run(bench).await?;
    defaults::<Ttfb>().run(bench).await?;
    defaults::<Cold>().run(bench).await?;
    defaults::<Herd>().run(bench).await?;
    defaults::<Ranges>().run(bench).await?;
    defaults::<Tail>().run(bench).await?;
    defaults::<Chunked>().run(bench).await?;
    defaults::<Slow>().run(bench).await?;
    defaults::<Disk>().run(bench).await?;
    defaults::<Restart>().run(bench).await?;
    defaults::<Training>().run(bench).await?;
    defaults::<Small>().run(bench).await
}

/// The settings that a command has when nothing is said.
fn defaults<S: Args>() -> S {
    let command = S::augment_args(clap::Command::new("defaults"));
    let matches = command.get_matches_from(["defaults"]);
    S::from_arg_matches(&matches).expect("every setting has a default")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::scenario::settings::Mode;

    #[test]
    fn the_command_line_is_sound_and_every_setting_has_a_default() {
        Cli::command().debug_assert();
        assert_eq!(defaults::<Memory>().clients, [1, 8, 32]);
        assert_eq!(defaults::<Disk>().times, 4);
        assert_eq!(defaults::<Disk>().shapes.len(), 5);
        assert_eq!(defaults::<Rate>().percent, [25, 50, 75, 90]);
        assert_eq!(defaults::<Restart>().set, 2 << 30);
        assert_eq!(defaults::<Training>().modes, [Mode::Memory, Mode::Disk]);
        assert_eq!(defaults::<Small>().objects, 100_000);
        assert_eq!(defaults::<Soak>().clients, 16);
        assert_eq!(defaults::<FioTable>().blocks, [64 << 10, 1 << 20]);
    }

    #[test]
    fn a_set_is_read_from_its_parts() {
        assert_eq!(parse_set("o:1MiB:7"), Ok(Set::new("o", 1 << 20, 7)));
        assert!(parse_set("o:1MiB").is_err());
    }
}
