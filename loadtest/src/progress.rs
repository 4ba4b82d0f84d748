//! What is told while a run goes on: lines on stderr, and on a terminal a bar below them.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;

use crate::load::Sent;

/// Between two looks at what is followed: a person sees no more, and it costs nothing beside a load.
const LOOK: Duration = Duration::from_millis(200);
const TEMPLATE: &str = "{msg} [{bar:30}] {percent:>3} % {elapsed} of about {duration}";

/// How far something may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Requests(u64),
    Time(Duration),
}

/// Where progress is told.
pub(crate) struct Progress {
    /// Whether somebody looks who can see a bar move.
    terminal: bool,
    /// The one that was begun last.
    bar: Option<ProgressBar>,
}

/// A bar that moves until this is dropped.
pub(crate) struct Following {
    bar: Option<ProgressBar>,
    _looks: JoinSet<()>,
}

impl Progress {
    pub(crate) fn on_stderr() -> Self {
        Self {
            terminal: stderr().is_terminal(),
            bar: None,
        }
    }

    /// Who measures goes on where nobody looks.
    pub(crate) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) if !bar.is_finished() => {
                bar.suspend(|| drop(writeln!(stderr(), "{line}")));
            }
            _ => drop(writeln!(stderr(), "{line}")),
        }
    }

    /// Shows how far `sent`, or the time, has come. On a terminal only.
    pub(crate) fn follow(&mut self, what: &str, length: Length, sent: &Sent) -> Following {
        let mut looks = JoinSet::new();
        self.bar = self.terminal.then(|| bar(what, length));
        if let Some(bar) = self.bar.clone() {
            looks.spawn(look(bar, length, sent.clone()));
        }
        Following {
            bar: self.bar.clone(),
            _looks: looks,
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar(what: &str, length: Length) -> ProgressBar {
    let most = match length {
        Length::Requests(most) => most,
        Length::Time(time) => millis(time),
    };
    let style = ProgressStyle::with_template(TEMPLATE).expect("the template is valid");
    let bar = ProgressBar::new(most).with_style(style);
    bar.with_message(what.to_owned())
}

async fn look(bar: ProgressBar, length: Length, sent: Sent) {
    let started = Instant::now();
    loop {
        bar.set_position(match length {
            Length::Requests(most) => sent.now().min(most),
            Length::Time(time) => millis(started.elapsed().min(time)),
        });
        tokio::time::sleep(LOOK).await;
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
