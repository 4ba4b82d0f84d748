//! The promises of `Records` on one member.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderMap;

use crate::clock::Moment;
use crate::origin::ObjectHead;
use crate::types::{ETag, OriginFingerprint};

use super::*;

const MIB: u64 = 1 << 20;

fn records() -> Arc<Records> {
    Records::new(Config { capacity: MIB }, Clock::manual())
}

fn object(key: &str) -> CanonicalObject {
    let bucket = "train".parse().expect("a bucket name");
    CanonicalObject {
        origin: OriginFingerprint::new("s3", "https://s3.example", "us-east-1", &bucket),
        key: key.parse().expect("a key"),
    }
}

/// Version `version` of `key`, asked for `version` seconds after the start.
fn record(key: &str, version: u64) -> Record {
    let head = ObjectHead {
        size: 1,
        etag: ETag::new(&format!("\"{version}\"")),
        version_id: None,
        headers: HeaderMap::new(),
    };
    Record {
        body: head.body_id(&object(key)).expect("a strong tag"),
        head,
        checksums_known: false,
        fetched_at: Moment(Duration::from_secs(version)),
    }
}

fn version(record: &Record) -> u64 {
    let tag = record.head.etag.opaque();
    tag.parse().expect("the tag is a number")
}

fn believed(records: &Records, key: &str) -> Option<u64> {
    let lookup = records.lookup(&object(key));
    let record = lookup.record.filter(|_| !lookup.confirm);
    record.map(|record| version(&record))
}

#[test]
fn what_is_admitted_is_believed() {
    let records = records();
    let unknown = records.lookup(&object("k"));
    assert!(unknown.record.is_none() && unknown.confirm && !unknown.write_open);
    assert!(records.admit(&unknown.ticket, record("k", 1)).is_ok());
    assert_eq!(believed(&records, "k"), Some(1));
    assert_eq!(believed(&records, "other"), None);
}

#[tokio::test]
async fn a_write_makes_the_record_one_to_confirm_but_keeps_it() {
    let records = records();
    let ticket = records.ticket(&object("k"));
    assert!(records.admit(&ticket, record("k", 1)).is_ok());
    let write = records.begin(&[object("k")]).await;
    let during = records.lookup(&object("k"));
    assert!(during.confirm && during.write_open);
    write.end().await;
    let after = records.lookup(&object("k"));
    assert!(after.confirm && !after.write_open);
    assert_eq!(after.record.as_deref().map(version), Some(1));
    assert!(records.admit(&after.ticket, record("k", 2)).is_ok());
    assert_eq!(believed(&records, "k"), Some(2));
}

#[tokio::test]
async fn an_answer_that_a_write_has_overtaken_is_stored_by_nobody() {
    let records = records();
    let before = records.ticket(&object("k"));
    let write = records.begin(&[object("k")]).await;
    let during = records.ticket(&object("k"));
    for ticket in [before, during] {
        assert!(!records.is_current(&ticket));
        assert!(records.admit(&ticket, record("k", 1)).is_err());
    }
    write.end().await;
    for ticket in [before, during] {
        assert!(!records.is_current(&ticket));
        assert!(records.admit(&ticket, record("k", 1)).is_err());
    }
    assert!(records.lookup(&object("k")).record.is_none());
}

#[tokio::test]
async fn a_write_that_is_dropped_has_ended_with_an_unknown_outcome() {
    let records = records();
    let before = records.ticket(&object("k"));
    let write = records.begin(&[object("k")]).await;
    let during = records.ticket(&object("k"));
    drop(write);
    assert!(!records.lookup(&object("k")).write_open);
    assert!(!records.is_current(&before));
    assert!(!records.is_current(&during));
    let after = records.ticket(&object("k"));
    assert!(records.admit(&after, record("k", 1)).is_ok());
}

#[tokio::test]
async fn a_write_to_many_objects_opens_and_closes_each_once() {
    let records = records();
    let write = records
        .begin(&[object("a"), object("b"), object("a")])
        .await;
    assert!(records.lookup(&object("a")).write_open);
    assert!(records.lookup(&object("b")).write_open);
    assert!(!records.lookup(&object("c")).write_open);
    write.end().await;
    assert!(!records.lookup(&object("a")).write_open);
    assert!(!records.lookup(&object("b")).write_open);
}

#[test]
fn the_answer_to_an_earlier_request_does_not_replace_that_to_a_later_one() {
    let records = records();
    let ticket = records.ticket(&object("k"));
    assert!(records.admit(&ticket, record("k", 2)).is_ok());
    assert!(records.admit(&ticket, record("k", 1)).is_err());
    assert_eq!(believed(&records, "k"), Some(2));
    assert!(records.admit(&ticket, record("k", 3)).is_ok());
    assert_eq!(believed(&records, "k"), Some(3));
}

#[test]
fn a_ticket_of_another_object_admits_nothing() {
    let records = records();
    let ticket = records.ticket(&object("k"));
    assert!(records.admit(&ticket, record("other", 1)).is_err());
}

#[test]
fn forgetting_drops_the_record_only_if_it_names_the_body() {
    let records = records();
    let ticket = records.ticket(&object("k"));
    assert!(records.admit(&ticket, record("k", 2)).is_ok());
    records.forget(&object("k"), &record("k", 1).body);
    assert_eq!(believed(&records, "k"), Some(2));
    records.forget(&object("k"), &record("k", 2).body);
    assert!(records.lookup(&object("k")).record.is_none());
}

#[test]
fn records_stay_within_their_capacity() {
    let records = records();
    for number in 0..10_000 {
        let key = format!("{number}");
        let ticket = records.ticket(&object(&key));
        assert!(records.admit(&ticket, record(&key, 1)).is_ok());
    }
    assert!(records.known.entries() < 10_000);
    assert!(records.known.usage() as u64 <= MIB);
}

/// Reads `key` as the gateway does: from a record that is believed, else from the origin, whose answer is offered to others.
fn read(records: &Records, key: &str, origin: &AtomicU64) -> u64 {
    let lookup = records.lookup(&object(key));
    if let Some(known) = lookup.record.filter(|_| !lookup.confirm) {
        return version(&known);
    }
    let answer = record(key, origin.load(Ordering::SeqCst));
    let (Ok(answer) | Err(answer)) = records.admit(&lookup.ticket, answer);
    version(&answer)
}

#[test]
fn no_reader_gets_less_than_what_was_written_before_it_came() {
    const WRITES: u64 = 500;
    let records = records();
    // What the origin holds, and the last version whose writer was answered.
    let (origin, answered) = (AtomicU64::new(0), AtomicU64::new(0));
    let write_all = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(async {
            for version in 1..=WRITES {
                let write = records.begin(&[object("k"), object("l")]).await;
                origin.store(version, Ordering::SeqCst);
                write.end().await;
                answered.store(version, Ordering::SeqCst);
                std::thread::yield_now();
            }
        });
    };
    let read_all = |key: &str| {
        while answered.load(Ordering::SeqCst) < WRITES {
            let least = answered.load(Ordering::SeqCst);
            assert!(read(&records, key, &origin) >= least);
        }
    };
    std::thread::scope(|scope| {
        for key in ["k", "k", "l"] {
            scope.spawn(move || read_all(key));
        }
        scope.spawn(write_all);
    });
    assert_eq!(read(&records, "k", &origin), WRITES);
    assert_eq!(believed(&records, "k"), Some(WRITES));
}
