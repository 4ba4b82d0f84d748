//! `forebay check`: every mistake of a configuration, then everything that it names and that cannot be had.
//!
//! Nothing is asked of anybody before the file is sound; then TLS files, addresses, disks, origins and routed buckets are tried
//! side by side, and all that fails is told at once. How an origin is built is the caller's business ([`Connect`]).

mod disks;

use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;

use super::causes;
use super::output::Output;
use crate::config::{self, Config, Tls};
use crate::origin::{self, Origin};
use crate::types::{BoxError, BucketName, Problem, Problems};

/// Exit code of a sound configuration whose every origin answers.
pub(super) const SOUND: u8 = 0;
/// Exit code of a wrong configuration (`EX_USAGE` of sysexits.h).
pub(super) const WRONG: u8 = 64;
/// Exit code where something that the configuration names cannot be had (`EX_UNAVAILABLE`).
pub(super) const UNAVAILABLE: u8 = 69;

/// How long an origin may take to answer: long enough for a credentials chain that tries one source after the other.
const PATIENCE: Duration = Duration::from_secs(15);

/// An origin, or what is wrong with its settings.
pub(super) type Connecting<'c> =
    Pin<Box<dyn Future<Output = Result<Arc<dyn Origin>, Problems>> + Send + 'c>>;

/// Builds a configured origin, without contacting it.
pub(super) type Connect = dyn Fn(&config::Origin) -> Connecting<'_> + Send + Sync;

/// What was found.
#[derive(Debug, Default)]
struct Findings {
    wrong: Problems,
    unavailable: Problems,
    /// What is no mistake, but worth knowing: by key.
    notes: Vec<(String, String)>,
}

/// Checks the file at `path`, writes what is found to `out`, and returns the code to exit with.
///
/// # Errors
/// Where `out` cannot be written to.
pub(super) async fn run(
    path: &Path,
    output: Output,
    connect: &Connect,
    out: &mut (impl Write + Send),
) -> io::Result<u8> {
    let findings = match config::load(path) {
        Err(wrong) => Findings {
            wrong,
            ..Findings::default()
        },
        Ok(config) => try_out(&config, connect).await,
    };
    match output {
        Output::Text => findings.write_text(path, out)?,
        Output::Json => findings.write_json(path, out)?,
    }
    Ok(findings.exit_code())
}

impl Findings {
    fn exit_code(&self) -> u8 {
        match (self.wrong.list(), self.unavailable.list()) {
            ([], []) => SOUND,
            ([], _) => UNAVAILABLE,
            _ => WRONG,
        }
    }

    fn write_text(&self, path: &Path, out: &mut impl Write) -> io::Result<()> {
        let path = path.display();
        match self.exit_code() {
            SOUND => writeln!(out, "{path}: sound; every origin and bucket answers")?,
            WRONG => writeln!(out, "{path}: {}", counted(&self.wrong, "mistake"))?,
            _ => {
                let missing = counted(&self.unavailable, "thing");
                writeln!(out, "{path}: sound, but {missing} cannot be had")?;
            }
        }
        for problems in [&self.wrong, &self.unavailable] {
            if !problems.list().is_empty() {
                writeln!(out, "{problems}")?;
            }
        }
        for (key, note) in &self.notes {
            writeln!(out, "{key}: note: {note}")?;
        }
        Ok(())
    }

    fn write_json(&self, path: &Path, out: &mut impl Write) -> io::Result<()> {
        let told = |kind: &'static str, problem: &Problem| {
            serde_json::json!({
                "kind": kind,
                "key": problem.key,
                "message": problem.message,
                "hint": problem.hint,
            })
        };
        let wrong = self.wrong.list().iter().map(|it| told("wrong", it));
        let unavailable = self.unavailable.list().iter();
        let unavailable = unavailable.map(|it| told("unavailable", it));
        let notes = self.notes.iter();
        let notes = notes.map(|(key, note)| serde_json::json!({ "key": key, "message": note }));
        let document = serde_json::json!({
            "file": path.display().to_string(),
            "ok": self.exit_code() == SOUND,
            "problems": wrong.chain(unavailable).collect::<Vec<_>>(),
            "notes": notes.collect::<Vec<_>>(),
        });
        writeln!(out, "{document:#}")
    }
}

