//! Threads for tasks that give way to others: what somebody waits for comes before what makes it quick later.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

/// As many threads as the machine has cores, of a lower priority than those of the process. What still runs on them when this is
/// dropped is cancelled.
#[derive(Debug)]
pub struct Threads(Option<Runtime>);

impl Threads {
    /// Threads of a name and a `nice` value above that of the caller, at most 19 in all; see `setpriority(2)`, which on
    /// Linux is about single threads. To others in the process they are what processes with such values are to each
    /// other.
    ///
    /// # Errors
    /// Where the system has no threads to give.
    pub fn giving_way(name: &str, nice: i32) -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder.enable_all().thread_name(name);
        builder.on_thread_start(move || {
            // Giving way needs no privilege. Where a sandbox forbids it nevertheless, the threads are like all others.
            let _ = rustix::process::nice(nice);
        });
        Ok(Self(Some(builder.build()?)))
    }

    pub(super) fn handle(&self) -> &Handle {
        let runtime = self.0.as_ref();
        runtime.expect("it goes when it is dropped").handle()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Not waiting, which a task must not.
            runtime.shutdown_background();
        }
    }
}
