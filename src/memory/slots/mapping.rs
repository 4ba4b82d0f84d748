//! Address space, and the memory behind it.

#![expect(unsafe_code, reason = "maps memory and gives parts of it back")]

use std::alloc::{Layout, handle_alloc_error};
use std::ops::Range;
use std::ptr::{NonNull, null_mut};

use rustix::mm::{Advice, MapFlags, ProtFlags};

/// Bytes of a huge page; where the system's are larger, or it has none, only speed is lost.
pub(super) const HUGE_PAGE: usize = 2 << 20;

/// Bytes of a mapping.
pub(super) const LENGTH: usize = 64 << 20;

/// A mapping of [`LENGTH`] bytes. It has no memory but what is written to.
#[derive(Debug)]
pub(super) struct Mapping {
    mapped: NonNull<u8>,
    start: NonNull<u8>,
}

/// A run of bytes in a mapping. Whoever has this value says who may use them; only the mapping's owner has the right to make
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: a mapping is not bound to a thread, and this value only names it.
unsafe impl Send for Mapping {}
// SAFETY: a run gives nothing but its address, except for what is free, which its owner alone has.
unsafe impl Send for Run {}
// SAFETY: as above.
unsafe impl Sync for Run {}

impl Mapping {
    /// One that begins at a multiple of [`HUGE_PAGE`]. Its memory will be in small pages, but for what is made otherwise.
    pub(super) fn new() -> Self {
        let (access, how) = (
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE | MapFlags::NORESERVE,
        );
        let length = LENGTH + HUGE_PAGE;
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let mapped = unsafe { rustix::mm::mmap_anonymous(null_mut(), length, access, how) };
        let mapped = mapped
            .ok()
            .and_then(|start| NonNull::new(start.cast::<u8>()));
        let Some(mapped) = mapped else {
            handle_alloc_error(Layout::new::<[u8; LENGTH]>())
        };
        let offset = mapped.as_ptr().align_offset(HUGE_PAGE);
        // SAFETY: the offset is below the bytes that were mapped for it.
        let start = unsafe { mapped.add(offset) };
        let mapping = Self { mapped, start };
        Run {
            start: mapped,
            length,
        }
        .advise(Advice::LinuxNoHugepage);
        // A byte outside of the runs: the kernel takes parts of a mapping that differed for a while for one again only where
        // they had memory before.
        let outside = if offset == 0 { LENGTH } else { 0 };
        // SAFETY: either the first of the bytes that were skipped, or the first of those behind the last run.
        unsafe { mapped.add(outside).write_volatile(1) };
        mapping
    }

    /// The runs of `length` bytes, a divisor of [`LENGTH`].
    pub(super) fn runs(&self, length: usize) -> impl Iterator<Item = Run> {
        let start = self.start;
        (0..LENGTH).step_by(length).map(move |offset| Run {
            // SAFETY: the offset lies in the mapping.
            start: unsafe { start.add(offset) },
            length,
        })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this one's, and the account that handed out its runs ends with the last of them.
        let unmapped =
            unsafe { rustix::mm::munmap(self.mapped.as_ptr().cast(), LENGTH + HUGE_PAGE) };
        debug_assert!(unmapped.is_ok(), "the mapping was made here");
    }
}

impl Run {
    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// The bytes of `range`, which lies in it.
    pub(super) fn part(&self, range: Range<usize>) -> Self {
        debug_assert!(range.start <= range.end && range.end <= self.length);
        Self {
            // SAFETY: the offset lies in the run.
            start: unsafe { self.start.add(range.start) },
            length: range.end - range.start,
        }
    }

    /// Gives back its memory. What was there is lost; nobody may use it meanwhile.
    pub(super) fn empty(&self) {
        // SAFETY: the bytes lie in a mapping, and what nobody uses may become zero.
        let given = unsafe {
            let start = self.start.as_ptr().cast();
            rustix::mm::madvise(start, self.length, Advice::LinuxDontNeed)
        };
        given.expect("the run was mapped here");
    }

    /// Gives it the memory of a huge page, where the system has one for it. The run is as large as one, has no memory, and nobody
    /// uses it.
    ///
    /// Huge pages are allowed for that moment only. Else the kernel would make of it, whenever it likes, a whole page again of
    /// which part was given back.
    pub(super) fn populate(&self) {
        debug_assert_eq!(self.length, HUGE_PAGE);
        self.advise(Advice::LinuxHugepage);
        // SAFETY: the byte lies in a mapping, and nobody else uses it.
        unsafe { self.start.write_volatile(0) };
        self.advise(Advice::LinuxNoHugepage);
    }

    fn advise(&self, advice: Advice) {
        // SAFETY: the bytes are mapped, and nothing in them changes. A kernel without huge pages says so.
        let advised = unsafe {
            let start = self.start.as_ptr().cast();
            rustix::mm::madvise(start, self.length, advice)
        };
        if let Err(error) = advised {
            tracing::debug!(%error, "huge pages cannot be chosen");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL_PAGE: usize = 64 << 10;

    /// The kernel's list of mappings.
    fn lines_within(mapping: &Mapping) -> usize {
        let start = mapping.mapped.addr().get();
        let all = start..start + LENGTH + HUGE_PAGE;
        let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux");
        let starts = maps
            .lines()
            .filter_map(|it| usize::from_str_radix(it.split('-').next()?, 16).ok());
        starts.filter(|it| all.contains(it)).count()
    }

    #[test]
    fn populating_runs_leaves_one_mapping() {
        let mapping = Mapping::new();
        let before = lines_within(&mapping);
        let runs: Vec<_> = mapping.runs(HUGE_PAGE).collect();
        for at in [3, 7, 4, 30, 0, 31] {
            runs[at].populate();
        }
        runs[3].part(0..SMALL_PAGE).empty();
        assert!(
            lines_within(&mapping) <= before.max(1),
            "{} parts, {before} before",
            lines_within(&mapping)
        );
    }

    #[test]
    fn runs_begin_where_huge_pages_do_and_lose_what_is_emptied() {
        let mapping = Mapping::new();
        let runs: Vec<_> = mapping.runs(HUGE_PAGE).collect();
        assert_eq!(runs.len(), LENGTH / HUGE_PAGE);
        let run = runs[5];
        assert_eq!(run.start().addr().get() % HUGE_PAGE, 0);
        run.populate();
        // SAFETY: the run is this test's.
        let look = |offset: usize| unsafe { *run.start().add(offset).as_ptr() };
        // SAFETY: as above.
        unsafe { run.start().as_ptr().write_bytes(7, HUGE_PAGE) };
        run.part(SMALL_PAGE..HUGE_PAGE).empty();
        assert_eq!((look(0), look(SMALL_PAGE)), (7, 0));
    }
}
