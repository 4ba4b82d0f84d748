//! Lends the transport to the AWS SDK: its S3 client and its credential sources.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http::{Method, Request};
use http_body_util::{BodyExt, Limited};

use super::transport::{SendError, Transport};
use crate::telemetry::origin::RequestKind;

/// The most bytes of an error document that are read: S3's have less than a KiB.
pub(super) const ERROR_DOCUMENT: usize = 1 << 20;

/// The transport as the SDK wants it.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    transport: Arc<Transport>,
    purpose: Purpose,
}

#[derive(Debug, Clone, Copy)]
enum Purpose {
    Reads,
    Credentials { head: Option<Duration> },
}

impl Connector {
    /// For the typed reads of the origin.
    pub(super) fn for_reads(transport: Arc<Transport>) -> Self {
        Self {
            transport,
            purpose: Purpose::Reads,
        }
    }

    /// For what credential sources ask.
    pub(super) fn for_credentials(transport: Arc<Transport>) -> Self {
        Self {
            transport,
            purpose: Purpose::Credentials { head: None },
        }
    }
}

impl HttpClient for Connector {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let mut connector = self.clone();
        if let Purpose::Credentials { head } = &mut connector.purpose {
            *head = settings.read_timeout();
        }
        SharedHttpConnector::new(connector)
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { transport, purpose } = self.clone();
        HttpConnectorFuture::new(send(transport, purpose, request))
    }
}

async fn send(
    transport: Arc<Transport>,
    purpose: Purpose,
    request: HttpRequest,
) -> Result<HttpResponse, ConnectorError> {
    let request: Request<SdkBody> = request
        .try_into_http1x()
        .map_err(|error| ConnectorError::user(error.into()))?;
    let request = request.map(BodyExt::boxed_unsync);
    let answer = match purpose {
        Purpose::Reads if request.method() == Method::HEAD => {
            transport.send(RequestKind::Head, request).await
        }
        Purpose::Reads => transport.send(RequestKind::Get, request).await,
        Purpose::Credentials { head } => transport.send_aside(request, head).await,
    };
    let answer = answer.map_err(connector_error)?;
    let succeeded = answer.status().is_success();
    let answer = answer.map(|body| match succeeded {
        true => SdkBody::from_body_1_x(body),
        // The SDK reads error documents whole.
        false => SdkBody::from_body_1_x(Limited::new(body, ERROR_DOCUMENT)),
    });
    HttpResponse::try_from(answer).map_err(|error| ConnectorError::other(error.into(), None))
}

fn connector_error(error: SendError) -> ConnectorError {
    match error {
        SendError::Busy(_) | SendError::Slow(_) | SendError::Stuck(_) => {
            ConnectorError::timeout(error.into())
        }
        SendError::Failed(_) => ConnectorError::io(error.into()),
    }
}
