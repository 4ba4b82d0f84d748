//! The servers that are compared: each with an origin of its own, so that what one of them fetches is not counted for another.

use std::path::Path;

use super::certificate::Certificate;
use super::config::{Freshness, NodeConfig};
use super::node::{Node, Stop};
use super::rival::{Rival, target};
use super::{nginx, varnish};
use crate::load::Target;
use crate::origin::{Origin, Terms};

/// What a load is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The origin itself.
    Direct,
    Nginx,
    Varnish,
    Forebay,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Varnish => "Varnish",
            Self::Forebay => "Forebay",
        }
    }

    /// The first line that it says of its version; nothing where it is not installed, or comes with the scenario.
    pub(crate) fn version(self) -> Option<String> {
        let program = match self {
            Self::Direct | Self::Forebay => None,
            Self::Nginx => nginx::program(),
            Self::Varnish => varnish::program(),
        };
        program.map(|it| it.version)
    }
}

/// What all servers of a scenario are started with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The binary of Forebay.
    pub(crate) binary: &'a Path,
    /// Forebay's memory.limit.
    pub(crate) memory: u64,
    /// What the others may keep.
    pub(crate) capacity: u64,
    /// Whether they are asked over TLS.
    pub(crate) tls: bool,
    pub(crate) terms: Terms,
}

/// A running server.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) target: Target,
    pub(crate) origin: Origin,
    process: Process,
}

enum Process {
    /// The load generator itself serves.
    Own,
    Rival(Rival),
    Node(Node),
}

impl Server {
    /// Starts it with its files in `folder`; nothing where it is not installed.
    pub(crate) async fn start(
        kind: Kind,
        folder: &Path,
        wanted: Wanted<'_>,
    ) -> anyhow::Result<Option<Self>> {
        std::fs::create_dir_all(folder)?;
        let origin = Origin::start(([127, 0, 0, 1], 0).into(), Vec::new(), wanted.terms).await?;
        let (process, target) = match kind {
            Kind::Direct => (Process::Own, target(origin.address)),
            Kind::Nginx => {
                let Some(program) = nginx::program() else {
                    return Ok(None);
                };
                let certificate = Certificate::make(folder)?;
                let (address, capacity) = (origin.address, wanted.capacity);
                let nginx = nginx::start(&program, folder, address, &certificate, capacity).await?;
                let asked = if wanted.tls { nginx.tls } else { nginx.plain };
                (Process::Rival(nginx.rival), asked)
            }
            Kind::Varnish => {
                let Some(program) = varnish::program() else {
                    return Ok(None);
                };
                let (rival, target) =
                    varnish::start(&program, folder, origin.address, wanted.capacity).await?;
                (Process::Rival(rival), target)
            }
            Kind::Forebay => {
                let certificate = wanted.tls.then(|| Certificate::make(folder)).transpose()?;
                let config = NodeConfig {
                    origin: origin.address,
                    memory: wanted.memory,
                    freshness: Freshness::Immutable,
                    disk: None,
                    tls: certificate,
                };
                let node = Node::start(wanted.binary, folder, &config).await?;
                let target = node.target.clone();
                (Process::Node(node), target)
            }
        };
        Ok(Some(Self {
            kind,
            target,
            origin,
            process,
        }))
    }

    /// Whose process tree serves; nothing where it is the load generator.
    pub(crate) fn pid(&self) -> Option<u32> {
        match &self.process {
            Process::Own => None,
            Process::Rival(rival) => Some(rival.pid()),
            Process::Node(node) => Some(node.pid),
        }
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        match self.process {
            Process::Own => Ok(()),
            Process::Rival(rival) => rival.stop().await,
            Process::Node(node) => node.stop(Stop::Gracefully).await.map(drop),
        }
    }
}
