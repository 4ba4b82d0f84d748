//! Threads that stand for other machines: what runs on them gets only the time that nobody else wants.

use std::future::Future;
use std::io;

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};

/// By how much their priority is lower, of 19.
const NICE: i32 = 15;

/// See the module. What was started on them ends with this.
pub(crate) struct Elsewhere(Option<Runtime>);

impl Elsewhere {
    pub(crate) fn new() -> io::Result<Self> {
        let give_way = || {
            // Of the calling thread alone, on Linux. Where that is forbidden the threads are like all others.
            let _ = rustix::process::nice(NICE);
        };
        let mut builder = Builder::new_multi_thread();
        builder.enable_all().on_thread_start(give_way);
        Ok(Self(Some(builder.build()?)))
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("it goes when it is dropped")
    }

    /// What `here` gives, the tasks of which are there.
    pub(crate) async fn with_tasks_of<T>(&self, here: impl Future<Output = T>) -> T {
        let mut here = std::pin::pin!(here);
        std::future::poll_fn(|context| {
            let _entered = self.runtime().enter();
            here.as_mut().poll(context)
        })
        .await
    }

    /// What `there` gives, which runs there.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        there: impl Future<Output = T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let running = self.runtime().spawn(there);
        running.await.context("what ran elsewhere")
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn what_runs_elsewhere_gives_way() {
        let elsewhere = Elsewhere::new().expect("threads");
        let nice = || rustix::process::nice(0).expect("it is told");
        let here = nice();
        let run = elsewhere.run(async move { nice() }).await;
        assert_eq!(run.expect("it runs"), (here + NICE).min(19));
        let spawned = elsewhere.with_tasks_of(async {
            let mut tasks = JoinSet::from_iter([async move { nice() }]);
            tasks.join_next().await.expect("one task")
        });
        assert_eq!(spawned.await.expect("it runs"), (here + NICE).min(19));
        assert_eq!(nice(), here);
    }
}
