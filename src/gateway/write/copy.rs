//! CopyObject, and the source of every copy under the origin's names.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response};

use crate::gateway::forward::rename::{self, encode_key};
use crate::gateway::forward::{Forward, in_clients_names};
use crate::gateway::write::late;
use crate::gateway::write::verify::Fault;
use crate::gateway::{Error, Request};
use crate::origin::{self, Call, Payload};
use crate::routes::Route;
use crate::types::{Body, ObjectKey};

const COPY_SOURCE: &str = "x-amz-copy-source";

impl Forward<'_> {
    pub(crate) async fn copy(&self, mut request: Request) -> Result<Response<Body>, Error> {
        let route = self.route(&request)?;
        let subjects = self.subjects(&route, &request)?;
        let (call, source) = self.copy_call(&route, &mut request)?;
        let told = self.write(&route, subjects, call, Fault::default());
        let answer = late::answer(told, &self.context.request_id).await;
        answer.map_err(|error| source.rename(error))
    }

    /// The origin's request of a CopyObject or UploadPartCopy, and its source.
    pub(crate) fn copy_call(
        &self,
        route: &Arc<Route>,
        request: &mut Request,
    ) -> Result<(Call, From), Error> {
        let source = request.operation.copy_source.as_ref();
        let source = source.ok_or(Error::InvalidArgument {
            name: COPY_SOURCE,
            message: "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        })?;
        let from = self.route_of(&source.bucket)?;
        if from.origin.name != route.origin.name {
            return Err(Error::NotImplemented("A copy across origins"));
        }
        // Stores that are careless with paths read such a key as one with a version, for which no right was asked.
        if source.key.as_str().contains("?versionId=") && !from.origin.origin.keeps_dot_segments() {
            return Err(Error::NotImplemented(
                "A copy of a key that holds ?versionId=",
            ));
        }
        let from = From {
            key: from.origin_key(&source.key)?,
            route: from,
        };
        let value = from.header(source.version_id.as_deref());
        request.headers.insert(COPY_SOURCE, value);
        let call = Self::call(route, request, Payload::Whole(Bytes::new()))?;
        Ok((call, from))
    }
}

/// The source of a copy as the origin knows it.
pub(crate) struct From {
    route: Arc<Route>,
    key: ObjectKey,
}

impl From {
    /// `BUCKET/KEY[?versionId=ID]`.
    fn header(&self, version_id: Option<&str>) -> HeaderValue {
        let key = encode_key(self.key.as_str());
        let mut value = format!("{}/{key}", self.route.origin_bucket);
        if let Some(version) = version_id {
            value.push_str("?versionId=");
            value.push_str(&encode_key(version));
        }
        HeaderValue::from_str(&value).expect("percent-encoded text is a header's value")
    }

    /// The error in the client's names, where it is about the source: elsewhere the target's route has renamed it.
    pub(crate) fn rename(&self, error: Error) -> Error {
        let Error::Origin(origin::Error::Refused(refusal)) = &error else {
            return error;
        };
        if rename::is_about(&refusal.body, &self.route, &self.key) {
            in_clients_names(&self.route, error)
        } else {
            error
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::gateway::forward::support::{World, ok, put, route};
    use crate::routes::NamedOrigin;
    use crate::types::body::empty;
    use crate::types::{CopySource, OperationName};

    fn named(key: &str, document: &'static str) -> Bytes {
        let origin = NamedOrigin {
            name: "aws".into(),
            origin: World::new(|_| ok("")).origin,
        };
        let from = From {
            route: Arc::new(route(origin, "source", "corp-source", "p/")),
            key: key.parse().expect("a key"),
        };
        let refusal = origin::Refusal {
            status: StatusCode::NOT_FOUND,
            headers: HeaderMap::new(),
            body: document.into(),
        };
        let error = Error::Origin(origin::Error::Refused(Box::new(refusal)));
        match from.rename(error) {
            Error::Origin(origin::Error::Refused(refusal)) => refusal.body,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn an_error_about_the_source_names_it_as_the_client_does() {
        assert_eq!(
            named(
                "p/k",
                "<Error><Key>p/k</Key><BucketName>corp-source</BucketName></Error>"
            ),
            "<Error><Key>k</Key><BucketName>source</BucketName></Error>"
        );
        assert_eq!(
            named("p/k", "<Error><Key>p&#x2F;k</Key></Error>"),
            "<Error><Key>k</Key></Error>"
        );
        // What XML does not have, some stores write as U+FFFD.
        assert_eq!(
            named(
                "p/\u{1}k\u{ffff}",
                "<Error><Key>p/\u{fffd}k\u{fffd}</Key></Error>"
            ),
            "<Error><Key>\u{fffd}k\u{fffd}</Key></Error>"
        );
        let targets = "<Error><Key>p/l</Key><BucketName>corp-target</BucketName></Error>";
        assert_eq!(named("p/k", targets), targets);
    }

    #[tokio::test]
    async fn a_source_that_stores_take_for_a_version_is_not_asked_for() {
        let world = World::new(|_| ok("<CopyObjectResult/>"));
        let mut copy = put("to", empty(), 0);
        copy.operation.name = OperationName::CopyObject;
        copy.operation.copy_source = Some(CopySource {
            bucket: "train".parse().expect("a bucket"),
            key: "a?versionId=v".parse().expect("a key"),
            version_id: None,
        });
        let error = world.serve(copy).await.expect_err("a version's right");
        assert!(matches!(error, Error::NotImplemented(_)));
        assert_eq!(world.calls(), 0);
    }
}
