//! Ways to get the protocol wrong, each of which the model test must notice.
//!
//! A test that never fails proves nothing: `model.rs` runs once with each fault switched on and expects to find a history
//! that breaks a promise. Outside tests no fault can be switched on, and the checks compile to nothing.

/// One rule of the protocol that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The end of a write does not raise the epoch.
    KeepEpochOnEnd,
    /// An answer may become a record while a write is open.
    IgnoreOpenWrites,
    /// A write does not wait for the other members.
    ProceedUnacknowledged,
    /// A node believes its records although it has not heard the others.
    TrustWithoutLease,
    /// Records from before a gap are believed once the silent member is back.
    KeepRecordsOnReturn,
    /// Records from before a gap are believed once the silent member is declared lost.
    KeepRecordsOnLoss,
    /// A lease is granted to a member that does not know of a write which went ahead without it.
    GrantUnawareMembers,
    /// A lease is granted for ever to a member that never acknowledges.
    GrantSilentMembers,
    /// A member that comes back is not told of the writes that are open.
    ForgetOpenWritesOnReturn,
    /// A node takes an answer that was meant for its life before.
    HeedAnswersToTheDead,
    /// A node that was just started does not wait for the leases that it may have granted before.
    ProceedAfterRestart,
    /// The open writes of a dead member end with it.
    CloseOrphansAtOnce,
}

/// Which rule is left out, if any: none outside tests.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    #[cfg(test)]
    pub(super) injected: Option<Fault>,
}

impl Faults {
    /// Whether `fault` is switched on.
    #[cfg(test)]
    pub(super) fn has(self, fault: Fault) -> bool {
        self.injected == Some(fault)
    }

    /// Whether `fault` is switched on: never.
    #[cfg(not(test))]
    pub(super) const fn has(self, _fault: Fault) -> bool {
        false
    }
}
