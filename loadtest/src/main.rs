//! The `forebay-loadtest` binary: measures Forebay so that anybody can measure it again.
//!
//! `content` says what objects contain, `origin` serves them, `load` asks for them and checks every answer, `process` reads
//! what a server costs, `harness` starts what is measured, `scenario` puts these together, `report` tells what came of it and
//! `progress` how far it is.

mod cli;
mod content;
mod fit;
mod harness;
mod load;
mod origin;
mod process;
mod progress;
mod random;
mod report;
mod scenario;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
