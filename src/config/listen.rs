//! `[listen.s3]` and `[listen.admin]`: where clients and operators connect. Nothing is bound here.

use std::fs::File;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::secret::{self, KeptSecret};
use super::section::Section;
use super::setting::{AtATime, Patience};
use crate::types::ByteSize;

/// The listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    pub s3: S3,
    pub admin: Admin,
}

/// The S3 API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3 {
    pub address: SocketAddr,
    /// In lower case; `BUCKET.DOMAIN` names a bucket by host.
    pub domains: Vec<String>,
    /// Plain HTTP where there is none.
    pub tls: Option<Tls>,
    /// At most this many at a time; further ones wait to be accepted.
    pub connections: NonZeroUsize,
    /// The most bytes of a request's line and headers.
    pub header_bytes: ByteSize,
    /// How long a connection may be silent between requests, and within the headers of one.
    pub idle: Duration,
    /// How long a client may take nothing of an answer.
    pub stall: Duration,
}

/// A certificate chain and its key, PEM files that are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// Health, metrics and administration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    pub address: SocketAddr,
    /// The bearer token of all routes but health and metrics, which are open; always there beyond loopback.
    pub token: Option<KeptSecret>,
}

/// The least room for headers: SigV4 with a session token takes some 3 KiB, metadata another 2 KiB.
const LEAST_HEADER_BYTES: ByteSize = ByteSize(8 << 10);
/// The most: this much is held for every connection that sends headers.
const MOST_HEADER_BYTES: ByteSize = ByteSize(1 << 20);

pub(super) fn read(section: &mut Section<'_, '_>) -> Listen {
    let s3 = section.within("s3", s3);
    let admin = section.within("admin", admin);
    if s3.address == admin.address && s3.address.port() != 0 {
        section.problem(
            "admin",
            format!("has the S3 listener's address, {}", s3.address),
            "write another port in listen.admin.address",
        );
    }
    Listen { s3, admin }
}

fn s3(section: &mut Section<'_, '_>) -> S3 {
    let address = section.or("address", "127.0.0.1:9000");
    let domains: Vec<String> = section.or("domains", Vec::<String>::new());
    for domain in domains.iter().filter(|domain| !is_domain(domain)) {
        section.problem(
            "domains",
            format!("{domain:?} is not a domain"),
            "write a host name without scheme, port and wildcard, as in \"s3.example.com\"",
        );
    }
    let header_bytes = section.or("header_bytes", "64KiB");
    if !(LEAST_HEADER_BYTES..=MOST_HEADER_BYTES).contains(&header_bytes) {
        section.problem(
            "header_bytes",
            format!("{header_bytes} is out of bounds"),
            &format!("write a size from \"{LEAST_HEADER_BYTES}\" to \"{MOST_HEADER_BYTES}\""),
        );
    }
    S3 {
        address,
        domains: domains.iter().map(|it| it.to_ascii_lowercase()).collect(),
        tls: tls(section),
        connections: section.or::<AtATime>("connections", 10_000).0,
        header_bytes,
        idle: section.or::<Patience>("idle", "60s").0,
        stall: section.or::<Patience>("stall", "60s").0,
    }
}

fn tls(section: &mut Section<'_, '_>) -> Option<Tls> {
    let value = section.take("tls", None)?;
    section.part("tls", value, |tls| {
        let cert = readable_file(tls, "cert");
        let key = readable_file(tls, "key");
        Some(Tls {
            cert: cert?,
            key: key?,
        })
    })
}

/// The path under `key`, which must lead to a file that can be opened.
fn readable_file(section: &mut Section<'_, '_>, key: &'static str) -> Option<PathBuf> {
    let path: PathBuf = section.required(key)?;
    must_open(section, key, &path);
    Some(path)
}

/// Notes a mistake where the file cannot be opened.
pub(super) fn must_open(section: &Section<'_, '_>, key: &str, path: &Path) {
    if let Err(error) = File::open(path) {
        section.problem(
            key,
            format!("{}: {error}", path.display()),
            "write the path of a PEM file that Forebay's user can read",
        );
    }
}

fn admin(section: &mut Section<'_, '_>) -> Admin {
    let address: SocketAddr = section.or("address", "127.0.0.1:9001");
    let has_token = section.has("token");
    let token = secret::optional(section, "token");
    if !has_token && !address.ip().is_loopback() {
        section.missing(
            "token",
            &format!(
                "{address} is open to other machines: write token = {{ env = \"NAME\" }}, or listen on 127.0.0.1"
            ),
        );
    }
    Admin { address, token }
}

fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(inside)
    };
    text.len() <= 253 && text.split('.').all(label)
}
