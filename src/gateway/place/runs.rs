//! What is held, block after block, told in few words: blocks alike together, pages as ranges.

use std::path::PathBuf;

use super::{Run, Totals};
use crate::cache::disk::Pages;
use crate::types::layout::{BLOCK, PAGE};

/// What is held of one block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Held {
    pub(super) memory: Pages,
    pub(super) disk: Pages,
    /// The disk's folder.
    pub(super) path: Option<PathBuf>,
}

/// Gathers blocks in their order.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// First and last block, and what is held of each.
    runs: Vec<(u32, u32, Held)>,
}

impl Runs {
    pub(super) fn add(&mut self, index: u32, held: Held) {
        if held.memory.0 == 0 && held.disk.0 == 0 {
            return;
        }
        match self.runs.last_mut() {
            Some((_, last, before)) if *last + 1 == index && *before == held => *last = index,
            _ => self.runs.push((index, index, held)),
        }
    }

    pub(super) fn end(self) -> Vec<Run> {
        let told = |(first, last, held): (u32, u32, Held)| Run {
            blocks: span(first, last),
            memory: in_words(held.memory),
            disk: in_words(held.disk),
            path: held.path.map(|path| path.display().to_string()),
        };
        self.runs.into_iter().map(told).collect()
    }
}

impl Totals {
    /// Adds what is held of a block of a body of `size` bytes.
    pub(super) fn add(&mut self, held: &Held, index: u32, size: u64) {
        let start = u64::from(index) * BLOCK;
        for page in 0..u16::BITS {
            let at = start + u64::from(page) * PAGE;
            let bytes = size.saturating_sub(at).min(PAGE);
            if held.memory.0 >> page & 1 == 1 {
                self.memory_pages += 1;
                self.memory_bytes += bytes;
            }
            if held.disk.0 >> page & 1 == 1 {
                self.disk_pages += 1;
                self.disk_bytes += bytes;
            }
        }
    }
}

/// As in `0-3,5`.
fn in_words(Pages(pages): Pages) -> String {
    let mut words = Vec::new();
    let mut page = 0;
    while page < u16::BITS {
        let run = (pages >> page).trailing_ones();
        if run > 0 {
            words.push(span(page, page + run - 1));
        }
        page += run + 1;
    }
    words.join(",")
}

fn span(first: u32, last: u32) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_as_ranges() {
        assert_eq!(in_words(Pages(0)), "");
        assert_eq!(in_words(Pages(0b1)), "0");
        assert_eq!(in_words(Pages(0b10_1111)), "0-3,5");
        assert_eq!(in_words(Pages(u16::MAX)), "0-15");
        assert_eq!(in_words(Pages(1 << 15)), "15");
    }

    #[test]
    fn blocks_alike_are_told_together_and_empty_ones_not_at_all() {
        let held = |memory, disk| Held {
            memory: Pages(memory),
            disk: Pages(disk),
            path: None,
        };
        let mut runs = Runs::default();
        let blocks = [
            held(0, 0),
            held(3, 0),
            held(3, 0),
            held(0, 0),
            held(3, 0),
            held(3, 1),
        ];
        for (index, held) in (0..).zip(blocks) {
            runs.add(index, held);
        }
        let told: Vec<_> = runs
            .end()
            .into_iter()
            .map(|run| (run.blocks, run.memory, run.disk))
            .collect();
        let run = |blocks: &str, memory: &str, disk: &str| {
            (blocks.to_owned(), memory.to_owned(), disk.to_owned())
        };
        assert_eq!(
            told,
            [
                run("1-2", "0-1", ""),
                run("4", "0-1", ""),
                run("5", "0-1", "0")
            ]
        );
    }

    #[test]
    fn the_last_page_counts_the_bytes_that_it_has() {
        let mut totals = Totals::default();
        let held = Held {
            memory: Pages(0b11),
            disk: Pages(0b10),
            path: None,
        };
        totals.add(&held, 1, BLOCK + PAGE + 5);
        assert_eq!((totals.memory_pages, totals.memory_bytes), (2, PAGE + 5));
        assert_eq!((totals.disk_pages, totals.disk_bytes), (1, 5));
    }
}
