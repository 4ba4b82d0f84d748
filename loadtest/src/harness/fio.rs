//! `fio`: what the disk itself gives, read past the page cache, at a block size and depth.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::process::Command;

use crate::content::Content;

/// How `fio` asks the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Engine {
    /// `pread`, from as many threads as the depth.
    Psync,
    /// One thread with a ring of this depth.
    IoUring,
}

impl Engine {
    pub(crate) const ALL: [Self; 2] = [Self::Psync, Self::IoUring];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Psync => "psync",
            Self::IoUring => "io_uring",
        }
    }
}

/// What one run gave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Speed {
    pub(crate) gb_per_second: f64,
    /// User and system of the threads that read: neither the program's start nor its report.
    pub(crate) cpu_seconds_per_gb: f64,
}

/// A file to read, on the file system that is measured.
pub(crate) struct Fio {
    file: PathBuf,
}

impl Fio {
    /// Writes a file of `bytes` into `folder`; nothing where `fio` is not installed.
    pub(crate) async fn prepare(folder: &Path, bytes: u64) -> anyhow::Result<Option<Self>> {
        if Command::new("fio")
            .arg("--version")
            .stdout(Stdio::null())
            .status()
            .await
            .is_err()
        {
            return Ok(None);
        }
        let file = folder.join("fio.data");
        let path = file.clone();
        tokio::task::spawn_blocking(move || write(&path, bytes)).await??;
        Ok(Some(Self { file }))
    }

    /// Reads blocks at random for about `time`.
    pub(crate) async fn read(
        &self,
        engine: Engine,
        block: u64,
        depth: usize,
        time: Duration,
    ) -> anyhow::Result<Speed> {
        let (jobs, depth) = match engine {
            Engine::Psync => (depth, 1),
            Engine::IoUring => (1, depth),
        };
        let output = Command::new("fio")
            .args(["--name=read", "--rw=randread", "--direct=1", "--thread"])
            .args([
                "--group_reporting",
                "--output-format=json",
                "--gtod_reduce=1",
            ])
            .args(["--time_based", "--norandommap", "--invalidate=0"])
            .arg(format!("--filename={}", self.file.display()))
            .arg(format!("--ioengine={}", engine.as_str()))
            .arg(format!("--bs={block}"))
            .arg(format!("--numjobs={jobs}"))
            .arg(format!("--iodepth={depth}"))
            .arg(format!("--runtime={}ms", time.as_millis()))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("fio ended with {}: {said}", output.status);
        }
        parse(&output.stdout)
    }
}

/// The speed that a report tells.
fn parse(report: &[u8]) -> anyhow::Result<Speed> {
    // Warnings may stand before the document.
    let start = report.iter().position(|byte| *byte == b'{');
    let document = &report[start.context("fio reports nothing")?..];
    let report: serde_json::Value = serde_json::from_slice(document)?;
    let jobs = &report["jobs"][0];
    let positive = |value: &serde_json::Value| value.as_f64().filter(|it| *it > 0.0);
    let gb = positive(&jobs["read"]["io_bytes"]).context("fio has read nothing")? / 1e9;
    let seconds = positive(&jobs["read"]["runtime"]).context("fio took no time")? / 1e3;
    // Shares of the time of all jobs together.
    let share = |name: &str| jobs[name].as_f64().unwrap_or(0.0) / 100.0;
    let all_jobs = jobs["job_runtime"].as_f64().unwrap_or(0.0) / 1e3;
    Ok(Speed {
        gb_per_second: gb / seconds,
        cpu_seconds_per_gb: (share("usr_cpu") + share("sys_cpu")) * all_jobs / gb,
    })
}

/// Writes real bytes: of a file that is only allocated the kernel answers zeros without reading.
fn write(path: &Path, bytes: u64) -> anyhow::Result<()> {
    use std::io::Write;

    let mut file = std::fs::File::create(path)?;
    let content = Content::of("fio", 0);
    let mut chunk = vec![0; 4 << 20];
    let mut at = 0;
    while at < bytes {
        content.fill(at, &mut chunk);
        file.write_all(&chunk)?;
        at += chunk.len() as u64;
    }
    file.sync_all()?;
    Ok(())
}

impl Drop for Fio {
    fn drop(&mut self) {
        // It is the run's own; what cannot be removed is overwritten by the next run.
        let _ = std::fs::remove_file(&self.file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_tells_speed_and_the_cpu_of_all_jobs() {
        let report = br#"fio: a warning
{"jobs": [{"read": {"io_bytes": 2000000000, "runtime": 4000}, "usr_cpu": 1.0, "sys_cpu": 4.0, "job_runtime": 32000}]}"#;
        let speed = parse(report).unwrap();
        assert_eq!(speed.gb_per_second, 0.5);
        assert!((speed.cpu_seconds_per_gb - 0.8).abs() < 1e-9);
        assert!(parse(b"").is_err());
    }
}
