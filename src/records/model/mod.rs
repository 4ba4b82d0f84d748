//! The model test: explores every history of small worlds with two members, one key, writers, readers, fills and fate.
//!
//! A depth-first search over whole worlds: two machines, their records and fills, the messages between them and the origin.
//! Each step delivers a message (in any order, late, or never), moves time on, or lets a client, the origin, a crash or a
//! restart happen. Readers are not actors: after every step it is asked what a reader who came now would be given. Worlds
//! that were seen are not explored again. Each [`Fault`] must be found; the other tests show that there is nothing to find
//! without one.
//!
//! What it leaves out: both members' clocks are one, a heartbeat that is overtaken by the next counts as lost, and where time
//! passes only the reader's member asks for leases.

mod parts;
mod world;

use std::collections::HashSet;

use super::faults::Fault;

use parts::{Broken, Scenario, Step};
use world::World;

/// Explores all histories of a scenario. Gives the number of worlds, or the history that breaks a promise.
fn explore(scenario: &Scenario) -> Result<usize, (Broken, Vec<Step>)> {
    let start = World::new(scenario);
    let mut seen = HashSet::from([start.digest()]);
    let mut path: Vec<Step> = Vec::new();
    // A world, the steps that it still has to try, and whether a step led to it.
    let mut stack = vec![(start.steps(), start)];
    while let Some((steps, world)) = stack.last_mut() {
        let Some(step) = steps.pop() else {
            stack.pop();
            path.pop();
            continue;
        };
        let mut next = world.clone();
        next.take(&step);
        path.push(step);
        if let Err(broken) = next.check() {
            return Err((broken, path));
        }
        if seen.insert(next.digest()) {
            stack.push((next.steps(), next));
        } else {
            path.pop();
        }
    }
    Ok(seen.len())
}

fn holds(scenario: &Scenario) -> usize {
    match explore(scenario) {
        Ok(worlds) => worlds,
        Err((broken, path)) => panic!("{broken:?} after {path:#?}"),
    }
}

fn finds(fault: Fault, broken: Broken, scenario: Scenario) {
    let scenario = Scenario {
        fault: Some(fault),
        ..scenario
    };
    match explore(&scenario) {
        Ok(worlds) => panic!("{fault:?} went unnoticed in {worlds} worlds"),
        Err((found, path)) => assert_eq!(found, broken, "{path:#?}"),
    }
}

/// No time passes: leases hold, and everything races with everything.
const RACE: Scenario = Scenario {
    ticks: 0,
    writers: &[0],
    polling: &[],
    filling: &[0, 1],
    fills: 4,
    mortal: &[],
    crashes: 0,
    restarts: 0,
    fault: None,
    joins_any_fill: false,
};

/// Time passes: messages come late or not at all, leases end, a member declares the other lost.
const SILENCE: Scenario = Scenario {
    ticks: 3,
    polling: &[1],
    filling: &[1],
    fills: 1,
    ..RACE
};

/// Nobody reads, and it takes longer: does every write come to its end?
const PATIENCE: Scenario = Scenario {
    ticks: 4,
    fills: 0,
    ..SILENCE
};

const WRITER_DIES: Scenario = Scenario {
    mortal: &[0],
    crashes: 1,
    ..SILENCE
};

const WRITER_RESTARTS: Scenario = Scenario {
    ticks: 2,
    restarts: 1,
    ..WRITER_DIES
};

/// No heartbeats, but a client that sends its write again when the writer is back.
const WRITER_RETRIES: Scenario = Scenario {
    writers: &[0, 0],
    polling: &[],
    fills: 0,
    ..WRITER_RESTARTS
};

const READER_RESTARTS: Scenario = Scenario {
    ticks: 1,
    mortal: &[1],
    ..WRITER_RESTARTS
};

#[test]
fn one_write_and_four_fills_in_any_order() {
    let worlds = holds(&RACE);
    assert!(worlds > 1_000, "{worlds}");
}

#[test]
fn two_writes_through_both_members_in_any_order() {
    let worlds = holds(&Scenario {
        writers: &[0, 1],
        fills: 2,
        ..RACE
    });
    assert!(worlds > 1_000, "{worlds}");
}

#[test]
fn a_write_and_a_fill_through_silence() {
    let worlds = holds(&SILENCE);
    assert!(worlds > 1_000, "{worlds}");
}

#[test]
fn a_write_through_a_long_silence() {
    let worlds = holds(&PATIENCE);
    assert!(worlds > 1_000, "{worlds}");
}

#[test]
fn a_write_and_a_fill_and_the_death_of_the_writer() {
    let worlds = holds(&WRITER_DIES);
    assert!(worlds > 1_000, "{worlds}");
}

#[test]
fn a_write_and_a_fill_and_a_restart_of_the_writer() {
    let worlds = holds(&WRITER_RESTARTS);
    assert!(worlds > 1_000, "{worlds}");
}

#[test]
fn two_writes_and_a_restart_of_the_writer() {
    let worlds = holds(&WRITER_RETRIES);
    assert!(worlds > 1_000, "{worlds}");
}

#[test]
fn a_write_and_a_fill_and_a_restart_of_the_reader() {
    let worlds = holds(&READER_RESTARTS);
    assert!(worlds > 1_000, "{worlds}");
}

#[test]
fn every_fault_in_the_race_of_writes_and_fills_is_found() {
    finds(Fault::KeepEpochOnEnd, Broken::OldAnswer, RACE);
    finds(Fault::IgnoreOpenWrites, Broken::OldAnswer, RACE);
    finds(Fault::ProceedUnacknowledged, Broken::OldAnswer, RACE);
}

#[test]
fn a_reader_that_joins_a_fill_from_before_a_write_is_found() {
    let scenario = Scenario {
        joins_any_fill: true,
        ..RACE
    };
    let found = explore(&scenario).map_err(|(broken, _)| broken);
    assert_eq!(found, Err(Broken::OldAnswer));
}

#[test]
fn every_fault_in_silence_is_found() {
    finds(Fault::TrustWithoutLease, Broken::OldAnswer, SILENCE);
    finds(Fault::KeepRecordsOnReturn, Broken::OldAnswer, SILENCE);
    finds(Fault::KeepRecordsOnLoss, Broken::OldAnswer, SILENCE);
    finds(Fault::GrantUnawareMembers, Broken::OldAnswer, SILENCE);
    finds(Fault::GrantSilentMembers, Broken::EndlessWait, PATIENCE);
}

#[test]
fn every_fault_about_the_dead_is_found() {
    use Broken::OldAnswer;
    finds(Fault::CloseOrphansAtOnce, OldAnswer, WRITER_DIES);
    finds(Fault::ProceedAfterRestart, OldAnswer, WRITER_RESTARTS);
    finds(Fault::ForgetOpenWritesOnReturn, OldAnswer, READER_RESTARTS);
    finds(Fault::HeedAnswersToTheDead, OldAnswer, READER_RESTARTS);
}
