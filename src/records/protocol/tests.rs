//! Single histories, told step by step; `model/` explores the others.

use std::time::Duration;

use super::*;

const KEY: u64 = 7;

/// A member and what it wants sent.
struct Node {
    life: Life,
    machine: Machine,
}

fn at(milliseconds: u64) -> Moment {
    Moment(Duration::from_millis(milliseconds))
}

fn node(name: &str, boot: u64) -> Node {
    let member = Member::from(name);
    let epochs = Arc::new(Epochs::new(16));
    let mut machine = Machine::member(boot, epochs, Timing::default(), at(0));
    machine.silent_until = at(0);
    Node {
        life: Life { member, boot },
        machine,
    }
}

impl Node {
    fn does(&mut self, event: impl FnOnce(&mut Machine, &mut Effects)) -> Effects {
        let mut effects = Effects::default();
        event(&mut self.machine, &mut effects);
        effects
    }

    /// Hears what `sent` has for it, and gives what it answers.
    fn hears(&mut self, from: &Life, sent: &Effects, now: Moment) -> Effects {
        let me = self.life.member.clone();
        self.does(|machine, effects| {
            for (_, message) in sent.send.iter().filter(|(to, _)| *to == me) {
                machine.receive(from, message.clone(), now, effects);
            }
        })
    }

    fn begins(&mut self, now: Moment) -> Effects {
        self.does(|machine, effects| {
            machine.begin(Arc::from([KEY]), now, effects);
        })
    }

    fn ends(&mut self, write: u64, now: Moment) -> Effects {
        self.does(|machine, effects| machine.end(write, now, effects))
    }

    fn ticks(&mut self, now: Moment) -> Effects {
        self.does(|machine, effects| machine.tick(now, effects))
    }

    fn believes(&self, now: Moment) -> bool {
        let ticket = self.machine.epochs.ticket(KEY);
        self.machine.epochs.is_current(&ticket, || now)
    }

    fn has_open(&self) -> bool {
        self.machine.epochs.is_open(KEY)
    }
}

/// One heartbeat of both, of which everything arrives.
fn heartbeat(a: &mut Node, b: &mut Node, now: Moment) {
    let (polls, others) = (a.ticks(now), b.ticks(now));
    let answers = b.hears(&a.life, &polls, now);
    let more = a.hears(&b.life, &others, now);
    let last = a.hears(&b.life, &answers, now);
    b.hears(&a.life, &more, now);
    b.hears(&a.life, &last, now);
}

/// Two members that hold each other's leases from time 0.
fn two() -> (Node, Node) {
    let (mut a, mut b) = (node("a", 1), node("b", 1));
    a.does(|machine, effects| machine.join(&Member::from("b"), at(0), effects));
    b.does(|machine, effects| machine.join(&Member::from("a"), at(0), effects));
    assert!(!a.believes(at(0)) && !b.believes(at(0)));
    heartbeat(&mut a, &mut b, at(0));
    assert!(a.believes(at(0)) && b.believes(at(0)));
    (a, b)
}

#[test]
fn alone_a_write_is_ready_and_ended_at_once_and_nothing_is_sent() {
    let mut machine = Machine::alone(Arc::new(Epochs::new(16)));
    let mut effects = Effects::default();
    let write = machine.begin(Arc::from([KEY]), at(0), &mut effects);
    assert_eq!((&effects.ready, effects.send.len()), (&vec![write], 0));
    let mut effects = Effects::default();
    machine.end(write, at(0), &mut effects);
    assert_eq!((&effects.ended, effects.send.len()), (&vec![write], 0));
    assert!(machine.own.is_empty());
}

#[test]
fn a_write_is_ready_when_the_other_member_has_heard_of_it() {
    let (mut a, mut b) = two();
    let begin = a.begins(at(1));
    assert!(begin.ready.is_empty());
    let ack = b.hears(&a.life, &begin, at(2));
    assert!(b.has_open() && !b.believes(at(2)));
    assert_eq!(a.hears(&b.life, &ack, at(3)).ready, [0]);
    let end = a.ends(0, at(4));
    let ack = b.hears(&a.life, &end, at(5));
    assert!(!b.has_open() && b.believes(at(5)));
    assert_eq!(a.hears(&b.life, &ack, at(6)).ended, [0]);
}

