//! Whether a block is worth the place of another. Pure.
//!
//! What is read in a loop longer than the disk must not push itself out just before it comes round again, and what is read
//! once must push out nothing. So a block that is held stays, unless there is evidence against it:
//!
//! - it never came back, and the other has twice, or
//! - it comes back after far longer than the other does, or
//! - it is *overdue*: it rests for longer than it ever did between two accesses, and the other has come back, or
//! - it is *dead*: it rests for so long that anything is better.
//!
//! Frequencies would not do: in a loop all are the same, and one access more or less decides nothing.

/// Eighths of a turn for which any block that came back may rest before it is overdue: two and a half turns. In a loop a
/// little longer than the disk, in another order each time, a block rests for up to twice the loop.
const PATIENCE: u8 = 20;
/// Eighths of a turn after which a block is dead: eight turns.
const DEAD: u8 = 64;
/// How many times as fast the other must come back.
const FASTER: u32 = 4;

/// A block that is to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Accesses lately; three for all that are more.
    pub(super) count: u8,
    /// The longest time between two of them, in eighths of a turn.
    pub(super) rest: u8,
    /// One in sixteen has it. Of the dead that never came back the others stay: were they read in a loop of more than eight
    /// turns, all would be replaced shortly before they are due, and nothing would ever be hit.
    pub(super) lucky: bool,
    /// Goes before all that is not pinned.
    pub(super) pinned: bool,
}

/// A block that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resident {
    /// For how long it has rested, in eighths of a turn.
    pub(super) idle: u8,
    /// The longest that it lately rested between two accesses; 0 if there was but one.
    pub(super) rest: u8,
}

impl Candidate {
    pub(super) fn beats(self, resident: Resident) -> bool {
        let faster = if resident.came_back() {
            FASTER * u32::from(self.rest) < u32::from(resident.rest)
        } else {
            true
        };
        self.pinned
            || self.count >= 3 && faster
            || self.count >= 2 && resident.is_overdue()
            || resident.is_dead() && (self.lucky || resident.came_back())
    }
}

impl Resident {
    /// The order in which blocks are evicted, the least first: what is overdue or dead, what never came back, what comes back
    /// after the longest time.
    pub(super) fn worth(self) -> (bool, bool, u8, u8) {
        let is_due = !(self.is_overdue() || self.is_dead());
        let rest = if is_due { self.rest } else { 0 };
        let came_back = is_due && self.came_back();
        (is_due, came_back, u8::MAX - rest, u8::MAX - self.idle)
    }

    fn came_back(self) -> bool {
        self.rest > 0
    }

    fn is_overdue(self) -> bool {
        self.came_back() && self.idle > PATIENCE.max(self.longest())
    }

    fn is_dead(self) -> bool {
        self.idle > DEAD.max(self.longest())
    }

    /// Half as long again as it ever rested.
    fn longest(self) -> u8 {
        self.rest.saturating_add(self.rest / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(count: u8, rest: u8) -> Candidate {
        Candidate {
            count,
            rest,
            lucky: false,
            pinned: false,
        }
    }

    fn resident(rest: u8, idle: u8) -> Resident {
        Resident { idle, rest }
    }

    #[test]
    fn what_was_read_once_replaces_only_the_dead() {
        let once = candidate(1, 0);
        for (rest, idle) in [(0, 0), (0, 64), (0, 255), (8, 64), (60, 90), (200, 255)] {
            assert!(!once.beats(resident(rest, idle)), "{rest} {idle}");
        }
        assert!(once.beats(resident(8, 65)));
        assert!(once.beats(resident(60, 91)));
        let lucky = Candidate {
            lucky: true,
            ..once
        };
        assert!(lucky.beats(resident(0, 65)) && !lucky.beats(resident(0, 64)));
    }

    #[test]
    fn what_came_back_replaces_what_is_overdue() {
        let twice = candidate(2, 8);
        assert!(twice.beats(resident(8, 21)) && !twice.beats(resident(8, 20)));
        assert!(twice.beats(resident(16, 25)) && !twice.beats(resident(16, 24)));
        assert!(
            !twice.beats(resident(0, 60)),
            "nobody knows when that is due"
        );
    }

    #[test]
    fn what_came_back_twice_replaces_what_never_did_or_does_far_more_slowly() {
        let thrice = candidate(3, 2);
        assert!(thrice.beats(resident(0, 0)));
        assert!(thrice.beats(resident(9, 0)) && !thrice.beats(resident(8, 0)));
    }

    #[test]
    fn a_pin_replaces_anything() {
        let pinned = Candidate {
            pinned: true,
            ..candidate(0, 0)
        };
        assert!(pinned.beats(resident(1, 0)));
    }

    #[test]
    fn the_overdue_go_first_then_what_never_came_back_then_the_slowest() {
        let in_order = [
            resident(8, 80),
            resident(8, 30),
            resident(0, 20),
            resident(0, 5),
            resident(60, 5),
            resident(9, 8),
            resident(9, 2),
        ];
        assert!(in_order.is_sorted_by_key(|it| it.worth()));
    }
}
