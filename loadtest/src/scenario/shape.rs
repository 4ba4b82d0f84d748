//! What is read: the three sizes that the budgets name.

use std::sync::Arc;

use crate::content::size_text;
use crate::load::{Ask, ranges, shuffled, whole};
use crate::origin::Set;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// A size of object and of what is asked of it at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(super) name: &'static str,
    pub(super) object: u64,
    /// Nothing where objects are read whole.
    pub(super) range: Option<u64>,
    /// The block at which a disk is read for it: a page of a range, and a block of a body.
    pub(super) block: u64,
}

pub(super) const RANGES: Shape = Shape {
    name: "64 KiB ranges",
    object: 16 * MIB,
    range: Some(64 * KIB),
    block: 64 * KIB,
};

pub(super) const SHAPES: [Shape; 3] = [
    RANGES,
    Shape {
        name: "1 MiB objects",
        object: MIB,
        range: None,
        block: MIB,
    },
    Shape {
        name: "16 MiB objects",
        object: 16 * MIB,
        range: None,
        block: MIB,
    },
];

/// The shape of a name: what is asked for at a time.
pub(super) fn parse_shape(name: &str) -> Result<Shape, String> {
    let found = SHAPES.into_iter().find(|shape| shape.short() == name);
    found.ok_or_else(|| format!("{name:?} is none of 64KiB, 1MiB, 16MiB"))
}

impl Shape {
    fn short(&self) -> String {
        size_text(self.range.unwrap_or(self.object))
    }

    pub(super) fn set(&self, bytes: u64) -> Set {
        Set::of_bytes("objects", self.object, bytes)
    }

    /// Everything once, in random order.
    pub(super) fn asks(&self, set: &Set, seed: u64) -> Arc<[Ask]> {
        let asks = match self.range {
            Some(length) => ranges(set, length),
            None => whole(std::slice::from_ref(set)),
        };
        shuffled(asks, seed).into()
    }

    /// Every object whole, in order: how a set is first read.
    pub(super) fn first_pass(&self, set: &Set) -> Arc<[Ask]> {
        whole(std::slice::from_ref(set)).into()
    }
}
