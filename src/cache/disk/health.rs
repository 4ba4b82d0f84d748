//! Whether a disk may be read and written, from how that went.
//!
//! A write that fails ends writing. Reads that fail or come too late end everything, once there are three in a row: one may be
//! a bad sector or a busy moment. Only trying the disk ([`super::device`]) brings it back.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use crate::types::outcome::DiskState;

/// Reads that fail in a row before a disk is not read any more.
const MOST_FAILURES: u32 = 3;

/// See the module.
#[derive(Debug)]
pub(super) struct Health {
    /// A place in [`DiskState::ALL`].
    state: AtomicU8,
    failures: AtomicU32,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            state: AtomicU8::new(place(DiskState::Out)),
            failures: AtomicU32::new(0),
        }
    }
}

impl Health {
    pub(super) fn state(&self) -> DiskState {
        let place = self.state.load(Ordering::Acquire);
        DiskState::ALL[usize::from(place)]
    }

    /// The disk was tried and works.
    pub(super) fn serve(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.state
            .store(place(DiskState::Serving), Ordering::Release);
    }

    /// A read gave what was asked for, in time.
    pub(super) fn read_worked(&self) {
        // Hits are many, failures few: the line stays shared.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// A read failed, or came too late. True where the disk is out by that.
    pub(super) fn read_failed(&self) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        failures >= MOST_FAILURES && self.leave()
    }

    /// A write failed. True where the disk is not written any more by that.
    pub(super) fn write_failed(&self) -> bool {
        let (from, to) = (place(DiskState::Serving), place(DiskState::ReadOnly));
        let order = Ordering::AcqRel;
        let changed = self
            .state
            .compare_exchange(from, to, order, Ordering::Acquire);
        changed.is_ok()
    }

    /// The disk is not to be used. True where it was until now.
    pub(super) fn leave(&self) -> bool {
        let out = place(DiskState::Out);
        self.state.swap(out, Ordering::AcqRel) != out
    }
}

fn place(state: DiskState) -> u8 {
    match state {
        DiskState::Serving => 0,
        DiskState::ReadOnly => 1,
        DiskState::Out => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_out_until_it_was_tried() {
        let health = Health::default();
        assert_eq!(health.state(), DiskState::Out);
        assert!(!health.write_failed(), "nothing changes by that");
        health.serve();
        assert_eq!(health.state(), DiskState::Serving);
    }

    #[test]
    fn three_failed_reads_in_a_row_take_it_out_and_two_do_not() {
        let health = Health::default();
        health.serve();
        assert!(!health.read_failed() && !health.read_failed());
        health.read_worked();
        assert!(!health.read_failed() && !health.read_failed());
        assert_eq!(health.state(), DiskState::Serving);
        assert!(health.read_failed(), "told once");
        assert!(!health.read_failed());
        assert_eq!(health.state(), DiskState::Out);
    }

    #[test]
    fn a_failed_write_leaves_reading() {
        let health = Health::default();
        health.serve();
        assert!(health.write_failed());
        assert!(!health.write_failed(), "told once");
        assert_eq!(health.state(), DiskState::ReadOnly);
        assert!(health.leave());
        assert!(!health.write_failed());
        assert_eq!(health.state(), DiskState::Out);
    }
}
