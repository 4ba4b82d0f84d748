//! Brings a whole set into a node, onto its disk where it has one.
//!
//! A disk that cannot follow drops what it is offered. The first pass is as fast as clients make it, and what was dropped then
//! is told; what is missing comes in with gentler passes, until one asks the origin for nothing.

use std::sync::Arc;

use super::Bench;
use crate::harness::{Node, told};
use crate::load::Ask;
use crate::origin::Origin;

/// Of the first pass, and of those after it.
const CLIENTS: (usize, usize) = (8, 2);
/// A set that is not all there by then does not fit.
const MOST_PASSES: usize = 12;

/// Reads a set until a pass leaves the origin alone. Returns how many bytes of it are in memory only.
pub(super) async fn fill(
    bench: &mut Bench,
    node: &Node,
    origin: &Origin,
    asks: &Arc<[Ask]>,
    what: &str,
) -> anyhow::Result<f64> {
    let bytes: u64 = asks.iter().map(|ask| ask.bytes().1 - ask.bytes().0).sum();
    let mut missing = String::new();
    let (mut left, mut quiet) = (bytes as f64, false);
    for pass in 1..=MOST_PASSES {
        let before = node.metrics().await?.disk();
        let clients = if pass == 1 { CLIENTS.0 } else { CLIENTS.1 };
        let read = bench.read_all(node, origin, asks, clients).await;
        let after = bench.settle(node).await?;
        let dropped = after.dropped() - before.dropped();
        let asked = read.origin.requests();
        bench.say(&format!(
            "{what}, pass {pass}: {:.2} GB/s, {asked} origin requests, {dropped} offers dropped (in all {})",
            read.outcome.gb_per_second(),
            told(&after.offers),
        ));
        bench.check_answers(&format!("{what}, pass {pass}"), &read.outcome);
        if pass == 1 {
            let written = read.cost.disk_written as f64 / read.outcome.bytes.max(1) as f64;
            let row = bench.row(format!("{what}, first pass: offers dropped"), dropped, "");
            let note = format!(
                "{:.2} GB/s, {:.2} CPU s/GB, {:.0} % of the bytes written before its end",
                read.outcome.gb_per_second(),
                read.cpu_per_gb(),
                written * 100.0
            );
            bench.keep(row.note(note));
        }
        missing = match asked {
            0 => String::new(),
            _ => format!("{asked} origin requests in pass {pass}"),
        };
        // What memory holds and the disk does not is not asked for until it goes from memory. One more pass moves most of
        // it; what is read so often that it stays in memory is not missed either.
        left = (bytes as f64 - after.live).max(0.0);
        if asked == 0 && (left == 0.0 || quiet) {
            break;
        }
        quiet = asked == 0;
    }
    let held = missing.is_empty();
    bench.check(format!("{what}: all of it is kept"), held, missing);
    Ok(left)
}
