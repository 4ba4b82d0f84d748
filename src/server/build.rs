//! The wiring: which module gets what. The only place where the configuration meets the modules of a node.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::{Request, Response};

use super::disks::{self, Kept};
use crate::auth::{Auth, Grant, Identity};
use crate::clock::Clock;
use crate::config::{self, Access, Config, Store};
use crate::gateway::Gateway;
use crate::memory::{self, Memory};
use crate::net::RequestBody;
use crate::origin::directory::Directory;
use crate::origin::s3::S3;
use crate::per_core::Copies;
use crate::records::{self, Records};
use crate::routes::{NamedOrigin, Route, Routes, Wildcard};
use crate::s3::{self, Door};
use crate::tasks::{Cores, Tasks, Threads};
use crate::telemetry::Metrics;
use crate::types::{Body, OriginName, Principal, Problems};

/// The parts of a node behind its S3 listener.
pub(super) struct Node {
    door: Door<Gateway>,
    gateway: Arc<Gateway>,
    kept: Kept,
    auth: Arc<Copies<Auth>>,
    origins: Mutex<Origins>,
    metrics: Arc<Metrics>,
}

/// Where the parts do their work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places<'a> {
    /// What goes on by itself.
    pub(super) background: &'a Tasks,
    /// For what gives way to the answers of clients.
    pub(super) fills: &'a Threads,
    /// Where clients are answered, if not where the node is started.
    pub(super) cores: Option<&'a Arc<Cores>>,
}

/// The origins in use, each with the settings that it was built from.
type Origins = HashMap<OriginName, (config::Origin, NamedOrigin)>;

impl Node {
    /// Builds every part.
    pub(super) async fn build(
        config: &Config,
        metrics: &Arc<Metrics>,
        clock: &Clock,
        places: Places<'_>,
    ) -> Result<Self, Problems> {
        let Places {
            background,
            fills,
            cores,
        } = places;
        let origins = origins(config, metrics, &Origins::default()).await?;
        let (routes, auth) = (routes(config, &origins), auth(&config.access)?);
        let memory = Memory::new(memory::Config {
            limit: config.memory.limit.0,
        });
        let stopping = background.clone();
        let end = async move { stopping.stopping().await };
        let prepare = memory.clone().prepare(end);
        background.on(fills).spawn("memory", prepare);
        let records = Records::new(
            records::Config {
                capacity: memory.records_capacity(),
            },
            clock.clone(),
        );
        let kept = disks::open(config, metrics, clock, (background, cores)).await;
        let metrics = Arc::clone(metrics);
        let gateway = Gateway::new(
            &routes,
            records,
            memory,
            Arc::clone(&metrics),
            background.clone(),
            clock.clone(),
        )
        .with_disks(Arc::clone(&kept.disks), Arc::clone(&kept.small))
        .filling_on(fills);
        let gateway = Arc::new(gateway);
        let auth = Arc::new(Copies::new(&auth));
        let door = s3::Config {
            domains: config.listen.s3.domains.clone(),
            node: config.node.name.clone(),
            secure: config.listen.s3.tls.is_some(),
            ..s3::Config::default()
        };
        let door = Door::new(
            door,
            Arc::clone(&gateway),
            Arc::clone(&auth),
            Arc::clone(&metrics),
            clock.clone(),
        );
        Ok(Self {
            door,
            gateway,
            kept,
            auth,
            origins: Mutex::new(origins),
            metrics,
        })
    }

    /// Takes a changed configuration into use, whole or not at all. Requests under way may have been judged by the old
    /// rights and take the new routes.
    pub(super) async fn apply(&self, config: &Config) -> Result<(), Problems> {
        let current = self.origins().clone();
        let origins = origins(config, &self.metrics, &current).await?;
        let (routes, auth) = (routes(config, &origins), auth(&config.access)?);
        self.gateway.reroute(&routes);
        self.auth.store(&auth);
        *self.origins() = origins;
        Ok(())
    }

