//! `fio`: what the disk itself gives, read past the page cache, at a block size and depth.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::process::Command;

use crate::content::Content;
use crate::process;

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
    /// User and system of `fio` itself, with its start.
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
        let before = process::waited_children_cpu();
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
        let cpu = process::waited_children_cpu().saturating_sub(before);
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("fio ended with {}: {said}", output.status);
        }
        let (bytes, seconds) = parse(&output.stdout)?;
        Ok(Speed {
            gb_per_second: bytes / 1e9 / seconds,
            cpu_seconds_per_gb: cpu.as_secs_f64() / (bytes / 1e9),
        })
    }
}

/// Bytes and seconds of a report.
fn parse(report: &[u8]) -> anyhow::Result<(f64, f64)> {
    // Warnings may stand before the document.
    let start = report.iter().position(|byte| *byte == b'{');
    let document = &report[start.context("fio reports nothing")?..];
    let report: serde_json::Value = serde_json::from_slice(document)?;
    let read = &report["jobs"][0]["read"];
    let number = |name: &str| read[name].as_f64().filter(|it| *it > 0.0);
    let bytes = number("io_bytes").context("fio has read nothing")?;
    let milliseconds = number("runtime").context("fio took no time")?;
    Ok((bytes, milliseconds / 1e3))
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
