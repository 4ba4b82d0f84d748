//! `[node]`, `[memory]`, `[drain]` and `[telemetry]`: the settings of the process as a whole.

use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use toml::Value;

use super::section::Section;
use super::setting::Setting;
use crate::telemetry;
use crate::types::ByteSize;

/// The node itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Visible to clients as `x-forebay-node`.
    pub name: String,
}

/// The budget for everything that is accounted: cache, fills, windows, uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// At least [`Memory::LEAST`].
    pub limit: ByteSize,
}

/// How a node goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// How long connections are still accepted after readiness has gone.
    pub accept: Duration,
    /// How long running requests may then take before they are cut off.
    pub patience: Duration,
}

/// Logs and traces. Metrics are always on the admin port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// Where traces go, over plain HTTP; none are made where there is none.
    pub otlp_endpoint: Option<Uri>,
    pub log: LogFormat,
    /// Directives of `tracing_subscriber::EnvFilter`.
    pub filter: String,
}

/// The shape of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Text,
}

impl Memory {
    /// Below this the pools' floors leave nothing to cache with.
    pub const LEAST: ByteSize = ByteSize(64 << 20);
}

impl Setting for LogFormat {
    const KIND: &'static str = "a log format";
    const EXAMPLE: &'static str = "\"json\" or \"text\"";

    fn read(value: &Value) -> Option<Self> {
        match value.as_str()? {
            "json" => Some(Self::Json),
            "text" => Some(Self::Text),
            _ => None,
        }
    }
}

pub(super) fn node(section: &mut Section<'_, '_>) -> Node {
    let host_name = &section.reading().surroundings.host_name;
    let name = section.optional::<String>("name");
    let name = name.unwrap_or_else(|| host_name.clone());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if name.len() > 253 || !name.bytes().all(plain) {
        section.problem(
            "name",
            format!("{name:?} cannot be a node's name, which goes into a header"),
            "write up to 253 letters, digits, dots, hyphens and underscores",
        );
    }
    Node { name }
}

pub(super) fn memory(section: &mut Section<'_, '_>) -> Memory {
    let half = ByteSize(section.reading().surroundings.memory.0 / 2);
    let limit = section.optional::<ByteSize>("limit");
    if limit.unwrap_or(half) < Memory::LEAST {
        let what = match limit {
            Some(limit) => format!("{limit} is too little"),
            None => format!("half of the memory, {half}, is too little"),
        };
        let hint = format!("write at least \"{}\"", Memory::LEAST);
        section.problem("limit", what, &hint);
    }
    Memory {
        limit: limit.unwrap_or(half),
    }
}

pub(super) fn drain(section: &mut Section<'_, '_>) -> Drain {
    Drain {
        accept: section.or("accept", "10s"),
        patience: section.or("patience", "30s"),
    }
}

pub(super) fn telemetry(section: &mut Section<'_, '_>) -> Telemetry {
    let otlp_endpoint: Option<Uri> = section.optional("otlp_endpoint");
    let plain = |endpoint: &Uri| endpoint.scheme() == Some(&Scheme::HTTP);
    if let Some(endpoint) = otlp_endpoint.as_ref().filter(|endpoint| !plain(endpoint)) {
        section.problem(
            "otlp_endpoint",
            format!("{endpoint} is not plain HTTP, which is all that traces are sent over"),
            "write the address of a collector on this host or in this pod, as in \"http://127.0.0.1:4318\"",
        );
    }
    let filter: String = section.or("filter", telemetry::logs::DEFAULT_FILTER);
    if let Err(error) = telemetry::logs::check_filter(&filter) {
        section.problem(
            "filter",
            format!("{filter:?} cannot be read: {error}"),
            "write directives target=level, as in \"info,hyper=warn\"",
        );
    }
    Telemetry {
        otlp_endpoint,
        log: section.or("log", "json"),
        filter,
    }
}
