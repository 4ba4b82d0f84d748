//! Listings: ListObjects, ListObjectsV2, ListMultipartUploads.
//!
//! The origin lists; this joins the route's prefix to what the client asks for, and takes it from the answer again. The
//! continuation token is the origin's own and passes as it is. Nothing is cached.

use bytes::Bytes;
use http::Response;

use super::forward::{Forward, exchange, renamed};
use super::{Error, Request};
use crate::origin::Payload;
use crate::types::Body;

impl Forward<'_> {
    pub(crate) async fn list(&self, mut request: Request) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        join_prefix(&mut request.query, &route.prefix);
        let call = Self::call(&route, &mut request, Payload::Whole(Bytes::new()))?;
        renamed(&route, exchange(&route, call).await?).await
    }
}

/// Makes the client's keys the origin's. A marker that is empty means "from the start" and stays so.
fn join_prefix(query: &mut Vec<(String, String)>, prefix: &str) {
    if prefix.is_empty() {
        return;
    }
    let mut has_prefix = false;
    for (name, value) in query.iter_mut() {
        match name.as_str() {
            "prefix" => {
                has_prefix = true;
                value.insert_str(0, prefix);
            }
            "marker" | "start-after" | "key-marker" if !value.is_empty() => {
                value.insert_str(0, prefix);
            }
            _ => {}
        }
    }
    if !has_prefix {
        query.push(("prefix".to_owned(), prefix.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(query: &[(&str, &str)], prefix: &str) -> Vec<(String, String)> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut query: Vec<_> = query.iter().map(own).collect();
        join_prefix(&mut query, prefix);
        query
    }

    #[test]
    fn keys_in_the_query_get_the_routes_prefix() {
        let asked = [
            ("list-type", "2"),
            ("prefix", "a/"),
            ("start-after", "a/b"),
            ("continuation-token", "a/c"),
            ("delimiter", "/"),
        ];
        let got = joined(&asked, "team//");
        let values: Vec<&str> = got.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["2", "team//a/", "team//a/b", "a/c", "/"]);
    }

    #[test]
    fn a_listing_of_everything_is_one_of_the_routes_prefix() {
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let got = joined(&[("marker", "")], "p/");
        assert_eq!(got, [own("marker", ""), own("prefix", "p/")]);
        assert_eq!(joined(&[("marker", "m")], ""), [own("marker", "m")]);
    }
}
