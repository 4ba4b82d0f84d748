//! The epoch protocol as a pure state machine: what one member does about its own writes and those of the others.
//!
//! Events go in with the time as an argument, [`Effects`] come out as values; nothing here waits, sends or reads a clock.
//! A write is *ready* (may go to its origin) once every other member has acknowledged its `Begin` or holds no lease any more
//! and so believes no record. From then on whoever has not acknowledged gets no lease until it has.
//!
//! ```text
//! writer  -- Begin --> member: raises the epoch, counts the write as open      member -- Poll  --> writer
//!         <- BeginAck --                                                              <- Grant --  (250 ms; lasts 1 s)
//!         ... the origin answers ...
//!         -- End ----> member: raises the epoch, the write is closed
//!         <- EndAck ----
//! ```
//!
//! What is not here: who the members are (the caller's view), how messages travel (they may be lost, doubled, delayed and
//! reordered), and the records themselves, which hold a [`Ticket`](super::epochs::Ticket) and are believed while it is current.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clock::Moment;

use super::epochs::Epochs;
use super::faults::Fault;
use super::lease::{Gap, Heard, Peer, Standing, Timing};

/// A member's stable name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Member(Arc<str>);

impl From<&str> for Member {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

/// One life of a member: its name, and a number that grows with every start.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Life {
    pub member: Member,
    pub boot: u64,
}

/// What members tell each other. Every message travels with the [`Life`] that sends it; `write` numbers that life's writes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Message {
    /// The sender asks for a lease; `asked` is its own time and comes back with the answer.
    Poll { asked: Moment },
    /// The receiver hears of every write of the sender until one lease after `asked`. Every write below `floor` has ended.
    Grant { asked: Moment, floor: u64 },
    /// A write to the keys with these hashes is about to go to the origin.
    Begin { write: u64, keys: Arc<[u64]> },
    /// The receiver's `Begin` was heard.
    BeginAck { write: u64 },
    /// The origin has answered, or nobody will know.
    End { write: u64 },
    /// The receiver's `End` was heard.
    EndAck { write: u64 },
}

/// What is to be done after an event, in this order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Messages to members, to be sent at most once each.
    pub send: Vec<(Member, Message)>,
    /// Own writes that may go to their origin now.
    pub ready: Vec<u64>,
    /// Own writes whose client may be answered now.
    pub ended: Vec<u64>,
}

/// One member of a cluster, or the only one.
#[derive(Debug)]
pub struct Machine {
    pub(super) timing: Timing,
    pub(super) epochs: Arc<Epochs>,
    /// Until then an earlier life of this member may have granted leases.
    pub(super) silent_until: Moment,
    pub(super) next_write: u64,
    pub(super) peers: BTreeMap<Member, Peer>,
    pub(super) own: BTreeMap<u64, Own>,
    pub(super) others: BTreeMap<(Life, u64), Open>,
}

/// A write of this member.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Own {
    pub(super) keys: Arc<[u64]>,
    pub(super) phase: Phase,
    /// Who has not acknowledged the message of this phase.
    owing: BTreeSet<Member>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// Not at the origin yet.
    Beginning { since: Moment },
    /// May be at the origin.
    Ready,
    /// Past the origin; the client is not answered yet.
    Ending,
    /// Over, but for those who have not heard.
    Ended,
}

/// A write of another member.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Open {
    keys: Arc<[u64]>,
    /// When it is given up; set when its writer is lost.
    until: Option<Moment>,
}

impl Machine {
    /// The only member: writes are ready at once, records are believed for ever.
    pub fn alone(epochs: Arc<Epochs>) -> Self {
        Self {
            timing: Timing::default(),
            epochs,
            silent_until: Moment::default(),
            next_write: 0,
            peers: BTreeMap::new(),
            own: BTreeMap::new(),
            others: BTreeMap::new(),
        }
    }

