//! Threads for tasks that stay where they are: one a core, each with a queue of its own.
//!
//! A task that waits for a socket is woken, runs and writes on one thread; nobody else is woken to look for work meanwhile, and
//! what it touched last is in that core's cache. In return the tasks have to be shared out evenly from the start.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

use crate::per_core;

/// The most threads that block for all cores together, as for one runtime of Tokio's.
const BLOCKING: usize = 512;

/// As many threads as the machine has cores. Each ends once this and its seats are dropped; what still runs there is cancelled.
#[derive(Debug)]
pub struct Cores(Vec<Arc<Core>>);

#[derive(Debug)]
struct Core {
    handle: Handle,
    /// How many seats are taken.
    taken: AtomicUsize,
    /// Ends the thread when it is dropped.
    _end: oneshot::Sender<()>,
}

/// A place on a core, counted until it is dropped.
#[derive(Debug)]
pub struct Seat(Arc<Core>);

impl Cores {
    /// Threads of a name; as many as there are cores, or fewer where a control group allows less.
    ///
    /// # Errors
    /// Where the system has no threads to give.
    pub fn new(name: &str) -> io::Result<Self> {
        let count = per_core::count();
        let core = |number| Core::new(name, number, count).map(Arc::new);
        (0..count).map(core).collect::<io::Result<_>>().map(Self)
    }

    /// A place on the core that has given fewest away.
    pub fn seat(&self) -> Seat {
        let taken = |core: &&Arc<Core>| core.taken.load(Ordering::Relaxed);
        let core = self.0.iter().min_by_key(taken);
        Seat::on(core.expect("a machine has a core"))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// A place on each core, in the order of their numbers.
    pub fn seats(&self) -> impl Iterator<Item = Seat> {
        self.0.iter().map(Seat::on)
    }
}

impl Core {
    fn new(name: &str, number: usize, of: usize) -> io::Result<Self> {
        let mut builder = Builder::new_current_thread();
        builder.enable_all().thread_name(name);
        builder.max_blocking_threads(BLOCKING.div_ceil(of));
        let runtime = builder.build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(runtime, number, ended))?;
        Ok(Self {
            handle,
            taken: AtomicUsize::default(),
            _end: end,
        })
    }
}

fn run(runtime: Runtime, number: usize, ended: oneshot::Receiver<()>) {
    per_core::settle(number);
    // Nothing is ever sent: it ends with the sender.
    let _ = runtime.block_on(ended);
    runtime.shutdown_background();
}

impl Seat {
    fn on(core: &Arc<Core>) -> Self {
        core.taken.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(core))
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.0.handle
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::Tasks;

    /// Where a task on `seat` runs.
    async fn place(seat: &Seat) -> (Option<usize>, Option<String>) {
        let (tell, told) = oneshot::channel();
        let tasks = Tasks::default();
        tasks.at(seat).spawn("place", async move {
            let name = thread::current().name().map(str::to_owned);
            // Whoever is to get it waits below.
            let _ = tell.send((per_core::current(), name));
        });
        told.await.expect("it runs")
    }

    #[tokio::test]
    async fn tasks_run_on_the_core_of_their_seat() {
        let cores = Cores::new("some-cores").unwrap();
        for (number, seat) in cores.seats().enumerate() {
            let place = place(&seat).await;
            assert_eq!(place, (Some(number), Some("some-cores".to_owned())));
        }
        assert_eq!(per_core::current(), None);
    }

    #[test]
    fn seats_are_shared_out_evenly() {
        let cores = Cores::new("some-cores").unwrap();
        let count = cores.0.len();
        let taken = || -> Vec<_> {
            let cores = cores.0.iter();
            cores.map(|it| it.taken.load(Ordering::Relaxed)).collect()
        };
        let mut seats: Vec<_> = (0..3 * count).map(|_| cores.seat()).collect();
        assert_eq!(taken(), vec![3; count]);
        // Those of the first core, which were given in turns.
        seats.retain({
            let mut number = 0;
            move |_| {
                number += 1;
                (number - 1) % count != 0
            }
        });
        assert_eq!(taken()[0], 0);
        seats.extend((0..3).map(|_| cores.seat()));
        assert_eq!(taken(), vec![3; count]);
    }

    #[tokio::test]
    async fn what_runs_ends_with_the_last_seat() {
        let cores = Cores::new("some-cores").unwrap();
        let seat = cores.seat();
        let (held, mut ended) = oneshot::channel::<()>();
        let tasks = Tasks::default();
        tasks.at(&seat).spawn("stays", async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        drop(cores);
        assert_eq!(place(&seat).await.0, Some(0));
        assert_eq!(ended.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        drop(seat);
        assert!(ended.await.is_err());
    }
}
