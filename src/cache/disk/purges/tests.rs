//! Tests of purges.

use proptest::prelude::*;

use super::file::{MAGIC, checksum};
use super::*;

fn origin(number: u128) -> OriginFingerprint {
    OriginFingerprint::from_bits(number)
}

fn object(number: u128, key: &str) -> CanonicalObject {
    CanonicalObject {
        origin: origin(number),
        key: key.parse().expect("a key"),
    }
}

/// A list that these purges made, one after the other.
fn purged(rules: &[(u128, &str)]) -> Purges {
    let mut purges = Purges::default();
    for (number, prefix) in rules {
        purges.purge(origin(*number), prefix);
    }
    purges
}

/// What a list would be that never drops a rule. Some rules are about one key only.
#[derive(Default)]
struct Plain(Vec<(Epoch, u128, String, bool)>);

impl Plain {
    fn floor(&self, number: u128, key: &str) -> Epoch {
        let covers = |(_, origin, prefix, exact): &&(Epoch, u128, String, bool)| {
            let is_covered = if *exact {
                key == prefix
            } else {
                key.starts_with(prefix.as_str())
            };
            *origin == number && is_covered
        };
        let epochs = self.0.iter().filter(covers).map(|rule| rule.0);
        epochs.max().unwrap_or_default()
    }
}

#[test]
fn what_was_fetched_before_a_purge_that_covers_it_is_gone() {
    let mut purges = Purges::default();
    let before = purges.latest();
    let purge = purges.purge(origin(1), "data/");
    assert!(purges.floor(&object(1, "data/a")) > before);
    assert_eq!(purges.floor(&object(1, "data/a")), purge);
    assert_eq!(purges.latest(), purge, "what is fetched now is good");
    for other in [object(1, "dat"), object(1, "other"), object(2, "data/a")] {
        assert_eq!(purges.floor(&other), before);
    }
}

#[test]
fn a_purge_of_one_key_is_about_no_key_that_begins_so() {
    let mut purges = Purges::default();
    let key = "k".repeat(MAX_KEY_BYTES);
    for key in ["key", &key] {
        purges.purge_key(origin(1), &key.parse().expect("a key"));
    }
    assert_eq!(purges.floor(&object(1, "key")), Epoch(1));
    assert_eq!(purges.floor(&object(1, &key)), Epoch(2));
    for other in ["key2", "key/", "ke"] {
        assert_eq!(purges.floor(&object(1, other)), Epoch(0), "{other}");
    }
    assert_eq!(Purges::decode(&purges.encode()), Ok(purges.clone()));
    purges.purge(origin(1), "k");
    assert_eq!(purges.rules(), 1, "it covers both");
}

#[test]
fn a_later_rule_takes_the_place_of_those_that_it_covers() {
    let mut purges = purged(&[(1, "a/b/"), (1, "a/c"), (1, "b"), (2, "a/b/"), (1, "a/")]);
    assert_eq!(purges.rules(), 3);
    assert_eq!(purges.floor(&object(1, "a/b/x")), Epoch(5));
    assert_eq!(purges.floor(&object(1, "b")), Epoch(3));
    assert_eq!(purges.floor(&object(2, "a/b/x")), Epoch(4));
    purges.purge(origin(1), "a/");
    assert_eq!(purges.rules(), 3);
    purges.purge(origin(1), "");
    assert_eq!(purges.rules(), 2);
    purges.purge_everything(0);
    assert_eq!(purges.rules(), 0);
    assert_eq!(purges.floor(&object(3, "never purged")), Epoch(8));
}

#[test]
fn a_lost_list_is_older_than_what_follows_however_long_it_was() {
    let mut purges = Purges::default();
    let floor = purges.purge_everything(1_790_000_000);
    assert_eq!(floor, Epoch(1_790_000_000));
    assert_eq!(purges.floor(&object(1, "k")), floor);
    assert_eq!(purges.purge(origin(1), "k"), Epoch(1_790_000_001));
    let later = purges.purge_everything(1_790_000_000);
    assert_eq!(later, Epoch(1_790_000_002));
}

