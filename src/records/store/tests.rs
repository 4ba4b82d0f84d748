//! The promises of `Records` on one member.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderMap;

use crate::cache::disk::Epoch;
use crate::clock::Moment;
use crate::origin::ObjectHead;
use crate::types::{ETag, OriginFingerprint, PartNumber};

use super::*;
use crate::records::Part;
use crate::routes::Freshness;

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
        fetched_at: Some(Moment(Duration::from_secs(version))),
        epoch: Epoch::default(),
        parts: Arc::default(),
    }
}

fn version(record: &Record) -> u64 {
    let tag = record.head.etag.opaque();
    tag.parse().expect("the tag is a number")
}

fn believed(records: &Records, key: &str) -> Option<u64> {
    let lookup = records.lookup(&object(key).into());
    let record = lookup.record.filter(|_| !lookup.confirm);
    record.map(|record| version(&record))
}

#[test]
fn what_is_admitted_is_believed() {
    let records = records();
    let unknown = records.lookup(&object("k").into());
    assert!(unknown.record.is_none() && unknown.confirm && !unknown.write_open);
    assert!(
        records
            .admit(&unknown.ticket, &object("k").into(), record("k", 1))
            .is_ok()
    );
    assert_eq!(believed(&records, "k"), Some(1));
    assert_eq!(believed(&records, "other"), None);
}

#[tokio::test]
async fn a_write_makes_the_record_one_to_confirm_but_keeps_it() {
    let records = records();
    let ticket = records.ticket(&object("k"));
    assert!(
        records
            .admit(&ticket, &object("k").into(), record("k", 1))
            .is_ok()
    );
    let write = records.begin(&[object("k")]).await;
    let during = records.lookup(&object("k").into());
    assert!(during.confirm && during.write_open);
    write.end().await;
    let after = records.lookup(&object("k").into());
    assert!(after.confirm && !after.write_open);
    assert_eq!(after.record.as_deref().map(version), Some(1));
    assert!(
        records
            .admit(&after.ticket, &object("k").into(), record("k", 2))
            .is_ok()
    );
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
        assert!(
            records
                .admit(&ticket, &object("k").into(), record("k", 1))
                .is_err()
        );
    }
    write.end().await;
    for ticket in [before, during] {
        assert!(!records.is_current(&ticket));
        assert!(
            records
                .admit(&ticket, &object("k").into(), record("k", 1))
                .is_err()
        );
    }
    assert!(records.lookup(&object("k").into()).record.is_none());
}

#[tokio::test]
async fn a_write_that_is_dropped_has_ended_with_an_unknown_outcome() {
    let records = records();
    let before = records.ticket(&object("k"));
    let write = records.begin(&[object("k")]).await;
    let during = records.ticket(&object("k"));
    drop(write);
    assert!(!records.lookup(&object("k").into()).write_open);
    assert!(!records.is_current(&before));
    assert!(!records.is_current(&during));
    let after = records.ticket(&object("k"));
    assert!(
        records
            .admit(&after, &object("k").into(), record("k", 1))
            .is_ok()
    );
}

#[tokio::test]
async fn a_write_to_many_objects_opens_and_closes_each_once() {
    let records = records();
    let write = records
        .begin(&[object("a"), object("b"), object("a")])
        .await;
    assert!(records.lookup(&object("a").into()).write_open);
    assert!(records.lookup(&object("b").into()).write_open);
    assert!(!records.lookup(&object("c").into()).write_open);
    write.end().await;
    assert!(!records.lookup(&object("a").into()).write_open);
    assert!(!records.lookup(&object("b").into()).write_open);
}

#[test]
fn the_answer_to_an_earlier_request_does_not_replace_that_to_a_later_one() {
    let records = records();
    let ticket = records.ticket(&object("k"));
    assert!(
        records
            .admit(&ticket, &object("k").into(), record("k", 2))
            .is_ok()
    );
    assert!(
        records
            .admit(&ticket, &object("k").into(), record("k", 1))
            .is_err()
    );
    assert_eq!(believed(&records, "k"), Some(2));
    assert!(
        records
            .admit(&ticket, &object("k").into(), record("k", 3))
            .is_ok()
    );
    assert_eq!(believed(&records, "k"), Some(3));
}

#[test]
fn a_ticket_of_another_object_admits_nothing() {
    let records = records();
    let ticket = records.ticket(&object("k"));
    assert!(
        records
            .admit(&ticket, &object("other").into(), record("other", 1))
            .is_err()
    );
}

fn of_version(key: &str, id: &str) -> Subject {
    Subject {
        object: object(key),
        version_id: Some(id.into()),
    }
}

#[tokio::test]
async fn a_version_has_a_record_of_its_own_and_a_write_to_its_key_hides_it() {
    let records = records();
    let believed = |subject: &Subject| {
        let lookup = records.lookup(subject);
        let record = lookup.record.filter(|_| !lookup.confirm);
        record.map(|record| version(&record))
    };
    let (current, old, null) = (
        Subject::from(object("k")),
        of_version("k", "v"),
        of_version("k", "null"),
    );
    let ticket = records.ticket(&object("k"));
    for (subject, version) in [(&current, 2), (&old, 1)] {
        let admitted = records.admit(&ticket, subject, record("k", version));
        assert!(admitted.is_ok());
    }
    assert_eq!((believed(&current), believed(&old)), (Some(2), Some(1)));
    assert_eq!(believed(&null), None);
    let write = records.begin(&[object("k")]).await;
    assert!(records.lookup(&old).write_open);
    let during = records.ticket(&object("k"));
    write.end().await;
    assert_eq!((believed(&current), believed(&old)), (None, None));
    for ticket in [ticket, during] {
        assert!(records.admit(&ticket, &old, record("k", 1)).is_err());
    }
    let after = records.ticket(&object("k"));
    assert!(records.admit(&after, &old, record("k", 1)).is_ok());
    assert_eq!((believed(&current), believed(&old)), (None, Some(1)));
    records.forget(&old, &record("k", 1).body);
    assert!(records.lookup(&old).record.is_none() && records.lookup(&current).record.is_some());
}

