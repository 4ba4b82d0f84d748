//! Random puts, forgets, looks and restarts beside a map: what is found was put last under that name in this life of the node,
//! or in an earlier one, or is not found.

use std::collections::{HashMap, HashSet};
use std::fs;

use super::*;

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        xxh3_64(&self.0.to_be_bytes()) % most
    }
}

/// Says which put it was, at any length.
fn value(number: u64, length: usize) -> Bytes {
    let text = number.to_be_bytes();
    Bytes::from(text.repeat(length / text.len() + 1)).slice(..length.max(text.len()))
}

#[tokio::test]
async fn what_is_found_is_what_was_put_last() {
    let disk = tempfile::tempdir().expect("a folder");
    let mut random = Random(std::process::id().into());
    let seed = random.0;
    let mut last: HashMap<u128, Bytes> = HashMap::new();
    // Of an earlier life foyer may find what was replaced: it evicts in the order of its files, newer things too.
    let mut ever: HashMap<u128, HashSet<Bytes>> = HashMap::new();
    let mut of_this_life = HashSet::new();
    let (mut found, mut looks) = (0, 0);
    let (mut small, _) = open(disk.path()).await;
    for step in 0..6000 {
        let digest = u128::from(random.below(500));
        match random.below(1000) {
            0..2 => {
                small.close().await;
                small = open(disk.path()).await.0;
                of_this_life.clear();
            }
            2..50 => {
                small.forget(Kind::Body, digest);
                last.remove(&digest);
                of_this_life.insert(digest);
            }
            50..500 => {
                let length = usize::try_from(random.below(40_000)).expect("a length");
                let bytes = value(step, length);
                small.put(Kind::Body, digest, bytes.clone());
                ever.entry(digest).or_default().insert(bytes.clone());
                last.insert(digest, bytes);
                of_this_life.insert(digest);
            }
            500..520 => small.settle().await,
            _ => {
                looks += 1;
                if let Some(bytes) = small.get(Kind::Body, digest).await {
                    found += 1;
                    let is_right = match of_this_life.contains(&digest) {
                        true => last.get(&digest) == Some(&bytes),
                        false => ever.get(&digest).is_some_and(|it| it.contains(&bytes)),
                    };
                    assert!(is_right, "seed {seed}, step {step}");
                }
            }
        }
    }
    small.close().await;
    // Evicted or dropped is a miss, but not everything is.
    assert!(found * 2 > looks, "{found} of {looks}");
}

/// What a kill leaves is what the files are at some moment, or less.
#[tokio::test]
async fn files_as_they_are_at_any_moment_hold_nothing_that_was_not_put() {
    let (disk, copy) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let (small, _) = open(disk.path()).await;
    let mut put: HashMap<u128, HashSet<Bytes>> = HashMap::new();
    let mut random = Random(7);
    let folder = |root: &Path| root.join("small/00000001");
    let mut held = 0;
    for round in 0..8 {
        for step in 0..200 {
            let digest = u128::from(random.below(300));
            let length = usize::try_from(random.below(20_000)).expect("a length");
            let bytes = value(round * 1000 + step, length);
            small.put(Kind::Record, digest, bytes.clone());
            put.entry(digest).or_default().insert(bytes);
        }
        // The files are read while they are written to.
        let (from, to) = (folder(disk.path()), folder(copy.path()));
        let copied = tokio::task::spawn_blocking(move || {
            fs::create_dir_all(&to)?;
            for file in fs::read_dir(from)? {
                let file = file?;
                fs::copy(file.path(), to.join(file.file_name()))?;
            }
            Ok::<(), std::io::Error>(())
        });
        copied.await.expect("no panic").expect("a copy");
        let (killed, _) = open(copy.path()).await;
        for (digest, all) in &put {
            if let Some(bytes) = killed.get(Kind::Record, *digest).await {
                held += 1;
                assert!(all.contains(&bytes), "{digest} in round {round}");
            }
        }
        killed.close().await;
        fs::remove_dir_all(copy.path().join("small")).expect("removed");
    }
    assert!(held > 0);
    small.close().await;
}