    /// A member of a cluster that was started at `now`. Its first write waits for the leases of a life before this one.
    pub fn member(epochs: Arc<Epochs>, timing: Timing, now: Moment) -> Self {
        let mut machine = Self::alone(epochs);
        machine.timing = timing;
        if !machine.epochs.faults.has(Fault::ProceedAfterRestart) {
            machine.silent_until = now.after(timing.lease + timing.slack);
        }
        machine
    }

    /// A write to the keys with these hashes begins. Returns its number; it is ready when the effects say so.
    pub fn begin(&mut self, keys: Arc<[u64]>, now: Moment, effects: &mut Effects) -> u64 {
        let write = self.next_write;
        self.next_write += 1;
        keys.iter().for_each(|key| self.epochs.open(*key));
        let asked = |peer: &Peer| peer.standing == Standing::Known || peer.may_answer_unasked(now);
        let owing = self.peers.iter().filter(|(_, peer)| asked(peer));
        let own = Own {
            keys,
            phase: Phase::Beginning { since: now },
            owing: owing.map(|(member, _)| member.clone()).collect(),
        };
        own.remind(write, effects);
        self.own.insert(write, own);
        self.settle(now, effects);
        write
    }

    /// The origin has answered a write, or nobody will know whether it did.
    pub fn end(&mut self, write: u64, now: Moment, effects: &mut Effects) {
        let Some(own) = self.own.get_mut(&write) else {
            return;
        };
        if !own.is_open() {
            return;
        }
        own.keys.iter().for_each(|key| self.epochs.close(*key));
        own.phase = Phase::Ending;
        let known = |peer: &Peer| peer.standing == Standing::Known;
        let owing = self.peers.iter().filter(|(_, peer)| known(peer));
        own.owing = owing.map(|(member, _)| member.clone()).collect();
        own.remind(write, effects);
        self.settle(now, effects);
    }

    /// A message has arrived from a life of another member.
    pub fn receive(&mut self, from: &Life, message: Message, now: Moment, effects: &mut Effects) {
        if !self.hear(from, now, effects) {
            return;
        }
        match message {
            Message::Poll { asked } => self.grant(&from.member, asked, now, effects),
            Message::Grant { asked, floor } => self.take_lease(from, asked, floor, now),
            Message::Begin { write, keys } => self.open_other(from, write, keys, effects),
            Message::BeginAck { write } => self.acknowledged(from, write, Own::is_open),
            Message::End { write } => self.close_other(from, write, effects),
            Message::EndAck { write } => self.acknowledged(from, write, |own| !own.is_open()),
        }
        self.settle(now, effects);
    }

    /// A heartbeat has passed: polls, reminds, declares lost and gives up what is due.
    pub fn tick(&mut self, now: Moment, effects: &mut Effects) {
        let (mut silent, mut polled) = (Vec::new(), Vec::new());
        for (member, peer) in &self.peers {
            if peer.standing == Standing::Known && now.since(peer.heard) >= self.timing.lost {
                silent.push(member.clone());
            }
            if peer.standing != Standing::Left {
                polled.push(member.clone());
            }
        }
        for member in silent {
            self.lose(&member, Standing::Lost, now);
        }
        for member in polled {
            effects.send.push((member, Message::Poll { asked: now }));
        }
        for (write, own) in &self.own {
            own.remind(*write, effects);
        }
        self.give_up_orphans(now);
        self.settle(now, effects);
    }

    /// The view has a member that it did not have.
    pub fn join(&mut self, member: &Member, now: Moment, effects: &mut Effects) {
        let peer = self.peers.entry(member.clone());
        let peer = peer.or_insert_with(|| Peer::new(now));
        if peer.standing == Standing::Left {
            peer.standing = Standing::Known;
            peer.heard = now;
        }
        effects
            .send
            .push((member.clone(), Message::Poll { asked: now }));
        self.tell_open_writes(member, effects);
        self.trust();
    }

