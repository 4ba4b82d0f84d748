//! CreateBucket and DeleteBucket: passed on for a bucket that is routed.
//!
//! A route is made by configuration alone: making a bucket makes the one at the origin that a route names already, and
//! deleting it leaves the route in place.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};

use super::{Forward, exchange, renamed};
use crate::gateway::write::verify::{self, Claims};
use crate::gateway::{Error, Request, Upload};
use crate::origin::Payload;
use crate::routes::Route;
use crate::types::Body;

const ARN: &str = "x-amz-bucket-arn";

/// The longest CreateBucketConfiguration that is taken, in bytes.
const MAX_CONFIGURATION: usize = 64 << 10;

impl Forward<'_> {
    pub(super) async fn create_bucket(
        &self,
        mut request: Request,
    ) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        let upload = std::mem::replace(&mut request.upload, Upload::none());
        let headers = &mut request.headers;
        let document = verify::document(headers, upload, MAX_CONFIGURATION, Claims::All).await?;
        let call = Self::call(&route, &mut request, Payload::Whole(document))?;
        let changing = self.changing(&route);
        let answer = exchange(&route, call).await;
        drop(changing);
        let mut response = renamed(&route, answer?).await?;
        let headers = response.headers_mut();
        name_in_arn(headers, &route);
        if headers.contains_key(header::LOCATION) {
            let place = HeaderValue::from_str(&format!("/{}", route.bucket));
            let place = place.expect("a bucket's name is a header's value");
            headers.insert(header::LOCATION, place);
        }
        Ok(response)
    }

    pub(super) async fn delete_bucket(
        &self,
        mut request: Request,
    ) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        if !route.prefix.is_empty() {
            // The bucket at the origin holds more than this one.
            return Err(Error::NotImplemented(
                "DeleteBucket of a bucket that is a prefix at its origin",
            ));
        }
        let call = Self::call(&route, &mut request, Payload::Whole(Bytes::new()))?;
        let changing = self.changing(&route);
        let answer = exchange(&route, call).await;
        drop(changing);
        renamed(&route, answer?).await
    }
}

/// Names the bucket in its ARN as the client does; an ARN that does not end in the origin's name for it is left out.
fn name_in_arn(headers: &mut HeaderMap, route: &Route) {
    if route.bucket == route.origin_bucket {
        return;
    }
    let arn = headers.remove(ARN);
    let arn = arn.as_ref().and_then(|arn| arn.to_str().ok());
    let owner = arn.and_then(|arn| arn.strip_suffix(route.origin_bucket.as_str()));
    if let Some(owner) = owner.filter(|owner| owner.ends_with(':')) {
        let arn = HeaderValue::from_str(&format!("{owner}{}", route.bucket));
        headers.insert(ARN, arn.expect("a bucket's name is a header's value"));
    }
}
