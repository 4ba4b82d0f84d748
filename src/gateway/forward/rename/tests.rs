use percent_encoding::percent_decode_str;
use proptest::prelude::*;

use super::*;
use crate::gateway::forward::support::{World, ok, route};
use crate::routes::NamedOrigin;

fn to(prefix: &str) -> Route {
    let origin = NamedOrigin {
        name: "aws".into(),
        origin: World::new(|_| ok("")).origin,
    };
    route(origin, "train", "corp-train", prefix)
}

fn renamed(document: &str, prefix: &str) -> String {
    let bytes = rename(document.as_bytes(), &to(prefix)).expect("well-formed");
    String::from_utf8(bytes).expect("text")
}

#[test]
fn only_names_change_and_every_other_byte_stays() {
    let document = "<?xml version='1.0'?>\n<ListBucketResult  xmlns=\"x\" ><Name>corp-train</Name><!-- c -->\n\
        <Prefix>p &amp; q/</Prefix><Marker></Marker><NextMarker/><Delimiter>p &amp; q/</Delimiter>\
        <NextContinuationToken>p &amp; q/x</NextContinuationToken>\
        <Contents><Key>p &#38; q/a&lt;&#13;é</Key><ETag>&quot;e&quot;</ETag><Unknown a='1'>p</Unknown></Contents>\
        <CommonPrefixes><Prefix><![CDATA[p & q/d/]]></Prefix></CommonPrefixes></ListBucketResult>\n";
    let expected = "<?xml version='1.0'?>\n<ListBucketResult  xmlns=\"x\" ><Name>train</Name><!-- c -->\n\
        <Prefix></Prefix><Marker></Marker><NextMarker/><Delimiter>p &amp; q/</Delimiter>\
        <NextContinuationToken>p &amp; q/x</NextContinuationToken>\
        <Contents><Key>a&lt;&#13;é</Key><ETag>&quot;e&quot;</ETag><Unknown a='1'>p</Unknown></Contents>\
        <CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes></ListBucketResult>\n";
    assert_eq!(renamed(document, "p & q/"), expected);
}

#[test]
fn encoded_keys_lose_the_encoded_prefix_in_every_spelling() {
    for (prefix, url) in [
        ("a+b%2Bc%C3%A9/", "url"),
        ("a%20b%2bc%c3%a9%2F", "url"),
        // Some stores repeat what the client wrote.
        ("a+b+c%C3%A9/", "URL"),
    ] {
        let document = format!(
            "<R><Key>{prefix}x%2By+z%3C</Key><EncodingType>{url}</EncodingType><Key>other</Key></R>"
        );
        assert_eq!(
            renamed(&document, "a b+cé/"),
            format!(
                "<R><Key>x%2By+z%3C</Key><EncodingType>{url}</EncodingType><Key>other</Key></R>"
            )
        );
    }
}

#[test]
fn an_error_names_the_object_as_the_client_does() {
    let document = "<Error><Message>Invalid arguments provided for corp-train/p q/k: (odd)</Message>\
        <Resource>/corp-train/p q/http://k</Resource></Error>";
    assert_eq!(
        renamed(document, "p q/"),
        "<Error><Message>Invalid arguments provided for train/k: (odd)</Message>\
        <Resource>/train/http://k</Resource></Error>"
    );
    let of_bucket = "<Error><Message>gone</Message><Resource>/corp-train</Resource></Error>";
    assert_eq!(
        renamed(of_bucket, ""),
        "<Error><Message>gone</Message><Resource>/train</Resource></Error>"
    );
    assert_eq!(
        renamed(
            "<Error><Message>for corp-train/file: odd</Message></Error>",
            "p q/"
        ),
        "<Error><Message>for train/file: odd</Message></Error>"
    );
    let other = "<Error><Resource>/other/p q/k</Resource></Error>";
    assert_eq!(renamed(other, "p q/"), other);
}

#[test]
fn the_origins_url_gives_way_to_the_clients_path() {
    for location in [
        "http://minio:9000/corp-train/p%20q/k%2B",
        "https://corp-train.s3.amazonaws.com/p%20q%2Fk%2B",
        "https://corp-train.s3.amazonaws.com/p+q/k%2B",
    ] {
        let document = format!("<C><Location>{location}</Location><Bucket>corp-train</Bucket></C>");
        assert_eq!(
            renamed(&document, "p q/"),
            "<C><Location>/train/k%2B</Location><Bucket>train</Bucket></C>"
        );
    }
}

#[test]
fn a_mark_before_the_document_moves_nothing() {
    let document = "\u{feff}<R><Name>corp-train</Name><Key>p/k</Key></R>";
    assert_eq!(
        renamed(document, "p/"),
        "<R><Name>train</Name><Key>k</Key></R>"
    );
}

#[test]
fn characters_that_xml_does_not_have_stay_references() {
    let document = "<R><Key>p/&#x1;&#10;\u{85}&#xffff;</Key></R>";
    assert_eq!(
        renamed(document, "p/"),
        "<R><Key>&#1;&#10;&#133;&#65535;</Key></R>"
    );
}

#[test]
fn a_broken_document_is_an_error() {
    assert!(rename(b"<a><b></a>", &to("p/")).is_err());
}

/// Text that XML can hold.
fn keys() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec("[ -~é\u{4e2d}\u{1f600}]{1,24}", 0..8)
}

fn listing(bucket: &str, keys: &[String], write: impl Fn(&str) -> String, tail: &str) -> String {
    let contents: String = keys
        .iter()
        .map(|key| {
            format!(
                "<Contents><Key>{}</Key><Size>1</Size></Contents>",
                write(key)
            )
        })
        .collect();
    format!("<ListBucketResult><Name>{bucket}</Name>{contents}{tail}</ListBucketResult>")
}

#[test]
fn a_document_that_was_cut_off_is_no_document() {
    for cut in [
        "<ListBucketResult><Key>team/a</Key>",
        "<ListBucketResult><Key>team/secr",
        "<html><body>502 Bad Gate",
    ] {
        assert!(rename(cut.as_bytes(), &to("team/")).is_err(), "{cut}");
    }
    assert!(rename(b"", &to("team/")).is_ok(), "nothing was cut off");
}

proptest! {
    #[test]
    fn a_prefixed_listing_becomes_the_one_without(keys in keys(), prefix in "[ -~é]{1,12}") {
        let plain = |key: &str| escape(key).into_owned();
        let joined = |key: &str| escape(format!("{prefix}{key}")).into_owned();
        prop_assert_eq!(
            renamed(&listing("corp-train", &keys, joined, ""), &prefix),
            listing("train", &keys, plain, "")
        );
        let tail = "<EncodingType>url</EncodingType>";
        let encoded = |key: &str| encode_key(&format!("{prefix}{key}"));
        prop_assert_eq!(
            renamed(&listing("corp-train", &keys, encoded, tail), &prefix),
            listing("train", &keys, encode_key, tail)
        );
    }

    #[test]
    fn an_encoded_key_decodes_to_itself(key in "\\PC{1,64}") {
        let encoded = encode_key(&key);
        prop_assert_eq!(percent_decode_str(&encoded).decode_utf8_lossy(), key);
    }

    #[test]
    fn nothing_that_an_origin_sends_makes_it_panic(document in "[<>/&;#a-zKey%0-9! \\[\\]-]{0,80}") {
        let _ = rename(document.as_bytes(), &to("p/"));
    }
}
