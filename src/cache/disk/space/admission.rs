//! Whether a block is worth the place of another. Pure.
//!
//! What is read in a loop longer than the disk must not push itself out just before it comes round again, and what is read
//! once must push out nothing: so one that is held stays, unless there is evidence against it:
//!
//! - the other is read more than twice as often, or
//! - it is *overdue*: it rests for far longer than it ever did between two accesses, and the other is at least known, or
//! - it has rested for so long that anything is better.

/// Eighths of a turn for which any block that came back may rest before it is overdue: two and a half turns. In a loop a
/// little longer than the disk, in another order each time, a block rests for up to twice the loop.
const PATIENCE: u8 = 20;
/// Eighths of a turn after which a block may be replaced by one that nothing is known of: eight turns.
const DEAD: u8 = 64;

/// A block that is to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) count: u8,
    /// One in four has it. Of the dead, which never came back, some stay: were they read in a loop of more than eight turns,
    /// all would be replaced shortly before they are due, and nothing would ever be hit.
    pub(super) lucky: bool,
    /// Goes before all that is not pinned.
    pub(super) pinned: bool,
}

/// A block that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resident {
    pub(super) count: u8,
    /// For how long it has rested, in eighths of a turn.
    pub(super) idle: u8,
    /// The longest that it lately rested between two accesses; 0 if there was but one.
    pub(super) rest: u8,
}

impl Candidate {
    pub(super) fn beats(self, resident: Resident) -> bool {
        let more = self.count >= 2 && self.count > 2 * resident.count;
        let overdue = self.count >= 2 && resident.is_overdue();
        let dead = resident.is_dead() && (self.lucky || resident.rest > 0);
        self.pinned || more || overdue || dead
    }
}

impl Resident {
    /// The order in which blocks are evicted: the least first.
    pub(super) fn worth(self) -> (bool, u8, u8) {
        let due = !(self.is_overdue() || self.is_dead());
        (due, self.count, u8::MAX - self.idle)
    }

    fn is_overdue(self) -> bool {
        self.rest > 0 && self.idle > PATIENCE.max(self.longest())
    }

    fn is_dead(self) -> bool {
        self.idle > DEAD.max(self.longest())
    }

    /// Half as long again as it ever rested.
    fn longest(self) -> u8 {
        self.rest.saturating_add(self.rest / 2)
    }
}
