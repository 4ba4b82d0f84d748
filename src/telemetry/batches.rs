//! Standard error, which one thread writes to: a system call for each access line would be dear, and whoever reads the log
//! slowly, or not at all, must not hold requests up.
//!
//! Access lines wait for others, for 100 ms at most; a line of another kind has all that waits written at once. Lines that nobody
//! takes are dropped, access lines beyond 4 MiB, others beyond 5, and the next batch that goes out says how many.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use super::access;
use crate::clock::Clock;

/// How long a line waits for others, and how long a descriptor that takes nothing now is left alone.
const WAIT: Duration = Duration::from_millis(100);
/// Bytes that are written without waiting for more.
const ENOUGH: usize = 64 << 10;
/// Bytes that wait at most.
const MOST: usize = 4 << 20;
/// Bytes beyond those that only other lines than access lines may take.
const RESERVE: usize = 1 << 20;
/// How long the last lines of a process may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The lines on their way. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Batches(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Told of the first line of a batch, when there are enough, and of a line that does not wait.
    some: Condvar,
    /// Told when a batch was written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: u64,
    /// Whether what waits is to be written now.
    urgent: bool,
    /// Whether a batch is being written.
    writing: bool,
}

/// Waits for the last lines when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Last(pub(super) Batches);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.settle(PATIENCE);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Batches {
    /// Batches that a thread of their own writes for as long as the process lives.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub(super) fn start() -> io::Result<Self> {
        let batches = Self::default();
        let written = batches.clone();
        let thread = std::thread::Builder::new().name("log".to_owned());
        thread.spawn(move || written.run())?;
        Ok(batches)
    }

    fn run(&self) {
        let clock = Clock::system();
        loop {
            let mut lines = self.gather();
            if let Some(dropped) = lines.1 {
                let now = Timestamp::try_from(clock.wall()).unwrap_or_default();
                lines.0.extend_from_slice(told(now, dropped).as_bytes());
            }
            write_patiently(&mut io::stderr(), &lines.0);
            lock(&self.0.waiting).writing = false;
            self.0.written.notify_all();
        }
    }

    /// The next batch, once it is time, and how many lines were dropped.
    fn gather(&self) -> (Vec<u8>, Option<u64>) {
        let Shared { waiting, some, .. } = &*self.0;
        let begun = some.wait_while(lock(waiting), |it| it.lines.is_empty());
        let begun = begun.unwrap_or_else(PoisonError::into_inner);
        let is_early = |it: &mut Waiting| it.lines.len() < ENOUGH && !it.urgent;
        let waited = some.wait_timeout_while(begun, WAIT, is_early);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (waiting.urgent, waiting.writing) = (false, true);
        let dropped = std::mem::take(&mut waiting.dropped);
        let lines = std::mem::take(&mut waiting.lines);
        (lines, (dropped > 0).then_some(dropped))
    }

    /// Waits until all lines are written, for `patience` at most.
    pub(super) fn settle(&self, patience: Duration) {
        let mut waiting = lock(&self.0.waiting);
        waiting.urgent = true;
        self.0.some.notify_one();
        let is_busy = |it: &mut Waiting| it.writing || !it.lines.is_empty();
        drop(
            self.0
                .written
                .wait_timeout_while(waiting, patience, is_busy),
        );
    }

    fn push(&self, line: &[u8], urgent: bool) {
        let mut waiting = lock(&self.0.waiting);
        let before = waiting.lines.len();
        let most = if urgent { MOST + RESERVE } else { MOST };
        if before + line.len() > most {
            waiting.dropped += 1;
            return;
        }
        waiting.lines.extend_from_slice(line);
        waiting.urgent |= urgent;
        if urgent || before == 0 || (before < ENOUGH && waiting.lines.len() >= ENOUGH) {
            drop(waiting);
            self.0.some.notify_one();
        }
    }
}

/// The line that tells of dropped ones.
fn told(now: Timestamp, dropped: u64) -> String {
    let message = "lines were dropped, because the log was not read";
    format!(
        "{{\"timestamp\":\"{now:.6}\",\"level\":\"WARN\",\"message\":\"{message}\",\"dropped\":{dropped},\"target\":\"forebay::telemetry\"}}\n"
    )
}

/// Writes all of it, also to a descriptor that takes nothing at times. What cannot be written nobody can be told.
fn write_patiently(output: &mut impl Write, mut lines: &[u8]) {
    while !lines.is_empty() {
        match output.write(lines) {
            Ok(0) => return,
            Ok(written) => lines = &lines[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::park_timeout(WAIT)
            }
            Err(_) => return,
        }
    }
}

/// Where one event is written to.
pub(super) struct Line<'a> {
    batches: &'a Batches,
    urgent: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.batches.push(line, self.urgent);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Batches {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            batches: self,
            urgent: true,
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        Line {
            batches: self,
            urgent: metadata.target() != access::TARGET,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_out_whole_and_in_their_order() {
        let batches = Batches::default();
        batches.push(b"a\n", false);
        batches.push(b"b\n", true);
        assert_eq!(batches.gather(), (b"a\nb\n".to_vec(), None));
        assert!(lock(&batches.0.waiting).writing);
    }

    #[test]
    fn what_nobody_reads_is_dropped_and_told_and_access_lines_first() {
        let batches = Batches::default();
        let line = [b'x'; 1 << 20];
        for _ in 0..6 {
            batches.push(&line, false);
        }
        batches.push(&line, true);
        batches.push(&line, true);
        let (lines, dropped) = batches.gather();
        assert_eq!((lines.len(), dropped), (MOST + RESERVE, Some(3)));
        let told = told(Timestamp::UNIX_EPOCH, 3);
        let told: serde_json::Value = serde_json::from_str(&told).expect("a line");
        assert_eq!(told["dropped"], 3);
        assert_eq!(told["timestamp"], "1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn a_thread_writes_what_waits() {
        let batches = Batches::start().expect("a thread");
        batches.push(b"\n", false);
        batches.settle(Duration::from_secs(60));
        let waiting = lock(&batches.0.waiting);
        assert!(waiting.lines.is_empty() && !waiting.writing);
    }

    /// Takes a byte at a time, and nothing every other time.
    struct Reluctant(Vec<u8>, bool);

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.0.extend_from_slice(&bytes[..1]);
            Ok(1)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reluctant_descriptor_gets_every_byte_once() {
        let mut output = Reluctant(Vec::new(), false);
        write_patiently(&mut output, b"abc");
        assert_eq!(output.0, b"abc");
    }
}