#[test]
fn a_record_weighs_what_its_parts_weigh() {
    let records = records();
    let known = record("k", 1);
    let parts = Arc::clone(&known.parts);
    let ticket = records.ticket(&object("k"));
    assert!(records.admit(&ticket, &object("k").into(), known).is_ok());
    let before = records.known.usage();
    for index in 1..=1_000u64 {
        let number: PartNumber = index.to_string().parse().expect("a part's number");
        let part = Part::new(index..index + 1, &HeaderMap::new()).expect("a part");
        parts.learn(number, part);
    }
    let again = Record {
        parts,
        ..record("k", 1)
    };
    assert!(records.admit(&ticket, &object("k").into(), again).is_ok());
    assert!(records.known.usage() > before + 1_000 * 32);
}

#[test]
fn forgetting_drops_the_record_only_if_it_names_the_body() {
    let records = records();
    let ticket = records.ticket(&object("k"));
    assert!(
        records
            .admit(&ticket, &object("k").into(), record("k", 2))
            .is_ok()
    );
    records.forget(&object("k").into(), &record("k", 1).body);
    assert_eq!(believed(&records, "k"), Some(2));
    records.forget(&object("k").into(), &record("k", 2).body);
    assert!(records.lookup(&object("k").into()).record.is_none());
}

#[test]
fn records_stay_within_their_capacity() {
    let records = records();
    for number in 0..10_000 {
        let key = format!("{number}");
        let ticket = records.ticket(&object(&key));
        assert!(
            records
                .admit(&ticket, &object(&key).into(), record(&key, 1))
                .is_ok()
        );
    }
    assert!(records.known.entries() < 10_000);
    assert!(records.known.usage() as u64 <= MIB);
}

/// Reads `key` as the gateway does: from a record that is believed, else from the origin, whose answer is offered to others.
fn read(records: &Records, key: &str, origin: &AtomicU64) -> u64 {
    let lookup = records.lookup(&object(key).into());
    if let Some(known) = lookup.record.filter(|_| !lookup.confirm) {
        return version(&known);
    }
    let answer = record(key, origin.load(Ordering::SeqCst));
    let (Ok(answer) | Err(answer)) = records.admit(&lookup.ticket, &object(key).into(), answer);
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

/// Another life of the same node.
fn saved(records: &Records, key: &str, version: u64) -> Bytes {
    let (subject, ticket) = (object(key).into(), records.ticket(&object(key)));
    let bytes = records.save(&ticket, &subject, &record(key, version));
    bytes.expect("it is short")
}

#[tokio::test]
async fn a_record_of_this_life_is_restored_as_it_was() {
    let records = records();
    let bytes = saved(&records, "k", 3);
    assert!(records.restore(&object("k").into(), &bytes, Epoch::default()));
    let lookup = records.lookup(&object("k").into());
    assert!(!lookup.confirm);
    let fetched_at = lookup.record.expect("a record").fetched_at;
    assert_eq!(fetched_at, Some(Moment(Duration::from_secs(3))));
    // Not in place of what is there.
    let later = saved(&records, "k", 4);
    assert!(!records.restore(&object("k").into(), &later, Epoch::default()));
    assert_eq!(believed(&records, "k"), Some(3));
}

#[tokio::test]
async fn a_record_is_not_believed_that_a_write_has_overtaken_while_it_was_away() {
    let records = records();
    let bytes = saved(&records, "k", 3);
    records.begin(&[object("k")]).await.end().await;
    assert!(records.restore(&object("k").into(), &bytes, Epoch::default()));
    assert!(records.lookup(&object("k").into()).confirm);
}

#[tokio::test]
async fn a_record_of_an_earlier_life_has_no_age_and_is_not_believed_after_a_write() {
    let earlier = records();
    let (one, other) = (saved(&earlier, "a", 1), saved(&earlier, "b", 1));
    let records = records();
    records.begin(&[object("b")]).await.end().await;
    for (key, bytes) in [("a", one), ("b", other)] {
        assert!(records.restore(&object(key).into(), &bytes, Epoch::default()));
        let lookup = records.lookup(&object(key).into());
        assert_eq!(lookup.confirm, key == "b");
        let record = lookup.record.expect("a record");
        let (now, age) = (Moment::default(), Duration::from_secs(60));
        assert!(!record.is_fresh(Freshness::MaxAge(age), || now));
        assert!(record.is_fresh(Freshness::Immutable, || now));
    }
}

#[test]
fn a_record_is_restored_for_its_own_subject_only_and_after_its_purge_not_at_all() {
    let records = records();
    let bytes = saved(&records, "k", 1);
    let subject = object("k").into();
    assert!(!records.restore(&object("other").into(), &bytes, Epoch::default()));
    assert!(!records.restore(&of_version("k", "v"), &bytes, Epoch::default()));
    assert!(!records.restore(&subject, &bytes[1..], Epoch::default()));
    assert!(!records.restore(&subject, &bytes, Epoch(1)));
    assert_eq!(records.count(), 0);
    assert!(records.restore(&subject, &bytes, Epoch::default()));
}
