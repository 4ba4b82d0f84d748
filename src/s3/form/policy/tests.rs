//! Policies that are kept, broken and malformed.

use std::time::Duration;

use proptest::prelude::{any, prop, prop_assert, proptest};

use super::*;

const NOON: &str = "2026-11-25T12:00:00Z";

fn policy(conditions: &str) -> Policy {
    parse(&format!(
        "{{\"expiration\": \"{NOON}\", \"conditions\": [{conditions}]}}"
    ))
    .unwrap_or_else(|refusal| panic!("{conditions}: {}", refusal.message))
}

fn parse(document: &str) -> Result<Policy, Refusal> {
    Policy::parse(&BASE64.encode(document))
}

fn at(time: &str) -> SystemTime {
    time.parse::<Timestamp>().expect("a time").into()
}

/// What a form with these fields hears.
fn judged(conditions: &str, pairs: &[(&str, &str)]) -> Result<(), String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let fields = Fields::new(pairs.iter().map(owned).collect(), None);
    let bucket = "train".parse().expect("a bucket");
    let conditions = format!("{{\"bucket\": \"train\"}}{conditions}");
    let judged = policy(&conditions).check(&bucket, &fields, at("2026-11-25T11:59:59Z"));
    judged.map_err(|refusal| {
        assert_eq!(refusal.code, Code::AccessDenied);
        let message = refusal.message.into_owned();
        let reason = message.strip_prefix("Invalid according to Policy: ");
        reason.expect("S3's words").to_owned()
    })
}

#[test]
fn conditions_hold_or_are_named() {
    let failed = |condition: &str| Err(format!("Policy Condition failed: {condition}"));
    for (conditions, pairs, expected) in [
        (", {\"key\": \"a\"}", &[("key", "a")][..], Ok(())),
        (", {\"KEY\": \"a\"}", &[("Key", "a")], Ok(())),
        (", [\"Eq\", \"$kEy\", \"a\"]", &[("key", "a")], Ok(())),
        (
            ", {\"key\": \"a\"}",
            &[("key", "A")],
            failed("[\"eq\", \"$key\", \"a\"]"),
        ),
        (
            ", [\"eq\", \"key\", \"a\"]",
            &[("key", "a")],
            failed("[\"eq\", \"key\", \"a\"]"),
        ),
        (
            ", [\"eq\", \"$key\", \"a\\\"b\"]",
            &[],
            failed("[\"eq\", \"$key\", \"a\\\"b\"]"),
        ),
        (
            ", {\"bucket\": \"other\"}",
            &[],
            failed("[\"eq\", \"$bucket\", \"other\"]"),
        ),
        // The bucket is the one that the form was sent to.
        ("", &[("bucket", "other")], Ok(())),
        (
            ", [\"starts-with\", \"$key\", \"user/\"]",
            &[("key", "user/a")],
            Ok(()),
        ),
        (
            ", [\"StArTs-WiTh\", \"$key\", \"\"]",
            &[("key", "")],
            Ok(()),
        ),
        (
            ", [\"starts-with\", \"$key\", \"user/\"]",
            &[("key", "users/a")],
            failed("[\"starts-with\", \"$key\", \"user/\"]"),
        ),
        (
            ", [\"starts-with\", \"$acl\", \"\"]",
            &[],
            failed("[\"starts-with\", \"$acl\", \"\"]"),
        ),
        (
            ", [\"starts-with\", \"$Content-Type\", \"image/\"]",
            &[("content-type", "image/png, image/gif")],
            Ok(()),
        ),
        (
            ", [\"starts-with\", \"$Content-Type\", \"image/\"]",
            &[("Content-Type", "image/png,text/html")],
            failed("[\"starts-with\", \"$Content-Type\", \"image/\"]"),
        ),
        (
            ", [\"starts-with\", \"$x-amz-meta-a\", \"1\"]",
            &[("x-amz-meta-a", "1,2")],
            Ok(()),
        ),
        (", [\"content-length-range\", \"0\", 5]", &[], Ok(())),
        (
            ", [\"content-length-range\", \"test\", \"10\"]",
            &[],
            failed("[\"content-length-range\", \"test\", \"10\"]"),
        ),
    ] {
        assert_eq!(
            judged(conditions, pairs),
            expected,
            "{conditions} {pairs:?}"
        );
    }
}

#[test]
fn every_field_is_covered() {
    let extra = |names: &str| Err(format!("Extra input fields: {names}"));
    assert_eq!(
        judged("", &[("Filename", "a"), ("key", "k")]),
        extra("Filename, key")
    );
    assert_eq!(
        judged(
            ", [\"content-length-range\", 0, 1]",
            &[("content-length-range", "1")]
        ),
        extra("content-length-range")
    );
    let free = [
        ("X-Amz-Signature", "s"),
        ("policy", "p"),
        ("AWSAccessKeyId", "a"),
        ("x-ignore-me", "1"),
    ];
    assert_eq!(judged("", &free), Ok(()));
    let bucket = "train".parse().expect("a bucket");
    let refusal = policy("")
        .check(
            &bucket,
            &Fields::new(Vec::new(), None),
            at("2026-11-25T00:00:00Z"),
        )
        .expect_err("no bucket");
    assert_eq!(
        refusal.message,
        "Invalid according to Policy: Extra input fields: bucket"
    );
}

