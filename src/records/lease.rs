//! What one member knows of another: the leases between them, both ways, and which of the other's writes it has heard of.
//!
//! A lease says: "until then I tell you of every write before I let it go ahead." Its holder counts it from the moment it
//! *asked*, its grantor from the moment it *answered*, plus a slack for clocks that run at different rates; so the grantor
//! always thinks that it ends later than the holder does, however long a message travels.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::Moment;

use super::message::Message;

/// The protocol's times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Between two polls of a member.
    pub heartbeat: Duration,
    /// How long a lease lasts from when it was asked for.
    pub lease: Duration,
    /// What a grantor adds to a lease, for the difference of the clocks' rates while it lasts.
    pub slack: Duration,
    /// How long a member is silent before it is declared lost. More than a lease and its slack.
    pub lost: Duration,
    /// How long the writes that a lost member left open stay open: its last requests may still reach the origin.
    pub orphan: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(250),
            lease: Duration::from_secs(1),
            slack: Duration::from_millis(50),
            lost: Duration::from_secs(3),
            orphan: Duration::from_secs(60),
        }
    }
}

/// Whether a member counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Standing {
    /// In the view and heard of lately, or not yet declared lost: without its lease nothing is believed.
    Known,
    /// In the view, but silent for so long that nobody waits for it; it is polled until it is back.
    Lost,
    /// Not in the view any more.
    Left,
}

/// Another member, as this one sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    pub(super) standing: Standing,
    /// The life that was heard last; later lives have greater numbers. None before the first message.
    pub(super) boot: Option<u64>,
    /// When it was last heard.
    pub(super) heard: Moment,
    /// Until when it tells us of its writes.
    pub(super) lease_until: Moment,
    /// Until when we may not let a write go ahead without it.
    pub(super) granted_until: Moment,
    /// All its writes below this number have ended.
    floor: u64,
    /// Those from the floor on that have ended too.
    ended: BTreeSet<u64>,
    /// How often we gave up its open writes.
    forgotten: u64,
    /// How often it gave up ours, as it last said.
    forgot_ours: u64,
}

impl Peer {
    /// A member that nothing was heard of yet.
    pub(super) fn new(now: Moment) -> Self {
        Self {
            standing: Standing::Known,
            boot: None,
            heard: now,
            lease_until: Moment::default(),
            granted_until: Moment::default(),
            floor: 0,
            ended: BTreeSet::new(),
            forgotten: 0,
            forgot_ours: 0,
        }
    }

    /// A message of the life `boot` has arrived. Says what it means.
    pub(super) fn hear(&mut self, boot: u64, now: Moment) -> Heard {
        let heard = match self.boot {
            Some(known) if boot < known => return Heard::Ghost,
            Some(known) if boot > known => Heard::Reborn,
            None => Heard::Reborn,
            Some(_) if self.standing != Standing::Known => Heard::Back,
            Some(_) => Heard::Again,
        };
        if heard == Heard::Reborn {
            self.floor = 0;
            self.ended.clear();
            self.forgot_ours = 0;
        }
        if heard != Heard::Again {
            self.lease_until = Moment::default();
            self.standing = Standing::Known;
        }
        self.boot = Some(boot);
        self.heard = now;
        heard
    }

    /// Takes a lease that was asked for at `asked`. Says whether there was a gap before it; `None`: it came too late.
    pub(super) fn renew(&mut self, asked: Moment, timing: &Timing, now: Moment) -> Option<Gap> {
        let until = asked.after(timing.lease);
        if until <= now {
            return None;
        }
        let gap = if self.lease_until <= now {
            Gap::Yes
        } else {
            Gap::No
        };
        self.lease_until = self.lease_until.max(until);
        Some(gap)
    }

    /// Asks it for a lease.
    pub(super) fn poll(&self, now: Moment) -> Message {
        Message::Poll {
            asked: now,
            forgotten: self.forgotten,
        }
    }

    /// Its open writes were given up: it has to tell of them again before it is believed.
    pub(super) fn forget(&mut self) {
        self.forgotten += 1;
    }

    /// Whether it gave up writes of ours that it has not told of before.
    pub(super) fn has_forgotten(&mut self, times: u64) -> bool {
        let more = times > self.forgot_ours;
        self.forgot_ours = self.forgot_ours.max(times);
        more
    }

    /// Notes that a lease was granted.
    pub(super) fn grant(&mut self, timing: &Timing, now: Moment) {
        self.granted_until = now.after(timing.lease + timing.slack);
    }

    /// Whether a write has to wait for its acknowledgement.
    pub(super) fn may_answer_unasked(&self, now: Moment) -> bool {
        now < self.granted_until
    }

    /// Whether its write of this number is known to have ended: a `Begin` of it was overtaken.
    pub(super) fn has_ended(&self, write: u64) -> bool {
        write < self.floor || self.ended.contains(&write)
    }

    /// Its write of this number has ended.
    pub(super) fn end(&mut self, write: u64) {
        if write >= self.floor {
            self.ended.insert(write);
        }
    }

    /// All its writes below `floor` have ended.
    pub(super) fn raise_floor(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
        self.ended = self.ended.split_off(&self.floor);
    }
}

/// What a message says about its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing new.
    Again,
    /// It was lost or had left, and is the same life.
    Back,
    /// It is a life that was not known: it knows nothing, and what the one before left open stays open for a while.
    Reborn,
    /// It comes from a life that is over: not to be listened to.
    Ghost,
}

/// Whether a time passed in which nothing was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    Yes,
    No,
}
