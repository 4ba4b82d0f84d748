//! Hits in memory: what a record may say, and bytes that lie together, are answered without a wait and without a reader.
//!
//! Most reads are these, so they should take little. Nothing is decided here: that is done in `know` and `judge`, for these
//! reads and for those that wait.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;

use super::asked::Asked;
use super::from_disk::read_on;
use super::know::{AtHand, serve};
use super::source::Aim;
use super::{Attempt, Demand, Read, ReadMethod, head, with_entry};
use crate::cache::memory::Held;
use crate::gateway::{Answer, Gateway};
use crate::memory::Entry;
use crate::types::layout::block_of;
use crate::types::{BodyId, Source};

impl Gateway {
    /// The answer to `read`; none where something has to be waited for.
    pub(super) fn at_once(
        &self,
        aim: &Aim,
        read: &Read,
        at_hand: &AtHand,
        entry: &mut Option<Entry>,
    ) -> Option<Answer> {
        let AtHand::Trusted(record) = at_hand else {
            return None;
        };
        if read.freshness == Demand::Revalidate {
            return None;
        }
        let known = serve(aim, Arc::clone(record), Source::Memory, false, false).ok()?;
        let asked = match self.judge(aim, read, &known) {
            Ok(asked) => asked,
            Err(Attempt::Done(answer)) => return Some(answer),
            Err(_) => return None,
        };
        if read.checksum_mode && asked == Asked::Whole && !record.checksums_known {
            return None;
        }
        let range = asked.bytes(record.body.size());
        let body = match read.method {
            ReadMethod::Get if !range.is_empty() => {
                let bytes = self.in_one_piece(aim, &record.body, range)?;
                Some(with_entry(Full::new(bytes), entry.take()))
            }
            ReadMethod::Get | ReadMethod::Head => None,
        };
        let head = head::found(record, &asked, read.checksum_mode);
        Some(Answer {
            response: match body {
                Some(body) => head.map(|_| body),
                None => head,
            },
            source: known.source,
        })
    }

    /// The bytes of `range`, where memory holds them together.
    fn in_one_piece(&self, aim: &Aim, body: &BodyId, range: Range<u64>) -> Option<Bytes> {
        // What lies in two blocks does not lie together: that needs no look, which would count as an access.
        if block_of(range.start) != block_of(range.end - 1) {
            return None;
        }
        let length = usize::try_from(range.end - range.start).ok()?;
        let Held { mut bytes, marked } = self.tiers.memory.read(&aim.wanted(body), range.start)?;
        if marked {
            let body = self.bodies.of(body, aim.purges.0);
            read_on(&Arc::new(self.source(aim.clone())), &body, range.start);
        }
        bytes.truncate(length);
        (bytes.len() == length).then_some(bytes)
    }
}
