//! A bounded cache of the slot tables' pages, 4 KiB each, shared by those who read and the one who writes.
//!
//! The index in memory knows which slot a block is in, not what its pages' checksums are: those are in the slot's entry on the
//! disk. A page is read when one of its sixteen entries is asked for, and changed by reading, changing and writing it whole.
//! Only one task of a disk changes pages. A reader that has read a page while it was changed does not keep it: what it got may
//! be the older of the two.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;

use super::format::{ENTRIES_A_PAGE, ENTRY, Entry, HEADER};
use super::medium::ALIGN;
use super::scratch::{Aligned, Scratch};
use super::segment::Segment;

/// Counters of changes, by a page's number: a power of two, so that changes of one page seldom keep others out.
const CHANGES: usize = 64;

type Page = [u8; ALIGN];

/// A page by the numbers of its segment and, in there, of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    segment: u32,
    page: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Tables {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    pages: HashMap<Key, Cached>,
    /// The pages in the order in which they are looked at for eviction.
    order: VecDeque<Key>,
    changes: [u64; CHANGES],
}

#[derive(Debug)]
struct Cached {
    /// None while it is being changed.
    page: Option<Arc<Page>>,
    /// Asked for since it was last looked at.
    used: bool,
}

impl Tables {
    /// Keeps pages of `bytes` together.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            most: (bytes / ALIGN).max(1),
            state: Mutex::new(State {
                pages: HashMap::new(),
                order: VecDeque::new(),
                changes: [0; CHANGES],
            }),
        }
    }

    /// The entry of a slot; none where the slot is free, or was written in another incarnation of the segment.
    pub(super) fn entry(&self, segment: &Segment, slot: u32) -> io::Result<Option<Entry>> {
        let page = self.page(segment, slot / ENTRIES_A_PAGE)?;
        Ok(decode(&page, segment, slot))
    }

    /// As [`Tables::entry`], without a look at the disk: none where that would be needed.
    pub(super) fn known(&self, segment: &Segment, slot: u32) -> Option<Option<Entry>> {
        let key = Key {
            segment: segment.number,
            page: slot / ENTRIES_A_PAGE,
        };
        let page = self.lock().kept(key)?;
        Some(decode(&page, segment, slot))
    }

    /// Puts entries into their slots, or frees the slots; one write for all of one page. The slots are of one segment.
    ///
    /// Where that fails, some may have been changed.
    pub(super) fn change(
        &self,
        segment: &Segment,
        changes: &[(u32, Option<Entry>)],
    ) -> io::Result<()> {
        let mut numbers: Vec<u32> = changes
            .iter()
            .map(|(slot, _)| slot / ENTRIES_A_PAGE)
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            let old = self.page(segment, number)?;
            let mut page = *old;
            for (slot, entry) in changes {
                // An entry that does not count as one is as good as none.
                let same = entry.is_none() && decode(&old, segment, *slot).is_none();
                if slot / ENTRIES_A_PAGE == number && !same {
                    let bytes = entry.map_or([0; ENTRY], |it| it.encode(segment.number, *slot));
                    page[place(*slot)].copy_from_slice(&bytes);
                }
            }
            if page != *old {
                self.write(segment, number, page)?;
            }
        }
        Ok(())
    }

    fn write(&self, segment: &Segment, number: u32, page: Page) -> io::Result<()> {
        let key = Key {
            segment: segment.number,
            page: number,
        };
        // Until it is written nobody knows what is there.
        self.lock().forget(key);
        let written = segment
            .file
            .write_at(Aligned::copy(&page).as_ref(), offset(number));
        let mut state = self.lock();
        state.forget(key);
        written?;
        state.keep(key, Arc::new(page), self.most);
        Ok(())
    }

    fn page(&self, segment: &Segment, number: u32) -> io::Result<Arc<Page>> {
        let key = Key {
            segment: segment.number,
            page: number,
        };
        let before = {
            let mut state = self.lock();
            if let Some(page) = state.kept(key) {
                return Ok(page);
            }
            state.changes[key.counter()]
        };
        let mut scratch = Scratch::new(ALIGN);
        let read = scratch.read(&*segment.file, offset(number), ALIGN)?;
        let page: Arc<Page> = Arc::new((&*read).try_into().expect("a page was read"));
        let mut state = self.lock();
        if state.changes[key.counter()] == before {
            state.keep(key, Arc::clone(&page), self.most);
        }
        Ok(page)
    }

    /// Bytes of pages that are kept.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.lock().pages.len() * ALIGN
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Key {
    fn counter(self) -> usize {
        (self.segment as usize * 31 + self.page as usize) % CHANGES
    }
}

impl State {
    /// Notes a change: the page is not kept, nor is what was read of it before.
    fn forget(&mut self, key: Key) {
        self.changes[key.counter()] += 1;
        if let Some(cached) = self.pages.get_mut(&key) {
            cached.page = None;
        }
    }

    fn kept(&mut self, key: Key) -> Option<Arc<Page>> {
        let cached = self.pages.get_mut(&key)?;
        cached.used = true;
        cached.page.clone()
    }

