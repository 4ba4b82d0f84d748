//! The world of a test: an origin, a node before it, clients.

pub(crate) mod client;
pub(crate) mod content;
pub(crate) mod form;
pub(crate) mod node;
pub(crate) mod origin;
pub(crate) mod process;
pub(crate) mod sigv4;
pub(crate) mod speaker;
pub(crate) mod tamper;
pub(crate) mod wire;

use std::future::Future;
use std::time::SystemTime;

/// Runs `task` beside the test; it ends with the test's runtime.
#[expect(
    clippy::disallowed_methods,
    reason = "a test's tasks end with its runtime"
)]
pub(crate) fn spawn(
    task: impl Future<Output = ()> + Send + 'static,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(task)
}

/// The wall-clock time, to sign with.
#[expect(clippy::disallowed_methods, reason = "signatures carry the real time")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}
