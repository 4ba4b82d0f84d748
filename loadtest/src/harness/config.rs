//! The configuration of a node under test.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::certificate::Certificate;
use crate::content::size_text;
use crate::load::Credentials;

/// The bucket that every scenario asks for.
pub(crate) const BUCKET: &str = "train";

/// The variables that hold the node's secrets.
pub(super) const SECRET_VARIABLE: &str = "FOREBAY_LOADTEST_SECRET";

/// How long the origin's answer about an object holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    Immutable,
    /// In seconds.
    MaxAge(u32),
}

/// What a node is to be.
#[derive(Debug, Clone)]
pub(crate) struct NodeConfig {
    pub(crate) origin: SocketAddr,
    pub(crate) memory: u64,
    pub(crate) freshness: Freshness,
    /// Folder and capacity.
    pub(crate) disk: Option<(PathBuf, u64)>,
    /// Of the S3 listener; nothing where it listens in the clear.
    pub(crate) tls: Option<Certificate>,
}

/// Who asks, and as whom the node asks the origin. The pair protects nothing: it lives for a run on this machine.
pub(crate) fn credentials() -> Credentials {
    Credentials {
        id: "LOADTEST".into(),
        secret: "loadtest-secret".into(),
    }
}

impl NodeConfig {
    pub(super) fn text(&self) -> String {
        let Self {
            origin,
            memory,
            freshness,
            disk,
            tls,
        } = self;
        let id = credentials().id;
        let memory = size_text(*memory);
        let freshness = match freshness {
            Freshness::Immutable => "\"immutable\"".to_owned(),
            Freshness::MaxAge(seconds) => format!("{{ max_age = \"{seconds}s\" }}"),
        };
        let tls = tls.as_ref().map(|tls| {
            let (chain, key) = (tls.chain.display(), tls.key.display());
            format!("tls = {{ cert = \"{chain}\", key = \"{key}\" }}\n")
        });
        let tls = tls.unwrap_or_default();
        let mut text = format!(
            r#"[node]
name = "loadtest"
[listen.s3]
address = "127.0.0.1:0"
{tls}[listen.admin]
address = "127.0.0.1:0"
[drain]
accept = "0s"
[telemetry]
filter = "warn,forebay=info,forebay::access=off"
[memory]
limit = "{memory}"
[origin.synthetic]
kind = "s3"
endpoint = "http://{origin}"
credentials = {{ access_key_id = "{id}", secret_access_key = {{ env = "{SECRET_VARIABLE}" }} }}
[bucket.{BUCKET}]
origin = "synthetic"
freshness = {freshness}
[identity.loadtest]
access_key_id = "{id}"
secret_access_key = {{ env = "{SECRET_VARIABLE}" }}
policies = ["all"]
[policy.all]
allow = [{{ actions = ["s3:*"], resources = ["*"] }}]
"#
        );
        if let Some((path, capacity)) = disk {
            let (path, capacity) = (path.display(), size_text(*capacity));
            let _ = write!(
                text,
                "[[disk]]\npath = \"{path}\"\ncapacity = \"{capacity}\"\n"
            );
        }
        text
    }
}
