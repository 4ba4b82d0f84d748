//! The task of one disk: opens its store, writes what comes, and begins it anew, in a fresh folder, where it failed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::folder::{self, Folder};
use super::shelf::Shelf;
use super::store::{BATCH, Failure, Store};
use crate::telemetry::small::Put;
use crate::types::BoxError;

/// How long a disk is left alone whose store could not be opened, or failed before it took anything: each try takes room on a
/// disk that may be full.
const RETRY: Duration = Duration::from_secs(60);

impl Shelf {
    /// The disk's task. Tells `opened` when the store was tried for the first time.
    pub(super) async fn keep(self: Arc<Self>, opened: oneshot::Sender<()>) {
        let tasks = self.means.tasks.clone();
        let mut work = std::pin::pin!(self.work(opened));
        tokio::select! {
            () = &mut work => {}
            () = tasks.stopping() => {
                self.close();
                work.await;
            }
        }
        self.ended.send_replace(true);
    }

    async fn work(self: &Arc<Self>, opened: oneshot::Sender<()>) {
        let (mut opened, mut anew, mut is_told) = (Some(opened), false, false);
        loop {
            let store = self.open(anew).await;
            if let Some(opened) = opened.take() {
                // Nobody listens where opening took too long.
                let _ = opened.send(());
            }
            let failed_at_once = match store {
                Ok(store) => {
                    is_told = false;
                    let Some((failure, proven)) = self.serve(&store).await else {
                        return;
                    };
                    anew = true;
                    self.set_aside(store, &failure);
                    !proven
                }
                Err(error) => {
                    if !is_told {
                        let (path, error) =
                            (self.root.display(), &*error as &dyn std::error::Error);
                        tracing::warn!(%path, error, "the store of small objects in {path} cannot be opened; it is tried again");
                    }
                    is_told = true;
                    true
                }
            };
            if failed_at_once && self.rest().await == Rested::Closed {
                return;
            }
        }
    }

    async fn open(self: &Arc<Self>, anew: bool) -> Result<Arc<Store>, BoxError> {
        let (root, shape) = (self.root.clone(), self.shape);
        let choose = move || folder::choose(&root, shape, anew);
        let Folder { path, others } = tokio::task::spawn_blocking(choose).await??;
        self.remove("small folder removal", None, others);
        let metrics = Arc::clone(&self.means.metrics);
        let opened = Store::open(path.clone(), shape, metrics).await;
        if opened.is_err() {
            self.remove("small folder removal", None, vec![path]);
        }
        let store = Arc::new(opened?);
        self.store.store(Some(Arc::clone(&store)));
        self.means.metrics.small.disks.add(1);
        Ok(store)
    }

    /// Writes what comes. None once the queue is closed and everything is written; else why it ended, and whether anything
    /// had been written before.
    async fn serve(&self, store: &Arc<Store>) -> Option<(Failure, bool)> {
        let mut proven = false;
        loop {
            let batch = tokio::select! {
                batch = self.pending.next(BATCH) => batch,
                () = self.doubt.notified() => match store.cannot_be_read() {
                    true => return Some((Failure::Reads, proven)),
                    false => continue,
                },
            };
            let Some(batch) = batch else {
                self.leave();
                store.close().await;
                return None;
            };
            let written = store.write(&batch).await;
            let lost = match &written {
                Ok(lost) => *lost,
                Err(_) => batch.len(),
            };
            // Which of them were dropped makes no difference to anybody.
            for (number, (_, entry)) in batch.iter().enumerate() {
                let put = if number < lost {
                    Put::Lost
                } else {
                    Put::Stored
                };
                self.count(entry.kind, put);
            }
            self.pending.written();
            self.gauge();
            match written {
                Ok(_) => proven = true,
                Err(failure) => return Some((failure, proven)),
            }
        }
    }

    /// The shelf has no store from here on.
    fn leave(&self) {
        self.store.store(None);
        self.means.metrics.small.disks.add(-1);
    }

    fn set_aside(self: &Arc<Self>, store: Arc<Store>, failure: &Failure) {
        self.leave();
        self.means.metrics.small.set_aside.increment();
        let (path, error) = (store.path().display(), failure as &dyn std::error::Error);
        tracing::warn!(%path, error, "the store of small objects in {path} failed and is begun anew");
        let path = store.path().to_owned();
        self.remove("small store set aside", Some(store), vec![path]);
    }

    /// Removes folders in the background, after the store in them has come to rest.
    fn remove(&self, name: &'static str, store: Option<Arc<Store>>, folders: Vec<PathBuf>) {
        if store.is_none() && folders.is_empty() {
            return;
        }
        self.means.tasks.spawn(name, async move {
            if let Some(store) = store {
                store.close().await;
            }
            let remove = move || folders.iter().try_for_each(std::fs::remove_dir_all);
            match tokio::task::spawn_blocking(remove).await {
                Ok(Ok(())) | Err(_) => {}
                Ok(Err(error)) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(error, "a small store's folder could not be removed");
                }
            }
        });
    }

    /// Waits before the store is opened again.
    async fn rest(&self) -> Rested {
        tokio::select! {
            () = tokio::time::sleep(RETRY) => Rested::Rested,
            () = self.pending.closed() => Rested::Closed,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Rested {
    Rested,
    Closed,
}
