//! A bucket's configuration: passed through, never cached.
//!
//! A bucket that is a prefix at its origin shares that bucket with others: its configuration is theirs too. It cannot be
//! changed from here, and what names keys or callers of others is not shown.

use bytes::Bytes;
use http::Response;

use super::{Forward, detail, exchange};
use crate::gateway::{Error, Request};
use crate::origin::Payload;
use crate::routes::Route;
use crate::types::Body;

impl Forward<'_> {
    /// A setting that holds for each key alike.
    pub(super) async fn bucket_setting(
        &self,
        mut request: Request,
    ) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        let call = Self::call(&route, &mut request, Payload::Whole(Bytes::new()))?;
        exchange(&route, call).await
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
        exchange(&route, call).await
    }
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
