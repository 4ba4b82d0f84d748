//! A certificate of this machine, made for a run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::load::Tls;

/// The names and addresses that it is for.
const NAME: &str = "127.0.0.1";

/// Files in PEM, and the certificate itself for who is to trust it.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// Makes one into `folder`.
    pub(crate) fn make(folder: &Path) -> anyhow::Result<Self> {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
        let (chain, key) = (folder.join("tls.crt"), folder.join("tls.key"));
        std::fs::write(&chain, made.cert.pem())?;
        std::fs::write(&key, made.signing_key.serialize_pem())?;
        let der = made.cert.der().clone();
        Ok(Self { chain, key, der })
    }

    /// What a client needs that trusts nothing but this.
    pub(crate) fn trust(&self) -> anyhow::Result<Tls> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone())?;
        Tls::trusting(Arc::new(roots))
    }
}
