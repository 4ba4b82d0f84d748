//! `forebay dev`: everything in one process on one machine, over a folder, with settings to paste into clients.

mod credentials;
mod settings;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::serve::flush;
use super::signals::Signals;
use super::{EXIT_INTERNAL, EXIT_UNAVAILABLE, refuse};
use crate::clock::Clock;
use crate::config::{self, Config, Surroundings};
use crate::server::{self, Running, Sockets};
use crate::telemetry::{self, Telemetry};
use crate::types::Problems;
use credentials::Credentials;
use settings::Settings;

/// The bucket that is there from the start.
const BUCKET: &str = "demo";
/// The variable that carries the secret into the configuration, which holds none itself.
const SECRET_VARIABLE: &str = "FOREBAY_DEV_SECRET";

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The folder whose folders are the buckets; made at first use.
    #[arg(long, value_name = "FOLDER", default_value = "forebay-data")]
    dir: PathBuf,
    /// The port of the S3 API; any free one where it is taken.
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// The port of health and metrics; any free one where it is taken.
    #[arg(long, default_value_t = 9001)]
    admin_port: u16,
}

/// Runs the node until Ctrl-C.
pub(super) async fn run(options: Options) -> ExitCode {
    let credentials = match prepare(&options.dir) {
        Ok(credentials) => credentials,
        Err(error) => {
            eprintln!("forebay: cannot use {}: {error}", options.dir.display());
            return ExitCode::from(EXIT_UNAVAILABLE);
        }
    };
    let config = match configuration(&options, &credentials, Surroundings::of_process()) {
        Ok(config) => config,
        Err(problems) => return refuse(&server::Error::Config(problems)),
    };
    let logging = telemetry::Config {
        log: telemetry::Format::Dev,
        ..telemetry::Config::default()
    };
    let telemetry = match Telemetry::install(&logging, &config.node.name) {
        Ok(telemetry) => telemetry,
        Err(error) => return refuse(&error.into()),
    };
    let code = match serve(&options, &credentials, config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Node(error)) => refuse(&error),
        Err(Failure::Io(error)) => {
            eprintln!("forebay: {error}");
            ExitCode::from(EXIT_INTERNAL)
        }
    };
    flush(telemetry).await;
    code
}

enum Failure {
    Node(server::Error),
    Io(io::Error),
}

async fn serve(
    options: &Options,
    credentials: &Credentials,
    config: Config,
) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(Failure::Io)?;
    let sockets = Sockets::bind_near(&config).await.map_err(Failure::Node)?;
    let cores = server::cores().map_err(Failure::Node)?;
    let running = server::start(config, sockets, Clock::system(), Some(cores))
        .await
        .map_err(Failure::Node)?;
    announce(options, credentials, &running).map_err(Failure::Io)?;
    signals.stop().await;
    running.shutdown().await;
    Ok(())
}

/// Makes the folder, its first bucket and the credentials where they are not there yet.
fn prepare(folder: &Path) -> io::Result<Credentials> {
    if !folder.is_dir() {
        std::fs::create_dir_all(folder.join(BUCKET))?;
    }
    Credentials::open(folder)
}

fn announce(options: &Options, credentials: &Credentials, running: &Running) -> io::Result<()> {
    let settings = Settings {
        folder: &options.dir,
        bucket: BUCKET,
        wanted: [options.port, options.admin_port],
        s3: running.s3_address,
        admin: running.admin_address,
        credentials,
    };
    let mut stdout = io::stdout().lock();
    write!(stdout, "{settings}")?;
    stdout.flush()
}

/// The configuration of a node over the folder: all of its folders are buckets, one identity may do everything.
fn configuration(
    options: &Options,
    credentials: &Credentials,
    mut surroundings: Surroundings,
) -> Result<Config, Problems> {
    let secret = credentials.secret_access_key.expose().to_owned();
    surroundings
        .variables
        .insert(SECRET_VARIABLE.to_owned(), secret);
    let text = format!(
        r#"
        node.name = "dev"
        listen.s3.address = "127.0.0.1:{port}"
        listen.admin.address = "127.0.0.1:{admin_port}"
        drain = {{ accept = "0s", patience = "1s" }}

        [origin.folder]
        kind = "directory"
        path = {folder}

        [bucket."*"]
        origin = "folder"

        [identity.dev]
        access_key_id = {access_key_id}
        secret_access_key = {{ env = "{SECRET_VARIABLE}" }}
        policies = ["everything"]

        [policy.everything]
        allow = [{{ actions = ["s3:*", "admin"], resources = ["*"] }}]
        "#,
        port = options.port,
        admin_port = options.admin_port,
        folder = quoted(&options.dir.display().to_string()),
        access_key_id = quoted(&credentials.access_key_id),
    );
    config::parse(&text, &surroundings)
}

/// `text` as a TOML string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
