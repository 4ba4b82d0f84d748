//! Who this gateway is to the store: one cache of credentials for the SDK and for our own signatures.
//!
//! Credentials that expire are renewed some minutes before they do, by one request at a time; while that goes on, or
//! where it fails, those in hand are used for as long as they are valid.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use tokio::sync::Mutex;

use super::config;
use super::connector::Connector;
use crate::clock::{Clock, Moment};

/// How long before their end credentials are renewed: AWS's own SDKs begin then, and STS's shortest are valid 15 minutes.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// The pause after a renewal that failed while the credentials in hand are still valid.
const PAUSE: Duration = Duration::from_secs(30);
/// The longest that a source may take: a chain that ends at the instance's metadata tries several addresses.
const PATIENCE: Duration = Duration::from_secs(20);

/// A source of credentials and what it last gave.
#[derive(Debug, Clone)]
pub(super) struct Wallet {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    source: SharedCredentialsProvider,
    clock: Clock,
    held: ArcSwapOption<Credentials>,
    /// Held by whoever renews; no renewal is tried before the moment in it.
    renewal: Mutex<Moment>,
}

impl Wallet {
    pub(super) fn new(source: impl ProvideCredentials + 'static, clock: Clock) -> Self {
        Self {
            inner: Arc::new(Inner {
                source: SharedCredentialsProvider::new(source),
                clock,
                held: ArcSwapOption::empty(),
                renewal: Mutex::new(Moment::default()),
            }),
        }
    }

    /// Credentials that are valid now.
    ///
    /// # Errors
    /// Where there are none in hand and the source gives none.
    pub(super) async fn current(&self) -> Result<Credentials, CredentialsError> {
        let inner = &*self.inner;
        if let Some(held) = inner.held_for(EARLY) {
            return Ok(held);
        }
        let Some(held) = inner.held_for(Duration::ZERO) else {
            let mut not_before = inner.renewal.lock().await;
            if let Some(held) = inner.held_for(EARLY) {
                return Ok(held);
            }
            return inner.renew(&mut not_before).await;
        };
        match inner.renewal.try_lock() {
            Ok(mut not_before) if *not_before <= inner.clock.now() => {
                Ok(inner.renew(&mut not_before).await.unwrap_or(held))
            }
            _ => Ok(held),
        }
    }
}

impl Inner {
    /// The credentials in hand, where they stay valid for more than `spare`.
    fn held_for(&self, spare: Duration) -> Option<Credentials> {
        let held = self.held.load();
        let held = held.as_ref()?;
        let valid = match held.expiry() {
            Some(expiry) => expiry > self.clock.wall() + spare,
            None => true,
        };
        valid.then(|| (**held).clone())
    }

    async fn renew(&self, not_before: &mut Moment) -> Result<Credentials, CredentialsError> {
        let asked = tokio::time::timeout(PATIENCE, self.source.provide_credentials()).await;
        let renewed = asked.unwrap_or_else(|_| Err(CredentialsError::provider_timed_out(PATIENCE)));
        match &renewed {
            Ok(credentials) => self.held.store(Some(Arc::new(credentials.clone()))),
            Err(error) => {
                *not_before = self.clock.now().after(PAUSE);
                let error = error as &dyn std::error::Error;
                tracing::warn!(error, "the origin's credentials cannot be renewed");
            }
        }
        renewed
    }
}

impl ProvideCredentials for Wallet {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.current())
    }
}

/// Opens the wallet that the configuration names, or none for anonymous access. Sends nothing.
pub(super) async fn open(
    config: &config::Config,
    connector: Connector,
    clock: &Clock,
) -> Option<Wallet> {
    let region = Region::new(config.region.clone());
    let source = match &config.credentials {
        config::Credentials::Anonymous => return None,
        config::Credentials::Static {
            access_key_id,
            secret_access_key,
            session_token,
        } => {
            let secret = secret_access_key.expose();
            let token = session_token
                .as_ref()
                .map(|token| token.expose().to_owned());
            let keys = Credentials::new(access_key_id, secret, token, None, "config");
            SharedCredentialsProvider::new(keys)
        }
        config::Credentials::Profile(profile) => {
            let provider_config = ProviderConfig::without_region()
                .with_http_client(connector)
                .with_region(Some(region));
            let source = ProfileFileCredentialsProvider::builder()
                .configure(&provider_config)
                .profile_name(profile)
                .build();
            SharedCredentialsProvider::new(source)
        }
        config::Credentials::Default => {
            let chain = standard_chain(connector, region).await;
            chain.credentials_provider()?
        }
        config::Credentials::AssumeRole {
            arn,
            external_id,
            session_name,
        } => {
            let chain = standard_chain(connector, region.clone()).await;
            let mut role = AssumeRoleProvider::builder(arn)
                .configure(&chain)
                .region(region)
                .session_name(session_name);
            if let Some(external_id) = external_id {
                role = role.external_id(external_id);
            }
            SharedCredentialsProvider::new(role.build().await)
        }
    };
    Some(Wallet::new(source, clock.clone()))
}

async fn standard_chain(connector: Connector, region: Region) -> aws_config::SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(connector)
        .region(region)
        .load()
        .await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Gives credentials that are valid for ten minutes, or fails once it is told to.
    #[derive(Debug)]
    struct Source {
        clock: Clock,
        asked: Arc<AtomicU64>,
        good_for: u64,
    }

    impl ProvideCredentials for Source {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let count = self.asked.fetch_add(1, Ordering::SeqCst);
            if count >= self.good_for {
                let error = CredentialsError::not_loaded("gone");
                return future::ProvideCredentials::ready(Err(error));
            }
            let expiry = self.clock.wall() + Duration::from_secs(600);
            let keys = Credentials::new(format!("K{count}"), "s", None, Some(expiry), "test");
            future::ProvideCredentials::ready(Ok(keys))
        }
    }

    fn wallet(good_for: u64) -> (Wallet, Clock, Arc<AtomicU64>) {
        let (clock, asked) = (Clock::manual(), Arc::new(AtomicU64::new(0)));
        let source = Source {
            clock: clock.clone(),
            asked: asked.clone(),
            good_for,
        };
        (Wallet::new(source, clock.clone()), clock, asked)
    }

    async fn key(wallet: &Wallet) -> String {
        let credentials = wallet.current().await.expect("credentials");
        credentials.access_key_id().to_owned()
    }

    #[tokio::test]
    async fn credentials_are_kept_and_renewed_before_they_end() {
        let (wallet, clock, asked) = wallet(9);
        let (first, second) = tokio::join!(key(&wallet), key(&wallet));
        assert_eq!((first.as_str(), second.as_str()), ("K0", "K0"));
        clock.advance(Duration::from_secs(299));
        assert_eq!(key(&wallet).await, "K0");
        clock.advance(Duration::from_secs(2));
        assert_eq!(key(&wallet).await, "K1");
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_source_that_fails_leaves_what_is_valid_and_is_not_pestered() {
        let (wallet, clock, asked) = wallet(1);
        assert_eq!(key(&wallet).await, "K0");
        clock.advance(Duration::from_secs(400));
        assert_eq!(key(&wallet).await, "K0");
        assert_eq!(key(&wallet).await, "K0");
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        clock.advance(Duration::from_secs(300));
        assert!(wallet.current().await.is_err());
    }
}