    /// The view has lost a member for good.
    pub fn leave(&mut self, member: &Member, now: Moment, effects: &mut Effects) {
        if self.peers.contains_key(member) {
            self.lose(member, Standing::Left, now);
            self.settle(now, effects);
        }
    }

    /// Notes who is heard. Says whether to listen.
    fn hear(&mut self, from: &Life, now: Moment, effects: &mut Effects) -> bool {
        let peer = self.peers.entry(from.member.clone());
        let peer = peer.or_insert_with(|| Peer::new(now));
        let heard = peer.hear(from.boot, now);
        match heard {
            Heard::Ghost => return false,
            Heard::Again => return true,
            Heard::Back | Heard::Reborn => {}
        }
        let until = now.after(self.timing.orphan);
        for ((life, _), open) in &mut self.others {
            if life == from {
                open.until = None;
            } else if life.member == from.member {
                open.until.get_or_insert(until);
            }
        }
        if !self.epochs.faults.has(Fault::ForgetOpenWritesOnReturn) {
            self.tell_open_writes(&from.member, effects);
        }
        self.trust();
        true
    }

    /// Makes a member owe an acknowledgement of every own write that is open: it may not know of them.
    fn tell_open_writes(&mut self, member: &Member, effects: &mut Effects) {
        for (write, own) in self.own.iter_mut().filter(|(_, own)| own.is_open()) {
            own.owing.insert(member.clone());
            let begin = own.message(*write);
            effects.send.push((member.clone(), begin));
        }
    }

    /// Grants a lease, unless that could hide a write from the member or make a write wait for ever.
    fn grant(&mut self, member: &Member, asked: Moment, now: Moment, effects: &mut Effects) {
        let patience = self.timing.heartbeat;
        let faults = self.epochs.faults;
        let unaware = |own: &Own| match own.phase {
            Phase::Beginning { since } => {
                now.since(since) > patience && !faults.has(Fault::GrantSilentMembers)
            }
            Phase::Ready => !faults.has(Fault::GrantUnawareMembers),
            Phase::Ending | Phase::Ended => false,
        };
        let mut owed = self.own.values().filter(|own| own.owing.contains(member));
        if owed.any(unaware) {
            return;
        }
        if let Some(peer) = self.peers.get_mut(member) {
            peer.grant(&self.timing, now);
        }
        let mut open = self.own.iter().filter(|(_, own)| own.is_open());
        let floor = open.next().map_or(self.next_write, |(write, _)| *write);
        let grant = Message::Grant { asked, floor };
        effects.send.push((member.clone(), grant));
    }

    fn take_lease(&mut self, from: &Life, asked: Moment, floor: u64, now: Moment) {
        let Some(peer) = self.peers.get_mut(&from.member) else {
            return;
        };
        peer.raise_floor(floor);
        let gap = peer.renew(asked, &self.timing, now);
        let below = (from.clone(), 0)..(from.clone(), floor);
        let ended: Vec<u64> = self
            .others
            .range(below)
            .map(|((_, write), _)| *write)
            .collect();
        for write in ended {
            self.forget_other(&(from.clone(), write));
        }
        // Before trust is renewed, so that nobody sees old records trusted.
        if gap == Some(Gap::Yes) && !self.epochs.faults.has(Fault::KeepRecordsOnReturn) {
            self.epochs.raise_all();
        }
        self.trust();
    }

    fn open_other(&mut self, from: &Life, write: u64, keys: Arc<[u64]>, effects: &mut Effects) {
        let ended = (self.peers.get(&from.member)).is_some_and(|peer| peer.has_ended(write));
        let id = (from.clone(), write);
        if !ended && !self.others.contains_key(&id) {
            keys.iter().for_each(|key| self.epochs.open(*key));
            self.others.insert(id, Open { keys, until: None });
        }
        let ack = Message::BeginAck { write };
        effects.send.push((from.member.clone(), ack));
    }

