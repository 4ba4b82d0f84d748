//! Listings: ListObjects, ListObjectsV2, ListMultipartUploads.
//!
//! The origin lists; this joins the route's prefix to what the client asks for, and takes it from the answer again. The
//! continuation token is the origin's own and passes as it is. Nothing is cached.

use bytes::Bytes;
use http::Response;

use super::forward::{Forward, exchange, renamed};
use super::{Error, Request};
use crate::origin::Payload;
use crate::routes::{Route, UnusableKey};
use crate::types::Body;

impl Forward<'_> {
    pub(crate) async fn list(&self, mut request: Request) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        join_prefix(&mut request.query, &route)?;
        let call = Self::call(&route, &mut request, Payload::Whole(Bytes::new()))?;
        renamed(&route, exchange(&route, call).await?).await
    }
}

/// Makes the client's keys the origin's. A marker that is empty means "from the start" and stays so.
fn join_prefix(query: &mut Vec<(String, String)>, route: &Route) -> Result<(), UnusableKey> {
    let prefix = route.prefix.as_str();
    let mut has_prefix = false;
    for (name, value) in query.iter_mut() {
        match name.as_str() {
            "prefix" => {
                has_prefix = true;
                *value = route.origin_prefix(value)?;
            }
            "marker" | "start-after" | "key-marker" if !value.is_empty() => {
                value.insert_str(0, prefix);
            }
            _ => {}
        }
    }
    if !has_prefix && !prefix.is_empty() {
        query.push(("prefix".to_owned(), prefix.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::forward::support::{World, ok, request};
    use crate::types::OperationName;

    async fn joined(query: &[(&str, &str)], prefix: &str) -> Vec<(String, String)> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut query: Vec<_> = query.iter().map(own).collect();
        let world = World::new(|_| ok(""));
        let bucket = "other".parse().expect("a name");
        let mut route = (*world.forward().route_of(&bucket).expect("a route")).clone();
        route.prefix = prefix.to_owned();
        join_prefix(&mut query, &route).expect("a prefix that the origin keeps");
        query
    }

    #[tokio::test]
    async fn keys_in_the_query_get_the_routes_prefix() {
        let asked = [
            ("list-type", "2"),
            ("prefix", "a/"),
            ("start-after", "a/b"),
            ("continuation-token", "a/c"),
            ("delimiter", "/"),
        ];
        let got = joined(&asked, "team//").await;
        let values: Vec<&str> = got.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["2", "team//a/", "team//a/b", "a/c", "/"]);
    }

    #[tokio::test]
    async fn a_listing_of_everything_is_one_of_the_routes_prefix() {
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let got = joined(&[("marker", "")], "p/").await;
        assert_eq!(got, [own("marker", ""), own("prefix", "p/")]);
        assert_eq!(joined(&[("marker", "m")], "").await, [own("marker", "m")]);
    }

    #[tokio::test]
    async fn no_listing_climbs_out_of_the_routes_prefix() {
        let world = World::new(|_| ok("<ListBucketResult/>"));
        for (prefix, served) in [
            ("../", false),
            ("a/../../b", false),
            ("a/./", false),
            ("..\\x", false),
            (".git", true),
            ("a/..", true),
            ("a..b/", true),
        ] {
            let mut listing = request(OperationName::ListObjectsV2, http::Method::GET, "");
            listing.query = vec![("prefix".into(), prefix.into())];
            let answer = world.serve(listing).await;
            assert_eq!(answer.is_ok(), served, "{prefix}");
        }
        assert_eq!(world.calls(), 3);
    }
}
