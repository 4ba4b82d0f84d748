//! The settings of an S3 origin.
//!
//! Whatever can be told wrong without asking the network is told by [`Config::check`], all of it at once. Building the
//! clients is the business of the module above.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize as _, Error as _, MapAccess, Visitor};

use crate::types::{Problems, SecretSource, Span};

/// An S3 store and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The region that requests are signed for.
    pub region: String,
    /// `scheme://host[:port]` of a store other than AWS; AWS's own endpoint of the region where there is none.
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the path instead of the host name; the default is yes with an endpoint, no without.
    pub path_style: Option<bool>,
    /// Who this gateway is to the store.
    pub credentials: Credentials,
    /// Requests in progress at once, bodies included; more wait.
    pub connections: usize,
    /// How long a request waits for one of the connections.
    pub queue: Span,
    /// How long a TCP connection may take.
    pub connect_timeout: Span,
    /// How long a read may take to its answer's head.
    pub head_timeout: Span,
    /// How long a body may yield nothing while somebody waits for it.
    pub stall: Span,
    /// PEM file of the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            endpoint: None,
            path_style: None,
            credentials: Credentials::Default,
            connections: 256,
            queue: Span(Duration::from_secs(15)),
            // The AWS SDKs' own default: just above one retransmission of a SYN.
            connect_timeout: Span(Duration::from_millis(3100)),
            head_timeout: Span(Duration::from_secs(30)),
            stall: Span(Duration::from_secs(20)),
            ca_file: None,
        }
    }
}

/// Where the credentials come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// `"default"`: the standard chain of environment, profile, web identity (IRSA), container (ECS, EKS Pod Identity)
    /// and instance metadata.
    Default,
    /// `"anonymous"`: requests are not signed.
    Anonymous,
    /// A fixed key pair.
    Keys {
        access_key_id: String,
        secret_access_key: SecretSource,
        session_token: Option<SecretSource>,
    },
    /// A profile of the AWS configuration files.
    Profile(String),
    /// A role, assumed with the credentials of the standard chain.
    AssumeRole {
        arn: String,
        external_id: Option<String>,
        session_name: Option<String>,
    },
}

/// The table form of [`Credentials`], before it is known which of them it is.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    access_key_id: Option<String>,
    secret_access_key: Option<SecretSource>,
    session_token: Option<SecretSource>,
    profile: Option<String>,
    assume_role: Option<String>,
    external_id: Option<String>,
    session_name: Option<String>,
}

const FORMS: &str = "\"default\", \"anonymous\", { access_key_id, secret_access_key, session_token? }, { profile } \
                     or { assume_role, external_id?, session_name? }";

impl TryFrom<Table> for Credentials {
    type Error = String;

