//! The HTTP client below every request: connections, TLS, the pool.
//!
//! One client serves the typed reads of the SDK, its credential sources and the forwarded calls, so that they share
//! connections. What a request waits for, and for how long, is decided above, in `transport`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower::ServiceExt as _;
use tower::util::MapResponse;

use super::outgoing::Outgoing;

/// The pooled client.
pub(super) type Client = Pool<HttpsConnector<Tcp>, Outgoing>;

type Socket = TokioIo<TcpStream>;
type Tcp = MapResponse<HttpConnector, fn(Socket) -> Socket>;

/// Bytes of a connection's read buffer: 256 connections then hold 16 MiB, and as much again is in the frames just read.
const READ_BUFFER: usize = 64 << 10;

/// Whether the client can do without certificates, as it never speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    Needed,
    Unused,
}

/// Builds the client. Nothing is connected yet.
///
/// # Errors
/// A sentence, where the authorities to trust cannot be read.
pub(super) fn build(
    ca_file: Option<&Path>,
    tls: Tls,
    connect_timeout: Duration,
) -> Result<Client, String> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect_timeout));
    tcp.set_keepalive(Some(Duration::from_secs(30)));
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls_config(ca_file, tls)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp.map_response(end_by_reset as fn(Socket) -> Socket));
    // A request is sent again by the pool only if it was still whole in the queue of a pooled connection that turned
    // out to be closed: no byte of it was written and its body was not polled, so that this is safe for writes too.
    Ok(Pool::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(90))
        .http1_read_buf_exact_size(READ_BUFFER)
        .retry_canceled_requests(true)
        .build(https))
}

/// Lets the connection end by a reset. A request that ends short of its Content-Length must not be stored, but there are stores
/// that take an orderly end (FIN) for the end of the body (versitygw 1.8.0); no store does so with a reset.
fn end_by_reset(socket: Socket) -> Socket {
    // Where the system refuses, the connection works all the same.
    let _ = socket.inner().set_zero_linger();
    socket
}

fn tls_config(ca_file: Option<&Path>, tls: Tls) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows the default protocol versions");
    let mut roots = RootCertStore::empty();
    if tls == Tls::Needed {
        // What cannot be read among the system's certificates is left out, as every other client does.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if let Some(path) = ca_file {
        add_authorities(&mut roots, path)?;
    }
    if tls == Tls::Needed && roots.is_empty() {
        return Err("the system has no authorities to trust".to_owned());
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Adds the authorities of a PEM file.
fn add_authorities(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let shown = path.display();
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("{shown} cannot be read: {error}"))?;
    if certificates.is_empty() {
        return Err(format!("{shown} holds no certificate"));
    }
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|error| format!("{shown} holds a bad certificate: {error}"))?;
    }
    Ok(())
}
