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

/// Maps memory, anywhere or in the place of what is mapped at `start`.
///
/// # Safety
/// Nobody uses what is mapped there.
unsafe fn map(start: *mut u8, length: usize) -> NonNull<u8> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    let how = MapFlags::PRIVATE | MapFlags::NORESERVE;
    let how = if start.is_null() {
        how
    } else {
        how | MapFlags::FIXED
    };
    // SAFETY: a new mapping, at an address that the kernel chooses, or where the caller says that nobody uses it.
    let mapped = unsafe { rustix::mm::mmap_anonymous(start.cast(), length, access, how) };
    let mapped = mapped.ok().and_then(|it| NonNull::new(it.cast::<u8>()));
    mapped.unwrap_or_else(|| handle_alloc_error(Layout::new::<[u8; LENGTH]>()))
}

impl Mapping {
    /// One that begins at a multiple of [`HUGE_PAGE`]. Its memory will be in small pages, but for what is made otherwise.
    pub(super) fn new() -> Self {
        let length = LENGTH + HUGE_PAGE;
        // SAFETY: no place is named.
        let mapped = unsafe { map(null_mut(), length) };
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

    /// Gives it the memory of a huge page, where the system has one for it. The run is as large as one, and nobody uses it; what was
    /// there is lost.
    ///
    /// It is mapped anew for that: the kernel has a huge page only where no table of small pages is left of earlier times. And huge
    /// pages are allowed for that moment only. Else the kernel would make of it, whenever it likes, a whole page again of which
    /// part was given back.
    pub(super) fn populate(&self) {
        debug_assert_eq!(self.length, HUGE_PAGE);
        // SAFETY: nobody uses the run.
        unsafe { map(self.start.as_ptr(), self.length) };
        // Alike, it is one mapping with its neighbours again, and stays theirs from here on.
        self.advise(Advice::LinuxNoHugepage);
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

/// Looks and marks, for tests: what is at an offset, a multiple of 8.
#[cfg(test)]
impl Run {
    pub(super) fn look(&self, offset: usize) -> u64 {
        assert!(offset + 8 <= self.length);
        // SAFETY: inside the run, which is the test's.
        unsafe { *self.start.as_ptr().add(offset).cast() }
    }

    pub(super) fn mark(&self, offset: usize, mark: u64) {
        assert!(offset + 8 <= self.length);
        // SAFETY: as above.
        unsafe { *self.start.as_ptr().add(offset).cast() = mark };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL_PAGE: usize = 64 << 10;

    /// The parts that the kernel has of a mapping, and the KiB of huge pages in them.
    fn parts(mapping: &Mapping) -> (usize, u64) {
        let start = mapping.mapped.addr().get();
        let all = start..start + LENGTH + HUGE_PAGE;
        let smaps = std::fs::read_to_string("/proc/self/smaps").expect("Linux");
        let (mut parts, mut huge, mut within) = (0, 0, false);
        for line in smaps.lines() {
            let mut words = line.split_whitespace();
            let (first, second) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            if first == "AnonHugePages:" && within {
                huge += second.parse::<u64>().expect("KiB");
            } else if let Some((start, _)) = first.split_once('-') {
                let start = usize::from_str_radix(start, 16);
                within = start.is_ok_and(|it| all.contains(&it));
                parts += usize::from(within);
            }
        }
        (parts, huge)
    }

    /// Runs a test in a process of its own: the kernel takes mappings for one that lie side by side, and then tells of the
    /// pages of other tests, too.
    fn alone(test: &str, body: impl FnOnce()) {
        const ALONE: &str = "FOREBAY_TEST_ALONE";
        if std::env::var_os(ALONE).is_some() {
            return body();
        }
        let this = std::env::current_exe().expect("a program");
        let mut command = std::process::Command::new(this);
        command.env(ALONE, "1");
        command.args([
            &format!("{}::{test}", module_path!().replacen("forebay::", "", 1)),
            "--exact",
        ]);
        let run = command.output().expect("it starts");
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    fn populating_runs_leaves_one_mapping() {
        alone("populating_runs_leaves_one_mapping", leave_one_mapping);
    }

    fn leave_one_mapping() {
        let mapping = Mapping::new();
        let before = parts(&mapping).0;
        let runs: Vec<_> = mapping.runs(HUGE_PAGE).collect();
        for at in [3, 7, 4, 30, 0, 31, 3] {
            runs[at].populate();
        }
        runs[3].part(0..SMALL_PAGE).empty();
        let after = parts(&mapping).0;
        assert!(after <= before, "{after} parts, {before} before");
    }

    #[test]
    fn a_run_that_went_in_pieces_has_a_huge_page_again() {
        alone(
            "a_run_that_went_in_pieces_has_a_huge_page_again",
            populate_again,
        );
    }

    fn populate_again() {
        let mapping = Mapping::new();
        let run = mapping.runs(HUGE_PAGE).next().expect("a run");
        run.populate();
        let whole = parts(&mapping).1;
        run.part(0..HUGE_PAGE / 2).empty();
        run.part(HUGE_PAGE / 2..HUGE_PAGE).empty();
        assert_eq!(parts(&mapping).1, 0);
        run.populate();
        // None where the system has none.
        assert_eq!(parts(&mapping).1, whole);
    }

    #[test]
    fn runs_begin_where_huge_pages_do_and_lose_what_is_emptied() {
        let mapping = Mapping::new();
        let runs: Vec<_> = mapping.runs(HUGE_PAGE).collect();
        assert_eq!(runs.len(), LENGTH / HUGE_PAGE);
        let run = runs[5];
        assert_eq!(run.start().addr().get() % HUGE_PAGE, 0);
        run.populate();
        [0, SMALL_PAGE]
            .iter()
            .for_each(|offset| run.mark(*offset, 7));
        run.part(SMALL_PAGE..HUGE_PAGE).empty();
        assert_eq!((run.look(0), run.look(SMALL_PAGE)), (7, 0));
    }
}
