//! Nodes with a disk: what they still hold after they ended, and whether every byte of it is right.

mod crash;
mod restart;

use std::path::Path;

use crate::support::client::{Answer, Ask};
use crate::support::content;
use crate::support::node::{self, Settings};
use crate::support::origin::TestOrigin;
use crate::support::process::Process;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// The configuration of a node with one disk in `folder`, before `origin`. Its `memory` decides how much may wait to be written:
/// a 32nd, and 8 MiB at least.
fn configuration(
    origin: &TestOrigin,
    folder: &Path,
    freshness: &'static str,
    memory: &'static str,
) -> String {
    let disk = format!(
        "[[disk]]\npath = \"{}\"\ncapacity = \"512MiB\"\n",
        folder.display()
    );
    let settings = Settings {
        freshness,
        memory,
        more: disk,
        ..Settings::default()
    };
    node::configuration(origin.address, &settings)
}

/// Reads an object that was put with `seed`, whole, and checks every byte.
async fn read(process: &Process, target: &str, seed: u64) -> Answer {
    let answer = process.client.get(target).await;
    assert_eq!(answer.status.as_u16(), 200, "{target}: {answer:?}");
    let wrong = content::differs(seed, 0, &answer.body);
    assert_eq!(wrong, None, "{target}, from {}", answer.source());
    answer
}

/// Reads a range and checks every byte.
async fn read_range(process: &Process, target: &str, seed: u64, first: u64, last: u64) -> Answer {
    let ask = Ask::get(target).header("range", format!("bytes={first}-{last}"));
    let answer = process.client.send(&ask).await;
    assert_eq!(answer.status.as_u16(), 206, "{target}: {answer:?}");
    assert_eq!(answer.body.len() as u64, last + 1 - first, "{target}");
    let wrong = content::differs(seed, first, &answer.body);
    assert_eq!(wrong, None, "{target}, from {}", answer.source());
    answer
}
