//! What the origin is asked and sends, in numbers.

use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        #[derive(Debug, Default)]
        pub(super) struct Counters { $(pub(super) $name: AtomicU64,)* }

        /// The counters at one moment, or the difference of two moments.
        #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub(crate) struct Counted { $($(#[$doc])* pub(crate) $name: u64,)* }

        impl Counters {
            pub(super) fn read(&self) -> Counted {
                Counted { $($name: self.$name.load(Ordering::Relaxed),)* }
            }

            pub(super) fn reset(&self) {
                $(self.$name.store(0, Ordering::Relaxed);)*
            }
        }

        impl Add for Counted {
            type Output = Self;

            fn add(self, other: Self) -> Self {
                Self { $($name: self.$name + other.$name,)* }
            }
        }

        impl Sub for Counted {
            type Output = Self;

            fn sub(self, earlier: Self) -> Self {
                Self { $($name: self.$name.saturating_sub(earlier.$name),)* }
            }
        }
    };
}

counters! {
    /// Reads of bodies that were answered with 200 or 206.
    gets,
    heads,
    lists,
    puts,
    deletes,
    /// Reads refused with 412: what a gateway tries once on each bucket before it relies on `If-Match`.
    precondition_failed,
    /// Answers 4xx but 412.
    refused,
    /// Answers 5xx, made up by the error rate.
    errors,
    /// Bodies that were held up in the middle, by the stall rate.
    stalls,
    /// Bytes of bodies handed to connections.
    sent_bytes,
    /// Bytes of uploads.
    received_bytes,
    /// Uploads whose bytes were not what their key and generation say.
    wrong_uploads,
}

impl Counted {
    /// Requests of any kind but those that are tried once on a bucket.
    pub(crate) fn requests(&self) -> u64 {
        self.gets + self.heads + self.lists + self.puts + self.deletes + self.refused + self.errors
    }
}

pub(super) fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}
