//! Bytes that are a function of a seed and of their place, so that large objects need no storage and every byte can be
//! checked.
//!
//! A seed's content repeats a random sequence whose length is a prime: two pages, blocks or segments never have the same
//! bytes at the same place.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{LazyLock, Mutex};

use bytes::{Bytes, BytesMut};

/// The largest prime below 1 MiB.
const PERIOD: u64 = 1_048_573;

static SEQUENCES: LazyLock<Mutex<HashMap<u64, Bytes>>> = LazyLock::new(Mutex::default);

/// The bytes of `range` of the content that `seed` names.
pub(crate) fn bytes(seed: u64, range: Range<u64>) -> Bytes {
    let mut all = BytesMut::with_capacity(index(range.end - range.start));
    for part in parts(seed, range) {
        all.extend_from_slice(&part);
    }
    all.freeze()
}

/// Where `got`, which begins at `start`, first differs from the content; none where it is right.
pub(crate) fn differs(seed: u64, start: u64, got: &[u8]) -> Option<u64> {
    let mut at = 0;
    for part in parts(seed, start..start + got.len() as u64) {
        let same = &got[at..at + part.len()];
        if part != *same {
            let place = part
                .iter()
                .zip(same)
                .position(|(expected, got)| expected != got);
            return place.map(|place| start + (at + place) as u64);
        }
        at += part.len();
    }
    None
}

fn parts(seed: u64, range: Range<u64>) -> impl Iterator<Item = Bytes> {
    let sequence = sequence(seed);
    let mut at = range.start;
    std::iter::from_fn(move || {
        let from = at % PERIOD;
        let to = (from + range.end - at).min(PERIOD);
        at += to - from;
        (from < to).then(|| sequence.slice(index(from)..index(to)))
    })
}

fn sequence(seed: u64) -> Bytes {
    let mut sequences = SEQUENCES.lock().expect("nothing panics under the lock");
    let make = || {
        let word = |index: u64| {
            xxhash_rust::xxh3::xxh3_64_with_seed(&index.to_le_bytes(), seed).to_le_bytes()
        };
        let mut bytes: Vec<u8> = (0..PERIOD.div_ceil(8)).flat_map(word).collect();
        bytes.truncate(index(PERIOD));
        Bytes::from(bytes)
    };
    sequences.entry(seed).or_insert_with(make).clone()
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("a test's size")
}
