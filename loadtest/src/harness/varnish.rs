//! Varnish with its store in memory, from `rivals/default.vcl`.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use tokio::process::Command;

use super::rival::{Program, Rival, filled, free_port, target};
use crate::load::Target;

const TEMPLATE: &str = include_str!("../../rivals/default.vcl");

pub(super) fn program() -> Option<Program> {
    Program::find("varnishd", "-V")
}

/// Starts it with a store of `capacity` bytes.
pub(super) async fn start(
    program: &Program,
    folder: &Path,
    origin: SocketAddr,
    capacity: u64,
) -> anyhow::Result<(Rival, Target)> {
    let words = [
        ("HOST", origin.ip().to_string()),
        ("PORT", origin.port().to_string()),
    ];
    let config = folder.join("default.vcl");
    std::fs::write(&config, filled(TEMPLATE, &words))?;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let mut command = Command::new(&program.path);
    // In the foreground, as who runs it, without a command line of its own.
    command.args(["-F", "-j", "none", "-T", "none"]);
    command.arg("-n").arg(folder.join("work"));
    command.arg("-a").arg(address.to_string());
    command.arg("-f").arg(&config);
    command.arg("-s").arg(format!("default=malloc,{capacity}b"));
    // A client that pauses, and a connection that waits for the next round, are kept.
    command.args(["-p", "timeout_idle=300", "-p", "send_timeout=300"]);
    let rival = Rival::start(&mut command, folder, address);
    Ok((rival.await.context("varnishd")?, target(address)))
}
