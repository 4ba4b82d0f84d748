//! A running `forebay serve`.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::Metrics;
use super::certificate::Certificate;
use super::config::{BUCKET, NodeConfig, SECRET_VARIABLE, credentials};
use crate::load::{self, Target};

/// A node that is not ready by then, or does not end when told, is broken.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks while waiting: short beside the seconds that are measured.
const PAUSE: Duration = Duration::from_millis(2);

/// How a node is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// SIGTERM, and wait for its drain.
    Gracefully,
    /// SIGKILL.
    Kill,
}

/// A node; it is killed when dropped.
pub(crate) struct Node {
    child: Child,
    pub(crate) pid: u32,
    /// When the process was started.
    pub(crate) started: Instant,
    pub(crate) target: Target,
    admin: SocketAddr,
}

impl Node {
    /// Starts `binary` with a configuration and a log in `folder`, and waits until it is ready.
    pub(crate) async fn start(
        binary: &Path,
        folder: &Path,
        config: &NodeConfig,
    ) -> anyhow::Result<Self> {
        let node = Self::launch(binary, folder, config).await?;
        node.until_ready().await?;
        Ok(node)
    }

    /// Starts it and waits only until it tells its addresses.
    pub(crate) async fn launch(
        binary: &Path,
        folder: &Path,
        config: &NodeConfig,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        if let Some((disk, _)) = &config.disk {
            std::fs::create_dir_all(disk)?;
        }
        let file = folder.join("forebay.toml");
        std::fs::write(&file, config.text())?;
        let log = folder.join("forebay.log");
        let mut child = Command::new(binary)
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .env(SECRET_VARIABLE, credentials().secret)
            .stdin(Stdio::null())
            .stdout(File::create(folder.join("forebay.out"))?)
            .stderr(File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let started = Instant::now();
        let pid = child.id().context("the process has just been started")?;
        let (s3, admin) = addresses(&mut child, &log, started).await?;
        let target = Target {
            address: s3,
            bucket: BUCKET.into(),
            region: "us-east-1".into(),
            credentials: Some(credentials()),
            tls: config.tls.as_ref().map(Certificate::trust).transpose()?,
        };
        Ok(Self {
            child,
            pid,
            started,
            target,
            admin,
        })
    }

    async fn until_ready(&self) -> anyhow::Result<()> {
        loop {
            if let Ok((200, _)) = load::get_text(self.admin, "/health/ready").await {
                return Ok(());
            }
            if self.started.elapsed() > PATIENCE {
                bail!("the node is not ready after {PATIENCE:?}");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(crate) async fn metrics(&self) -> anyhow::Result<Metrics> {
        let answer = load::get_text(self.admin, "/metrics").await;
        let (status, text) = answer.context("the node's metrics")?;
        if status != 200 {
            bail!("the node's metrics: {status}");
        }
        Metrics::parse(&text)
    }

    /// Ends the node by its pid and waits until it is gone.
    pub(crate) async fn stop(mut self, how: Stop) -> anyhow::Result<ExitStatus> {
        let signal = match how {
            Stop::Gracefully => Signal::TERM,
            Stop::Kill => Signal::KILL,
        };
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        kill_process(pid.context("a pid is a positive number")?, signal)?;
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = ended.with_context(|| format!("the node still runs {PATIENCE:?} later"))??;
        if how == Stop::Gracefully && !status.success() {
            bail!("the node ended with {status}");
        }
        Ok(status)
    }
}

/// The addresses of S3 and administration, as the node logs them once it listens.
async fn addresses(
    child: &mut Child,
    log: &PathBuf,
    started: Instant,
) -> anyhow::Result<(SocketAddr, SocketAddr)> {
    loop {
        let ended = child.try_wait()?;
        let text = std::fs::read_to_string(log)?;
        if let Some(addresses) = text.lines().find_map(addresses_in) {
            return Ok(addresses);
        }
        if let Some(status) = ended {
            bail!("the node ended with {status}:\n{text}");
        }
        if started.elapsed() > PATIENCE {
            bail!("the node tells no address:\n{text}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn addresses_in(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields").unwrap_or(&line);
    let address = |name| fields.get(name)?.as_str()?.parse().ok();
    Some((address("s3.address")?, address("admin.address")?))
}
