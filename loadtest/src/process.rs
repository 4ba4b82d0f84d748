//! What a process and its descendants cost: CPU, memory, threads, descriptors, bytes of disks, from `/proc`.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinSet;

/// Between two looks at memory; CPU is read at the begin and the end only.
const INTERVAL: Duration = Duration::from_millis(200);

/// The unit of times in `/proc/PID/stat` (USER_HZ): the same on every machine that Forebay runs on, whatever its kernel's own.
const TICKS_A_SECOND: u64 = 100;

/// The costs of a process tree at one moment.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Usage {
    /// User and system, with that of children that have ended.
    pub(crate) cpu: Duration,
    /// Resident bytes.
    pub(crate) rss: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
    /// Those of its connections that its other end counts; see [`Watch::start_beside`].
    pub(crate) counted: u64,
    /// Bytes that block devices read and wrote for it: what the page cache answered is not in here.
    pub(crate) disk_read: u64,
    pub(crate) disk_written: u64,
}

/// What a run cost.
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Cost {
    pub(crate) cpu: Duration,
    pub(crate) elapsed: Duration,
    /// The share of all the machine's cores that was busy, whatever with.
    pub(crate) machine_busy: f64,
    pub(crate) disk_read: u64,
    pub(crate) disk_written: u64,
    pub(crate) most_rss: u64,
    /// Seconds since the start, and the usage then.
    pub(crate) samples: Vec<(f64, Usage)>,
}

/// The usage of `pid` and its descendants now; zeros where it is gone.
pub(crate) fn usage(pid: u32) -> Usage {
    let mut sum = Usage::default();
    for pid in tree(pid) {
        let one = usage_of(pid).unwrap_or_default();
        sum.cpu += one.cpu;
        sum.rss += one.rss;
        sum.threads += one.threads;
        sum.descriptors += one.descriptors;
        sum.disk_read += one.disk_read;
        sum.disk_written += one.disk_written;
    }
    sum
}

fn tree(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(pid) = found.get(next).copied() {
        next += 1;
        let tasks = fs::read_dir(format!("/proc/{pid}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().flat_map(str::parse::<u32>));
        }
    }
    found
}

fn usage_of(pid: u32) -> Option<Usage> {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    let status = fs::read_to_string(folder.join("status")).ok()?;
    let io = fs::read_to_string(folder.join("io")).unwrap_or_default();
    let descriptors = fs::read_dir(folder.join("fd")).map_or(0, |it| it.count());
    Some(Usage {
        cpu: ticks(&stat, 13..17)?,
        rss: field(&status, "VmRSS:").unwrap_or(0) * 1024,
        threads: field(&status, "Threads:").unwrap_or(0),
        descriptors: descriptors as u64,
        counted: 0,
        disk_read: field(&io, "read_bytes:").unwrap_or(0),
        disk_written: field(&io, "write_bytes:").unwrap_or(0),
    })
}

/// The sum of these fields of a `stat` line, counted from 0, as time. The second field is a name that may hold anything, so
/// fields are counted from its closing bracket.
fn ticks(stat: &str, fields: std::ops::Range<usize>) -> Option<Duration> {
    let (_, after) = stat.rsplit_once(')')?;
    let after: Vec<&str> = after.split_whitespace().collect();
    let wanted = after.get(fields.start - 2..fields.end - 2)?;
    let sum: u64 = wanted.iter().flat_map(|it| it.parse::<u64>()).sum();
    Some(Duration::from_millis(sum * 1000 / TICKS_A_SECOND))
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Busy and all ticks of the machine's cores since it started.
fn machine() -> (u64, u64) {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let cores = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = cores.split_whitespace().flat_map(str::parse).collect();
    // user nice system idle iowait irq softirq steal; guests are in user already. Stolen time is not ours to use.
    let all: u64 = ticks.iter().take(8).sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    (all - idle, all)
}

/// Looks at a process tree until it is told to end.
pub(crate) struct Watch {
    pid: u32,
    first: Usage,
    machine: (u64, u64),
    started: Instant,
    sampler: JoinSet<()>,
    samples: std::sync::mpsc::Receiver<(f64, Usage)>,
}

impl Watch {
    pub(crate) fn start(pid: u32) -> Self {
        Self::start_beside(pid, || 0)
    }

    /// As [`Watch::start`]; `connections` tells with every sample how many connections of the process another one has.
    pub(crate) fn start_beside(pid: u32, connections: impl Fn() -> u64 + Send + 'static) -> Self {
        let started = Instant::now();
        let (send, samples) = std::sync::mpsc::channel();
        let sample = async move {
            loop {
                let at = started.elapsed().as_secs_f64();
                let counted = connections();
                let usage = Usage {
                    counted,
                    ..usage(pid)
                };
                if send.send((at, usage)).is_err() {
                    return;
                }
                tokio::time::sleep(INTERVAL).await;
            }
        };
        let first = usage(pid);
        let mut sampler = JoinSet::new();
        sampler.spawn(sample);
        Self {
            pid,
            first,
            machine: machine(),
            started,
            sampler,
            samples,
        }
    }

    pub(crate) fn end(mut self) -> Cost {
        self.sampler.abort_all();
        let last = usage(self.pid);
        let (busy, all) = machine();
        let samples: Vec<_> = self.samples.try_iter().collect();
        let most_rss = samples.iter().map(|(_, usage)| usage.rss).max();
        Cost {
            cpu: last.cpu.saturating_sub(self.first.cpu),
            elapsed: self.started.elapsed(),
            machine_busy: (busy - self.machine.0) as f64 / (all - self.machine.1).max(1) as f64,
            disk_read: last.disk_read.saturating_sub(self.first.disk_read),
            disk_written: last.disk_written.saturating_sub(self.first.disk_written),
            most_rss: most_rss.unwrap_or(0).max(last.rss),
            samples,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let numbers: Vec<String> = (3..=52).map(|number| number.to_string()).collect();
        let stat = format!("1 (a ) b) S {}", numbers[1..].join(" "));
        let expected = Duration::from_millis(10 * (14 + 15 + 16 + 17));
        assert_eq!(ticks(&stat, 13..17), Some(expected));
    }

    #[tokio::test]
    async fn this_process_costs_cpu_and_memory() {
        let watch = Watch::start(std::process::id());
        let until = Instant::now() + Duration::from_millis(300);
        let mut spins = 0_u64;
        while Instant::now() < until {
            spins = std::hint::black_box(spins + 1);
        }
        let cost = watch.end();
        assert!(cost.cpu >= Duration::from_millis(20), "{:?}", cost.cpu);
        assert!(cost.most_rss > 1 << 20);
        assert!(cost.machine_busy > 0.0 && cost.machine_busy <= 1.0);
    }

    #[test]
    fn a_process_that_is_gone_costs_nothing() {
        assert_eq!(usage(u32::MAX), Usage::default());
    }
}