    fn keep(&mut self, key: Key, page: Arc<Page>, most: usize) {
        if let Some(cached) = self.pages.get_mut(&key) {
            cached.page = Some(page);
            return;
        }
        while self.pages.len() >= most {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            match self.pages.get_mut(&oldest) {
                Some(cached) if cached.used => {
                    cached.used = false;
                    self.order.push_back(oldest);
                }
                _ => drop(self.pages.remove(&oldest)),
            }
        }
        self.order.push_back(key);
        let page = Some(page);
        self.pages.insert(key, Cached { page, used: false });
    }
}

fn offset(page: u32) -> u64 {
    HEADER as u64 + u64::from(page) * ALIGN as u64
}

/// Where a slot's entry is in its page.
fn place(slot: u32) -> std::ops::Range<usize> {
    let start = (slot % ENTRIES_A_PAGE) as usize * ENTRY;
    start..start + ENTRY
}

fn decode(page: &Page, segment: &Segment, slot: u32) -> Option<Entry> {
    let entry = Entry::decode(&page[place(slot)], segment.number, slot)?;
    (entry.incarnation == segment.incarnation).then_some(entry)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::format::{Geometry, PAGES};
    use super::super::medium::faulty::{Fault, Faulty, Operation, Wrong};
    use super::super::medium::{Medium, Mode, Real};
    use super::super::space::{Class, Positions};
    use super::super::{BlockId, Epoch, Pages};
    use super::*;
    use crate::types::BodyDigest;

    fn segment(medium: &Faulty, place: &tempfile::TempDir) -> Segment {
        let file = medium.create(&place.path().join("s"), Mode::Buffered);
        let file = file.expect("a file");
        file.allocate(4 << 20).expect("room");
        Segment {
            number: 0,
            geometry: Geometry {
                segment_bytes: 4 << 20,
                class: Class::K64,
            },
            incarnation: 1,
            file,
        }
    }

    fn entry(index: u32) -> Entry {
        Entry {
            incarnation: 1,
            block: BlockId {
                body: BodyDigest(1),
                index,
            },
            block_length: 1 << 20,
            epoch: Epoch(0),
            pinned: false,
            pages: Pages(1),
            positions: Positions::default(),
            sequence: 1,
            written_at: 1,
            sums: [index; PAGES],
        }
    }

    #[test]
    fn entries_are_found_after_they_were_evicted_and_memory_is_bounded() {
        let (medium, place) = (Faulty::new(Arc::new(Real)), tempfile::tempdir().unwrap());
        let (segment, tables) = (segment(&medium, &place), Tables::new(2 * ALIGN));
        for slot in 0..62 {
            tables
                .change(&segment, &[(slot, Some(entry(slot)))])
                .unwrap();
            assert!(tables.bytes() <= 2 * ALIGN);
        }
        for slot in [0, 17, 61, 33, 0] {
            assert_eq!(tables.entry(&segment, slot).unwrap(), Some(entry(slot)));
            assert!(tables.bytes() <= 2 * ALIGN);
        }
        let anew = Segment {
            incarnation: 2,
            file: Arc::clone(&segment.file),
            ..segment
        };
        assert_eq!(
            tables.entry(&anew, 17).unwrap(),
            None,
            "of another incarnation"
        );
    }

    #[test]
    fn entries_of_one_page_share_a_write_and_clear_ones_need_none() {
        let (medium, place) = (Faulty::new(Arc::new(Real)), tempfile::tempdir().unwrap());
        let (segment, tables) = (segment(&medium, &place), Tables::new(1 << 20));
        let before = medium.writes();
        let free: Vec<_> = (0..32).map(|slot| (slot, None)).collect();
        tables.change(&segment, &free).unwrap();
        assert_eq!(medium.writes(), before);
        let used: Vec<_> = (0..32).map(|slot| (slot, Some(entry(slot)))).collect();
        tables.change(&segment, &used).unwrap();
        assert_eq!(medium.writes(), before + 2);
    }

    #[test]
    fn a_page_that_could_not_be_written_is_read_again() {
        let (medium, place) = (Faulty::new(Arc::new(Real)), tempfile::tempdir().unwrap());
        let (segment, tables) = (segment(&medium, &place), Tables::new(1 << 20));
        tables.change(&segment, &[(1, Some(entry(1)))]).unwrap();
        medium.add(Fault::all(Operation::Write, Wrong::Error(5)));
        tables.change(&segment, &[(2, Some(entry(2)))]).unwrap_err();
        assert_eq!(tables.entry(&segment, 2).unwrap(), None);
        assert_eq!(tables.entry(&segment, 1).unwrap(), Some(entry(1)));
    }

    /// The reader's page is on its way from the disk while the writer changes it.
    #[test]
    fn a_reader_does_not_keep_a_page_that_was_changed_meanwhile() {
        let (medium, place) = (Faulty::new(Arc::new(Real)), tempfile::tempdir().unwrap());
        let (segment, tables) = (segment(&medium, &place), Tables::new(1 << 20));
        medium.add(Fault::all(Operation::Read, Wrong::Hang).times(1));
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| tables.entry(&segment, 3).unwrap());
            while medium.hanging() == 0 {
                std::thread::yield_now();
            }
            tables.change(&segment, &[(3, Some(entry(3)))]).unwrap();
            medium.mend();
            // It may see either.
            let _ = reader.join().unwrap();
        });
        assert_eq!(tables.entry(&segment, 3).unwrap(), Some(entry(3)));
    }
}
