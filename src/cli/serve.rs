//! `forebay serve`: a node until it is told to stop.

use std::path::PathBuf;
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{error, info, warn};

use super::signals::{Asked, Signals};
use super::{EXIT_CONFIG, EXIT_INTERNAL, refuse};
use crate::clock::Clock;
use crate::config::{self, Config, LogFormat};
use crate::server::{self, Running, Sockets};
use crate::telemetry::{self, Telemetry};

/// Runs the node that the file at `path` describes.
pub(super) async fn run(path: PathBuf) -> ExitCode {
    let config = match config::load(&path) {
        Ok(config) => config,
        Err(problems) => {
            let path = path.display();
            eprintln!("forebay: cannot use the configuration {path}\n{problems}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let telemetry = match Telemetry::install(&logging(&config), &config.node.name) {
        Ok(telemetry) => telemetry,
        Err(error) => return refuse(&error.into()),
    };
    raise_open_files();
    let code = match start(config).await {
        Ok((running, signals)) => {
            running.follow(path);
            until_stopped(running, signals).await
        }
        Err(Failure::Node(error)) => refuse(&error),
        Err(Failure::Signals(error)) => {
            error!(
                error = &error as &dyn std::error::Error,
                "cannot listen for signals"
            );
            ExitCode::from(EXIT_INTERNAL)
        }
    };
    flush(telemetry).await;
    code
}

/// Raises the limit of open files as far as is allowed: each connection takes one, and each GiB of a disk.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        warn!(%error, "cannot raise the limit of open files");
    }
}

enum Failure {
    Node(server::Error),
    Signals(std::io::Error),
}

async fn start(config: Config) -> Result<(Running, Signals), Failure> {
    let signals = Signals::listen().map_err(Failure::Signals)?;
    let sockets = Sockets::bind(&config).await.map_err(Failure::Node)?;
    let node = config.node.name.clone();
    let cores = server::cores().map_err(Failure::Node)?;
    let running = server::start(config, sockets, Clock::system(), Some(cores))
        .await
        .map_err(Failure::Node)?;
    info!(
        node,
        version = env!("CARGO_PKG_VERSION"),
        s3.address = %running.s3_address,
        admin.address = %running.admin_address,
        "serving"
    );
    Ok((running, signals))
}

async fn until_stopped(running: Running, mut signals: Signals) -> ExitCode {
    while signals.next().await == Asked::Reload {
        running.reload();
    }
    // Cancelling the drain drops the node, which ends every task at once.
    tokio::select! {
        () = running.shutdown() => {}
        () = signals.stop() => warn!("stopped at once, as asked twice"),
    }
    ExitCode::SUCCESS
}

/// Sends the last traces; that blocks, so that it happens on a blocking thread.
pub(super) async fn flush(telemetry: Telemetry) {
    if let Err(error) = tokio::task::spawn_blocking(|| telemetry.flush()).await {
        error!(
            error = &error as &dyn std::error::Error,
            "cannot send the last traces"
        );
    }
}

fn logging(config: &Config) -> telemetry::Config {
    telemetry::Config {
        otlp_endpoint: config.telemetry.otlp_endpoint.clone(),
        log: match config.telemetry.log {
            LogFormat::Json => telemetry::Format::Json,
            LogFormat::Text => telemetry::Format::Text,
        },
        filter: config.telemetry.filter.clone(),
    }
}
