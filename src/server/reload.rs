//! Reloading: the configuration and the certificate are looked at every few seconds, and at once when asked.
//!
//! A change found by looking is applied once it has been seen twice, so that a file that is being written is not taken at
//! its word. What cannot be used leaves everything as it was, and is complained about once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Notify};
use tracing::{error, info, warn};

use super::build::Node;
use crate::config::{self, Config};
use crate::net::Tls;
use crate::net::tls::Reload;
use crate::tasks::Tasks;
use crate::types::Problems;

/// How often files are looked at: Kubernetes takes up to a minute to update them, so that seconds more do not matter.
const INTERVAL: Duration = Duration::from_secs(5);

/// The sections that a running node keeps.
pub(super) const FIXED: [&str; 6] = ["node", "listen", "memory", "disk", "drain", "telemetry"];

/// Takes changes of files into use.
#[derive(Debug)]
pub(super) struct Reloader {
    node: Arc<Node>,
    tls: Option<Tls>,
    seen: Mutex<Seen>,
    hurry: Notify,
}

#[derive(Debug)]
struct Seen {
    /// In use, but for what takes a restart.
    current: Config,
    /// Seen at the last look, not yet in use.
    pending: Option<Config>,
    /// What the last look found wrong.
    problems: Option<Problems>,
}

/// Whether somebody asked for this look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Asked,
    Routine,
}

impl Reloader {
    pub(super) fn new(current: Config, node: Arc<Node>, tls: Option<Tls>) -> Self {
        Self {
            node,
            tls,
            seen: Mutex::new(Seen {
                current,
                pending: None,
                problems: None,
            }),
            hurry: Notify::new(),
        }
    }

    /// Asks for a look now.
    pub(super) fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Looks at the files until `tasks` stop.
    pub(super) async fn follow(self: Arc<Self>, path: PathBuf, tasks: Tasks) {
        loop {
            // A notification that loses the race is kept for the next turn.
            let look = tokio::select! {
                biased;
                () = tasks.stopping() => return,
                () = self.hurry.notified() => Look::Asked,
                () = tokio::time::sleep(INTERVAL) => Look::Routine,
            };
            let (path, tls) = (path.clone(), self.tls.clone());
            let read = tokio::task::spawn_blocking(move || {
                tls.as_ref().inspect(|tls| reload_certificate(tls));
                config::load(&path)
            });
            match read.await {
                Ok(loaded) => self.take(loaded, look).await,
                Err(error) => error!(error = &error as &dyn std::error::Error, "cannot reload"),
            }
        }
    }

    /// Takes what a look has found into use where it is new and good.
    pub(super) async fn take(&self, loaded: Result<Config, Problems>, look: Look) {
        let mut seen = self.seen.lock().await;
        let new = match loaded {
            Ok(new) => new,
            Err(problems) => {
                seen.pending = None;
                return seen.complain(problems, look);
            }
        };
        if new == seen.current {
            seen.pending = None;
            seen.problems = None;
            if look == Look::Asked {
                info!("reloaded: nothing has changed");
            }
            return;
        }
        if look == Look::Routine && seen.pending.as_ref() != Some(&new) {
            seen.pending = Some(new);
            return;
        }
        match self.node.apply(&new).await {
            Ok(()) => {
                info!("reloaded the configuration");
                warn_of_restarts(&seen.current, &new);
                *seen = Seen {
                    current: new,
                    pending: None,
                    problems: None,
                };
            }
            Err(problems) => seen.complain(problems, look),
        }
    }
}

#[cfg(test)]
impl Reloader {
    /// The configuration in use.
    pub(super) async fn current(&self) -> Config {
        self.seen.lock().await.current.clone()
    }
}

impl Seen {
    /// Logs `problems`, once unless somebody asked.
    fn complain(&mut self, problems: Problems, look: Look) {
        if look == Look::Asked || self.problems.as_ref() != Some(&problems) {
            error!("the configuration is wrong; the old one stays in use\n{problems}");
        }
        self.problems = Some(problems);
    }
}

fn reload_certificate(tls: &Tls) {
    match tls.reload() {
        Ok(Reload::Unchanged) => {}
        Ok(Reload::Changed) => info!("new connections get the new certificate"),
        Err(error) => error!(
            error = &error as &dyn std::error::Error,
            "the new certificate cannot be used; the old one stays in use"
        ),
    }
}

/// Tells which changes do not take effect yet.
fn warn_of_restarts(old: &Config, new: &Config) {
    let changed = [
        old.node != new.node,
        old.listen != new.listen,
        old.memory != new.memory,
        old.disks != new.disks,
        old.drain != new.drain,
        old.telemetry != new.telemetry,
    ];
    for (section, _) in FIXED.iter().zip(changed).filter(|(_, changed)| *changed) {
        warn!("the change of [{section}] takes effect at the next start");
    }
}
