//! A whole world that a step leads on to the next: members, network, origin and clients.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use crate::clock::Moment;

use super::super::lease::Standing;
use super::super::protocol::{Effects, Life, Machine, Message};
use super::parts::{Broken, Fill, KEY, LONGEST_WAIT, Node, Packet, Phase};
use super::parts::{Scenario, Step, TIMING, Write, at, machine, member};

#[derive(Debug, Clone)]
pub(super) struct World {
    scenario: Scenario,
    time: u64,
    nodes: [Node; 2],
    network: BTreeSet<Packet>,
    /// How many writes the origin has committed: the version that it holds.
    origin: usize,
    writes: Vec<Write>,
    fills_left: u8,
    crashes_left: u8,
    restarts_left: u8,
}

impl World {
    /// Two members that hold each other's leases, as well as records of the first version.
    pub(super) fn new(scenario: &Scenario) -> Self {
        let node = |node| Node {
            boot: 1,
            machine: Some(machine(node, 1, 0, scenario.fault, &mut Effects::default())),
            record: None,
            fill: Fill::None,
        };
        let write = |by: &usize| Write {
            by: *by,
            boot: 1,
            number: 0,
            phase: Phase::Planned,
            version: 0,
            binds: [false; 2],
            missed: [false; 2],
        };
        let mut world = Self {
            scenario: Scenario {
                polling: &[0, 1],
                ..*scenario
            },
            time: 0,
            nodes: [node(0), node(1)],
            network: BTreeSet::new(),
            origin: 0,
            writes: scenario.writers.iter().map(write).collect(),
            fills_left: scenario.fills,
            crashes_left: scenario.crashes,
            restarts_left: scenario.restarts,
        };
        world.on_each(|machine, now, effects| machine.tick(now, effects));
        while let Some(packet) = world.network.first().cloned() {
            world.take(&Step::Deliver(packet));
        }
        world.scenario = *scenario;
        for node in &mut world.nodes {
            let machine = node.machine.as_mut().expect("nobody has crashed");
            machine.silent_until = Moment::default();
            node.record = Some((0, machine.epochs.ticket(KEY)));
        }
        world
    }

