//! What members of a cluster tell each other about their writes: plain values, however they travel.

use std::sync::Arc;

use crate::clock::Moment;

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
/// An answer names the life that it answers by its `boot`, since it may arrive when that one is over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Message {
    /// The sender asks for a lease; `asked` is its own time and comes back with the answer. `forgotten` grows whenever the
    /// sender has given up writes of the receiver that were open, and so has to hear of them again.
    Poll { asked: Moment, forgotten: u64 },
    /// The receiver hears of every write of the sender until one lease after `asked`. Every write below `floor` has ended.
    Grant {
        boot: u64,
        asked: Moment,
        floor: u64,
    },
    /// A write to the keys with these hashes is about to go to the origin.
    Begin { write: u64, keys: Arc<[u64]> },
    /// The receiver's `Begin` was heard.
    BeginAck { boot: u64, write: u64 },
    /// The origin has answered, or nobody will know.
    End { write: u64 },
    /// The receiver's `End` was heard.
    EndAck { boot: u64, write: u64 },
}

impl Message {
    /// The life that this message answers, if it is an answer.
    pub(super) fn answers(&self) -> Option<u64> {
        match self {
            Self::Grant { boot, .. } | Self::BeginAck { boot, .. } | Self::EndAck { boot, .. } => {
                Some(*boot)
            }
            Self::Poll { .. } | Self::Begin { .. } | Self::End { .. } => None,
        }
    }
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
