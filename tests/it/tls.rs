//! TLS from end to end: certificates that change while the process runs.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::client::Ask;
use crate::support::node::{self, Settings};
use crate::support::origin::TestOrigin;
use crate::support::process::Process;
use crate::support::wire::{Wire, head};

/// Writes a new certificate and its key.
fn new_certificate(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let write = |name, text| std::fs::write(folder.join(name), text).expect("room on the disk");
    write("cert.pem", made.cert.pem());
    write("key.pem", made.signing_key.serialize_pem());
    made.cert.der().clone()
}

/// A connection whose client trusts `certificate` alone.
async fn connect(
    address: SocketAddr,
    certificate: &CertificateDer<'static>,
) -> io::Result<Wire<TlsStream<TcpStream>>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = "localhost".try_into().expect("a name");
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream);
    Ok(Wire::over(stream.await?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_exchanged_without_a_restart() {
    let origin = TestOrigin::start().await;
    origin.put("train/k", 1, 100);
    let folder = tempfile::tempdir().expect("a folder");
    let first = new_certificate(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let settings = Settings {
        listen: format!(
            "tls = {{ cert = \"{}\", key = \"{}\" }}",
            path("cert.pem"),
            path("key.pem")
        ),
        ..Settings::default()
    };
    let mut process = Process::start(&node::configuration(origin.address, &settings)).await;
    let request = head(&process.client.sign(&Ask::get("/train/k")));
    let address = process.client.address();
    let mut old = connect(address, &first).await.expect("a handshake");
    old.write(&request).await;
    assert_eq!(old.read().await.body.len(), 100);

    let second = new_certificate(folder.path());
    process.reload();
    process
        .says("new connections get the new certificate")
        .await;
    let mut new = connect(address, &second).await.expect("a handshake");
    new.write(&request).await;
    assert_eq!(new.read().await.body.len(), 100);
    assert!(connect(address, &first).await.is_err());
    old.write(&request).await;
    assert_eq!(old.read().await.body.len(), 100, "it is not cut off");
}
