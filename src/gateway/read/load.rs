//! The part of a fill that reads a disk.
//!
//! A fill whose pages a disk holds takes them from there, a window at a time, and turns to the origin for whatever the disk
//! cannot give: readers do not notice.

use super::bodies::Turn;
use super::fill::{Failure, PATIENCE, Run};
use crate::memory::buffer::allocated;
use crate::memory::{Exhausted, Pool, Writer};

impl Run {
    /// Fills from a disk, from `at` on, as far as that goes. What is left is the origin's to give.
    ///
    /// # Errors
    /// There is no memory, or nobody reads any more.
    pub(super) async fn load(&self, at: &mut u64) -> Result<(), Failure> {
        let end = self.fill.range.end;
        while *at < end {
            // Nothing is held while it waits, so that it may wait as long as there is a reader.
            if self.wait_for_turn(*at).await == Turn::Deserted {
                return Err(Failure::Deserted);
            }
            let length = self.extent_length(*at);
            let size = allocated(length);
            let memory = &self.source.memory;
            let reserved = memory.reserve(Pool::Fill, size, PATIENCE).await;
            let reservation = reserved.map_err(|Exhausted| Failure::NoMemory)?;
            let writer = Writer::new(length, reservation);
            let range = *at..*at + length as u64;
            let wanted = self.source.wanted(&self.body);
            let tiers = &self.source.tiers;
            match tiers.load(&wanted, range.clone(), writer).await {
                Ok(buffer) => {
                    self.fill.push(*at, buffer.clone());
                    tiers.loaded(&wanted, *at, buffer);
                    *at = range.end;
                    self.fill.trim(self.body.fastest(&self.fill.range));
                    self.fill.moved.notify_waiters();
                }
                Err(miss) => {
                    tracing::debug!(%miss, "a disk could not give what it seemed to hold");
                    self.fill.turn_to_the_origin();
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
