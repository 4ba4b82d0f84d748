//! What a world consists of, and what may happen in it.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Moment;

use super::super::epochs::{Epochs, Ticket};
use super::super::faults::{Fault, Faults};
use super::super::lease::Timing;
use super::super::protocol::{Effects, Machine, Member, Message};

/// One second of the model is one heartbeat.
pub(super) const TIMING: Timing = Timing {
    heartbeat: Duration::from_secs(1),
    lease: Duration::from_secs(2),
    slack: Duration::ZERO,
    lost: Duration::from_secs(3),
    orphan: Duration::from_secs(2),
};

/// The longest that a write may wait, in seconds: a lease that was granted up to a heartbeat after it began.
pub(super) const LONGEST_WAIT: u64 = 3;

pub(super) const KEY: u64 = 0;

/// What may happen in a world.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scenario {
    /// How many seconds pass.
    pub(super) ticks: u64,
    /// Through which member each write goes.
    pub(super) writers: &'static [usize],
    /// Whose heartbeats arrive. The others' are lost on the way.
    pub(super) polling: &'static [usize],
    /// Which members fill.
    pub(super) filling: &'static [usize],
    /// How many requests fills send.
    pub(super) fills: u8,
    /// Which members may crash.
    pub(super) mortal: &'static [usize],
    pub(super) crashes: u8,
    pub(super) restarts: u8,
    pub(super) fault: Option<Fault>,
    /// Whether readers join fills without looking at the epoch, which is their fault and not the protocol's.
    pub(super) joins_any_fill: bool,
}

/// What happens next.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Deliver(Packet),
    Tick,
    Write(usize),
    Commit(usize),
    Finish(usize),
    Ask(usize),
    Answer(usize),
    Admit(usize),
    Crash(usize),
    Restart(usize),
}

/// A promise that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// A reader would be given a version from before a write.
    OldAnswer,
    /// A write waits longer than any silence can make it.
    EndlessWait,
}

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Packet {
    pub(super) to: usize,
    pub(super) from: usize,
    pub(super) boot: u64,
    pub(super) message: Message,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) boot: u64,
    /// None: crashed.
    pub(super) machine: Option<Machine>,
    pub(super) record: Option<(usize, Ticket)>,
    pub(super) fill: Fill,
}

#[derive(Debug, Clone, Copy, Hash)]
pub(super) enum Fill {
    None,
    Asked(Ticket),
    Answered(Ticket, usize),
}

#[derive(Debug, Clone, Hash)]
pub(super) struct Write {
    pub(super) by: usize,
    pub(super) boot: u64,
    pub(super) number: u64,
    pub(super) phase: Phase,
    /// The version that it made of the object.
    pub(super) version: usize,
    /// Which members must not give older versions from the moment on at which the origin committed it.
    pub(super) binds: [bool; 2],
    /// Which members declared the writer lost while it lived, which is beyond what the protocol promises.
    pub(super) missed: [bool; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    Planned,
    Waiting {
        since: u64,
    },
    Ready,
    Committed,
    Ending {
        since: u64,
    },
    Answered,
    /// Its writer died while its request was at the origin.
    Orphan {
        died: u64,
        heard: [bool; 2],
    },
    /// Its writer died, and nothing more comes of it.
    Dead,
}

pub(super) fn at(time: u64) -> Moment {
    Moment(Duration::from_secs(time))
}

pub(super) fn member(node: usize) -> Member {
    Member::from(["a", "b"][node])
}

pub(super) fn machine(
    node: usize,
    boot: u64,
    time: u64,
    fault: Option<Fault>,
    effects: &mut Effects,
) -> Machine {
    let mut epochs = Epochs::new(1);
    epochs.faults = Faults { injected: fault };
    let mut machine = Machine::member(boot, Arc::new(epochs), TIMING, at(time));
    machine.join(&member(1 - node), at(time), effects);
    machine
}

impl Clone for Node {
    fn clone(&self) -> Self {
        let fork = |machine: &Machine| Machine {
            boot: machine.boot,
            timing: machine.timing,
            epochs: Arc::new(machine.epochs.fork()),
            silent_until: machine.silent_until,
            next_write: machine.next_write,
            peers: machine.peers.clone(),
            own: machine.own.clone(),
            others: machine.others.clone(),
        };
        Self {
            boot: self.boot,
            machine: self.machine.as_ref().map(fork),
            record: self.record,
            fill: self.fill,
        }
    }
}
