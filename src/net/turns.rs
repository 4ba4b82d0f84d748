//! A stream whose task lets go of its thread after so many bytes written.
//!
//! A socket's buffer takes some MiB at once, and filling it takes about a millisecond, in which all the small answers that the
//! thread has to give would wait; with many large answers under way, for each of them in turn.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};

use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// After how much others come first, in bytes: some 0.1 ms of copying, many times what a turn costs. No write is cut for it.
const TURN: usize = 256 << 10;

/// Writes in turns with the other tasks of its thread.
pub(super) struct Turns<I> {
    io: I,
    /// Bytes since the task last let go of its thread to let others write, or because the socket was full.
    written: usize,
    /// Whether the others are to come first, whoever asks meanwhile.
    waits: bool,
    others: Arc<Others>,
}

/// Hears when the other tasks of the thread have had their turn.
#[derive(Default)]
struct Others {
    had_theirs: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Others {
    fn wake(self: Arc<Self>) {
        self.had_theirs.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl<I> Turns<I> {
    pub(super) fn new(io: I) -> Self {
        Self {
            io,
            written: 0,
            waits: false,
            others: Arc::default(),
        }
    }

    /// Ready while the turn lasts. Else the task is woken again after those that are ready by then; until that it stays so,
    /// since hyper tries more than once before it lets go.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.written >= TURN {
            (self.written, self.waits) = (0, true);
            self.others.had_theirs.store(false, Ordering::Relaxed);
            self.others.task.register(cx.waker());
            let waker = Waker::from(Arc::clone(&self.others));
            let turn = pin!(tokio::task::yield_now());
            let _ = turn.poll(&mut Context::from_waker(&waker));
        }
        if self.waits {
            self.others.task.register(cx.waker());
            if !self.others.had_theirs.load(Ordering::Acquire) {
                return Poll::Pending;
            }
            self.waits = false;
        }
        Poll::Ready(())
    }

    fn count(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) => self.written += bytes,
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.written = 0,
        }
        written
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Turns<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Turns<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(cx));
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(cx));
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn others_come_between_two_turns() {
        let (mut client, server) = tokio::io::duplex(8 * TURN);
        let mut server = Turns::new(server);
        let mut write = pin!(async {
            for _ in 0..12 {
                server.write_all(&[7; TURN / 4]).await?;
            }
            Ok::<_, io::Error>(())
        });
        let mut polls = 0;
        std::future::poll_fn(|cx| {
            polls += 1;
            let first = write.as_mut().poll(cx);
            if first.is_pending() {
                // As hyper does.
                assert!(write.as_mut().poll(cx).is_pending());
            }
            first
        })
        .await
        .expect("the client lives");
        assert_eq!(polls, 3);
        let mut taken = vec![0; 3 * TURN];
        client.read_exact(&mut taken).await.expect("all of it");
        assert!(taken.iter().all(|byte| *byte == 7));
    }
}
