//! Another cache as a process: started with files of its own in a folder of the run, stopped by its pid.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command as Now, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::config::BUCKET;
use crate::load::Target;

/// A rival that does not listen by then, or does not end when told, is broken.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks while waiting.
const PAUSE: Duration = Duration::from_millis(5);

/// A running rival; it is told to end when dropped.
pub(crate) struct Rival {
    child: Child,
    pid: Pid,
    log: PathBuf,
}

/// A program of the system that serves, and what it says of itself.
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) version: String,
}

impl Program {
    /// Nothing where it is not installed.
    pub(super) fn find(name: &str, version: &str) -> Option<Self> {
        // Servers lie where only root's path leads.
        let places = [name.to_owned(), format!("/usr/sbin/{name}")];
        places.into_iter().find_map(|path| {
            let output = Now::new(&path).arg(version).output().ok()?;
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            Some(Self {
                path: path.into(),
                version: text.lines().next().unwrap_or_default().to_owned(),
            })
        })
    }
}

impl Rival {
    /// Starts it and waits until it listens at `address`.
    pub(super) async fn start(
        command: &mut Command,
        folder: &Path,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let log = folder.join("log");
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(folder.join("out"))?)
            .stderr(File::create(&log)?)
            .spawn()?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let pid = pid.and_then(Pid::from_raw).context("it has just started")?;
        let mut rival = Self { child, pid, log };
        let started = Instant::now();
        while tokio::net::TcpStream::connect(address).await.is_err() {
            if let Some(status) = rival.child.try_wait()? {
                bail!("it ended with {status}: {}", rival.said());
            }
            if started.elapsed() > PATIENCE {
                bail!("it does not listen at {address}: {}", rival.said());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(rival)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Ends it and waits until it is gone.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        kill_process(self.pid, Signal::TERM)?;
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.with_context(|| format!("it still runs {PATIENCE:?} later"))??;
        Ok(())
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        // SIGKILL would leave the workers of a rival behind.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process(self.pid, Signal::TERM);
        }
    }
}

/// Unsigned requests to `address`: rivals know no signatures.
pub(super) fn target(address: SocketAddr) -> Target {
    Target {
        address,
        bucket: BUCKET.into(),
        region: "us-east-1".into(),
        credentials: None,
        tls: None,
    }
}

/// A port of this machine that nothing listens at: rivals cannot tell which one the system gave them.
pub(super) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A template with its words filled in.
pub(super) fn filled(template: &str, words: &[(&str, String)]) -> String {
    let fill =
        |text: String, (word, value): &(&str, String)| text.replace(&format!("@{word}@"), value);
    words.iter().fold(template.to_owned(), fill)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_filled_in_wherever_they_stand() {
        let words = [("A", "1".to_owned()), ("B", "@".to_owned())];
        assert_eq!(filled("@A@ @B@ @A@ A", &words), "1 @ 1 A");
    }
}
