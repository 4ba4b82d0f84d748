//! Names in answers: the client's, whatever they are at the origin.

use std::sync::Arc;

use super::{context, default_world, get};
use crate::gateway::Error;
use crate::origin;
use crate::routes::{Freshness, Keeping, MOST_MADE, NamedOrigin, Route, Routes, Terms, Wildcard};
use crate::types::BucketName;

#[tokio::test]
async fn an_error_names_the_object_as_the_client_does() {
    let world = default_world();
    let named = NamedOrigin {
        name: "fake".into(),
        origin: Arc::new(world.origin.clone()),
    };
    let parse = |name: &str| name.parse().expect("a bucket name");
    let route = Route::new(
        parse("train"),
        named.clone(),
        parse("corp-train"),
        "team/".to_owned(),
        Vec::new(),
        Freshness::Always,
    );
    let routes = Routes::new(vec![named], vec![route], None);
    world.gateway.reroute(&routes);
    let mut past_the_cache = get("k");
    past_the_cache.is_clear = false;
    for read in [get("k"), past_the_cache] {
        match world.gateway.read(&context(), read).await {
            Err(Error::Origin(origin::Error::Refused(refusal))) => assert_eq!(
                refusal.body,
                "<Error><Key>k</Key><BucketName>train</BucketName><Resource>/train/k</Resource></Error>"
            ),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_wildcards_route_is_made_once_and_of_many_some_are_forgotten() {
    let named = NamedOrigin {
        name: "fake".into(),
        origin: Arc::new(default_world().origin),
    };
    let wildcard = Wildcard {
        origin: named.clone(),
        rules: Vec::new(),
        keeping: Keeping::from(Freshness::Always),
        terms: Terms::default(),
    };
    let routes = Routes::new(vec![named], Vec::new(), Some(wildcard));
    let find = |number: usize| {
        let name: BucketName = format!("bucket-{number}").parse().expect("a bucket name");
        let route = routes.find(&name).expect("a route");
        assert_eq!((&route.bucket, &route.origin_bucket), (&name, &name));
        route
    };
    let first = find(0);
    assert!(Arc::ptr_eq(&first, &find(0)));
    let others: Vec<_> = (1..MOST_MADE).map(find).collect();
    assert!(Arc::ptr_eq(&first, &find(0)));
    find(MOST_MADE);
    assert!(!Arc::ptr_eq(&first, &find(0)));
    assert!(others.iter().all(|route| Arc::strong_count(route) == 1));
    let copy = routes.clone();
    let name = "bucket-0".parse().expect("a bucket name");
    assert!(!Arc::ptr_eq(&copy.find(&name).expect("a route"), &find(0)));
}
