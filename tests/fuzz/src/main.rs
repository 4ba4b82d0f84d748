//! The fuzz targets: one program, in which `FUZZ_TARGET` chooses what libFuzzer's input is given to.
//!
//! A target holds a parser to a property, against a simple reference where there is one; its file has the property, the
//! reference and the seeds. `FUZZ_TARGET=list` prints the names; `FUZZ_SEEDS` names a folder that the seeds are put into
//! before libFuzzer reads it. `tests/fuzz/run` does all of it.

#![no_main]

mod input;
mod targets;

use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use targets::{ALL, Target};

static CHOSEN: OnceLock<&'static Target> = OnceLock::new();

fuzz_target!(init: choose(), |data: &[u8]| {
    let target = CHOSEN.get().expect("chosen before the first input");
    (target.run)(data);
});

/// Reads the environment, because libFuzzer takes the arguments for its own.
fn choose() {
    let name = variable("FUZZ_TARGET").unwrap_or_default();
    let Some(target) = ALL.iter().find(|target| target.name == name) else {
        for target in ALL {
            println!("{}", target.name);
        }
        std::process::exit(i32::from(name != "list"));
    };
    if let Some(folder) = variable("FUZZ_SEEDS").map(PathBuf::from) {
        for (index, seed) in target.seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{index}")), seed)
                .expect("a folder to write to");
        }
    }
    CHOSEN.get_or_init(|| target);
}

#[expect(
    clippy::disallowed_methods,
    reason = "settings of this program, which has no configuration file"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