    fn try_from(table: Table) -> Result<Self, String> {
        match table {
            Table {
                access_key_id: Some(access_key_id),
                secret_access_key: Some(secret_access_key),
                session_token,
                profile: None,
                assume_role: None,
                external_id: None,
                session_name: None,
            } => Ok(Self::Keys {
                access_key_id,
                secret_access_key,
                session_token,
            }),
            Table {
                access_key_id: None,
                secret_access_key: None,
                session_token: None,
                profile: Some(profile),
                assume_role: None,
                external_id: None,
                session_name: None,
            } => Ok(Self::Profile(profile)),
            Table {
                access_key_id: None,
                secret_access_key: None,
                session_token: None,
                profile: None,
                assume_role: Some(arn),
                external_id,
                session_name,
            } => Ok(Self::AssumeRole {
                arn,
                external_id,
                session_name,
            }),
            _ => Err(format!("credentials are {FORMS}")),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Credentials {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;

        impl<'de> Visitor<'de> for Form {
            type Value = Credentials;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(FORMS)
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Credentials, E> {
                match name {
                    "default" => Ok(Credentials::Default),
                    "anonymous" => Ok(Credentials::Anonymous),
                    other => Err(E::custom(format!("credentials are {FORMS}, not {other:?}"))),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Credentials, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                table.try_into().map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_any(Form)
    }
}

impl Config {
    /// Whether the bucket stands in the path.
    pub fn is_path_style(&self) -> bool {
        self.path_style.unwrap_or(self.endpoint.is_some())
    }

    /// Adds every mistake to `problems`, under the keys below `key_path` (as in `origin.aws`).
    pub fn check(&self, key_path: &str, problems: &mut Problems) {
        let key = |name: &str| format!("{key_path}.{name}");
        let region_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if self.region.is_empty() || !self.region.bytes().all(region_byte) {
            let message = format!("{:?} is not a region", self.region);
            let hint = "write the store's region, as in \"us-east-1\"";
            problems.add(key("region"), message, hint);
        }
        if let Some(endpoint) = &self.endpoint
            && let Err((message, hint)) = check_endpoint(endpoint)
        {
            let message = format!("{endpoint:?} {message}");
            problems.add(key("endpoint"), message, hint);
        }
        if !(1..=65_536).contains(&self.connections) {
            let message = format!("{} connections are out of bounds", self.connections);
            problems.add(key("connections"), message, "write 1 to 65536");
        }
        for (name, span) in [
            ("queue", self.queue),
            ("connect_timeout", self.connect_timeout),
            ("head_timeout", self.head_timeout),
            ("stall", self.stall),
        ] {
            if span.0.is_zero() {
                let hint = "write a duration above zero, as in \"20s\"";
                problems.add(key(name), "no time at all", hint);
            }
        }
        if let Some(path) = &self.ca_file
            && let Err(message) = super::client::authorities(path)
        {
            let hint = "name a PEM file with at least one certificate";
            problems.add(key("ca_file"), message, hint);
        }
        self.check_credentials(key_path, problems);
    }

    fn check_credentials(&self, key_path: &str, problems: &mut Problems) {
        let key = |name: &str| format!("{key_path}.credentials.{name}");
        let mut filled = |name: &str, value: &str| {
            if value.is_empty() {
                problems.add(key(name), "is empty", "write a value or leave the key out");
            }
        };
        match &self.credentials {
            Credentials::Default | Credentials::Anonymous => {}
            Credentials::Profile(profile) => filled("profile", profile),
            Credentials::AssumeRole { arn, .. } => {
                if !arn.starts_with("arn:") {
                    let message = format!("{arn:?} is not the ARN of a role");
                    let hint = "write it as in \"arn:aws:iam::123456789012:role/forebay\"";
                    problems.add(key("assume_role"), message, hint);
                }
            }
            Credentials::Keys {
                access_key_id,
                secret_access_key,
                session_token,
            } => {
                filled("access_key_id", access_key_id);
                let sources = [
                    ("secret_access_key", Some(secret_access_key)),
                    ("session_token", session_token.as_ref()),
                ];
                for (name, source) in sources {
                    if let Some(Err(error)) = source.map(SecretSource::read) {
                        let hint = "set the environment variable or write the file that it names";
                        problems.add(key(name), error.to_string(), hint);
                    }
                }
            }
        }
    }
}

/// What is wrong with an endpoint, and what to write instead.
fn check_endpoint(endpoint: &str) -> Result<(), (&'static str, &'static str)> {
    let example = "write scheme, host and port alone, as in \"http://127.0.0.1:9000\"";
    let Ok(uri) = endpoint.parse::<Uri>() else {
        return Err(("is not a URL", example));
    };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err((
            "has no scheme that is known",
            "write http:// or https:// in front",
        ));
    }
    let Some(authority) = uri.authority() else {
        return Err(("names no host", example));
    };
    if authority.host().is_empty() || authority.as_str().contains('@') {
        return Err(("is not a host and a port", example));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        let hint = "leave the path and the query out; a prefix belongs to the bucket";
        return Err(("has a path or a query", hint));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<String> {
        let config: Config = toml::from_str(toml).expect("it parses");
        let mut problems = Problems::default();
        config.check("origin.x", &mut problems);
        problems.list().iter().map(|p| p.key.clone()).collect()
    }

    fn credentials(toml: &str) -> Result<Credentials, String> {
        toml::from_str::<Config>(&format!("credentials = {toml}"))
            .map(|config| config.credentials)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_right() {
        let config: Config = toml::from_str("").expect("nothing is asked for");
        assert_eq!(config, Config::default());
        assert!(!config.is_path_style());
        assert_eq!(problems(""), Vec::<String>::new());
        let own: Config = toml::from_str("endpoint = \"http://[::1]:9000\"").expect("it parses");
        assert!(own.is_path_style());
    }

    #[test]
    fn every_form_of_credentials_is_read() {
        assert_eq!(credentials("\"default\""), Ok(Credentials::Default));
        assert_eq!(credentials("\"anonymous\""), Ok(Credentials::Anonymous));
        assert_eq!(
            credentials("{ profile = \"p\" }"),
            Ok(Credentials::Profile("p".into()))
        );
        assert!(matches!(
            credentials("{ assume_role = \"arn:x\", external_id = \"e\" }"),
            Ok(Credentials::AssumeRole {
                external_id: Some(_),
                ..
            })
        ));
        assert!(matches!(
            credentials("{ access_key_id = \"a\", secret_access_key = { env = \"S\" } }"),
            Ok(Credentials::Keys { .. })
        ));
    }

    #[test]
    fn mixed_and_unknown_credentials_are_refused_by_name() {
        for bad in [
            "\"none\"",
            "{ profile = \"p\", access_key_id = \"a\" }",
            "{ access_key_id = \"a\" }",
            "{}",
        ] {
            let error = credentials(bad).expect_err(bad);
            assert!(error.contains("credentials are"), "{error}");
        }
        let error = credentials("{ profil = \"p\" }").expect_err("a slip");
        assert!(error.contains("profil"), "{error}");
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let toml = r#"
            region = ""
            endpoint = "http://host/path"
            connections = 0
            stall = "0s"
            ca_file = "/no/such/file"
            credentials = { access_key_id = "", secret_access_key = { env = "FOREBAY_NO_SUCH_VARIABLE" } }
        "#;
        let keys = [
            "origin.x.region",
            "origin.x.endpoint",
            "origin.x.connections",
            "origin.x.stall",
            "origin.x.ca_file",
            "origin.x.credentials.access_key_id",
            "origin.x.credentials.secret_access_key",
        ];
        assert_eq!(problems(toml), keys);
    }

    #[test]
    fn endpoints_are_scheme_host_and_port() {
        for good in [
            "http://127.0.0.1:9000",
            "https://s3.example/",
            "http://[::1]:1",
        ] {
            assert_eq!(check_endpoint(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "s3.example",
            "ftp://h",
            "http://",
            "http://u@h",
            "http://h?q",
            "http://h/b",
        ] {
            assert!(check_endpoint(bad).is_err(), "{bad}");
        }
    }
}
