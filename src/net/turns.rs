//! A stream that writes large answers in turns with those of the other connections of its thread, and after small ones.
//!
//! A socket's buffer takes some MiB at once, and filling it takes about a millisecond, in which all the small answers that the
//! thread has to give would wait; with many large answers under way, for each of them. So the thread writes one turn of
//! one large answer, and then looks at what the network has brought before it writes the next.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What an answer writes without asking, and then in a turn, in bytes: some 0.1 ms of copying, many times what a turn costs.
/// The write that reaches it is not cut.
const TURN: usize = 256 << 10;

/// A turn is given for so much time that small answers took: more than a turn takes.
const SHARE: Duration = Duration::from_micros(500);

/// The most turns that are given at once.
const AT_ONCE: u128 = 8;

/// Where the connections of a thread ask for turns.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    asking: UnboundedSender<oneshot::Sender<()>>,
    /// How often turns were given.
    turn: Arc<AtomicU64>,
}

/// Writes in turns with the other connections of its lane.
pub(super) struct Turns<I> {
    io: I,
    lane: Lane,
    turn: Turn,
}

/// What a connection may write.
enum Turn {
    /// So many bytes, whoever else writes: what an answer begins with.
    Free(usize),
    /// So many bytes, until others are given turns; it was given this one when they had been so often.
    Given(usize, u64),
    /// Nothing before it is given a turn, or nobody gives any more.
    Asked(oneshot::Receiver<()>),
}

impl Lane {
    /// A lane, and what gives turns to those in it until `stopping`: to be run where its connections are. After that they write as
    /// they like.
    pub(super) fn new(
        stopping: impl Future<Output = ()> + Send + 'static,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (asking, asked) = mpsc::unbounded_channel();
        let turn = Arc::default();
        let lane = Self {
            asking,
            turn: Arc::clone(&turn),
        };
        let give = async move {
            tokio::select! {
                biased;
                () = stopping => {}
                () = give(asked, turn) => {}
            }
        };
        (lane, give)
    }

    fn turn(&self) -> u64 {
        self.turn.load(Ordering::Relaxed)
    }
}

/// Gives turns in the order in which they are asked for.
async fn give(mut asked: UnboundedReceiver<oneshot::Sender<()>>, turn: Arc<AtomicU64>) {
    while let Some(first) = asked.recv().await {
        let begun = Instant::now();
        // Until the thread has run all that was ready, and then has looked for what else is: small answers come first.
        tokio::task::yield_now().await;
        let more = std::iter::from_fn(|| asked.try_recv().ok());
        let given = std::iter::once(first).chain(more);
        turn.fetch_add(1, Ordering::Relaxed);
        for place in given.take(turns_after(begun.elapsed())) {
            // Its connection may have ended.
            let _ = place.send(());
        }
    }
}

/// How many turns are given at once when others took so long. As a rule it is one; on a thread that small answers keep busy large ones
/// have some half of the time, less where it takes more than 4 ms to run all that is ready.
fn turns_after(others: Duration) -> usize {
    let turns = others.as_micros() / SHARE.as_micros();
    usize::try_from(turns.clamp(1, AT_ONCE)).expect("there are few")
}

impl<I> Turns<I> {
    pub(super) fn new(io: I, lane: Lane) -> Self {
        Self {
            io,
            lane,
            turn: Turn::Free(TURN),
        }
    }

