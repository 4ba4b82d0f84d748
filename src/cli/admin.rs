//! The client of a running node's admin door, for the commands that ask one: a request, a JSON answer, or why there is none.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::{EXIT_CONFIG, EXIT_UNAVAILABLE};
use crate::config::Surroundings;

/// How long a node may take: to purge it writes to every disk, and one of those may be ill.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest answer that is read: of an object of 5 TiB whose every block is held otherwise than its neighbours.
const LONGEST_ANSWER: usize = 1 << 30;

/// Which node to ask, and the token that it asks for.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Connection {
    /// The node's admin port.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9001")]
    admin: Uri,
    /// The file that holds the bearer token (listen.admin.token).
    #[arg(long, value_name = "FILE", conflicts_with = "token_env")]
    token_file: Option<PathBuf>,
    /// The environment variable that holds the bearer token.
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
}

/// The node did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// The node refuses: the question, or the token, is wrong.
    #[error("the node refuses ({status}): {reason}")]
    Refused { status: StatusCode, reason: String },
    /// There is no answer, or one that no node of this version gives.
    #[error("{admin} does not answer: {reason}")]
    Unavailable { admin: Uri, reason: String },
}

impl Failure {
    /// The code to exit with.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => EXIT_CONFIG,
            Self::Refused { status, .. } if status.is_client_error() => EXIT_CONFIG,
            Self::Refused { .. } | Self::Unavailable { .. } => EXIT_UNAVAILABLE,
        }
    }
}

impl Connection {
    /// Sends a request to `path` (with its query), with a JSON document where there is one.
    ///
    /// # Errors
    /// [`Failure`].
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        document: Option<&Value>,
    ) -> Result<Value, Failure> {
        let request = self.request(method, path, document)?;
        let asked = tokio::time::timeout(PATIENCE, self.send(request)).await;
        let (status, body) = asked.unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(self.unavailable(format!("no answer within {seconds} s")))
        })?;
        let document = serde_json::from_slice::<Value>(&body);
        match document {
            Ok(document) if status.is_success() => Ok(document),
            Ok(document) if document["error"].is_string() => Err(Failure::Refused {
                status,
                reason: document["error"].as_str().unwrap_or_default().to_owned(),
            }),
            Ok(_) | Err(_) if status == StatusCode::UNAUTHORIZED => Err(Failure::Refused {
                status,
                reason: "give the token with --token-file or --token-env".to_owned(),
            }),
            Ok(_) | Err(_) => Err(self.unavailable(format!(
                "{status} without a document: is this the admin port of a Forebay of this version?"
            ))),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        document: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let admin = &self.admin;
        if admin.scheme_str() != Some("http") || admin.authority().is_none() {
            let example = "http://127.0.0.1:9001";
            return Err(Failure::Usage(format!(
                "--admin {admin}: write a URL as in {example}"
            )));
        }
        let base = admin.to_string();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", base.trim_end_matches('/')));
        if let Some(token) = self.token()? {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if document.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = document.map(Value::to_string).unwrap_or_default();
        request
            .body(Full::from(body))
            .map_err(|_| Failure::Usage("the token cannot stand in a header".to_owned()))
    }

    /// The token, where one is given.
    fn token(&self) -> Result<Option<String>, Failure> {
        if let Some(file) = &self.token_file {
            let text = std::fs::read_to_string(file);
            let text = text.map_err(|error| {
                Failure::Usage(format!("--token-file {}: {error}", file.display()))
            })?;
            return Ok(Some(text.trim_end().to_owned()));
        }
        let Some(name) = &self.token_env else {
            return Ok(None);
        };
        let mut variables = Surroundings::of_process().variables;
        match variables.remove(name) {
            Some(token) => Ok(Some(token.trim_end().to_owned())),
            // The name may be the token itself: it is not repeated.
            None => Err(Failure::Usage(
                "--token-env: there is no such environment variable".to_owned(),
            )),
        }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Failure> {
        let client: Client<HttpConnector, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request).await;
        let answer = answer.map_err(|error| self.unavailable(super::causes(&error)))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LONGEST_ANSWER).collect();
        let body = body
            .await
            .map_err(|error| self.unavailable(format!("its answer breaks off: {error}")))?;
        Ok((status, body.to_bytes()))
    }

    fn unavailable(&self, reason: String) -> Failure {
        Failure::Unavailable {
            admin: self.admin.clone(),
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(admin: &str) -> Connection {
        Connection {
            admin: admin.parse().unwrap(),
            token_file: None,
            token_env: None,
        }
    }

    fn mistake(connection: &Connection) -> String {
        let failure = connection.request(Method::GET, "/where", None).unwrap_err();
        assert_eq!(failure.exit_code(), EXIT_CONFIG);
        failure.to_string()
    }

    #[test]
    fn a_question_goes_below_the_url_with_the_token_from_its_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "t0ken\r\n").unwrap();
        let connection = Connection {
            token_file: Some(file.path().to_owned()),
            ..connection("http://node:9001/")
        };
        let document = serde_json::json!({ "bucket": "b" });
        let request = connection.request(Method::POST, "/purge", Some(&document));
        let request = request.unwrap();
        assert_eq!(request.uri(), "http://node:9001/purge");
        assert_eq!(request.headers()["authorization"], "Bearer t0ken");
        assert_eq!(request.headers()["content-type"], "application/json");
    }

    #[test]
    fn what_cannot_be_asked_is_told_without_the_token() {
        for admin in ["https://node:9001", "node:9001", "/where"] {
            assert!(mistake(&connection(admin)).contains("--admin"), "{admin}");
        }
        let token = Connection {
            token_env: Some("wJalrXUtnFEMI".to_owned()),
            ..connection("http://node:9001")
        };
        let told = mistake(&token);
        assert!(
            told.contains("--token-env") && !told.contains("wJalr"),
            "{told}"
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "t0\nken").unwrap();
        let token = Connection {
            token_file: Some(file.path().to_owned()),
            ..connection("http://node:9001")
        };
        let told = mistake(&token);
        assert!(told.contains("header") && !told.contains("ken\""), "{told}");
    }

    #[test]
    fn a_node_that_is_ill_is_told_apart_from_a_wrong_question() {
        let refused = |status| Failure::Refused {
            status,
            reason: String::new(),
        };
        for (status, code) in [
            (StatusCode::NOT_FOUND, EXIT_CONFIG),
            (StatusCode::UNAUTHORIZED, EXIT_CONFIG),
            (StatusCode::INTERNAL_SERVER_ERROR, EXIT_UNAVAILABLE),
        ] {
            assert_eq!(refused(status).exit_code(), code);
        }
    }
}
