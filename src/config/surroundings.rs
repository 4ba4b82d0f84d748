//! What a configuration depends on besides the file: environment variables, the host's name, its memory.
//!
//! Gathered once and passed in, so that reading a configuration is a function of its arguments.

use std::collections::BTreeMap;
use std::path::Path;

use super::machine;
use crate::types::ByteSize;

/// The process's surroundings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    pub variables: BTreeMap<String, String>,
    /// The default of `node.name`.
    pub host_name: String,
    /// What the machine or the cgroup allows; `memory.limit` is half of it by default.
    pub memory: ByteSize,
}

/// Taken where neither the kernel nor a cgroup tells the memory: small enough for any machine that runs a cache.
const UNKNOWN_MEMORY: ByteSize = ByteSize(1 << 30);

impl Surroundings {
    /// The surroundings of this process. Variables that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let host_name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host_name = match host_name.trim() {
            "" | "(none)" => "forebay",
            name => name,
        };
        Self {
            variables,
            host_name: host_name.to_owned(),
            memory: machine::memory(Path::new("/")).unwrap_or(UNKNOWN_MEMORY),
        }
    }
}
