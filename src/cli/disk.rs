//! `forebay disk inspect`: what is in a disk's folder, told without a node; and with `--scan`, whether it is what was written.
//!
//! Reads only, and may run beside the node that uses the folder. Exits with 65 (`EX_DATAERR`) where something is damaged.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use super::output::Output;
use super::{EXIT_CONFIG, EXIT_DATA, EXIT_UNAVAILABLE};
use crate::cache::disk::inspect::{self, Progress, Report};
use crate::cache::disk::medium::Real;
use crate::types::ByteSize;

/// What is in the folder of every disk.
const IDENTITY: &str = "forebay-disk";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Tell which segments and blocks a disk has, how full they are, how old, and what is damaged.
    Inspect(Options),
}

#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// The disk's folder, as the configuration names it.
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Read every page and compare its checksum.
    #[arg(long)]
    scan: bool,
    /// How to tell what was found.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Looks into the folder, tells what is there, and returns the code to exit with. Blocks.
///
/// # Errors
/// Where `out` cannot be written to.
pub(super) fn run(
    Command::Inspect(options): &Command,
    out: &mut impl Write,
    complaints: &mut impl Write,
) -> io::Result<u8> {
    let path = options.path.display();
    if options.path.is_dir() && !options.path.join(IDENTITY).exists() {
        writeln!(complaints, "forebay: {path} is not the folder of a disk")?;
        return Ok(EXIT_CONFIG);
    }
    let report = match look(options) {
        Ok(report) => report,
        Err(error) => {
            writeln!(complaints, "forebay: {path} cannot be read: {error}")?;
            return Ok(EXIT_UNAVAILABLE);
        }
    };
    match options.output {
        Output::Json => {
            let document = serde_json::to_value(&report)?;
            writeln!(out, "{document:#}")?;
        }
        Output::Text => write_text(options, &report, out)?,
    }
    Ok(if report.is_damaged() { EXIT_DATA } else { 0 })
}

fn look(options: &Options) -> io::Result<Report> {
    if !options.scan {
        return inspect::inspect(&Real, &options.path);
    }
    // Hidden where stderr is no terminal.
    let bar = ProgressBar::new(0);
    let style = "{bar:40} {bytes} of {total_bytes}, {binary_bytes_per_sec}, {eta} left";
    bar.set_style(ProgressStyle::with_template(style).expect("a template that is tested"));
    let report = inspect::scan(&Real, &options.path, &mut |Progress { done, total }| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    report
}

fn write_text(options: &Options, report: &Report, out: &mut impl Write) -> io::Result<()> {
    let used = match report.in_use {
        Some(true) => ", in use by a node",
        Some(false) => ", not in use",
        None => "",
    };
    let id = report.id.as_deref().unwrap_or("of another version");
    writeln!(out, "{}: disk {id}{used}", options.path.display())?;
    let segment = report
        .segment_bytes
        .map_or(String::new(), |bytes| format!(" of {}", ByteSize(bytes)));
    writeln!(out, "  segments  {}{segment}", report.segments())?;
    let sum = |of: fn(&inspect::ClassReport) -> u64| report.classes.iter().map(of).sum::<u64>();
    let (blocks, pinned) = (sum(|class| class.used), sum(|class| class.pinned));
    let live = sized(report.live_bytes());
    writeln!(
        out,
        "  blocks    {blocks}, {pinned} of them pinned, with {live}"
    )?;
    if let (Some(oldest), Some(newest)) = (report.oldest, report.newest) {
        writeln!(out, "  written   {} to {}", time(oldest), time(newest))?;
    }
    writeln!(
        out,
        "\n  {:<10}{:>9}{:>12}{:>12}{:>8}",
        "slots of", "segments", "slots", "used", "used"
    )?;
    for class in report.classes.iter().filter(|class| class.segments > 0) {
        let size = ByteSize(class.slot_bytes).to_string();
        let share = class.used * 100 / class.slots.max(1);
        let (segments, slots, used) = (class.segments, class.slots, class.used);
        writeln!(
            out,
            "  {size:<10}{segments:>9}{slots:>12}{used:>12}{share:>6} %"
        )?;
    }
    write_damage(report, out)
}

/// What is not as it should be.
fn write_damage(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out)?;
    for unusable in &report.unusable {
        writeln!(
            out,
            "  segment {:08} cannot be used: {}",
            unusable.segment, unusable.why
        )?;
    }
    let (wrong, twice) = (report.wrong_entries, report.duplicates);
    writeln!(
        out,
        "  entries   {wrong} wrong, {twice} of blocks that another slot holds too"
    )?;
    match &report.scan {
        None => writeln!(out, "  pages     not read: --scan does"),
        Some(scan) => {
            let (damaged, unreadable) = (scan.damaged, scan.unreadable);
            let (pages, bytes) = (scan.pages, sized(scan.bytes));
            writeln!(
                out,
                "  pages     {pages} read ({bytes}): {damaged} damaged, {unreadable} unreadable"
            )
        }
    }
}

