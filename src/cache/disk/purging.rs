//! The purges of the node, and their list on every disk.
//!
//! What a disk holds may not be shown before every disk's list was read: one disk may know of a purge that another has missed.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tracing::warn;

use super::Epoch;
use super::opened::Opened;
use super::purges::Purges;
use crate::types::CanonicalObject;

/// How long disks wait for the lists of the others when the node starts: a disk that does not answer holds up the rest no
/// longer than a few of its reads would.
const PATIENCE: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(super) struct Purging {
    /// Every read looks at them, and hardly any changes them.
    purges: ArcSwap<Purges>,
    /// Held by who changes them: whether any list was read.
    known: Mutex<bool>,
    /// Disks that were opened, or could not be, at least once.
    arrived: watch::Sender<usize>,
    disks: usize,
}

impl Purging {
    /// For so many disks.
    pub(super) fn new(disks: usize) -> Self {
        Self {
            purges: ArcSwap::default(),
            known: Mutex::default(),
            arrived: watch::Sender::new(0),
            disks,
        }
    }

    fn known(&self) -> MutexGuard<'_, bool> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn floor(&self, object: &CanonicalObject) -> Epoch {
        self.purges.load().floor(object)
    }

    pub(super) fn latest(&self) -> Epoch {
        self.purges.load().latest()
    }

    /// Adds a purge, for this process as yet.
    pub(super) fn add(&self, purge: impl FnOnce(&mut Purges) -> Epoch) -> Epoch {
        let _alone = self.known();
        let mut purges = Purges::clone(&self.purges.load());
        let epoch = purge(&mut purges);
        self.purges.store(Arc::new(purges));
        epoch
    }

    /// Reads the list of a disk that was just opened, and takes it in. `now` is in seconds since 1970.
    pub(super) fn take_in(&self, opened: &Opened, now: u32) -> io::Result<()> {
        let Some(content) = opened.folder.purges()? else {
            return Ok(());
        };
        let mut known = self.known();
        let mut purges = Purges::clone(&self.purges.load());
        match Purges::decode(&content) {
            Ok(list) => purges.merge(&list),
            // Every disk has the same list, as long as it can be written.
            Err(_) if *known => {}
            Err(error) => {
                let path = opened.folder.path().display();
                warn!(disk = %path, %error, "{error}: all that the disks hold is given up");
                purges.purge_everything(now);
            }
        }
        self.purges.store(Arc::new(purges));
        *known = true;
        drop(known);
        *opened.purges_written() = Some(content);
        Ok(())
    }

    /// Writes the list to a disk, for good, unless it is there.
    pub(super) fn write_to(&self, opened: &Opened) -> io::Result<()> {
        let mut written = opened.purges_written();
        let content = self.purges.load().encode();
        if written.as_ref() != Some(&content) {
            opened.folder.write_purges(&content)?;
            *written = Some(content);
        }
        Ok(())
    }

    /// Waits for the lists of the disks that were not heard of yet.
    pub(super) async fn meet(&self) {
        self.arrived.send_modify(|arrived| *arrived += 1);
        let mut arrived = self.arrived.subscribe();
        let all = arrived.wait_for(|arrived| *arrived >= self.disks);
        // Whoever comes later brings a list that is merged when it comes.
        let _ = tokio::time::timeout(PATIENCE, all).await;
    }
}
