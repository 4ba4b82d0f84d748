//! What is kept of records is what was known.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, proptest};

use super::super::epochs::Epochs;
use super::*;
use crate::types::BucketName;

fn subject(key: &str, version_id: Option<&str>) -> Subject {
    let bucket: BucketName = "train".parse().expect("a bucket name");
    Subject {
        object: CanonicalObject {
            origin: OriginFingerprint::new("s3", "https://s3.example", "us-east-1", &bucket),
            key: key.parse().expect("a key"),
        },
        version_id: version_id.map(Into::into),
    }
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    let name = "[a-z]{1,3}(-[a-z]{1,4})?";
    let value = vec(
        (32u8..=255).prop_filter("a control character", |byte| *byte != 127),
        0..20,
    );
    vec((name, value), 0..12).prop_map(|pairs| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            headers.append(name, HeaderValue::from_bytes(&value).expect("a value"));
        }
        headers
    })
}

fn parts() -> impl Strategy<Value = Vec<(u16, u64, String)>> {
    vec(
        (
            1u16..=10_000,
            any::<u32>().prop_map(u64::from),
            "[a-z0-9=]{0,9}",
        ),
        0..8,
    )
}

fn record(
    subject: &Subject,
    headers: HeaderMap,
    parts: &[(u16, u64, String)],
    (size, version_id, checksums_known, fetched_at): (u64, Option<String>, bool, Option<u64>),
) -> Record {
    let head = ObjectHead {
        size,
        etag: ETag::new("\"an e-tag\""),
        version_id: version_id.map(Into::into),
        headers,
    };
    let known = Parts::default();
    for (number, start, checksum) in parts {
        let mut own = HeaderMap::new();
        own.insert("x-amz-checksum-crc32", checksum.parse().expect("a value"));
        let part = Part::new(*start..start + 9, &own).expect("a part");
        known.learn(number.to_string().parse().expect("a number"), part);
    }
    Record {
        body: head.body_id(&subject.object).expect("a strong tag"),
        head,
        checksums_known,
        fetched_at: fetched_at.map(|at| Moment(Duration::from_nanos(at))),
        epoch: Epoch(7),
        parts: Arc::new(known),
    }
}

fn flat(headers: &HeaderMap) -> Vec<(&str, &[u8])> {
    let pairs = headers.iter();
    pairs
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect()
}

proptest! {
    #[test]
    fn a_record_comes_back_as_it_was(
        key in "\\PC{1,40}",
        version_id in option::of("[a-z.]{1,9}"),
        headers in headers(),
        parts in parts(),
        others in (any::<u64>(), option::of("[a-z]{1,5}"), any::<bool>(), option::of(any::<u64>())),
        boot in any::<u128>(),
    ) {
        let subject = subject(&key, version_id.as_deref());
        let record = record(&subject, headers, &parts, others);
        let ticket = Epochs::new(64).ticket(subject.object.hash64());
        let bytes = encode(boot, &ticket, &subject, &record).expect("it is short");
        let saved = decode(&bytes).expect("a record");
        prop_assert_eq!(saved.boot, boot);
        prop_assert_eq!(saved.ticket, ticket);
        prop_assert_eq!(&saved.subject, &subject);
        let read = &saved.record;
        prop_assert_eq!(&read.body, &record.body);
        prop_assert_eq!(flat(&read.head.headers), flat(&record.head.headers));
        prop_assert_eq!(read.head.etag.as_str(), record.head.etag.as_str());
        prop_assert_eq!((read.head.size, &read.head.version_id), (record.head.size, &record.head.version_id));
        prop_assert_eq!(read.checksums_known, record.checksums_known);
        prop_assert_eq!((read.fetched_at, read.epoch), (record.fetched_at, record.epoch));
        prop_assert_eq!(read.parts.all(), record.parts.all());
        // The same bytes again: nothing is left out.
        prop_assert_eq!(encode(boot, &saved.ticket, &saved.subject, read), Some(bytes.clone()));
        // Not one byte less or more.
        prop_assert!(decode(&bytes[..bytes.len() - 1]).is_none());
        prop_assert!(decode(&[&bytes[..], &[0]].concat()).is_none());
    }

    #[test]
    fn no_bytes_are_too_odd_to_look_at(bytes in vec(any::<u8>(), 0..300)) {
        let versioned = [&[VERSION][..], &bytes].concat();
        let _ = (decode(&bytes), decode(&versioned));
    }

    #[test]
    fn a_changed_byte_never_panics(at in any::<proptest::sample::Index>(), byte in any::<u8>(), parts in parts(), headers in headers(), nothing in Just((1, None, false, None))) {
        let subject = subject("k", None);
        let record = record(&subject, headers, &parts, nothing);
        let ticket = Epochs::new(64).ticket(1);
        let mut bytes = encode(1, &ticket, &subject, &record).expect("it is short").to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decode(&bytes);
    }
}

#[test]
fn of_ten_thousand_parts_those_are_kept_that_fit() {
    let subject = subject("k", None);
    let parts: Vec<_> = (1..=10_000u16)
        .map(|number| (number, u64::from(number) * 9, "AAAAAA==".to_owned()))
        .collect();
    let record = record(&subject, HeaderMap::new(), &parts, (1, None, false, None));
    let ticket = Epochs::new(64).ticket(1);
    let bytes = encode(1, &ticket, &subject, &record).expect("it is cut to fit");
    assert!(bytes.len() <= LARGEST && bytes.len() > LARGEST - 100);
    let kept = decode(&bytes).expect("a record").record.parts.all();
    assert!(kept.len() > 500);
    assert!(kept.iter().eq(record.parts.all().iter().take(kept.len())));
}

#[test]
fn a_record_that_is_too_long_is_not_kept() {
    let subject = subject("k", None);
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-amz-meta-a",
        "x".repeat(LARGEST).parse().expect("a value"),
    );
    let record = record(&subject, headers, &[], (1, None, false, None));
    let ticket = Epochs::new(64).ticket(1);
    assert!(encode(1, &ticket, &subject, &record).is_none());
}