/// As in `12.3 GiB`.
fn sized(bytes: u64) -> String {
    let units = [
        (1u64 << 40, "TiB"),
        (1 << 30, "GiB"),
        (1 << 20, "MiB"),
        (1 << 10, "KiB"),
    ];
    let unit = units.iter().find(|(unit, _)| bytes >= *unit);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(unit, name)| {
            let (whole, rest) = (bytes / unit, bytes % unit);
            // A remainder is below 2^40: ten times that is far from the end of the type.
            format!("{whole}.{} {name}", rest * 10 / unit)
        },
    )
}

/// As in `2026-11-27T10:00:00Z`.
fn time(seconds: u64) -> String {
    let stamp = i64::try_from(seconds)
        .ok()
        .and_then(|it| Timestamp::from_second(it).ok());
    stamp.map_or_else(|| "some time".to_owned(), |stamp| stamp.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::disk::inspect::{ClassReport, Scan, Unusable};

    fn report() -> Report {
        Report {
            id: Some("0123".to_owned()),
            segment_bytes: Some(16 << 20),
            in_use: Some(true),
            classes: vec![
                ClassReport {
                    slot_bytes: 64 << 10,
                    segments: 0,
                    slots: 0,
                    used: 0,
                    pinned: 0,
                    live_bytes: 0,
                },
                ClassReport {
                    slot_bytes: 1 << 20,
                    segments: 2,
                    slots: 30,
                    used: 12,
                    pinned: 3,
                    live_bytes: 12 << 20,
                },
            ],
            oldest: Some(0),
            newest: Some(86_400),
            ..Report::default()
        }
    }

    fn told(report: &Report) -> String {
        let options = Options {
            path: "/disk".into(),
            scan: false,
            output: Output::Text,
        };
        let mut out = Vec::new();
        write_text(&options, report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_disk_is_told_in_a_few_lines() {
        let expected = "\
/disk: disk 0123, in use by a node
  segments  2 of 16MiB
  blocks    12, 3 of them pinned, with 12.0 MiB
  written   1970-01-01T00:00:00Z to 1970-01-02T00:00:00Z

  slots of   segments       slots        used    used
  1MiB              2          30          12    40 %

  entries   0 wrong, 0 of blocks that another slot holds too
  pages     not read: --scan does
";
        assert_eq!(told(&report()), expected);
    }

    #[test]
    fn damage_is_told() {
        let report = Report {
            unusable: vec![Unusable {
                segment: 7,
                why: "it is too short".to_owned(),
            }],
            wrong_entries: 2,
            scan: Some(Scan {
                pages: 20,
                bytes: 20 << 16,
                damaged: 1,
                unreadable: 3,
            }),
            ..report()
        };
        let told = told(&report);
        for line in [
            "segment 00000007 cannot be used: it is too short",
            "2 wrong",
            "20 read (1.2 MiB): 1 damaged, 3 unreadable",
        ] {
            assert!(told.contains(line), "{told}");
        }
        assert!(report.is_damaged());
    }

    #[test]
    fn what_is_no_disk_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let run = |path: PathBuf| {
            let options = Options {
                path,
                scan: true,
                output: Output::Text,
            };
            run(&Command::Inspect(options), &mut Vec::new(), &mut Vec::new()).unwrap()
        };
        assert_eq!(run(folder.path().join("absent")), EXIT_UNAVAILABLE);
        assert_eq!(run(folder.path().to_owned()), EXIT_CONFIG);
    }
}
