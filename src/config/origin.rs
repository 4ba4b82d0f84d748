//! `[origin.NAME]`: the stores that hold the truth. None is contacted here.

use std::path::PathBuf;

use http::Uri;
use toml::Value;

use super::listen::must_open;
use super::secret;
use super::section::Section;
use super::setting::{AtATime, Patience};
use super::suggest;
use crate::origin::directory::Config as Directory;
use crate::origin::s3::{Config as S3, Credentials};
use crate::types::OriginName;

/// A configured origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub name: OriginName,
    pub store: Store,
}

/// What kind of store an origin is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    S3(Box<S3>),
    Directory(Directory),
}

pub(super) fn read(name: &str, section: &mut Section<'_, '_>) -> Option<Origin> {
    let kind: Option<String> = section.required("kind");
    let store = match kind.as_deref() {
        Some("s3") => Some(Store::S3(Box::new(s3(section)))),
        Some("directory") => directory(section).map(Store::Directory),
        Some(other) => {
            let hint = match suggest::nearest(other, &["s3", "directory"]) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None => "write \"s3\" or \"directory\"".to_owned(),
            };
            section.problem("kind", format!("there are no {other:?} origins"), &hint);
            section.ignore_the_rest();
            None
        }
        None => {
            section.ignore_the_rest();
            None
        }
    };
    Some(Origin {
        name: OriginName::from(name),
        store: store?,
    })
}

fn s3(section: &mut Section<'_, '_>) -> S3 {
    let endpoint = endpoint(section);
    let ca_file: Option<PathBuf> = section.optional("ca_file");
    if let Some(path) = &ca_file {
        must_open(section, "ca_file", path);
    }
    // Few stores other than AWS's resolve a host name for each bucket.
    let path_style = section.optional("path_style");
    // Stores on file systems take them for other keys, even of other buckets; AWS does not.
    let dot_segments = section.optional("dot_segments");
    S3 {
        region: section.or("region", "us-east-1"),
        path_style: path_style.unwrap_or(endpoint.is_some()),
        dot_segments: dot_segments.unwrap_or(endpoint.is_none()),
        endpoint,
        credentials: credentials(section),
        connections: section.or::<AtATime>("connections", 256).0,
        queue: section.or("queue", "15s"),
        ca_file,
        // The AWS SDKs' own default: just above one retransmission of a SYN.
        connect_timeout: section.or::<Patience>("connect_timeout", "3100ms").0,
        head_timeout: section.or::<Patience>("head_timeout", "30s").0,
        stall: section.or::<Patience>("stall", "20s").0,
    }
}

fn endpoint(section: &mut Section<'_, '_>) -> Option<String> {
    let endpoint: Uri = section.optional("endpoint")?;
    if !matches!(endpoint.path(), "" | "/") {
        section.problem(
            "endpoint",
            format!("{endpoint} has a path"),
            "write scheme, host and port only, as in \"https://store.example.com:9000\"",
        );
    }
    Some(endpoint.to_string().trim_end_matches('/').to_owned())
}

fn directory(section: &mut Section<'_, '_>) -> Option<Directory> {
    let path = section.required("path")?;
    Some(Directory { path })
}

const CREDENTIALS_HINT: &str = "write \"default\", \"anonymous\", { access_key_id = \"…\", secret_access_key = { env = \"NAME\" } }, { profile = \"…\" } or { assume_role = \"arn:…\" }";

fn credentials(section: &mut Section<'_, '_>) -> Credentials {
    let value = section.take("credentials", Some(Value::from("default")));
    let read = match value {
        None => Some(Credentials::Default),
        Some(value @ Value::Table(_)) => section.part("credentials", value, credentials_table),
        Some(value) => match value.as_str() {
            Some("default") => Some(Credentials::Default),
            Some("anonymous") => Some(Credentials::Anonymous),
            _ => {
                section.problem("credentials", "not a way to sign", CREDENTIALS_HINT);
                None
            }
        },
    };
    read.unwrap_or(Credentials::Default)
}

fn credentials_table(section: &mut Section<'_, '_>) -> Option<Credentials> {
    let ways = ["access_key_id", "profile", "assume_role"];
    let given = ways.into_iter().filter(|way| section.has(way)).count();
    if given != 1 {
        let message = if given == 0 {
            "no way to sign is given"
        } else {
            "more than one way to sign is given"
        };
        section.wrong(message, CREDENTIALS_HINT);
        section.ignore_the_rest();
    }
    if section.has("access_key_id") {
        let access_key_id = section.required("access_key_id");
        let secret_access_key = secret::required(section, "secret_access_key");
        let session_token = secret::optional(section, "session_token");
        return Some(Credentials::Keys {
            access_key_id: access_key_id?,
            secret_access_key: secret_access_key?.value,
            session_token: session_token.map(|token| token.value),
        });
    }
    if section.has("profile") {
        return section.optional("profile").map(Credentials::Profile);
    }
    let arn: Option<String> = section.optional("assume_role");
    let external_id = section.optional("external_id");
    let session_name = section.optional("session_name");
    if let Some(arn) = &arn
        && !(arn.starts_with("arn:") && arn.contains(":role/"))
    {
        section.problem(
            "assume_role",
            format!("{arn:?} is not the ARN of a role"),
            "write it as in \"arn:aws:iam::123456789012:role/NAME\"",
        );
    }
    Some(Credentials::AssumeRole {
        arn: arn?,
        external_id,
        session_name,
    })
}
