//! nginx as a cache of slices, from `rivals/nginx.conf`.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use tokio::process::Command;

use super::certificate::Certificate;
use super::rival::{Program, Rival, filled, free_port, target};
use crate::load::Target;

const TEMPLATE: &str = include_str!("../../rivals/nginx.conf");

/// A running nginx, and where it is asked: over HTTP and over TLS.
pub(super) struct Nginx {
    pub(super) rival: Rival,
    pub(super) plain: Target,
    pub(super) tls: Target,
}

pub(super) fn program() -> Option<Program> {
    Program::find("nginx", "-v")
}

/// Starts it with a cache of `capacity` bytes in `folder`.
pub(super) async fn start(
    program: &Program,
    folder: &Path,
    origin: SocketAddr,
    certificate: &Certificate,
    capacity: u64,
) -> anyhow::Result<Nginx> {
    std::fs::create_dir_all(folder.join("temporary"))?;
    let (port, tls_port) = (free_port()?, free_port()?);
    // nginx itself counts those that the machine has.
    let cores = std::thread::available_parallelism()?;
    let text = filled(
        TEMPLATE,
        &[
            ("WORKERS", cores.to_string()),
            ("FOLDER", folder.display().to_string()),
            ("CAPACITY", capacity.to_string()),
            ("ORIGIN", origin.to_string()),
            ("PORT", port.to_string()),
            ("TLS_PORT", tls_port.to_string()),
            ("CERTIFICATE", certificate.chain.display().to_string()),
            ("KEY", certificate.key.display().to_string()),
        ],
    );
    let config = folder.join("nginx.conf");
    std::fs::write(&config, text)?;
    let mut command = Command::new(&program.path);
    command.arg("-p").arg(folder).arg("-c").arg(&config);
    command.arg("-e").arg(folder.join("error.log"));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let rival = Rival::start(&mut command, folder, address);
    let tls_address = SocketAddr::from(([127, 0, 0, 1], tls_port));
    Ok(Nginx {
        rival: rival.await.context("nginx")?,
        plain: target(address),
        tls: Target {
            tls: Some(certificate.trust()?),
            ..target(tls_address)
        },
    })
}
