//! The binary as a process of its own: what only a process can show (signals, exit codes, resident memory).

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};

use super::client::Client;
use super::node::{ACCESS_KEY, SECRET};
use super::origin;

/// How long the binary may take for what takes it milliseconds: to start, or to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running `forebay serve`; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    folder: TempDir,
    log: mpsc::UnboundedReceiver<String>,
    pub(crate) client: Client,
}

/// What a process had to say.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stderr: String,
}

/// What the log line says that tells that a node serves.
#[derive(Debug)]
struct Serving {
    s3: SocketAddr,
}

impl Process {
    /// Starts `forebay serve` with this configuration, and waits until it serves.
    pub(crate) async fn start(configuration: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = command(&write(&folder, configuration))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        let (serving, told) = oneshot::channel();
        let (lines, log) = mpsc::unbounded_channel();
        std::thread::spawn(move || follow(stderr, serving, &lines));
        let told = tokio::time::timeout(PATIENCE, told).await;
        let serving = told.expect("in time").expect("the node serves");
        Self {
            child,
            folder,
            log,
            client: Client::new(serving.s3, ACCESS_KEY, SECRET),
        }
    }

    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The configuration file.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.folder.path().join(FILE)
    }

    /// Asks the process to end, as an orchestrator does.
    pub(crate) fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Ends the process at once, whatever it does; it may be gone already.
    pub(crate) fn kill(&self) {
        self.signal(rustix::process::Signal::KILL);
    }

    /// Asks the process to look at its configuration again.
    pub(crate) fn reload(&self) {
        self.signal(rustix::process::Signal::HUP);
    }

    /// Waits until the process has logged a line that contains `words`.
    pub(crate) async fn says(&mut self, words: &str) {
        let said = async {
            while let Some(line) = self.log.recv().await {
                if line.contains(words) {
                    return;
                }
            }
            panic!("it ended without saying {words:?}");
        };
        let said = tokio::time::timeout(PATIENCE, said).await;
        said.unwrap_or_else(|_| panic!("it did not say {words:?}"));
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id()).expect("an id");
        let id = rustix::process::Pid::from_raw(id).expect("an id");
        rustix::process::kill_process(id, signal).expect("the process is there");
    }

    /// Waits until the process has ended.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        let closed = async { while self.log.recv().await.is_some() {} };
        let closed = tokio::time::timeout(PATIENCE, closed).await;
        closed.expect("the process ends");
        self.child.wait().expect("it was started here")
    }

    /// A line of `/proc/PID/status`, in bytes.
    pub(crate) fn memory(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.id());
        let text = std::fs::read_to_string(path).expect("the process lives");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.trim().parse::<u64>().ok())
            .expect("a size in kB")
            * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs `forebay serve` with a configuration that it refuses, to its end.
pub(crate) fn refused(configuration: &str) -> Ended {
    let folder = tempfile::tempdir().expect("a folder");
    let output = command(&write(&folder, configuration))
        .output()
        .expect("the binary starts");
    Ended {
        status: output.status,
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

const FILE: &str = "forebay.toml";

fn write(folder: &TempDir, configuration: &str) -> PathBuf {
    let path = folder.path().join(FILE);
    std::fs::write(&path, configuration).expect("room on the disk");
    path
}

fn command(configuration: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forebay"));
    command
        .args(["serve", "--config"])
        .arg(configuration)
        .env("TEST_SECRET", SECRET)
        .env("ORIGIN_SECRET", origin::SECRET);
    command
}

/// Reads the log to its end, so that the process never waits for it to be read.
fn follow(
    log: impl Read,
    serving: oneshot::Sender<Serving>,
    lines: &mpsc::UnboundedSender<String>,
) {
    let mut serving = Some(serving);
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        let told = serde_json::from_str::<serde_json::Value>(&line).unwrap_or_default();
        let s3 = told["s3.address"].as_str().and_then(|it| it.parse().ok());
        if let Some(s3) = s3 {
            if let Some(told) = serving.take() {
                drop(told.send(Serving { s3 }));
            }
        } else if told["level"] != "INFO" {
            eprintln!("{line}");
        }
        // Nobody may be left to hear it: the pipe is read to its end all the same.
        drop(lines.send(line));
    }
}
