//! A stream that writes large answers in turns with those of the other connections of its thread, and after small ones.
//!
//! A socket's buffer takes some MiB at once, and filling it takes about a millisecond, in which all the small answers that the
//! thread has to give would wait; with many large answers under way, for each of them. So the thread writes one turn of
//! one large answer at a time, and looks in between at what the network has brought.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use futures::FutureExt;
use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// What an answer writes without asking, and then in a turn, in bytes: some 0.1 ms of copying, many times what a turn costs.
const TURN: usize = 256 << 10;

/// Where the connections of a thread ask for turns.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    asking: UnboundedSender<Arc<Place>>,
    /// The number of the turn that was given last.
    turn: Arc<AtomicU64>,
}

/// A connection's place among those that ask.
#[derive(Debug, Default)]
struct Place {
    /// Whether it was given the turn that it has asked for.
    given: AtomicBool,
    task: AtomicWaker,
}

/// Writes in turns with the other connections of its lane.
pub(super) struct Turns<I> {
    io: I,
    lane: Lane,
    place: Arc<Place>,
    turn: Turn,
}

/// What a connection may write.
enum Turn {
    /// So many bytes, whoever else writes: what an answer begins with.
    Free(usize),
    /// So many bytes, until another is given a turn; this was the one of that number.
    Given(usize, u64),
    /// Nothing before it is given a turn.
    Asked,
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
        (lane, give(asked, turn, stopping))
    }

    fn turn(&self) -> u64 {
        self.turn.load(Ordering::Relaxed)
    }
}

/// Gives turns, one at a time, in the order in which they are asked for.
async fn give(
    mut asked: UnboundedReceiver<Arc<Place>>,
    turn: Arc<AtomicU64>,
    stopping: impl Future<Output = ()>,
) {
    let mut stopping = pin!(stopping.fuse());
    loop {
        // Dropping either loses nothing.
        let place = tokio::select! {
            biased;
            place = asked.recv() => place,
            () = &mut stopping => {
                // Those who have asked still come.
                asked.close();
                continue;
            }
        };
        let Some(place) = place else { return };
        // Until the thread has run all that was ready, and then has looked for what else is: small answers come first.
        tokio::task::yield_now().await;
        turn.fetch_add(1, Ordering::Relaxed);
        place.given.store(true, Ordering::Release);
        place.task.wake();
    }
}

impl<I> Turns<I> {
    pub(super) fn new(io: I, lane: Lane) -> Self {
        Self {
            io,
            lane,
            place: Arc::default(),
            turn: Turn::Free(TURN),
        }
    }

    /// Ready where more may be written: no write is cut for it, since what a client is woken for costs more than it saves.
    /// Else the task is woken when it may; hyper tries more than once before it lets go of the thread.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.turn {
            Turn::Free(left) if left > 0 => return Poll::Ready(()),
            Turn::Given(left, turn) if left > 0 && turn == self.lane.turn() => {
                return Poll::Ready(());
            }
            Turn::Free(_) | Turn::Given(..) => {
                self.turn = Turn::Asked;
                self.place.task.register(cx.waker());
                if self.lane.asking.send(Arc::clone(&self.place)).is_ok() {
                    return Poll::Pending;
                }
                // Nobody gives turns any more: the node is stopping.
            }
            Turn::Asked => {
                self.place.task.register(cx.waker());
                if !self.place.given.load(Ordering::Acquire) {
                    return Poll::Pending;
                }
            }
        }
        self.place.given.store(false, Ordering::Relaxed);
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
        // Of a request, which another answer will follow.
        if buffer.filled().len() > before && !matches!(self.turn, Turn::Asked) {
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
    use std::sync::Mutex;

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

    #[tokio::test]
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
        // What an answer begins with is free.
        assert_eq!(*notes, "abc.a.b.c.a.b.c.a.b.c.");
    }

    #[tokio::test]
    async fn an_answer_asks_once_for_each_turn_and_a_new_one_begins_free() {
        let (asking, mut asked) = mpsc::unbounded_channel();
        let turn = Arc::default();
        let lane = Lane { asking, turn };
        let (mut client, server) = tokio::io::duplex(8 * TURN);
        let mut server = Turns::new(server, lane);
        let piece = [7; TURN];
        server.write_all(&piece).await.expect("there is room");
        for _ in 0..2 {
            // As hyper does.
            assert!(server.write(&piece).now_or_never().is_none());
        }
        let place = asked.try_recv().expect("it has asked");
        assert!(asked.try_recv().is_err());
        place.given.store(true, Ordering::Release);
        server.write_all(&piece).await.expect("there is room");
        assert!(server.write(&piece).now_or_never().is_none());
        let place = asked.try_recv().expect("it has asked again");
        place.given.store(true, Ordering::Release);
        server.write_all(&piece).await.expect("there is room");
        client.write_all(b"GET").await.expect("there is room");
        server.read_exact(&mut [0; 3]).await.expect("a request");
        let free = server.write(&piece).now_or_never();
        assert_eq!(free.expect("it is free").expect("there is room"), TURN);
        assert!(asked.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_turn_ends_when_another_begins() {
        let (asking, mut asked) = mpsc::unbounded_channel();
        let turn = Arc::<AtomicU64>::default();
        let (_client, server) = tokio::io::duplex(8 * TURN);
        let lane = Lane {
            asking,
            turn: Arc::clone(&turn),
        };
        let mut server = Turns::new(server, lane);
        server.write_all(&[7; TURN]).await.expect("there is room");
        assert!(server.write(b"more").now_or_never().is_none());
        let place = asked.try_recv().expect("it has asked");
        place.given.store(true, Ordering::Release);
        server.write_all(b"more").await.expect("there is room");
        server.write_all(b"more").await.expect("there is room");
        turn.fetch_add(1, Ordering::Relaxed);
        assert!(server.write(b"more").now_or_never().is_none());
        assert!(asked.try_recv().is_ok());
    }

    #[tokio::test]
    async fn nobody_waits_for_a_turn_once_the_node_stops() {
        let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
        let (lane, give) = Lane::new(stopping.map(|_| ()));
        let (_client, server) = tokio::io::duplex(8 * TURN);
        let mut server = Turns::new(server, lane);
        server.write_all(&[7; TURN]).await.expect("there is room");
        assert!(server.write(b"more").now_or_never().is_none());
        drop(stop);
        give.await;
        for _ in 0..3 {
            let written = server.write_all(&[7; TURN]).now_or_never();
            written.expect("it has a turn").expect("there is room");
        }
    }
}
