//! What is read: the three sizes that the budgets name, and ranges one after another.

use std::sync::Arc;

use crate::content::size_text;
use crate::load::{Ask, Order, ranges, shuffled, whole};
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
    /// Whether one client reads all ranges of an object, front to back.
    pub(super) in_order: bool,
    /// The block at which a disk is read for it: a page of a range, and a block of a body.
    pub(super) block: u64,
}

pub(super) const RANGES: Shape = Shape {
    name: "64 KiB ranges",
    object: 16 * MIB,
    range: Some(64 * KIB),
    in_order: false,
    block: 64 * KIB,
};

pub(super) const SHAPES: [Shape; 5] = [
    RANGES,
    Shape {
        name: "1 MiB objects",
        object: MIB,
        range: None,
        in_order: false,
        block: MIB,
    },
    Shape {
        name: "16 MiB objects",
        object: 16 * MIB,
        range: None,
        in_order: false,
        block: MIB,
    },
    Shape {
        name: "64 KiB ranges in order",
        in_order: true,
        ..RANGES
    },
    Shape {
        name: "1 MiB ranges in order",
        object: 16 * MIB,
        range: Some(MIB),
        in_order: true,
        block: MIB,
    },
];

/// The shape of a name: what is asked for at a time.
pub(super) fn parse_shape(name: &str) -> Result<Shape, String> {
    let found = SHAPES.into_iter().find(|shape| shape.short() == name);
    found.ok_or_else(|| {
        let names = SHAPES.map(|shape| shape.short());
        format!("{name:?} is none of {}", names.join(", "))
    })
}

impl Shape {
    fn short(&self) -> String {
        let size = size_text(self.range.unwrap_or(self.object));
        if self.in_order {
            format!("{size}-in-order")
        } else {
            size
        }
    }

    pub(super) fn set(&self, bytes: u64) -> Set {
        Set::of_bytes("objects", self.object, bytes)
    }

    /// Everything once, in random order; of ranges in order the objects.
    pub(super) fn asks(&self, set: &Set, seed: u64) -> Arc<[Ask]> {
        let asks = match self.range {
            Some(length) => ranges(set, length),
            None => whole(std::slice::from_ref(set)),
        };
        let runs = asks.chunks(self.together()).map(<[Ask]>::to_vec).collect();
        shuffled(runs, seed).concat().into()
    }

    /// The same as the order of a load.
    pub(super) fn order(&self, set: &Set, seed: u64) -> Order {
        Order::in_runs(&self.asks(set, seed), self.together())
    }

    /// How many requests one client sends before it takes others.
    fn together(&self) -> usize {
        let length = self.range.filter(|_| self.in_order);
        let count = length.map_or(1, |length| self.object.div_ceil(length));
        usize::try_from(count).expect("an object has few ranges")
    }

    /// Every object whole, in order: how a set is first read.
    pub(super) fn first_pass(&self, set: &Set) -> Arc<[Ask]> {
        whole(std::slice::from_ref(set)).into()
    }
}