#[test]
fn a_narrower_rule_after_a_wider_one_counts_for_what_it_covers() {
    let purges = purged(&[(1, ""), (1, "a/b"), (1, "a"), (1, "a/b/c")]);
    for (key, epoch) in [("x", 1), ("a", 3), ("a/b", 3), ("a/b/c", 4), ("a/b/d", 3)] {
        assert_eq!(purges.floor(&object(1, key)), Epoch(epoch), "{key}");
    }
}

#[test]
fn a_prefix_that_no_key_begins_with_is_no_rule() {
    let purges = purged(&[(1, &"k".repeat(MAX_KEY_BYTES + 1))]);
    assert_eq!((purges.rules(), purges.latest()), (0, Epoch(1)));
    assert_eq!(Purges::decode(&purges.encode()), Ok(purges));
}

#[test]
fn the_list_stays_short_and_forgets_no_purge() {
    let mut purges = Purges::default();
    for number in 0..2 * MOST_RULES {
        purges.purge(origin((number % 3) as u128), &format!("key-{number}"));
        assert!(purges.rules() <= MOST_RULES);
    }
    for number in 0..2 * MOST_RULES {
        let purge = Epoch(u32::try_from(number + 1).expect("few"));
        let key = format!("key-{number}");
        assert!(purges.floor(&object((number % 3) as u128, &key)) >= purge);
    }
    let last = 2 * MOST_RULES - 1;
    let untouched = object((last % 3) as u128, "other");
    assert!(
        purges.floor(&untouched) < purges.latest(),
        "what is asked for now is good"
    );
}

#[test]
fn a_rule_for_each_of_many_buckets_stays_short_too() {
    let mut purges = Purges::default();
    for number in 0..3 * MOST_RULES as u128 {
        let purge = purges.purge(origin(number), "");
        assert!(purges.rules() <= MOST_RULES);
        assert_eq!(purges.floor(&object(number, "k")), purge);
    }
    let (first, latest) = (object(0, "k"), purges.latest());
    assert!(purges.floor(&first) >= Epoch(1) && purges.floor(&first) < latest);
}

#[test]
fn a_disk_that_was_away_takes_over_what_it_missed() {
    let behind = purged(&[(1, "a")]);
    let mut ahead = behind.clone();
    ahead.purge(origin(1), "b");
    let mut merged = behind.clone();
    merged.merge(&ahead);
    assert_eq!(merged, ahead);
    ahead.merge(&behind);
    assert_eq!(ahead, merged);
}

#[test]
fn lists_that_went_on_apart_purge_again_what_either_purged() {
    // Both disks gave epoch 2, each to a rule that the other does not know.
    let (mut one, mut other) = (purged(&[(1, "a")]), purged(&[(1, "a")]));
    one.purge(origin(1), "b");
    other.purge(origin(1), "c");
    one.merge(&other);
    let both_held = Epoch(2);
    assert!(one.floor(&object(1, "b")) > both_held);
    assert!(one.floor(&object(1, "c")) > both_held);
    assert_eq!(one.floor(&object(1, "a")), Epoch(1), "both knew of it");
    assert_eq!(one.latest(), Epoch(3));
    let merged = one.clone();
    one.merge(&other);
    assert_eq!(one.floor(&object(1, "b")), Epoch(3));
    assert_eq!(one.rules(), merged.rules());
}

#[test]
fn the_file_is_golden() {
    let mut purges = purged(&[(1, "a/")]);
    purges.purge_everything(0);
    purges.purge(origin(2), "k");
    let expected = "46425055524700010300000002000000010000000300000002000000000000000000000000000000\
                    01006b";
    let file = purges.encode();
    assert_eq!(hex::encode(&file[..file.len() - 4]), expected);
    assert_eq!(Purges::decode(&file), Ok(purges));
}

#[test]
fn a_file_of_another_format_or_with_a_wrong_checksum_is_refused() {
    let file = purged(&[(1, "a")]).encode();
    assert_eq!(Purges::decode(b""), Err(Damaged::Format));
    assert_eq!(Purges::decode(&MAGIC), Err(Damaged::Checksum));
    let mut later = file.clone();
    later[7] += 1;
    assert_eq!(Purges::decode(&later), Err(Damaged::Format));
    for bit in 64..8 * file.len() {
        let mut damaged = file.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            Purges::decode(&damaged),
            Err(Damaged::Checksum),
            "bit {bit}"
        );
    }
    for length in MAGIC.len()..file.len() {
        assert_eq!(Purges::decode(&file[..length]), Err(Damaged::Checksum));
    }
}

