//! A bucket's configuration: passed through, never cached.
//!
//! A bucket that is a prefix at its origin shares that bucket with others: its configuration is theirs too. It cannot be
//! changed from here, and what names keys or callers of others is not shown.

use bytes::Bytes;
use http::Response;

use super::{Forward, detail, exchange};
use crate::gateway::{Error, Request};
use crate::origin::{self, Payload};
use crate::routes::Route;
use crate::types::Body;
use crate::types::body::full;

impl Forward<'_> {
    /// A setting that holds for each key alike.
    pub(super) async fn bucket_setting(
        &self,
        mut request: Request,
    ) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        let operation = request.operation.name;
        let call = Self::call(&route, &mut request, Payload::Whole(Bytes::new()))?;
        let (parts, body) = exchange(&route, call).await?.into_parts();
        let document = super::collect(body, super::MAX_DOCUMENT).await?;
        if is_listing(&document) {
            return Err(origin::Error::Unsupported(operation).into());
        }
        Ok(Response::from_parts(parts, full(document)))
    }

    pub(super) async fn bucket_detail(&self, request: Request) -> Result<Response<Body>, Error> {
        whole_bucket(&*self.route(&request)?)?;
        self.bucket_setting(request).await
    }

    pub(super) async fn change_bucket(
        &self,
        mut request: Request,
    ) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        whole_bucket(&route)?;
        let document = detail::document(&mut request).await?;
        let call = Self::call(&route, &mut request, Payload::Whole(document))?;
        let _changing = self.changing(&route);
        exchange(&route, call).await
    }
}

/// Whether a store that does not know the sub-resource has listed the bucket, for which no right was asked.
fn is_listing(document: &[u8]) -> bool {
    let root = b"<ListBucketResult";
    let head = &document[..document.len().min(1 << 10)];
    head.windows(root.len()).any(|window| window == root)
}

fn whole_bucket(route: &Route) -> Result<(), Error> {
    if route.prefix.is_empty() {
        Ok(())
    } else {
        Err(Error::NotImplemented(
            "The configuration of a bucket that is a prefix at its origin",
        ))
    }
}
