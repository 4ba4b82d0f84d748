//! A stream whose writes fail once the other side has taken no byte for too long.
//!
//! Without it a client that stops reading would hold its answer's buffers for ever. Reads pass through untouched: how
//! long a client may be silent is for hyper's header timeout to say.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::telemetry::Metrics;

/// Bounds how long a write may wait.
pub(super) struct StallGuard<I> {
    io: I,
    patience: Duration,
    /// Made at the first write that has to wait, then used again.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether a write is waiting and the timer runs.
    waiting: bool,
    metrics: Arc<Metrics>,
}

impl<I> StallGuard<I> {
    pub(super) fn new(io: I, patience: Duration, metrics: Arc<Metrics>) -> Self {
        Self {
            io,
            patience,
            timer: None,
            waiting: false,
            metrics,
        }
    }

    /// Passes on what a write gave; a write that has waited too long is an error instead.
    fn guard<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = false;
            return written;
        }
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(self.patience)));
        if !self.waiting {
            self.waiting = true;
            timer.as_mut().reset(Instant::now() + self.patience);
        }
        ready!(timer.as_mut().poll(cx));
        self.waiting = false;
        self.metrics.net.stalled.increment();
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client takes no bytes",
        )))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for StallGuard<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for StallGuard<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.guard(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.guard(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.guard(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io).poll_shutdown(cx);
        self.guard(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_dropped() {
        let (_client, server) = tokio::io::duplex(16);
        let metrics = Arc::new(Metrics::default());
        let mut guarded = StallGuard::new(server, PATIENCE, Arc::clone(&metrics));
        let start = Instant::now();
        let error = guarded.write_all(&[0; 64]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_secs(), PATIENCE.as_secs());
        assert_eq!(metrics.net.stalled.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_a_byte_now_and_then_is_served() {
        let (mut client, server) = tokio::io::duplex(1);
        let mut guarded = StallGuard::new(server, PATIENCE, Arc::default());
        let read = async {
            for _ in 0..10 {
                tokio::time::advance(PATIENCE / 2).await;
                client.read_u8().await.expect("a byte");
            }
        };
        let (written, ()) = tokio::join!(guarded.write_all(&[7; 10]), read);
        written.expect("every byte is taken in time");
    }
}