#[test]
fn a_silent_member_costs_a_writer_one_lease_and_believes_nothing_then() {
    let (mut a, b) = two();
    assert!(a.begins(at(10)).ready.is_empty());
    assert!(a.ticks(at(1_000)).ready.is_empty());
    assert_eq!(a.ticks(at(1_050)).ready, [0]);
    assert!(b.believes(at(999)) && !b.believes(at(1_000)));
}

#[test]
fn a_member_that_is_declared_lost_is_not_waited_for() {
    let (mut a, _) = two();
    a.ticks(at(3_000));
    assert!(a.believes(at(3_000)));
    let begin = a.begins(at(3_001));
    assert_eq!((begin.ready, begin.send.len()), (vec![0], 0));
}

#[test]
fn the_writes_of_a_lost_member_stay_open_for_a_minute() {
    let (mut a, mut b) = two();
    let begin = a.begins(at(10));
    b.hears(&a.life, &begin, at(10));
    b.ticks(at(3_010));
    b.ticks(at(63_009));
    assert!(b.has_open());
    b.ticks(at(63_010));
    assert!(!b.has_open() && b.believes(at(63_010)));
}

#[test]
fn whoever_gave_up_the_writes_of_a_living_member_is_told_again_before_it_believes() {
    let (mut a, mut b) = two();
    let begin = a.begins(at(10));
    let ack = b.hears(&a.life, &begin, at(10));
    assert_eq!(a.hears(&b.life, &ack, at(10)).ready, [0]);
    // a hears b all the time, so that it never thinks that b may have forgotten; b hears nothing.
    for now in (250..70_000).step_by(250) {
        let poll = b.ticks(at(now));
        a.hears(&b.life, &poll, at(now));
        a.ticks(at(now));
    }
    assert!(!b.has_open());
    let poll = b.ticks(at(70_000));
    let told = a.hears(&b.life, &poll, at(70_000));
    let is_grant = |(_, message): &(Member, Message)| matches!(message, Message::Grant { .. });
    assert!(!told.send.iter().any(is_grant));
    let reminder = a.ticks(at(70_000));
    let ack = b.hears(&a.life, &reminder, at(70_000));
    assert!(b.has_open());
    a.hears(&b.life, &ack, at(70_000));
    heartbeat(&mut a, &mut b, at(70_250));
    assert!(!b.believes(at(70_250)));
    let end = a.ends(0, at(70_260));
    b.hears(&a.life, &end, at(70_260));
    assert!(b.believes(at(70_260)));
}

#[test]
fn a_begin_that_its_end_has_overtaken_opens_nothing() {
    let (mut a, mut b) = two();
    let begin = a.begins(at(10));
    let end = a.ends(0, at(11));
    b.hears(&a.life, &end, at(12));
    b.hears(&a.life, &begin, at(13));
    assert!(!b.has_open());
    // Long after, when the number is below the floor of a's leases.
    heartbeat(&mut a, &mut b, at(250));
    b.hears(&a.life, &begin, at(260));
    assert!(!b.has_open());
}

#[test]
fn a_lease_closes_the_writes_whose_end_was_lost() {
    let (mut a, mut b) = two();
    let begin = a.begins(at(10));
    b.hears(&a.life, &begin, at(10));
    let _lost = a.ends(0, at(11));
    assert!(b.has_open());
    let poll = b.ticks(at(250));
    let grant = a.hears(&b.life, &poll, at(250));
    b.hears(&a.life, &grant, at(250));
    assert!(!b.has_open());
}

#[test]
fn an_acknowledgement_of_an_earlier_life_counts_for_nothing() {
    let (mut a, mut b) = two();
    let begin = a.begins(at(10));
    let late = b.hears(&a.life, &begin, at(10));
    let mut again = node("a", 2);
    again.does(|machine, effects| machine.join(&Member::from("b"), at(20), effects));
    heartbeat(&mut again, &mut b, at(20));
    assert!(again.begins(at(30)).ready.is_empty());
    assert!(again.hears(&b.life, &late, at(31)).ready.is_empty());
    // And what the earlier life still says is not heard.
    let ghost = a.ends(0, at(32));
    assert!(b.hears(&a.life, &ghost, at(33)).send.is_empty());
    assert!(b.has_open());
}

#[test]
fn a_member_that_left_is_forgotten_when_its_lease_is_over() {
    let (mut a, b) = two();
    a.does(|machine, effects| machine.leave(&b.life.member, at(10), effects));
    assert!(a.believes(at(5_000)));
    assert!(a.begins(at(20)).ready.is_empty());
    assert_eq!(a.ticks(at(1_050)).ready, [0]);
    assert!(a.machine.peers.is_empty());
}
