//! `[[disk]]`: the folders that blocks are kept in, and how much of each may be used. Nothing is opened here.

use std::path::{Component, Path, PathBuf};

use super::section::Section;
use crate::cache::disk::{Config, LEAST_CAPACITY};
use crate::types::ByteSize;

/// The most disks of a node: more than a machine has bays, and each takes threads and memory of its own.
const MOST_DISKS: usize = 16;

/// Reads every `[[disk]]`.
pub(super) fn read(file: &mut Section<'_, '_>) -> Vec<Config> {
    let mut paths = Vec::new();
    let mut written = 0;
    let disks = file.list("disk", |section| {
        written += 1;
        let path = path(section, &mut paths);
        let capacity = capacity(section);
        Some(Config {
            path: path?,
            capacity: capacity?.0,
        })
    });
    if written > MOST_DISKS {
        file.problem(
            "disk",
            format!("{written} disks are too many"),
            &format!("write at most {MOST_DISKS}; several devices can be made one by LVM or RAID"),
        );
    }
    disks
}

/// The folder, which is not one of the `earlier` ones, nor above or below one; it is added to them.
fn path(section: &mut Section<'_, '_>, earlier: &mut Vec<PathBuf>) -> Option<PathBuf> {
    let path: PathBuf = section.required("path")?;
    let goes_up = |path: &Path| path.components().any(|it| it == Component::ParentDir);
    if !path.is_absolute() || goes_up(&path) {
        section.problem(
            "path",
            format!("{} is not an absolute path without \"..\"", path.display()),
            "write the folder from the root, as in \"/var/lib/forebay\"",
        );
        return None;
    }
    let overlaps = |other: &&PathBuf| path.starts_with(other) || other.starts_with(&path);
    if let Some(other) = earlier.iter().find(overlaps) {
        let message = if *other == path {
            format!("{} is another disk's too", path.display())
        } else {
            let (path, other) = (path.display(), other.display());
            format!("{path} and {other}, another disk's, are inside each other")
        };
        section.problem("path", message, "give each disk a folder of its own");
        return None;
    }
    earlier.push(path.clone());
    Some(path)
}

fn capacity(section: &mut Section<'_, '_>) -> Option<ByteSize> {
    let capacity: ByteSize = section.required("capacity")?;
    let least = ByteSize(LEAST_CAPACITY);
    if capacity < least {
        section.problem(
            "capacity",
            format!("{capacity} is too little"),
            &format!("write at least \"{least}\", or leave the disk out"),
        );
        return None;
    }
    Some(capacity)
}
