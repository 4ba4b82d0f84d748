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

mod leases;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Moment;

use super::epochs::Epochs;
use super::faults::Fault;
use super::lease::{Peer, Standing, Timing};
use super::writes::{Open, Own, Phase};

pub use super::message::{Effects, Life, Member, Message};

/// One member of a cluster, or the only one.
#[derive(Debug)]
pub struct Machine {
    pub(super) boot: u64,
    pub(super) timing: Timing,
    pub(super) epochs: Arc<Epochs>,
    /// Until then an earlier life of this member may have granted leases.
    pub(super) silent_until: Moment,
    pub(super) next_write: u64,
    pub(super) peers: BTreeMap<Member, Peer>,
    pub(super) own: BTreeMap<u64, Own>,
    pub(super) others: BTreeMap<(Life, u64), Open>,
}

impl Machine {
    /// The only member: writes are ready at once, records are believed for ever.
    pub fn alone(epochs: Arc<Epochs>) -> Self {
        Self {
            boot: 0,
            timing: Timing::default(),
            epochs,
            silent_until: Moment::default(),
            next_write: 0,
            peers: BTreeMap::new(),
            own: BTreeMap::new(),
            others: BTreeMap::new(),
        }
    }

    /// The life `boot` of a member of a cluster, started at `now`, which is to [`join`](Self::join) the others at once. Its first write waits for the leases of a life before this one.
    pub fn member(boot: u64, epochs: Arc<Epochs>, timing: Timing, now: Moment) -> Self {
        let mut machine = Self::alone(epochs);
        machine.boot = boot;
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
        own.phase = Phase::Ending { since: now };
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
        let to_the_dead = message.answers().is_some_and(|boot| boot != self.boot);
        if to_the_dead && !self.epochs.faults.has(Fault::HeedAnswersToTheDead) {
            return;
        }
        match message {
            Message::Poll { asked, forgotten } => {
                self.remember(&from.member, forgotten, effects);
                self.grant(from, asked, now, effects);
            }
            Message::Grant { asked, floor, .. } => self.take_lease(from, asked, floor, now),
            Message::Begin { write, keys } => self.open_other(from, write, keys, effects),
            Message::BeginAck { write, .. } => self.acknowledged(from, write, Own::is_open),
            Message::End { write } => self.close_other(from, write, effects),
            Message::EndAck { write, .. } => self.acknowledged(from, write, |own| !own.is_open()),
        }
        self.settle(now, effects);
    }

    /// A heartbeat has passed: polls, reminds, declares lost and gives up what is due.
    pub fn tick(&mut self, now: Moment, effects: &mut Effects) {
        let is_silent = |peer: &Peer| {
            peer.standing == Standing::Known && now.since(peer.heard) >= self.timing.lost
        };
        let silent = self.peers.iter().filter(|(_, peer)| is_silent(peer));
        let silent: Vec<Member> = silent.map(|(member, _)| member.clone()).collect();
        for member in silent {
            self.lose(&member, Standing::Lost, now);
        }
        self.give_up_orphans(now);
        self.drop_left(now);
        for (member, peer) in &self.peers {
            if peer.standing != Standing::Left {
                effects.send.push((member.clone(), peer.poll(now)));
            }
        }
        for (write, own) in &self.own {
            own.remind(*write, effects);
        }
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
        effects.send.push((member.clone(), peer.poll(now)));
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

    fn open_other(&mut self, from: &Life, write: u64, keys: Arc<[u64]>, effects: &mut Effects) {
        let ended = (self.peers.get(&from.member)).is_some_and(|peer| peer.has_ended(write));
        let id = (from.clone(), write);
        if !ended && !self.others.contains_key(&id) {
            keys.iter().for_each(|key| self.epochs.open(*key));
            self.others.insert(id, Open { keys, until: None });
        }
        let boot = from.boot;
        let ack = Message::BeginAck { boot, write };
        effects.send.push((from.member.clone(), ack));
    }

    fn close_other(&mut self, from: &Life, write: u64, effects: &mut Effects) {
        if let Some(peer) = self.peers.get_mut(&from.member) {
            peer.end(write);
        }
        self.forget_other(&(from.clone(), write));
        let boot = from.boot;
        let ack = Message::EndAck { boot, write };
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
                Phase::Ending { .. } if !waits => {
                    own.phase = Phase::Ended;
                    effects.ended.push(*write);
                }
                Phase::Beginning { .. } | Phase::Ready | Phase::Ending { .. } | Phase::Ended => {}
            }
            if own.phase == Phase::Ended {
                // Who is lost learns it from the floor in its next lease.
                own.owing.retain(|member| !is_lost(member));
            }
        }
        self.own
            .retain(|_, own| own.phase != Phase::Ended || !own.owing.is_empty());
    }
}

#[cfg(test)]
mod tests;
