//! TLS for a listener, with certificates that change while it runs.
//!
//! The certificate in use is swapped whole; handshakes that have begun keep theirs. A new certificate that cannot be
//! used leaves the old one in place.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Where the certificate chain and its key are: PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// The certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0} cannot be read")]
    Unreadable(PathBuf, #[source] io::Error),
    #[error("{0} holds no PEM certificate or key of the right kind")]
    NotPem(PathBuf, #[source] rustls::pki_types::pem::Error),
    #[error("{0} holds no certificate")]
    NoCertificate(PathBuf),
    #[error("the certificate and its key do not work")]
    Unusable(#[source] rustls::Error),
}

/// What a reload did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// The files are as they were when they were last looked at, still unreadable ones among them.
    Unchanged,
    /// New handshakes use the new certificate.
    Changed,
}

/// The server's side of TLS. Cheap to clone; clones share the certificate.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
    /// What the files held when they were last looked at, none where they could not be read: so that a bad certificate
    /// is complained about once.
    seen: Mutex<Option<[u8; 32]>>,
}

impl ResolvesServerCert for Shared {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl Tls {
    /// Loads the certificate.
    ///
    /// # Errors
    /// Where a file is unreadable or not PEM, or where the key is not the certificate's.
    pub fn load(files: TlsFiles) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let (digest, read) = read(&files)?;
        let current = read.certified(&files, &provider)?;
        let shared = Arc::new(Shared {
            files,
            provider: Arc::clone(&provider),
            current: ArcSwap::from_pointee(current),
            seen: Mutex::new(Some(digest)),
        });
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::Unusable)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&shared) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            shared,
        })
    }

    /// Looks at the files again and takes their certificate into use where they have changed. Blocks on the disk.
    ///
    /// # Errors
    /// As [`Tls::load`]; the old certificate stays in use.
    pub fn reload(&self) -> Result<Reload, Error> {
        let Shared {
            files,
            provider,
            current,
            seen,
        } = &*self.shared;
        let read = read(files);
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = read.as_ref().ok().map(|(digest, _)| *digest);
        if *seen == digest {
            return Ok(Reload::Unchanged);
        }
        *seen = digest;
        let (_, read) = read?;
        current.store(Arc::new(read.certified(files, provider)?));
        Ok(Reload::Changed)
    }

    /// The server's side of a handshake.
    pub(super) async fn accept<I>(&self, io: I) -> io::Result<TlsStream<I>>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        self.acceptor.accept(io).await
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.shared.files).finish()
    }
}

/// The content of the two files.
struct Pem {
    cert: Vec<u8>,
    key: Vec<u8>,
}

fn read(files: &TlsFiles) -> Result<([u8; 32], Pem), Error> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| Error::Unreadable(path.to_owned(), error))
    };
    let pem = Pem {
        cert: read(&files.cert)?,
        key: read(&files.key)?,
    };
    let digest = Sha256::new()
        .chain_update(&pem.cert)
        .chain_update([0])
        .chain_update(&pem.key)
        .finalize();
    Ok((digest.into(), pem))
}

impl Pem {
    fn certified(self, files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.cert)
            .collect::<Result<_, _>>()
            .map_err(|error| Error::NotPem(files.cert.clone(), error))?;
        if chain.is_empty() {
            return Err(Error::NoCertificate(files.cert.clone()));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| Error::NotPem(files.key.clone(), error))?;
        CertifiedKey::from_der(chain, key, provider).map_err(Error::Unusable)
    }
}