    /// Everything that may happen next.
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = self.network.iter().cloned().map(Step::Deliver).collect();
        if self.time < self.scenario.ticks {
            steps.push(Step::Tick);
        }
        for (number, write) in self.writes.iter().enumerate() {
            match write.phase {
                Phase::Planned if self.nodes[write.by].machine.is_some() => {
                    steps.push(Step::Write(number));
                }
                Phase::Ready => steps.push(Step::Commit(number)),
                Phase::Orphan { died, .. } if at(self.time).since(at(died)) < TIMING.orphan => {
                    steps.push(Step::Commit(number));
                }
                Phase::Committed => steps.push(Step::Finish(number)),
                _ => {}
            }
        }
        for (number, node) in self.nodes.iter().enumerate() {
            if node.machine.is_none() {
                if self.restarts_left > 0 {
                    steps.push(Step::Restart(number));
                }
                continue;
            }
            if self.crashes_left > 0 && self.scenario.mortal.contains(&number) {
                steps.push(Step::Crash(number));
            }
            match node.fill {
                Fill::None if self.may_fill(number) => steps.push(Step::Ask(number)),
                Fill::None => {}
                Fill::Asked(_) => steps.push(Step::Answer(number)),
                Fill::Answered(..) => steps.push(Step::Admit(number)),
            }
        }
        steps
    }

    fn may_fill(&self, node: usize) -> bool {
        self.fills_left > 0 && self.scenario.filling.contains(&node)
    }

    pub(super) fn take(&mut self, step: &Step) {
        match step {
            Step::Deliver(packet) => self.deliver(packet),
            Step::Tick => {
                self.time += 1;
                self.on_each(|machine, now, effects| machine.tick(now, effects));
            }
            Step::Write(write) => self.begin(*write),
            Step::Commit(write) => self.commit(*write),
            Step::Finish(write) => {
                let (by, number) = (self.writes[*write].by, self.writes[*write].number);
                self.writes[*write].phase = Phase::Ending { since: self.time };
                self.on(by, |machine, now, effects| {
                    machine.end(number, now, effects)
                });
            }
            Step::Ask(node) => {
                self.fills_left -= 1;
                let node = &mut self.nodes[*node];
                let machine = node.machine.as_ref().expect("only the living fill");
                node.fill = Fill::Asked(machine.epochs.ticket(KEY));
            }
            Step::Answer(node) => {
                if let Fill::Asked(ticket) = self.nodes[*node].fill {
                    self.nodes[*node].fill = Fill::Answered(ticket, self.origin);
                }
            }
            Step::Admit(node) => self.admit(*node),
            Step::Crash(node) => self.crash(*node),
            Step::Restart(node) => {
                self.restarts_left -= 1;
                let mut effects = Effects::default();
                self.nodes[*node].boot += 1;
                let (boot, fault) = (self.nodes[*node].boot, self.scenario.fault);
                let machine = machine(*node, boot, self.time, fault, &mut effects);
                self.nodes[*node].machine = Some(machine);
                self.apply(*node, effects);
            }
        }
        self.note_losses();
    }

    /// Whether every promise holds here.
    pub(super) fn check(&self) -> Result<(), Broken> {
        for write in &self.writes {
            if let Phase::Waiting { since } | Phase::Ending { since } = write.phase
                && self.time - since > LONGEST_WAIT
            {
                return Err(Broken::EndlessWait);
            }
        }
        for (number, node) in self.nodes.iter().enumerate() {
            let Some(machine) = &node.machine else {
                continue;
            };
            let current = |ticket| machine.epochs.is_current(ticket, || at(self.time));
            let least = self.least(number, machine);
            if let Some((version, ticket)) = &node.record
                && *version < least
                && current(ticket)
            {
                return Err(Broken::OldAnswer);
            }
            if let Fill::Answered(ticket, version) = &node.fill
                && *version < least
                && (self.scenario.joins_any_fill || current(ticket))
            {
                return Err(Broken::OldAnswer);
            }
        }
        Ok(())
    }

    /// The oldest version that a reader who comes to a member now may be given.
    fn least(&self, node: usize, machine: &Machine) -> usize {
        let binds = |write: &&Write| {
            // What was missed while its writer was thought lost is seen once the two hear each other again.
            let peer = machine.peers.get(&member(write.by));
            let returned = peer.is_some_and(|peer| {
                peer.standing == Standing::Known && peer.boot >= Some(write.boot)
            });
            let missed = write.missed[node] && write.phase == Phase::Answered;
            write.binds[node] || (missed && returned)
        };
        let versions = self.writes.iter().filter(binds).map(|write| write.version);
        versions.max().unwrap_or(0)
    }

    /// Tells two worlds apart.
    pub(super) fn digest(&self) -> u128 {
        let mut hasher = Xxh3::new();
        let left = (self.fills_left, self.crashes_left, self.restarts_left);
        (self.time, self.origin, left, &self.network, &self.writes).hash(&mut hasher);
        for node in &self.nodes {
            (node.boot, node.record, node.fill).hash(&mut hasher);
            if let Some(machine) = &node.machine {
                (machine.epochs.values(), machine.silent_until).hash(&mut hasher);
                (&machine.peers, &machine.own, &machine.others).hash(&mut hasher);
                machine.next_write.hash(&mut hasher);
            }
        }
        hasher.digest128()
    }

    fn on<T>(
        &mut self,
        node: usize,
        event: impl FnOnce(&mut Machine, Moment, &mut Effects) -> T,
    ) -> Option<T> {
        let mut effects = Effects::default();
        let machine = self.nodes[node].machine.as_mut()?;
        let outcome = event(machine, at(self.time), &mut effects);
        self.apply(node, effects);
        Some(outcome)
    }

    fn on_each(&mut self, event: impl Fn(&mut Machine, Moment, &mut Effects)) {
        for node in 0..self.nodes.len() {
            self.on(node, &event);
        }
    }

    fn apply(&mut self, node: usize, effects: Effects) {
        let boot = self.nodes[node].boot;
        for (to, message) in effects.send {
            let is_poll = matches!(message, Message::Poll { .. });
            if is_poll && !self.scenario.polling.contains(&node) {
                continue;
            }
            let packet = Packet {
                to: usize::from(to == member(1)),
                from: node,
                boot,
                message,
            };
            if self.is_gone(packet.to) {
                continue;
            }
            // A heartbeat that is overtaken by the next of its kind counts as lost.
            let is_heartbeat = |packet: &Packet| {
                matches!(packet.message, Message::Poll { .. } | Message::Grant { .. })
            };
            if is_heartbeat(&packet) {
                let kind = |message: &Message| std::mem::discriminant(message);
                self.network
                    .retain(|old| old.from != node || kind(&old.message) != kind(&packet.message));
            }
            self.network.insert(packet);
        }
        for number in effects.ready {
            self.write_of(node, boot, number).phase = Phase::Ready;
        }
        for number in effects.ended {
            self.write_of(node, boot, number).phase = Phase::Answered;
        }
    }

    /// Whether nothing can reach a member any more.
    fn is_gone(&self, node: usize) -> bool {
        self.nodes[node].machine.is_none() && self.restarts_left == 0
    }

    fn write_of(&mut self, by: usize, boot: u64, number: u64) -> &mut Write {
        let is_it = |write: &&mut Write| {
            (write.by, write.boot, write.number) == (by, boot, number)
                && write.phase != Phase::Planned
        };
        let write = self.writes.iter_mut().find(is_it);
        write.expect("a machine has no other writes")
    }

    fn deliver(&mut self, packet: &Packet) {
        self.network.remove(packet);
        let from = Life {
            member: member(packet.from),
            boot: packet.boot,
        };
        let message = packet.message.clone();
        self.on(packet.to, |machine, now, effects| {
            machine.receive(&from, message, now, effects);
        });
    }

    fn begin(&mut self, write: usize) {
        let by = self.writes[write].by;
        let (now, mut effects) = (at(self.time), Effects::default());
        let machine = self.nodes[by].machine.as_mut();
        let machine = machine.expect("only the living write");
        let number = machine.begin(Arc::from([KEY]), now, &mut effects);
        self.writes[write].boot = self.nodes[by].boot;
        self.writes[write].number = number;
        self.writes[write].phase = Phase::Waiting { since: self.time };
        self.apply(by, effects);
    }

    fn commit(&mut self, write: usize) {
        self.origin += 1;
        let write = &mut self.writes[write];
        write.version = self.origin;
        let heard = match write.phase {
            Phase::Orphan { heard, .. } => {
                write.phase = Phase::Dead;
                heard
            }
            _ => {
                write.phase = Phase::Committed;
                [true; 2]
            }
        };
        for (node, heard) in heard.into_iter().enumerate() {
            write.binds[node] = heard && !write.missed[node];
        }
    }

    fn admit(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        let machine = node.machine.as_ref().expect("only the living fill");
        if let Fill::Answered(ticket, version) = node.fill
            && machine.epochs.is_current(&ticket, || at(self.time))
        {
            node.record = Some((version, ticket));
        }
        node.fill = Fill::None;
    }

    fn crash(&mut self, node: usize) {
        self.crashes_left -= 1;
        let other = 1 - node;
        for write in &mut self.writes {
            if let Phase::Orphan { heard, .. } = &mut write.phase {
                heard[node] = false;
            }
            if write.by != node {
                continue;
            }
            let life = Life {
                member: member(node),
                boot: write.boot,
            };
            let id = (life, write.number);
            let machine = self.nodes[other].machine.as_ref();
            let mut heard = [false; 2];
            heard[other] = machine.is_some_and(|machine| machine.others.contains_key(&id));
            write.phase = match write.phase {
                Phase::Planned | Phase::Answered | Phase::Orphan { .. } => write.phase,
                Phase::Ready => Phase::Orphan {
                    died: self.time,
                    heard,
                },
                _ => Phase::Dead,
            };
        }
        let node = &mut self.nodes[node];
        node.machine = None;
        node.record = None;
        node.fill = Fill::None;
        if self.restarts_left == 0 {
            self.network.retain(|packet| packet.to == other);
        }
    }

    /// Notes which writes are beyond what is promised to a member, because it thinks that their living writer is lost.
    fn note_losses(&mut self) {
        for write in &mut self.writes {
            let lives = self.nodes[write.by].machine.is_some();
            if !lives || !matches!(write.phase, Phase::Waiting { .. } | Phase::Ready) {
                continue;
            }
            for (number, node) in self.nodes.iter().enumerate() {
                let machine = node.machine.as_ref();
                let peer = machine.and_then(|machine| machine.peers.get(&member(write.by)));
                if peer.is_some_and(|peer| peer.standing != Standing::Known) {
                    write.missed[number] = true;
                }
            }
        }
    }
}
