//! The task that opens a disk, recovers what it holds, looks after it, and brings it back when it was out.

use std::io;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::device::{Disk, Progress};
use super::folder::{self, Folder};
use super::medium::Mode;
use super::opened::Opened;
use crate::types::outcome::DiskState;

/// Segments between two log lines of a recovery.
const SEGMENTS_A_LINE: usize = 256;

/// Looks after a disk until the node stops.
pub(super) async fn run(disk: Arc<Disk>) {
    let tasks = disk.means.tasks.clone();
    tokio::select! {
        // What is cut off: a try, or a look at a disk; what blocks ends by itself.
        () = tend(&disk) => {}
        () = tasks.stopping() => {}
        () = disk.closing() => {}
    }
    disk.closed();
}

async fn tend(disk: &Arc<Disk>) {
    let mut told = false;
    let mut first = true;
    loop {
        let opened = open(disk).await;
        if std::mem::take(&mut first) {
            disk.purging.meet().await;
        }
        match opened {
            Ok((opened, segments)) => {
                told = false;
                serve(disk, opened, segments).await;
                disk.progress.send_replace(Progress::Out);
            }
            Err(error) => {
                disk.progress.send_replace(Progress::Out);
                // Once: the next tries fail as this one did.
                if !std::mem::replace(&mut told, true) {
                    let path = disk.config.path.display();
                    warn!(disk = %path, %error, "{path} cannot be used: {error}; it is tried again and again");
                }
            }
        }
        tokio::time::sleep(disk.means.tuning.probe_every).await;
    }
}

/// Runs what blocks. A call that a test's fault makes panic is an error like another.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Opens a disk: the numbers of its segments are those to recover.
async fn open(disk: &Arc<Disk>) -> io::Result<(Arc<Opened>, Vec<u32>)> {
    let disk = Arc::clone(disk);
    blocking(move || {
        let (medium, config) = (&disk.means.medium, &disk.config);
        let fresh = disk.means.tuning.segment_bytes;
        let fresh = fresh.unwrap_or_else(|| folder::segment_bytes(config.capacity));
        let folder = Folder::open(medium, &config.path, config.capacity, fresh)?;
        if folder.mode == Mode::Buffered {
            let path = config.path.display();
            warn!(disk = %path, "the file system of {path} refuses direct I/O: reads go through the page cache");
        }
        let metrics = Arc::clone(&disk.metrics);
        let opened = Opened::new(folder, config.capacity, disk.table_bytes, metrics);
        disk.purging.take_in(&opened)?;
        let segments = opened.announce()?;
        Ok((Arc::new(opened), segments))
    })
    .await
}

/// Uses a disk until it is out.
async fn serve(disk: &Arc<Disk>, opened: Arc<Opened>, segments: Vec<u32>) {
    disk.enter(&opened);
    if let Some(error) = &opened.folder.unwritable {
        disk.write_failed(error);
    }
    let (purging, known) = (Arc::clone(&disk.purging), Arc::clone(&opened));
    if let Err(error) = blocking(move || purging.write_to(&known)).await {
        disk.write_failed(&error);
    }
    let recovery = async {
        recover(disk, &opened, segments).await;
        std::future::pending().await
    };
    tokio::select! {
        () = watch(disk, &opened) => {}
        () = recovery => {}
    }
}

async fn recover(disk: &Arc<Disk>, opened: &Arc<Opened>, segments: Vec<u32>) {
    let path = disk.config.path.display();
    let (total, started) = (segments.len(), disk.means.clock.now());
    let mut blocks = 0;
    for (done, number) in segments.into_iter().enumerate() {
        let (known, latest) = (Arc::clone(opened), disk.purging.latest());
        match blocking(move || known.recover(number, latest)).await {
            Ok(more) => blocks += more,
            Err(error) => {
                warn!(disk = %path, segment = number, %error, "segment {number} cannot be read: {error}");
                disk.read_failed(&error);
            }
        }
        if (done + 1) % SEGMENTS_A_LINE == 0 {
            info!(disk = %path, segments = done + 1, of = total, blocks, "recovering {path}");
        }
    }
    let took = disk.means.clock.now().since(started);
    info!(disk = %path, segments = total, blocks, duration_ms = took.as_millis(), "recovered {path}");
    disk.progress.send_replace(Progress::Recovered);
}

/// Looks at a disk now and then, until it is out.
async fn watch(disk: &Arc<Disk>, opened: &Arc<Opened>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(disk.means.tuning.probe_every) => {}
            () = disk.changed.notified() => {}
        }
        match disk.state() {
            DiskState::Out => return,
            DiskState::Serving | DiskState::ReadOnly => {}
        }
        tokio::select! {
            () = look(disk, opened) => {}
            () = disk.changed.notified() => {}
        }
        if disk.state() == DiskState::Out {
            return;
        }
    }
}

/// Checks that the disk is still there, and brings back one that was not written.
async fn look(disk: &Arc<Disk>, opened: &Arc<Opened>) {
    disk.measure();
    let known = Arc::clone(opened);
    if let Err(error) = blocking(move || known.folder.check()).await {
        disk.leave(&error);
        return;
    }
    // There may be room again for more files.
    opened.space().limit(opened.most_segments());
    if disk.state() == DiskState::ReadOnly && !disk.inbox.is_writing() {
        let (tried, purging) = (Arc::clone(opened), Arc::clone(&disk.purging));
        let probed = blocking(move || {
            tried.folder.probe()?;
            purging.write_to(&tried)?;
            tried.recover_lost(purging.latest())
        });
        if probed.await.is_ok() {
            disk.serve_again();
        }
    }
}