    fn origins(&self) -> std::sync::MutexGuard<'_, Origins> {
        self.origins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request of the S3 API.
    pub(super) fn handle(
        &self,
        request: Request<RequestBody>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<Body>> {
        self.door.handle(request, peer)
    }

    /// The gateway, for those who ask about objects rather than for them.
    pub(super) fn gateway(&self) -> Arc<Gateway> {
        Arc::clone(&self.gateway)
    }

    /// Brings the metrics' gauges up to date.
    pub(super) fn observe(&self) {
        self.gateway.observe();
        self.kept.disks.measure();
    }

    /// Writes what waits for the disks, and gives them up.
    pub(super) async fn close_disks(&self) {
        self.kept.close().await;
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("gateway", &self.gateway)
            .finish_non_exhaustive()
    }
}

/// Builds an origin, without contacting it.
///
/// # Errors
/// What is wrong with its settings, or not to be had on this machine.
pub(super) async fn origin(
    origin: &config::Origin,
    metrics: &Arc<Metrics>,
) -> Result<NamedOrigin, Problems> {
    let name = origin.name.clone();
    let built: Arc<dyn crate::origin::Origin> = match &origin.store {
        Store::S3(store) => {
            {
                // The credentials chain is deep: on the heap it burdens no caller's future.
                let connecting = S3::connect((**store).clone(), name.clone(), Arc::clone(metrics));
                Arc::new(Box::pin(connecting).await?)
            }
        }
        Store::Directory(directory) => Arc::new(Directory::open(directory).map_err(|error| {
            let mut problems = Problems::default();
            let key = format!("origin.{name}.path");
            problems.add(
                key,
                format!("cannot be opened: {error}"),
                "name a folder that this user may read and write",
            );
            problems
        })?),
    };
    Ok(NamedOrigin {
        name,
        origin: built,
    })
}

/// The configured origins. One whose settings are those of `current` stays: with it its connections, their limit, and the
/// locks that keep conditional writes to a folder apart.
async fn origins(
    config: &Config,
    metrics: &Arc<Metrics>,
    current: &Origins,
) -> Result<Origins, Problems> {
    let mut origins = Origins::new();
    for configured in &config.origins {
        let built = match current.get(&configured.name) {
            Some((settings, built)) if settings == configured => built.clone(),
            _ => origin(configured, metrics).await?,
        };
        origins.insert(configured.name.clone(), (configured.clone(), built));
    }
    Ok(origins)
}

fn routes(config: &Config, origins: &Origins) -> Routes {
    let named = |name: &OriginName| origins[name].1.clone();
    let route = |bucket: &config::Bucket| {
        let (rules, prefix) = (bucket.rules.clone(), bucket.prefix.clone());
        let (name, origin) = (bucket.name.clone(), named(&bucket.origin));
        Route::new(
            name,
            origin,
            bucket.origin_bucket.clone(),
            prefix,
            rules,
            bucket.keeping,
        )
        .with_terms(bucket.terms.clone())
    };
    let buckets = config.buckets.iter().map(route).collect();
    let wildcard = config.wildcard.as_ref().map(|wildcard| Wildcard {
        origin: named(&wildcard.origin),
        rules: wildcard.rules.clone(),
        keeping: wildcard.keeping,
        terms: wildcard.terms.clone(),
    });
    let origins = origins.values().map(|(_, built)| built.clone());
    Routes::new(origins.collect(), buckets, wildcard)
}

fn auth(access: &Access) -> Result<Auth, Problems> {
    let mut problems = Problems::default();
    let mut policies: HashMap<&str, Vec<Grant>> = HashMap::new();
    for policy in &access.policies {
        for (index, grant) in policy.allow.iter().enumerate() {
            let actions: Vec<&str> = grant.actions.iter().map(String::as_str).collect();
            let resources: Vec<&str> = grant.resources.iter().map(String::as_str).collect();
            match Grant::parse(&actions, &resources) {
                Ok(grant) => policies.entry(&policy.name).or_default().push(grant),
                Err(error) => problems.add(
                    format!("policy.{}.allow[{index}]", policy.name),
                    error.to_string(),
                    "write actions as in \"s3:GetObject\" and resources as in \"bucket/prefix*\"",
                ),
            }
        }
    }
    let granted = |names: &[String]| -> Vec<Grant> {
        names
            .iter()
            .filter_map(|name| policies.get(name.as_str()))
            .flatten()
            .cloned()
            .collect()
    };
    let identities = access.identities.iter().map(|identity| {
        let principal = Principal {
            name: identity.name.as_str().into(),
            tenant: identity.tenant.clone(),
            class: identity.class,
        };
        let secret = identity.secret_access_key.value.clone();
        let access_key_id = identity.access_key_id.clone();
        (
            Identity {
                access_key_id,
                principal: Arc::new(principal),
                secret,
            },
            granted(&identity.policies),
        )
    });
    let auth = Auth::new(identities.collect(), granted(&access.anonymous));
    problems.or(auth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Surroundings;

    #[tokio::test]
    async fn an_origin_whose_settings_stay_is_kept_by_a_reload() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let config = |kept: &std::path::Path, changed: &std::path::Path, freshness: &str| {
            let (kept, changed) = (kept.display(), changed.display());
            let text = format!(
                r#"
                origin.kept = {{ kind = "directory", path = "{kept}" }}
                origin.changed = {{ kind = "directory", path = "{changed}" }}
                bucket."*" = {{ origin = "kept", freshness = "{freshness}" }}
                anonymous = {{}}
                "#
            );
            config::parse(&text, &Surroundings::of_process()).unwrap()
        };
        let [one, other] = folders.each_ref().map(tempfile::TempDir::path);
        let metrics = Arc::default();
        let first = config(one, one, "always");
        let first = origins(&first, &metrics, &Origins::default())
            .await
            .unwrap();
        let second = config(one, other, "immutable");
        let second = origins(&second, &metrics, &first).await.unwrap();
        let same = |name: &str| {
            let name = OriginName::from(name);
            Arc::ptr_eq(&first[&name].1.origin, &second[&name].1.origin)
        };
        assert!(same("kept"));
        assert!(!same("changed"));
    }
}