    /// Ready where more may be written: no write is cut for it, since what a client is woken for costs more than it saves.
    /// Else the task is woken when it may; hyper tries more than once before it lets go of the thread.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let may = match self.turn {
            Turn::Free(left) => left > 0,
            Turn::Given(left, turn) => left > 0 && turn == self.lane.turn(),
            Turn::Asked(_) => false,
        };
        if may {
            return Poll::Ready(());
        }
        if !matches!(self.turn, Turn::Asked(_)) {
            let (place, given) = oneshot::channel();
            // Where nobody gives turns it is dropped, which is as good.
            let _ = self.lane.asking.send(place);
            self.turn = Turn::Asked(given);
        }
        if let Turn::Asked(given) = &mut self.turn {
            let _ = ready!(Pin::new(given).poll(cx));
        }
        self.turn = Turn::Given(TURN, self.lane.turn());
        Poll::Ready(())
    }

    fn count(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let (Poll::Ready(Ok(bytes)), Turn::Free(left) | Turn::Given(left, _)) =
            (&written, &mut self.turn)
        {
            *left = left.saturating_sub(*bytes);
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
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        // As a rule of a request, which another answer will follow.
        if buffer.filled().len() > before && !matches!(self.turn, Turn::Asked(_)) {
            self.turn = Turn::Free(TURN);
        }
        read
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
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::pin::pin;
    use std::sync::Mutex;

    use futures::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::tasks::Tasks;

    /// Writes `turns` turns of an answer; notes after each that it was `name`'s, and that the network has brought something.
    async fn large(
        name: char,
        turns: usize,
        lane: Lane,
        (notes, mut network): (Arc<Mutex<String>>, UnixStream),
    ) {
        let (_client, server) = tokio::io::duplex(turns * TURN);
        let mut server = Turns::new(server, lane);
        for _ in 0..turns {
            server.write_all(&[7; TURN]).await.expect("there is room");
            notes.lock().expect("no panic").push(name);
            network.write_all(&[1]).expect("there is room");
        }
    }

    /// Notes whenever the network has brought something.
    async fn small(mut network: tokio::net::UnixStream, notes: Arc<Mutex<String>>) {
        while matches!(network.read(&mut [0; 64]).await, Ok(1..)) {
            notes.lock().expect("no panic").push('.');
        }
    }

    // No time passes that a busy machine could make long.
    #[tokio::test(start_paused = true)]
    async fn small_answers_come_between_any_two_turns_of_large_ones() {
        let notes = Arc::<Mutex<String>>::default();
        let (lane, give) = Lane::new(std::future::pending());
        let tasks = Tasks::default();
        tasks.spawn("turns", give);
        let (network, brought) = UnixStream::pair().expect("sockets");
        brought.set_nonblocking(true).expect("a socket");
        let brought = tokio::net::UnixStream::from_std(brought).expect("a socket");
        for name in ['a', 'b', 'c'] {
            let seen = (Arc::clone(&notes), network.try_clone().expect("a socket"));
            tasks.spawn("large", large(name, 4, lane.clone(), seen));
        }
        drop((lane, network));
        // Ends when the last of them has.
        small(brought, Arc::clone(&notes)).await;
        let notes = notes.lock().expect("no panic");
        // What an answer begins with is free. That the thread looks at the network once between two turns is how Tokio yields in
        // practice, not what it promises.
        assert_eq!(*notes, "abc.a.b.c.a.b.c.a.b.c.");
    }

    /// A connection whose turns the test gives, and its client.
    fn connection() -> (
        Turns<tokio::io::DuplexStream>,
        tokio::io::DuplexStream,
        Lane,
        UnboundedReceiver<oneshot::Sender<()>>,
    ) {
        let (asking, asked) = mpsc::unbounded_channel();
        let lane = Lane {
            asking,
            turn: Arc::default(),
        };
        let (client, server) = tokio::io::duplex(8 * TURN);
        (Turns::new(server, lane.clone()), client, lane, asked)
    }

    #[tokio::test]
    async fn an_answer_asks_once_for_each_turn_and_a_new_one_begins_free() {
        let (mut server, mut client, _lane, mut asked) = connection();
        let piece = [7; TURN];
        for _ in 0..2 {
            server.write_all(&piece).await.expect("there is room");
            for _ in 0..2 {
                // As hyper does.
                assert!(server.write(&piece).now_or_never().is_none());
            }
            let place = asked.try_recv().expect("it has asked");
            assert!(asked.try_recv().is_err());
            place.send(()).expect("it waits");
        }
        server.write_all(&piece).await.expect("there is room");
        client.write_all(b"GET").await.expect("there is room");
        server.read_exact(&mut [0; 3]).await.expect("a request");
        let free = server.write(&piece).now_or_never();
        assert_eq!(free.expect("it is free").expect("there is room"), TURN);
        assert!(asked.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_turn_ends_when_others_begin() {
        let (mut server, _client, lane, mut asked) = connection();
        server.write_all(&[7; TURN]).await.expect("there is room");
        assert!(server.write(b"more").now_or_never().is_none());
        let place = asked.try_recv().expect("it has asked");
        place.send(()).expect("it waits");
        server.write_all(b"more").await.expect("there is room");
        server.write_all(b"more").await.expect("there is room");
        lane.turn.fetch_add(1, Ordering::Relaxed);
        assert!(server.write(b"more").now_or_never().is_none());
        assert!(asked.try_recv().is_ok());
    }

    #[test]
    fn where_small_answers_take_long_large_ones_have_their_share() {
        let turns = |micros| turns_after(Duration::from_micros(micros));
        assert_eq!([0, 100, 999].map(turns), [1; 3]);
        assert_eq!([1_000, 2_400, 9_000].map(turns), [2, 4, 8]);
    }

    /// Writes for as long as it is let.
    async fn endless(lane: Lane, written: Arc<AtomicU64>) {
        let mut server = Turns::new(tokio::io::sink(), lane);
        loop {
            server.write_all(&[7; TURN]).await.expect("a sink");
            if written.fetch_add(1, Ordering::Relaxed) > 1_000 {
                return;
            }
        }
    }

    #[tokio::test]
    async fn turns_end_when_the_node_stops_and_nobody_waits_for_one_any_more() {
        let (stop, stopping) = oneshot::channel::<()>();
        let (lane, give) = Lane::new(stopping.map(|_| ()));
        let tasks = Tasks::default();
        let written = Arc::<AtomicU64>::default();
        for _ in 0..3 {
            tasks.spawn("large", endless(lane.clone(), Arc::clone(&written)));
        }
        drop(lane);
        let mut give = pin!(give);
        while written.load(Ordering::Relaxed) < 100 {
            assert!(give.as_mut().now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        drop(stop);
        // Whoever asks meanwhile.
        give.await;
        assert!(written.load(Ordering::Relaxed) < 110);
        assert_eq!(tasks.drain(Duration::from_secs(30)).await, 0);
        assert!(written.load(Ordering::Relaxed) > 1_000);
    }
}
