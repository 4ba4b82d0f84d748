//! What the fuzz targets of `tests/fuzz` see of the gateway: its parsers. Compiled with the feature `fuzzing` only.

use super::forward::rename;
use crate::routes::Route;

pub use super::read::fuzzing::{judge, range_counts};
pub use super::write::delete::fuzzing::{Asked, insert_at_end, parse as deletion};

/// An origin's document with the client's names; none where it is not well-formed.
pub fn renamed(document: &[u8], route: &Route) -> Option<Vec<u8>> {
    rename::rename(document, route).ok()
}
