//! Whom a member hears and believes, and whom it grants what: the part of the machine that deals with silence.

use std::time::Duration;

use crate::clock::Moment;

use super::super::faults::Fault;
use super::super::lease::{Gap, Heard, Peer, Standing};
use super::super::message::{Effects, Life, Member, Message};
use super::super::writes::{Open, Own, Phase};
use super::Machine;

impl Machine {
    /// Notes who is heard. Says whether to listen.
    pub(super) fn hear(&mut self, from: &Life, now: Moment, effects: &mut Effects) -> bool {
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
    pub(super) fn tell_open_writes(&mut self, member: &Member, effects: &mut Effects) {
        for (write, own) in self.own.iter_mut().filter(|(_, own)| own.is_open()) {
            own.owing.insert(member.clone());
            let begin = own.message(*write);
            effects.send.push((member.clone(), begin));
        }
    }

    /// Tells a member again what it has given up while it thought this one lost.
    pub(super) fn remember(&mut self, member: &Member, forgotten: u64, effects: &mut Effects) {
        let Some(peer) = self.peers.get_mut(member) else {
            return;
        };
        if peer.has_forgotten(forgotten) {
            self.tell_open_writes(member, effects);
        }
    }

    /// Grants a lease, unless that could hide a write from the member or make a write wait for ever.
    pub(super) fn grant(&mut self, to: &Life, asked: Moment, now: Moment, effects: &mut Effects) {
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

    pub(super) fn take_lease(&mut self, from: &Life, asked: Moment, floor: u64, now: Moment) {
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

    /// Stops waiting for a member and listening to it.
    pub(super) fn lose(&mut self, member: &Member, standing: Standing, now: Moment) {
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

    pub(super) fn give_up_orphans(&mut self, now: Moment) {
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
    pub(super) fn drop_left(&mut self, now: Moment) {
        let others = &self.others;
        self.peers.retain(|member, peer| {
            peer.standing != Standing::Left
                || peer.may_answer_unasked(now)
                || others.keys().any(|(life, _)| life.member == *member)
        });
    }

    /// Believes records until the first lease ends.
    pub(super) fn trust(&self) {
        let known = |peer: &&Peer| peer.standing == Standing::Known;
        let leases = self
            .peers
            .values()
            .filter(known)
            .map(|peer| peer.lease_until);
        self.epochs.trust_until(leases.min());
    }
}