async fn try_out(config: &Config, connect: &Connect) -> Findings {
    let mut findings = Findings::default();
    if let Some(files) = &config.listen.s3.tls
        && let Err(error) = load_tls(files)
    {
        findings.wrong.add(
            "listen.s3.tls",
            causes(error.as_ref()),
            "write a certificate chain and the key that belongs to its first certificate, both PEM",
        );
    }
    let listen = &config.listen;
    let addresses = join_all([
        bindable("listen.s3.address", listen.s3.address),
        bindable("listen.admin.address", listen.admin.address),
    ]);
    let origins = config
        .origins
        .iter()
        .map(|origin| try_origin(config, origin, connect));
    let disks = disks::try_out(&config.disks, &mut findings);
    let (addresses, origins, ()) = tokio::join!(addresses, join_all(origins), disks);
    let found = addresses.into_iter().chain(origins.into_iter().flatten());
    for Problem { key, message, hint } in found.flatten() {
        findings.unavailable.add(key, message, hint);
    }
    findings
}

fn load_tls(files: &Tls) -> Result<(), BoxError> {
    let chain = CertificateDer::pem_file_iter(&files.cert)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&files.key)?;
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(())
}

async fn bindable(key: &str, address: SocketAddr) -> Option<Problem> {
    let error = TcpListener::bind(address).await.err()?;
    Some(Problem {
        key: key.to_owned(),
        message: format!("cannot listen on {address}: {error}"),
        hint: "write an address of this machine that nothing listens on, or stop what does: perhaps this very Forebay"
            .to_owned(),
    })
}

/// Tries the buckets that are routed to an origin; the origin as a whole where all or none of them are.
async fn try_origin(
    config: &Config,
    origin: &config::Origin,
    connect: &Connect,
) -> Vec<Option<Problem>> {
    let connected = match connect(origin).await {
        Ok(connected) => connected,
        Err(problems) => return problems.list().iter().cloned().map(Some).collect(),
    };
    let routed: Vec<_> = config
        .buckets
        .iter()
        .filter(|bucket| bucket.origin == origin.name)
        .collect();
    let everything = config
        .wildcard
        .as_ref()
        .is_some_and(|wildcard| wildcard.origin == origin.name);
    let mut probes = Vec::new();
    if everything || routed.is_empty() {
        probes.push((format!("origin.{}", origin.name), None));
    }
    for bucket in routed {
        probes.push((
            format!("bucket.{}", bucket.name),
            Some(&bucket.origin_bucket),
        ));
    }
    let probes = probes
        .into_iter()
        .map(|(key, bucket)| probe(key, connected.as_ref(), bucket));
    join_all(probes).await
}

async fn probe(key: String, origin: &dyn Origin, bucket: Option<&BucketName>) -> Option<Problem> {
    let problem = match tokio::time::timeout(PATIENCE, origin.probe(bucket)).await {
        Ok(Ok(())) => return None,
        Ok(Err(error)) => Problem {
            key,
            message: causes(&error),
            hint: hint(&error, bucket),
        },
        Err(_) => Problem {
            key,
            message: format!("no answer within {} s", PATIENCE.as_secs()),
            hint: "check endpoint, network and firewall".to_owned(),
        },
    };
    Some(problem)
}

fn hint(error: &origin::Error, bucket: Option<&BucketName>) -> String {
    let what = bucket.map_or("buckets".to_owned(), |bucket| format!("bucket {bucket}"));
    match error.status().map(|status| status.as_u16()) {
        Some(401 | 403) => {
            format!("check the origin's credentials, and that they may list the {what}")
        }
        Some(404) => format!("the origin has no {what}: check name, region and endpoint"),
        Some(301 | 307 | 308) => format!("the {what} is in another region: correct region"),
        Some(_) => "the origin is reached but ill: see its own logs".to_owned(),
        None => "check endpoint, network, certificates and credentials".to_owned(),
    }
}

/// As in `1 mistake` and `2 mistakes`.
fn counted(problems: &Problems, noun: &str) -> String {
    match problems.list().len() {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests;
