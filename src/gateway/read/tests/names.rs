//! Names in answers: the client's, whatever they are at the origin.

use std::sync::Arc;

use super::{context, default_world, get};
use crate::gateway::Error;
use crate::origin;
use crate::routes::{Freshness, NamedOrigin, Route, Routes};

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
