//! The command line: `forebay serve`, `forebay dev`, `forebay check`; `purge` and `where`, which ask a running node;
//! `disk inspect`, which looks into a disk's folder.
//!
//! Answers go to stdout, logs and complaints to stderr. Exit codes are those of sysexits.h: 64 for a wrong configuration or
//! usage, 65 for a disk that is damaged, 69 where something needed is not to be had (an address, an origin), 70 for a fault of our own.

mod admin;
mod check;
mod dev;
mod disk;
mod location;
mod output;
mod place;
mod purge;
mod serve;
mod signals;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;

use crate::server;
use output::Output;

/// The configuration or the usage is wrong.
const EXIT_CONFIG: u8 = 64;
/// What was looked at is damaged.
const EXIT_DATA: u8 = 65;
/// Something needed is not to be had: an address, a node.
const EXIT_UNAVAILABLE: u8 = 69;
/// A fault of our own.
const EXIT_INTERNAL: u8 = 70;

/// How long calls to the file system that still run have to end once the command has: one that hangs in the kernel, as
/// on a network file system that is gone, must not keep the process.
const BLOCKING_PATIENCE: Duration = Duration::from_secs(1);

/// An S3-compatible caching gateway that keeps GPUs fed.
#[derive(Debug, Parser)]
#[command(name = "forebay", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node.
    Serve {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Try a configuration: every mistake, then every origin, bucket, address and disk that cannot be had.
    Check {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// How to tell what was found.
        #[arg(long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Run a node on this machine over a folder, and print settings for clients.
    Dev(dev::Options),
    /// Make a running node forget objects: their next read asks the origin, for headers and bytes.
    Purge(purge::Options),
    /// Tell what a running node knows of an object, and where its bytes are.
    Where(place::Options),
    /// Look into the folder of a disk.
    #[command(subcommand)]
    Disk(disk::Command),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    // Every use of TLS in the process, whatever crate it is in, takes this provider. It fails only where one is
    // installed already, and then there is one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("forebay: cannot start the runtime: {error}");
            return ExitCode::from(EXIT_INTERNAL);
        }
    };
    complete(runtime, async {
        match cli.command {
            Command::Serve { config } => serve::run(config).await,
            Command::Check { config, output } => try_out(&config, output).await,
            Command::Dev(options) => dev::run(options).await,
            Command::Purge(options) => ended(purge::run(&options, &mut io::stdout()).await),
            Command::Where(options) => ended(place::run(&options, &mut io::stdout()).await),
            Command::Disk(command) => look(command).await,
        }
    })
}

/// Runs `command`; what it leaves running does not hold the process up.
fn complete<T>(runtime: Runtime, command: impl Future<Output = T>) -> T {
    let code = runtime.block_on(command);
    runtime.shutdown_timeout(BLOCKING_PATIENCE);
    code
}

async fn try_out(config: &Path, output: Output) -> ExitCode {
    let connect: &check::Connect = &|origin| Box::pin(server::connect(origin));
    match check::run(config, output, connect, &mut io::stdout()).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("forebay: cannot write the findings: {error}");
            ExitCode::from(EXIT_INTERNAL)
        }
    }
}

async fn look(command: disk::Command) -> ExitCode {
    let looking = move || disk::run(&command, &mut io::stdout(), &mut io::stderr());
    let looked = tokio::task::spawn_blocking(looking).await;
    match looked.map_err(io::Error::other).flatten() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("forebay: cannot write the findings: {error}");
            ExitCode::from(EXIT_INTERNAL)
        }
    }
}

/// Prints why a node did not do what it was asked; returns the code to exit with.
fn ended(asked: io::Result<Result<(), admin::Failure>>) -> ExitCode {
    match asked {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            eprintln!("forebay: {failure}");
            ExitCode::from(failure.exit_code())
        }
        Err(error) => {
            eprintln!("forebay: cannot write the answer: {error}");
            ExitCode::from(EXIT_INTERNAL)
        }
    }
}

/// Prints help and version to stdout with success, mistakes to stderr.
fn usage(error: &clap::Error) -> ExitCode {
    // Nothing is left to be done where the terminal is gone.
    let _ = error.print();
    if error.use_stderr() {
        ExitCode::from(EXIT_CONFIG)
    } else {
        ExitCode::SUCCESS
    }
}

/// Prints why a node cannot start; returns the code to exit with.
fn refuse(error: &server::Error) -> ExitCode {
    eprintln!("forebay: {}", causes(error));
    ExitCode::from(match error {
        server::Error::Config(_) => EXIT_CONFIG,
        server::Error::Bind { .. } => EXIT_UNAVAILABLE,
        server::Error::Telemetry(_) | server::Error::Threads(_) => EXIT_INTERNAL,
    })
}

/// The error and its causes in one line.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_hangs_does_not_keep_the_process() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (release, hung) = std::sync::mpsc::channel::<()>();
        let code = complete(runtime, async {
            drop(tokio::task::spawn_blocking(move || hung.recv()));
            7
        });
        assert_eq!(code, 7);
        drop(release);
    }
}