    fn close_other(&mut self, from: &Life, write: u64, effects: &mut Effects) {
        if let Some(peer) = self.peers.get_mut(&from.member) {
            peer.end(write);
        }
        self.forget_other(&(from.clone(), write));
        let ack = Message::EndAck { write };
        effects.send.push((from.member.clone(), ack));
    }

    fn forget_other(&mut self, id: &(Life, u64)) {
        if let Some(open) = self.others.remove(id) {
            open.keys.iter().for_each(|key| self.epochs.close(*key));
        }
    }

    fn acknowledged(&mut self, from: &Life, write: u64, expected: impl Fn(&Own) -> bool) {
        if let Some(own) = self.own.get_mut(&write).filter(|own| expected(own)) {
            own.owing.remove(&from.member);
        }
    }

    /// Stops waiting for a member and listening to it.
    fn lose(&mut self, member: &Member, standing: Standing, now: Moment) {
        if let Some(peer) = self.peers.get_mut(member) {
            peer.standing = standing;
            peer.lease_until = Moment::default();
        }
        let orphan = if self.epochs.faults.has(Fault::CloseOrphansAtOnce) {
            std::time::Duration::ZERO
        } else {
            self.timing.orphan
        };
        for ((life, _), open) in &mut self.others {
            if life.member == *member {
                open.until.get_or_insert(now.after(orphan));
            }
        }
        // It may have written while it was not heard. Before trust is renewed, so that nobody sees old records trusted.
        if !self.epochs.faults.has(Fault::KeepRecordsOnLoss) {
            self.epochs.raise_all();
        }
        self.trust();
    }

    fn give_up_orphans(&mut self, now: Moment) {
        let due = |open: &Open| open.until.is_some_and(|until| until <= now);
        let due = self.others.iter().filter(|(_, open)| due(open));
        let due: Vec<_> = due.map(|(id, _)| id.clone()).collect();
        for id in due {
            self.forget_other(&id);
        }
    }

    /// Lets go ahead what need not wait any more.
    fn settle(&mut self, now: Moment, effects: &mut Effects) {
        let peers = &self.peers;
        let faults = self.epochs.faults;
        let holds_lease = |member: &Member| {
            !faults.has(Fault::ProceedUnacknowledged)
                && (peers.get(member)).is_some_and(|peer| peer.may_answer_unasked(now))
        };
        let is_lost = |member: &Member| {
            (peers.get(member)).is_none_or(|peer| peer.standing != Standing::Known)
        };
        for (write, own) in &mut self.own {
            let waits = own.owing.iter().any(holds_lease);
            match own.phase {
                Phase::Beginning { .. } if !waits && now >= self.silent_until => {
                    own.phase = Phase::Ready;
                    effects.ready.push(*write);
                }
                Phase::Ending if !waits => {
                    own.phase = Phase::Ended;
                    effects.ended.push(*write);
                }
                Phase::Beginning { .. } | Phase::Ready | Phase::Ending | Phase::Ended => {}
            }
            if own.phase == Phase::Ended {
                // Who is lost learns it from the floor in its next lease.
                own.owing.retain(|member| !is_lost(member));
            }
        }
        self.own
            .retain(|_, own| own.phase != Phase::Ended || !own.owing.is_empty());
    }

    /// Believes records until the first lease ends.
    fn trust(&self) {
        let known = |peer: &&Peer| peer.standing == Standing::Known;
        let leases = self
            .peers
            .values()
            .filter(known)
            .map(|peer| peer.lease_until);
        self.epochs.trust_until(leases.min());
    }
}

impl Own {
    /// Whether the origin may still change by it.
    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Beginning { .. } | Phase::Ready)
    }

    fn message(&self, write: u64) -> Message {
        if self.is_open() {
            let keys = Arc::clone(&self.keys);
            Message::Begin { write, keys }
        } else {
            Message::End { write }
        }
    }

    /// Sends the message of this phase to those who have not acknowledged it.
    fn remind(&self, write: u64, effects: &mut Effects) {
        for member in &self.owing {
            effects.send.push((member.clone(), self.message(write)));
        }
    }
}
