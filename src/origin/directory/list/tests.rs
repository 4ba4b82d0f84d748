//! A listing equals the one of a sorted set of keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::origin::directory::conditions;
use crate::origin::directory::meta::Description;
use crate::origin::directory::staging::Staging;
use crate::origin::directory::store::Draft;

fn key() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("a"),
        Just("b"),
        Just("-"),
        Just("/"),
        Just("."),
        Just("é")
    ];
    proptest::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

fn put(store: &Arc<Store>, bucket: &BucketName, key: &str) {
    let draft = Draft {
        etag: "e".into(),
        description: Description::default(),
        checksum: None,
        parts: Vec::new(),
        part_sums: Vec::new(),
        upload: None,
    };
    let staging = Staging::new(store).expect("a staging file");
    let key = key.parse().expect("a key");
    let done = store.commit(
        (bucket, &key),
        staging,
        draft,
        &conditions::Write::default(),
    );
    done.expect("an object");
}

/// What S3's documentation says a listing is, without pages.
fn model(keys: &BTreeSet<String>, query: &Query) -> Vec<Entry> {
    let mut entries = Vec::new();
    for key in keys {
        let Some(rest) = key.strip_prefix(&query.prefix) else {
            continue;
        };
        let at = query
            .delimiter
            .as_ref()
            .and_then(|delimiter| rest.find(delimiter.as_str()));
        let entry = match (at, &query.delimiter) {
            (Some(at), Some(delimiter)) => {
                let end = query.prefix.len() + at + delimiter.len();
                Entry::Prefix(key[..end].to_owned())
            }
            _ => Entry::Key(key.clone()),
        };
        if entries.last() != Some(&entry) {
            entries.push(entry);
        }
    }
    entries
}

fn pages(store: &Store, bucket: &BucketName, query: &Query) -> Vec<Entry> {
    let mut query = query.clone();
    let mut entries = Vec::new();
    loop {
        let page = walk(store, bucket, &query).expect("a page");
        assert!(page.entries.len() <= query.limit);
        let last = page.last().map(str::to_owned);
        let truncated = page.truncated;
        entries.extend(page.entries);
        match last {
            Some(last) if truncated => query.after = last,
            _ => return entries,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn pages_add_up_to_the_sorted_set(
        put_keys in proptest::collection::vec(key(), 0..12),
        removed in proptest::collection::vec(any::<prop::sample::Index>(), 0..3),
        prefix in prop_oneof![Just(String::new()), key()],
        delimiter in prop_oneof![Just(None), Just(Some("/")), Just(Some("a")), Just(Some("-/"))],
        limit in 1usize..4,
    ) {
        let folder = tempfile::tempdir().expect("a scratch folder");
        std::fs::create_dir(folder.path().join("train")).expect("a bucket");
        let store = Arc::new(Store::open(folder.path()).expect("a store"));
        let bucket: BucketName = "train".parse().expect("a bucket name");
        let mut keys: BTreeSet<String> = put_keys.iter().cloned().collect();
        for key in &put_keys {
            put(&store, &bucket, key);
        }
        for index in removed {
            if !put_keys.is_empty() {
                let key = index.get(&put_keys);
                let name = key.parse().expect("a key");
                let there = store.remove(&bucket, &name, None).expect("removed");
                prop_assert_eq!(there, keys.remove(key));
            }
        }
        let query = Query {
            prefix,
            delimiter: delimiter.map(str::to_owned),
            after: String::new(),
            limit,
        };
        prop_assert_eq!(pages(&store, &bucket, &query), model(&keys, &query));
    }
}
