//! Standard error, to which access lines go in batches: a system call for each of them would be dear, and whoever reads
//! the log slowly must not hold requests up.
//!
//! A line waits for 100 ms at most. Lines of other kinds go out at once, after the access lines before them. Access lines
//! that nobody takes are dropped beyond 4 MiB, and the next line that goes out says how many.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use super::access;

/// How long a line waits for others.
const WAIT: Duration = Duration::from_millis(100);
/// Bytes that are written without waiting for more.
const ENOUGH: usize = 64 << 10;
/// Bytes that wait at most.
const MOST: usize = 4 << 20;

/// The lines on their way. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Batches(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Told of the first line of a batch, and when there are enough.
    some: Condvar,
    /// Held by whoever writes, so that lines go out in their order.
    output: Mutex<()>,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: u64,
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
        let thread = std::thread::Builder::new().name("access-log".to_owned());
        thread.spawn(move || written.run())?;
        Ok(batches)
    }

    fn run(&self) {
        loop {
            let Shared { waiting, some, .. } = &*self.0;
            let begun = some.wait_while(lock(waiting), |it| it.lines.is_empty());
            let begun = begun.unwrap_or_else(PoisonError::into_inner);
            drop(some.wait_timeout_while(begun, WAIT, |it| it.lines.len() < ENOUGH));
            // Nobody is left to tell.
            let _ = self.flush(&mut io::stderr());
        }
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// The output's; the lines are lost.
    pub(super) fn flush(&self, output: &mut impl Write) -> io::Result<()> {
        let _turn = lock(&self.0.output);
        let Waiting { lines, dropped } = std::mem::take(&mut *lock(&self.0.waiting));
        output.write_all(&lines)?;
        if dropped > 0 {
            let message = "access lines were dropped, because the log was not read";
            writeln!(
                output,
                "{{\"level\":\"WARN\",\"message\":\"{message}\",\"dropped\":{dropped},\"target\":\"forebay::telemetry\"}}"
            )?;
        }
        Ok(())
    }

    fn push(&self, line: &[u8]) {
        let mut waiting = lock(&self.0.waiting);
        let before = waiting.lines.len();
        if before + line.len() > MOST {
            waiting.dropped += 1;
            return;
        }
        waiting.lines.extend_from_slice(line);
        if before == 0 || (before < ENOUGH && waiting.lines.len() >= ENOUGH) {
            drop(waiting);
            self.0.some.notify_one();
        }
    }
}

/// Where one event is written to.
pub(super) enum Line<'a> {
    Waits(&'a Batches),
    AtOnce(&'a Batches),
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self {
            Self::Waits(batches) => batches.push(line),
            Self::AtOnce(batches) => {
                let mut output = io::stderr();
                batches.flush(&mut output)?;
                output.write_all(line)?;
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Batches {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line::AtOnce(self)
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        match metadata.target() {
            access::TARGET => Line::Waits(self),
            _ => Line::AtOnce(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_out_whole_and_in_their_order() {
        let batches = Batches::default();
        for line in ["a\n", "b\n"] {
            Line::Waits(&batches)
                .write_all(line.as_bytes())
                .expect("memory");
        }
        let mut output = Vec::new();
        batches.flush(&mut output).expect("memory");
        batches.flush(&mut output).expect("memory");
        assert_eq!(output, b"a\nb\n");
    }

    #[test]
    fn what_nobody_reads_is_dropped_and_told() {
        let batches = Batches::default();
        let line = [b'x'; 1 << 20];
        for _ in 0..6 {
            batches.push(&line);
        }
        let mut output = Vec::new();
        batches.flush(&mut output).expect("memory");
        let told = String::from_utf8(output.split_off(MOST)).expect("text");
        let told: serde_json::Value = serde_json::from_str(&told).expect("a line");
        assert_eq!(told["dropped"], 2);
        batches.flush(&mut output).expect("memory");
        assert_eq!(output.len(), MOST);
    }

    #[test]
    fn a_thread_writes_what_waits() {
        let batches = Batches::start().expect("a thread");
        batches.push(b"");
        batches.push(b"\n");
        let Shared { waiting, .. } = &*batches.0;
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while !lock(waiting).lines.is_empty() {
            assert!(std::time::Instant::now() < deadline, "nothing is written");
            std::thread::yield_now();
        }
    }
}
