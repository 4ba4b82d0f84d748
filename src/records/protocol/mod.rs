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

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Moment;

use super::epochs::Epochs;
use super::faults::Fault;
use super::lease::{Gap, Heard, Peer, Standing, Timing};
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

    /// Tells a member again what it has given up while it thought this one lost.
    fn remember(&mut self, member: &Member, forgotten: u64, effects: &mut Effects) {
        let Some(peer) = self.peers.get_mut(member) else {
            return;
        };
        if peer.has_forgotten(forgotten) {
            self.tell_open_writes(member, effects);
        }
    }

    /// Grants a lease, unless that could hide a write from the member or make a write wait for ever.
    fn grant(&mut self, to: &Life, asked: Moment, now: Moment, effects: &mut Effects) {
        let patience = self.timing.heartbeat;
        let faults = self.epochs.faults;
        let unaware = |own: &Own| match own.phase {
            // For a while it may just not have got round to it; but each lease that it gets is one more to wait for.
            Phase::Beginning { since } | Phase::Ending { since } => {
                now.since(since) > patience && !faults.has(Fault::GrantSilentMembers)
            }
            Phase::Ready => !faults.has(Fault::GrantUnawareMembers),
            Phase::Ended => false,
        };
        let mut owed = self
            .own
            .values()
            .filter(|own| own.owing.contains(&to.member));
        if owed.any(unaware) {
            return;
        }
        if let Some(peer) = self.peers.get_mut(&to.member) {
            peer.grant(&self.timing, now);
        }
        let mut open = self.own.iter().filter(|(_, own)| own.is_open());
        let floor = open.next().map_or(self.next_write, |(write, _)| *write);
        let grant = Message::Grant {
            boot: to.boot,
            asked,
            floor,
        };
        effects.send.push((to.member.clone(), grant));
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

    /// Stops waiting for a member and listening to it.
    fn lose(&mut self, member: &Member, standing: Standing, now: Moment) {
        if let Some(peer) = self.peers.get_mut(member) {
            peer.standing = standing;
            peer.lease_until = Moment::default();
        }
        let orphan = if self.epochs.faults.has(Fault::CloseOrphansAtOnce) {
            Duration::ZERO
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
            if let Some(peer) = self.peers.get_mut(&id.0.member) {
                peer.forget();
            }
            self.forget_other(&id);
        }
    }

    /// Drops members that have left, once nothing is left of them.
    fn drop_left(&mut self, now: Moment) {
        let others = &self.others;
        self.peers.retain(|member, peer| {
            peer.standing != Standing::Left
                || peer.may_answer_unasked(now)
                || others.keys().any(|(life, _)| life.member == *member)
        });
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

#[cfg(test)]
mod tests;
