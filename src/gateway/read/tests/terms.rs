//! What a bucket's terms allow: its owner, who pays, and objects under a KMS key.

use http::HeaderMap;

use super::super::Read;
use super::origin::pattern;
use super::{World, default_world, get, world_with};
use crate::routes::{Freshness, Keeping, Terms};
use crate::types::Source;

const OWNER: &str = "111122223333";

fn with(name: &'static str, value: &str) -> Read {
    let mut read = get("k");
    let value = value.parse().expect("a header");
    read.headers.insert(name, value);
    read
}

fn world(terms: Terms) -> World {
    let world = world_with(Freshness::Immutable, terms, 1 << 30);
    world.origin.put("k", pattern(100, 1), "v1");
    world
}

#[tokio::test]
async fn a_read_that_expects_the_known_owner_is_answered_here() {
    let expecting = |owner: &str| with("x-amz-expected-bucket-owner", owner);
    let known = world(Terms {
        owner: Some(OWNER.into()),
        ..Terms::default()
    });
    assert_eq!(known.read(expecting(OWNER)).await.1, Source::Origin);
    assert_eq!(known.read(expecting(OWNER)).await.1, Source::Memory);
    assert_eq!(known.read(get("k")).await.1, Source::Memory);
    assert_eq!(
        known.read(expecting("000000000000")).await.1,
        Source::Bypass
    );
    let unknown = world(Terms::default());
    assert_eq!(unknown.read(get("k")).await.1, Source::Origin);
    assert_eq!(unknown.read(expecting(OWNER)).await.1, Source::Bypass);
}

#[tokio::test]
async fn where_who_asks_pays_only_payers_are_answered_here() {
    let paying = || with("x-amz-request-payer", "requester");
    let charged = [("x-amz-request-charged", "requester")];
    let charged = charged.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let world = world(Terms {
        requester_pays: true,
        ..Terms::default()
    });
    let headers = HeaderMap::from_iter(charged);
    world
        .origin
        .put_with("k", pattern(100, 1), "v1", "", headers);
    for source in [Source::Origin, Source::Memory] {
        let answer = world.answer(paying()).await.expect("an answer");
        assert_eq!(answer.source, source);
        assert_eq!(
            answer.response.headers()["x-amz-request-charged"],
            "requester"
        );
    }
    let requests = world.origin.seen().len() as u64;
    assert_eq!(world.origin.paid(), requests + 1, "the trial of pins too");
    assert_eq!(world.read(get("k")).await.1, Source::Bypass);
    assert_eq!(
        world.read(with("x-amz-request-payer", "owner")).await.1,
        Source::Bypass
    );
    let elsewhere = default_world();
    elsewhere.origin.put("k", pattern(100, 1), "v1");
    elsewhere.read(get("k")).await;
    assert_eq!(elsewhere.read(paying()).await.1, Source::Bypass);
}

#[tokio::test]
async fn objects_under_a_kms_key_are_kept_where_the_rule_allows_it() {
    for (kms, second) in [(true, Source::Memory), (false, Source::Bypass)] {
        let freshness = Freshness::Immutable;
        let keeping = Keeping {
            freshness,
            kms,
            ..Keeping::default()
        };
        let world = world_with(keeping, Terms::default(), 1 << 30);
        let name = http::HeaderName::from_static("x-amz-server-side-encryption");
        let headers = HeaderMap::from_iter([(name, "aws:kms".parse().unwrap())]);
        world
            .origin
            .put_with("k", pattern(100, 1), "v1", "", headers);
        world.read(get("k")).await;
        assert_eq!(
            world.read(get("k")).await,
            (http::StatusCode::OK, second, pattern(100, 1))
        );
    }
}

#[tokio::test]
async fn a_customers_key_goes_to_the_origin() {
    let world = world(Terms::default());
    world.read(get("k")).await;
    let name = "x-amz-server-side-encryption-customer-key-md5";
    assert_eq!(world.read(with(name, "AAAA")).await.1, Source::Bypass);
}
