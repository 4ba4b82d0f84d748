//! `forebay check`: every mistake of a configuration, then everything that it names and that cannot be had.
//!
//! Nothing is asked of anybody before the file is sound; then TLS files, addresses, origins and routed buckets are tried side by
//! side, and all that fails is told at once. How an origin is built is the caller's business ([`Connect`]).

use std::error::Error as StdError;
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

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

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
            unavailable: Problems::default(),
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
            SOUND => return writeln!(out, "{path}: sound; every origin and bucket answers"),
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
        let document = serde_json::json!({
            "file": path.display().to_string(),
            "ok": self.exit_code() == SOUND,
            "problems": wrong.chain(unavailable).collect::<Vec<_>>(),
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
    let (addresses, origins) = tokio::join!(addresses, join_all(origins));
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

/// The error and its causes in one line.
fn causes(error: &(dyn StdError + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::origin::{Call, Fetched, Get, Head, ObjectHead, Refusal};
    use crate::types::{Body, OriginFingerprint};

    /// An origin of which only the bucket `there` can be had.
    #[derive(Debug)]
    struct OneBucket;

    #[async_trait::async_trait]
    impl Origin for OneBucket {
        fn fingerprint(&self, _bucket: &BucketName) -> OriginFingerprint {
            unreachable!("a check reads nothing")
        }

        async fn get(&self, _get: Get) -> Result<Fetched, origin::Error> {
            unreachable!("a check reads nothing")
        }

        async fn head(&self, _head: Head) -> Result<ObjectHead, origin::Error> {
            unreachable!("a check reads nothing")
        }

        async fn call(&self, _call: Call) -> Result<http::Response<Body>, origin::Error> {
            unreachable!("a check reads nothing")
        }

        async fn probe(&self, bucket: Option<&BucketName>) -> Result<(), origin::Error> {
            let status = match bucket.map(BucketName::as_str) {
                Some("there") => return Ok(()),
                Some(_) => StatusCode::NOT_FOUND,
                None => StatusCode::FORBIDDEN,
            };
            Err(origin::Error::Refused(Box::new(Refusal {
                status,
                headers: http::HeaderMap::new(),
                body: bytes::Bytes::new(),
            })))
        }
    }

    fn connect(origin: &config::Origin) -> Connecting<'_> {
        let refused = origin.name.as_str() == "broken";
        Box::pin(async move {
            if refused {
                let mut problems = Problems::default();
                problems.add("origin.broken.path", "cannot be opened", "name a folder");
                return Err(problems);
            }
            Ok(Arc::new(OneBucket) as Arc<dyn Origin>)
        })
    }

    async fn check(text: &str, output: Output) -> (u8, String) {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let file = folder.path().join("forebay.toml");
        std::fs::write(folder.path().join("secret"), "s").expect("a file");
        let text = text.replace("FOLDER", &folder.path().display().to_string());
        std::fs::write(&file, text).expect("a file");
        let mut told = Vec::new();
        let code = run(&file, output, &connect, &mut told)
            .await
            .expect("a buffer takes it");
        (code, String::from_utf8(told).expect("UTF-8"))
    }

    const SOUND_FILE: &str = r#"
[listen]
s3.address = "127.0.0.1:0"
admin.address = "127.0.0.1:0"
[origin.store]
kind = "s3"
[bucket.there]
origin = "store"
[identity.me]
access_key_id = "ME"
secret_access_key = { file = "FOLDER/secret" }
"#;

    #[tokio::test]
    async fn a_sound_file_whose_buckets_answer_exits_with_0() {
        let (code, told) = check(SOUND_FILE, Output::Text).await;
        assert_eq!(code, SOUND, "{told}");
        let (code, told) = check(SOUND_FILE, Output::Json).await;
        let document: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!((code, &document["ok"]), (SOUND, &true.into()));
    }

    #[tokio::test]
    async fn a_wrong_file_exits_with_64_and_nothing_is_tried() {
        let (code, told) = check("[listen.s3]\nadress = 1", Output::Text).await;
        assert_eq!(code, WRONG);
        assert!(told.contains("listen.s3.adress: unknown key"), "{told}");
        assert!(told.contains("hint: did you mean \"address\"?"), "{told}");
    }

    #[tokio::test]
    async fn all_that_cannot_be_had_is_told_at_once_with_69() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let taken = taken.local_addr().map(|address| (taken, address));
        let (_held, address) = taken.expect("its address");
        let text = SOUND_FILE.replacen("127.0.0.1:0", &address.to_string(), 1)
            + "[bucket.gone]\norigin = \"store\"\n[bucket.\"*\"]\norigin = \"other\"\n\
               [origin.other]\nkind = \"s3\"\n[origin.broken]\nkind = \"s3\"\n";
        let (code, told) = check(&text, Output::Json).await;
        assert_eq!(code, UNAVAILABLE, "{told}");
        let document: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        let problems = document["problems"].as_array().expect("a list");
        let keys: Vec<_> = problems.iter().map(|it| it["key"].as_str()).collect();
        assert_eq!(
            keys,
            [
                Some("listen.s3.address"),
                Some("origin.broken.path"),
                Some("origin.other"),
                Some("bucket.gone"),
            ]
        );
    }

    #[tokio::test]
    async fn tls_files_that_do_not_load_are_told() {
        let text = format!(
            "{SOUND_FILE}[listen.s3.tls]\ncert = \"FOLDER/secret\"\nkey = \"FOLDER/secret\"\n"
        );
        let (code, told) = check(&text, Output::Text).await;
        assert_eq!(code, WRONG);
        assert!(told.contains("listen.s3.tls"), "{told}");
    }
}