/// `bytes` with a checksum that fits.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = checksum(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn a_file_that_contradicts_itself_is_refused() {
    let file = purged(&[(1, "a")]).encode();
    let whole = &file[..file.len() - 4];
    let with = |at: usize, byte: u8| {
        let mut bytes = whole.to_vec();
        bytes[at] = byte;
        sealed(bytes)
    };
    let latest_before_the_rule = with(8, 0);
    let everything_after_the_latest = with(12, 9);
    let more_rules_than_there_are = with(16, 2);
    let longer_prefix_than_there_is = with(40, 2);
    let bytes_after_the_last = with(40, 0);
    for damaged in [
        latest_before_the_rule,
        everything_after_the_latest,
        more_rules_than_there_are,
        longer_prefix_than_there_is,
        bytes_after_the_last,
    ] {
        assert_eq!(Purges::decode(&damaged), Err(Damaged::Contents));
    }
}

fn some_rules() -> impl Strategy<Value = Vec<(u128, String)>> {
    prop::collection::vec((0u128..3, "[ab/é]{0,4}"), 0..40)
}

proptest! {
    #[test]
    fn a_floor_is_that_of_a_list_which_drops_nothing(
        rules in some_rules(), exact in prop::collection::vec(any::<bool>(), 40), keys in prop::collection::vec("[ab/é]{1,6}", 1..20),
    ) {
        let (mut purges, mut plain) = (Purges::default(), Plain::default());
        for ((number, prefix), exact) in rules.into_iter().zip(exact) {
            let key = prefix.parse().ok().filter(|_| exact);
            let epoch = match &key {
                Some(key) => purges.purge_key(origin(number), key),
                None => purges.purge(origin(number), &prefix),
            };
            plain.0.push((epoch, number, prefix, key.is_some()));
        }
        for (number, key) in (0..3).flat_map(|number| keys.iter().map(move |key| (number, key))) {
            prop_assert_eq!(purges.floor(&object(number, key)), plain.floor(number, key));
        }
        prop_assert_eq!(Purges::decode(&purges.encode()), Ok(purges));
    }

    #[test]
    fn nothing_that_either_list_purged_comes_back(
        common in some_rules(), ours in some_rules(), theirs in some_rules(), key in "[ab/é]{1,6}", number in 0u128..3,
    ) {
        let mut one = Purges::default();
        for (number, prefix) in common {
            one.purge(origin(number), &prefix);
        }
        let (shared, mut other) = (one.clone(), one.clone());
        for (number, prefix) in &ours {
            one.purge(origin(*number), prefix);
        }
        for (number, prefix) in &theirs {
            other.purge(origin(*number), prefix);
        }
        let mut merged = one.clone();
        merged.merge(&other);
        let object = object(number, &key);
        let floor = merged.floor(&object);
        prop_assert!(floor >= one.floor(&object) && floor >= other.floor(&object));
        prop_assert!(merged.latest() >= one.latest().max(other.latest()));
        // What one of them purged after they parted is gone even from where the other has held it last.
        for (list, held_until) in [(&one, &other), (&other, &one)] {
            if list.floor(&object) > shared.floor(&object) && held_until.floor(&object) == shared.floor(&object) {
                prop_assert!(floor > held_until.latest());
            }
        }
        let mut other_way = other.clone();
        other_way.merge(&one);
        prop_assert_eq!(other_way, merged);
    }

    #[test]
    fn no_bytes_bring_the_decoder_down(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut file = MAGIC.to_vec();
        file.extend_from_slice(&bytes);
        if let Ok(purges) = Purges::decode(&sealed(file)) {
            prop_assert!(purges.rules() <= MOST_RULES);
            prop_assert_eq!(Purges::decode(&purges.encode()), Ok(purges));
        }
        prop_assert!(Purges::decode(&bytes).is_err());
    }
}
