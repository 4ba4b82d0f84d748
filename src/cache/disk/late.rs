//! Offers for which the queue had no room: taken after all once the disk has time, as far as memory still has their bytes.
//!
//! They keep no bytes. Those that came last are looked at first, as memory is most likely to have them.

use std::collections::VecDeque;

use super::{BlockId, Epoch, Offer};
use crate::memory::WeakBuffer;

/// The most offers that are remembered: some hundred KiB of memory.
const MOST: usize = 4096;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Late(VecDeque<Remembered>);

#[derive(Debug)]
struct Remembered {
    block: BlockId,
    block_length: u32,
    start: u32,
    buffer: WeakBuffer,
    epoch: Epoch,
    pinned: bool,
}

impl Late {
    /// Remembers an offer, in the place of the first where there are too many.
    pub(super) fn remember(&mut self, offer: &Offer) {
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(Remembered {
            block: offer.block,
            block_length: offer.block_length,
            start: offer.start,
            buffer: offer.buffer.downgrade(),
            epoch: offer.epoch,
            pinned: offer.pinned,
        });
    }

    /// The last of them whose bytes are still there.
    pub(super) fn take(&mut self) -> Option<Offer> {
        while let Some(last) = self.0.pop_back() {
            if let Some(buffer) = last.buffer.upgrade() {
                return Some(Offer {
                    block: last.block,
                    block_length: last.block_length,
                    start: last.start,
                    buffer,
                    epoch: last.epoch,
                    pinned: last.pinned,
                });
            }
        }
        None
    }
}
