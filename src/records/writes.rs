//! Writes that are under way, as the protocol sees them: this member's own, and those that it has heard of.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::clock::Moment;

use super::message::{Effects, Member, Message};

/// A write of this member.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Own {
    pub(super) keys: Arc<[u64]>,
    pub(super) phase: Phase,
    /// Who has not acknowledged the message of this phase.
    pub(super) owing: BTreeSet<Member>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// Not at the origin yet.
    Beginning { since: Moment },
    /// May be at the origin.
    Ready,
    /// Past the origin; the client is not answered yet.
    Ending { since: Moment },
    /// Over, but for those who have not heard.
    Ended,
}

/// A write of another member.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Open {
    pub(super) keys: Arc<[u64]>,
    /// When it is given up; set when its writer is lost.
    pub(super) until: Option<Moment>,
}

impl Own {
    /// Whether the origin may still change by it.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Beginning { .. } | Phase::Ready)
    }

    pub(super) fn message(&self, write: u64) -> Message {
        if self.is_open() {
            let keys = Arc::clone(&self.keys);
            Message::Begin { write, keys }
        } else {
            Message::End { write }
        }
    }

    /// Sends the message of this phase to those who have not acknowledged it.
    pub(super) fn remind(&self, write: u64, effects: &mut Effects) {
        for member in &self.owing {
            effects.send.push((member.clone(), self.message(write)));
        }
    }
}
