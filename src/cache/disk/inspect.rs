//! What is in a disk's folder, told without the node: segments, slots, ages, what is damaged.
//!
//! Reads only, and may run beside the node that uses the folder. What the node changes meanwhile is looked at again before it is
//! called damaged.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::folder;
use super::format::{Entry, Header};
use super::medium::{File, Medium, Mode};
use super::opened::{self, NotRead, PAGE_BYTES};
use super::recovery::{self, Table};
use super::scratch::Scratch;
use super::segment::Segment;
use super::space::Class;
use super::{BlockId, write};

/// What is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The disk's id, in hexadecimal digits; none where the folder is of another format's version.
    pub id: Option<String>,
    pub segment_bytes: Option<u64>,
    /// Whether a node uses the folder now; none where that cannot be told.
    pub in_use: Option<bool>,
    /// By class, the smallest first.
    pub classes: Vec<ClassReport>,
    /// Segments whose header cannot be used, and why.
    pub unusable: Vec<Unusable>,
    /// Entries that are neither free nor right.
    pub wrong_entries: u64,
    /// Blocks that more than one slot holds: the node uses one of them and the other's room.
    pub duplicates: u64,
    /// Seconds since 1970.
    pub oldest: Option<u64>,
    pub newest: Option<u64>,
    /// What reading all of it found; none where that was not asked for.
    pub scan: Option<Scan>,
}

/// The segments of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassReport {
    pub slot_bytes: u64,
    pub segments: u64,
    pub slots: u64,
    pub used: u64,
    pub pinned: u64,
    /// Bytes of bodies.
    pub live_bytes: u64,
}

/// A segment that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unusable {
    pub segment: u32,
    pub why: String,
}

/// What reading every page found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Scan {
    pub pages: u64,
    pub bytes: u64,
    /// Pages that are not what was written.
    pub damaged: u64,
    /// Pages that could not be read.
    pub unreadable: u64,
}

/// How far a scan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of bodies read.
    pub done: u64,
    /// Bytes of bodies that there were when it began.
    pub total: u64,
}

impl Report {
    /// Bytes of bodies.
    pub fn live_bytes(&self) -> u64 {
        self.classes.iter().map(|class| class.live_bytes).sum()
    }

    /// Segments that can be used.
    pub fn segments(&self) -> u64 {
        self.classes.iter().map(|class| class.segments).sum()
    }

    /// Whether anything is not as it should be.
    pub fn is_damaged(&self) -> bool {
        let scan = self.scan.clone().unwrap_or_default();
        !self.unusable.is_empty() || self.wrong_entries + scan.damaged + scan.unreadable > 0
    }

    fn count(&mut self, segment: &Segment, table: &Table, seen: &mut HashSet<BlockId>) {
        let class = segment.geometry.class;
        let report = self
            .classes
            .iter_mut()
            .find(|report| report.slot_bytes == class.bytes())
            .expect("every class has its report");
        report.segments += 1;
        report.slots += u64::from(segment.geometry.slots());
        report.used += table.entries.len() as u64;
        for (_, entry) in &table.entries {
            report.pinned += u64::from(entry.pinned);
            report.live_bytes += u64::from(write::contents(entry).bytes);
            self.duplicates += u64::from(!seen.insert(entry.block));
            let written = Some(entry.written_at);
            self.oldest = self.oldest.min(written).or(written);
            self.newest = self.newest.max(written);
        }
        self.wrong_entries += u64::from(table.wrong);
    }
}

/// Looks into a disk's folder.
///
/// # Errors
/// Where it is none, or its tables cannot be read.
pub fn inspect(medium: &dyn Medium, path: &Path) -> io::Result<Report> {
    let identity = folder::identity(medium, path)?;
    let mut report = Report {
        id: identity.map(|it| format!("{:032x}", it.id)),
        segment_bytes: identity.map(|it| it.segment_bytes),
        in_use: folder::is_in_use(medium, path),
        classes: Class::ALL.map(empty_class).into(),
        ..Report::default()
    };
    let mut seen = HashSet::new();
    for number in folder::segments(medium, path)? {
        match open(medium, path, number)? {
            Ok(segment) => {
                let table = recovery::read_table(&segment)?;
                report.count(&segment, &table, &mut seen);
            }
            Err(why) => report.unusable.push(Unusable {
                segment: number,
                why,
            }),
        }
    }
    Ok(report)
}

/// As [`inspect`], and reads and checks every page, telling `progress` how far it is.
///
/// # Errors
/// As for [`inspect`].
pub fn scan(
    medium: &dyn Medium,
    path: &Path,
    progress: &mut dyn FnMut(Progress),
) -> io::Result<Report> {
    let mut report = inspect(medium, path)?;
    let total = report.live_bytes();
    let mut scan = Scan::default();
    progress(Progress { done: 0, total });
    for number in folder::segments(medium, path)? {
        let Ok(segment) = open(medium, path, number)? else {
            continue;
        };
        for (slot, entry) in recovery::read_table(&segment)?.entries {
            scan.block(&segment, slot, &entry)?;
            let done = scan.bytes;
            progress(Progress { done, total });
        }
    }
    report.scan = Some(scan);
    Ok(report)
}

fn empty_class(class: Class) -> ClassReport {
    ClassReport {
        slot_bytes: class.bytes(),
        segments: 0,
        slots: 0,
        used: 0,
        pinned: 0,
        live_bytes: 0,
    }
}

/// Opens a segment, or says why it cannot be used.
fn open(medium: &dyn Medium, path: &Path, number: u32) -> io::Result<Result<Segment, String>> {
    let file = open_file(medium, &folder::segment_path(path, number))?;
    let length = file.length()?;
    let header = match recovery::read_header(&*file) {
        Ok(Ok(header)) => header,
        Ok(Err(why)) => return Ok(Err(why.to_string())),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Ok(Err("it is too short".to_owned()));
        }
        Err(error) => return Err(error),
    };
    Ok(usable(&header, number, length).map(|()| Segment::new(&header, file)))
}

fn usable(header: &Header, number: u32, length: u64) -> Result<(), String> {
    if header.number != number {
        return Err(format!("it is segment {}", header.number));
    }
    if length < header.geometry.segment_bytes {
        return Err("it is too short".to_owned());
    }
    Ok(())
}

fn open_file(medium: &dyn Medium, path: &Path) -> io::Result<Arc<dyn File>> {
    match medium.open_to_read(path, Mode::Direct) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            medium.open_to_read(path, Mode::Buffered)
        }
        opened => opened,
    }
}

impl Scan {
    fn block(&mut self, segment: &Segment, slot: u32, entry: &Entry) -> io::Result<()> {
        let mut scratch = Scratch::new(PAGE_BYTES);
        let mut failed = Self::default();
        for page in entry.pages.iter() {
            match opened::read_page(segment, slot, entry, page, &mut scratch) {
                Ok(read) => self.bytes += read.len() as u64,
                Err(NotRead::Failed(_)) => failed.unreadable += 1,
                Err(NotRead::Absent | NotRead::Damaged(_)) => failed.damaged += 1,
            }
            self.pages += 1;
        }
        if failed != Self::default() && recovery::read_entry(segment, slot)? == Some(*entry) {
            self.damaged += failed.damaged;
            self.unreadable += failed.unreadable;
        }
        Ok(())
    }
}