#[test]
fn a_policy_holds_until_it_expires() {
    let policy = policy("{\"bucket\": \"train\"}");
    let bucket = "train".parse().expect("a bucket");
    let check = |time| policy.check(&bucket, &Fields::new(Vec::new(), None), time);
    assert!(check(at(NOON)).is_ok());
    let refusal = check(at(NOON) + Duration::from_secs(1)).expect_err("it is late");
    assert_eq!(
        (refusal.code, &*refusal.message),
        (
            Code::AccessDenied,
            "Invalid according to Policy: Policy expired."
        )
    );
}

#[test]
fn a_length_lies_within_its_range() {
    let policy = policy("[\"content-length-range\", 5, \"10\"]");
    assert!(policy.check_length(5).is_ok() && policy.check_length(10).is_ok());
    let large = policy.check_length(11).expect_err("too large");
    assert_eq!(large.code, Code::EntityTooLarge);
    let fields = |proposed: &str, name, bound: &str| {
        vec![
            ("ProposedSize", proposed.to_owned()),
            (name, bound.to_owned()),
        ]
    };
    assert_eq!(large.fields, fields("11", "MaxSizeAllowed", "10"));
    let small = policy.check_length(4).expect_err("too small");
    assert_eq!(small.code, Code::EntityTooSmall);
    assert_eq!(small.fields, fields("4", "MinSizeAllowed", "5"));
}

/// Says what is wrong with each document.
fn said(documents: &[(String, &str)]) {
    for (document, message) in documents {
        let refusal = parse(document).expect_err(document);
        assert_eq!(refusal.code, Code::InvalidPolicyDocument, "{document}");
        let message = format!("Invalid Policy: {message}");
        assert_eq!(refusal.message, message, "{document}");
    }
}

#[test]
fn what_is_no_policy_is_said() {
    let expiration = |text: &str| format!("{{\"expiration\": {text}, \"conditions\": []}}");
    let date = |text: &str| expiration(&format!("\"{text}\""));
    let upper = format!("{{\"EXPIRATION\": \"{NOON}\", \"conditions\": []}}");
    said(&[
        ("expiration".to_owned(), "Invalid JSON."),
        ("[]".to_owned(), "Invalid JSON."),
        (String::new(), "Invalid JSON."),
        (
            "{\"conditions\": []}".to_owned(),
            "Policy missing expiration.",
        ),
        (
            format!("{{\"expiration\": \"{NOON}\"}}"),
            "Policy missing conditions.",
        ),
        (upper, "Unexpected: 'expiration'"),
        (
            date("2026-11-25 12:00:00"),
            "Invalid 'expiration' value: '2026-11-25 12:00:00'",
        ),
        (
            date("2026-11-25T12:00:00+02:00"),
            "Invalid 'expiration' value: '2026-11-25T12:00:00+02:00'",
        ),
        (
            date("2026-02-30T12:00:00Z"),
            "Invalid 'expiration' value: '2026-02-30T12:00:00Z'",
        ),
        (expiration("1"), "Invalid JSON."),
    ]);
    let code = Policy::parse("{policy}").map_err(|refusal| refusal.code);
    assert_eq!(code, Err(Code::InvalidPolicyDocument));
    let document = BASE64.encode(date(NOON));
    let (first, second) = document.split_at(40);
    let broken = format!("{first}\r\n{}", second.trim_end_matches('='));
    assert!(
        Policy::parse(&broken).is_ok(),
        "in lines and without padding"
    );
}

#[test]
fn what_is_no_condition_is_said() {
    const ONE: &str =
        "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.";
    let documents = [
        ("{}", "Invalid 'conditions' value: must be a List."),
        ("[{}]", ONE),
        ("[{\"acl\": \"a\", \"key\": \"k\"}]", ONE),
        (
            "[{\"acl\": 1}]",
            "Invalid Simple-Condition: value must be a string.",
        ),
        ("[{\"acl\": null}]", "Invalid JSON."),
        (
            "[\"bucket\"]",
            "Invalid condition test: must be a List or Object.",
        ),
        ("[[]]", "Invalid Condition: missing operation identifier."),
        (
            "[[\"ends-with\", \"$key\", \"\"]]",
            "Invalid Condition: unknown operation 'ends-with'.",
        ),
        (
            "[[\"eq\", \"$key\"]]",
            "Invalid eq: wrong number of arguments.",
        ),
        ("[[\"eq\", \"$key\", 1]]", "Invalid JSON."),
        (
            "[[\"content-length-range\", 0]]",
            "Invalid content-length-range: wrong number of arguments.",
        ),
        (
            "[[\"content-length-range\", -1, 0]]",
            "Token - must be enclosed in quotes.",
        ),
        ("[[\"content-length-range\", 0, 1.5]]", "Invalid JSON."),
    ];
    let whole = |(conditions, message): (&str, &'static str)| {
        let document = format!("{{\"expiration\": \"{NOON}\", \"conditions\": {conditions}}}");
        (document, message)
    };
    said(&documents.map(whole));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let document = String::from_utf8_lossy(&bytes);
        let _ = parse(&format!("{{\"expiration\": \"{NOON}\", \"conditions\": [{document}]}}"));
        prop_assert!(Policy::parse(&document).is_err());
    }

    #[test]
    fn a_prefix_is_what_a_value_starts_with(value in "[a-c,]{0,6}", prefix in "[a-c,]{0,3}") {
        let condition = format!(", [\"starts-with\", \"$key\", \"{prefix}\"]");
        prop_assert!(judged(&condition, &[("key", &value)]).is_ok() == value.starts_with(&prefix));
    }
}
