//! Where a run was made: without it no figure can be compared with another.

use std::fs;
use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::harness::Kind;

/// Machine, kernel and binary of a run.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) begun: String,
    pub(crate) command: String,
    pub(crate) forebay: String,
    pub(crate) binary: String,
    pub(crate) loadtest_build: String,
    pub(crate) fio: String,
    pub(crate) nginx: String,
    pub(crate) varnish: String,
    pub(crate) kernel: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_kib: u64,
    /// Of the last minute, at the begin: what else ran.
    pub(crate) load_average: String,
    pub(crate) file_system: String,
}

impl About {
    pub(crate) fn here(binary: &Path, folder: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split_once(':'));
            value
                .map(|(_, value)| value.trim().to_owned())
                .unwrap_or_default()
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let build = if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        };
        let folder = folder.display().to_string();
        Self {
            begun: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            command: std::env::args().collect::<Vec<_>>().join(" "),
            forebay: said(&binary.display().to_string(), &["--version"]),
            binary: binary.display().to_string(),
            loadtest_build: build.to_owned(),
            nginx: Kind::Nginx.version().unwrap_or_default(),
            varnish: Kind::Varnish.version().unwrap_or_default(),
            fio: said("fio", &["--version"]),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            processor: field(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_kib: memory.trim_end_matches(" kB").parse().unwrap_or(0),
            load_average: read("/proc/loadavg").trim().to_owned(),
            file_system: said("stat", &["--file-system", "--format=%T", &folder]),
        }
    }

    /// What a figure cannot be compared across, in words.
    pub(super) fn machine(&self) -> String {
        // Kernels keep a little more or less of the memory for themselves.
        let memory = self.memory_kib.div_ceil(1 << 20);
        format!(
            "{} cores of {}, {memory} GiB of memory, files on {}",
            self.cores, self.processor, self.file_system
        )
    }
}

/// What a command prints; nothing where it is not there.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_default()
}
