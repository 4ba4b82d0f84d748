//! Lends the transport to the AWS SDK's credential sources.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http::Request;
use http_body_util::BodyExt;

use super::transport::{SendError, Transport};

/// The transport as the SDK wants it.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    transport: Arc<Transport>,
    head: Option<Duration>,
}

impl Connector {
    /// For what credential sources ask.
    pub(super) fn new(transport: Arc<Transport>) -> Self {
        Self {
            transport,
            head: None,
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
        connector.head = settings.read_timeout();
        SharedHttpConnector::new(connector)
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { transport, head } = self.clone();
        HttpConnectorFuture::new(send(transport, head, request))
    }
}

async fn send(
    transport: Arc<Transport>,
    head: Option<Duration>,
    request: HttpRequest,
) -> Result<HttpResponse, ConnectorError> {
    let request: Request<SdkBody> = request
        .try_into_http1x()
        .map_err(|error| ConnectorError::user(error.into()))?;
    let request = request.map(BodyExt::boxed_unsync);
    let answer = transport.send_aside(request, head).await;
    let answer = answer.map_err(connector_error)?;
    let answer = answer.map(SdkBody::from_body_1_x);
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
