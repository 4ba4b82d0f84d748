//! Answers that may take long: CompleteMultipartUpload, CopyObject, UploadPartCopy.
//!
//! For ten seconds the origin's answer is waited for and passed on unchanged. After that a 200 begins, kept alive with
//! whitespace until the origin's document follows; a failure by then is an `<Error>` document in the body, as S3 has it.
//! Does not run the operation: that goes on whether or not anybody waits.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::gateway::Error;
use crate::origin;
use crate::types::Body;
use crate::types::body::full;

/// How long the answer may take before its head is sent without it. SDKs give up on a silent server after some 60 s; a
/// status that is right from the start is worth more than an early one.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two spaces. Load balancers cut connections that are idle for 60 s, some for less.
const INTERVAL: Duration = Duration::from_secs(5);

const DECLARATION: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// What the origin answered, whole.
pub(crate) type Outcome = Result<Response<Bytes>, Error>;

/// The answer to an operation whose outcome `told` brings.
///
/// # Errors
/// The operation's, where it failed in time.
pub(crate) async fn answer(
    mut told: oneshot::Receiver<Outcome>,
    request_id: &str,
) -> Result<Response<Body>, Error> {
    match timeout(PATIENCE, &mut told).await {
        Ok(outcome) => Ok(received(outcome)?.map(full)),
        Err(_) => Ok(kept_alive(told, request_id.to_owned())),
    }
}

/// The outcome, or that of an operation that shutting down cut short.
pub(crate) fn received(outcome: Result<Outcome, oneshot::error::RecvError>) -> Outcome {
    outcome.unwrap_or_else(|cut| Err(Error::Origin(origin::Error::Unreachable(Box::new(cut)))))
}

enum State {
    Head(oneshot::Receiver<Outcome>),
    Waiting(oneshot::Receiver<Outcome>),
    Ended,
}

fn kept_alive(told: oneshot::Receiver<Outcome>, request_id: String) -> Response<Body> {
    let chunks = stream::unfold(State::Head(told), move |state| {
        let request_id = request_id.clone();
        async move {
            let (chunk, next) = match state {
                State::Head(told) => (Bytes::from_static(DECLARATION), State::Waiting(told)),
                State::Waiting(mut told) => match timeout(INTERVAL, &mut told).await {
                    Ok(outcome) => (late_document(received(outcome), &request_id), State::Ended),
                    Err(_) => (Bytes::from_static(b" "), State::Waiting(told)),
                },
                State::Ended => return None,
            };
            Some((Ok::<_, Infallible>(Frame::data(chunk)), next))
        }
    });
    let body = StreamBody::new(chunks)
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut response = Response::new(body);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/xml"),
    );
    response
}

/// What follows the whitespace: the origin's document, or an error.
fn late_document(outcome: Outcome, request_id: &str) -> Bytes {
    let document = match outcome {
        Ok(response) => response.into_body(),
        Err(Error::Origin(origin::Error::Refused(refusal))) => refusal.body,
        Err(_) => Bytes::new(),
    };
    let document = without_declaration(&document);
    if document.is_empty() {
        return internal_error(request_id);
    }
    document
}

/// The document from its root element on.
fn without_declaration(document: &Bytes) -> Bytes {
    let document = document.slice(leading_space(document)..);
    if !document.starts_with(b"<?xml") {
        return document;
    }
    let end = document.windows(2).position(|pair| pair == b"?>");
    let document = document.slice(end.map_or(0, |end| end + 2)..);
    document.slice(leading_space(&document)..)
}

fn leading_space(document: &[u8]) -> usize {
    document
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count()
}

/// The one error that can follow a 200 without the origin having said anything.
fn internal_error(request_id: &str) -> Bytes {
    format!(
        "<Error><Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message>\
         <RequestId>{request_id}</RequestId></Error>"
    )
    .into()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::origin::Refusal;

    async fn text(response: Response<Body>) -> String {
        let bytes = response.into_body().collect().await.expect("a whole body");
        String::from_utf8(bytes.to_bytes().to_vec()).expect("text")
    }

    fn document(text: &'static str) -> Outcome {
        let mut response = Response::new(Bytes::from_static(text.as_bytes()));
        response
            .headers_mut()
            .insert("x-amz-version-id", HeaderValue::from_static("v1"));
        Ok(response)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_in_time_is_passed_on_unchanged() {
        let (tell, told) = oneshot::channel();
        let answering = answer(told, "r");
        let telling = async {
            tokio::time::advance(Duration::from_secs(9)).await;
            tell.send(document("<?xml version=\"1.0\"?><R/>"))
                .expect("somebody waits");
        };
        let (response, ()) = tokio::join!(answering, telling);
        let response = response.expect("an answer");
        assert_eq!(response.headers()["x-amz-version-id"], "v1");
        assert_eq!(text(response).await, "<?xml version=\"1.0\"?><R/>");
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_follows_whitespace_without_its_declaration() {
        let (tell, told) = oneshot::channel();
        let response = answer(told, "r").await.expect("a head");
        assert_eq!(response.status(), StatusCode::OK);
        let telling = async {
            let never = timeout(Duration::from_secs(12), std::future::pending::<()>());
            never.await.expect_err("it never comes");
            tell.send(document("<?xml version=\"1.0\"?>\n<R>1</R>"))
                .expect("somebody waits");
        };
        let (text, ()) = tokio::join!(text(response), telling);
        assert_eq!(
            text,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n  <R>1</R>"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_failure_is_an_error_document() {
        let (tell, told) = oneshot::channel();
        let response = answer(told, "r").await.expect("a head");
        let refusal = Refusal {
            status: StatusCode::CONFLICT,
            headers: http::HeaderMap::new(),
            body: Bytes::from_static(b"<?xml version=\"1.0\"?><Error><Code>X</Code></Error>"),
        };
        tell.send(Err(Error::Origin(origin::Error::Refused(Box::new(
            refusal,
        )))))
        .expect("somebody waits");
        assert!(
            text(response)
                .await
                .ends_with("<Error><Code>X</Code></Error>")
        );

        let (tell, told) = oneshot::channel();
        let response = answer(told, "r").await.expect("a head");
        drop(tell);
        let text = text(response).await;
        assert!(text.contains("<Code>InternalError</Code>") && text.contains("<RequestId>r<"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_in_time_keeps_its_status() {
        let (tell, told) = oneshot::channel();
        tell.send(Err(Error::SlowDown)).expect("somebody waits");
        assert!(matches!(answer(told, "r").await, Err(Error::SlowDown)));
    }
}
