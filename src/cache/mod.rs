//! The tiers: where blocks of bodies are kept.
//!
//! One today, in memory. A tier holds *extents*: runs of bytes inside one aligned block of one body. It is asked by the
//! body's digest and the block's index, and answers with bytes that are handed to the client without a copy. A tier of disk
//! blocks goes below this one: it takes the extents that [`memory::Tier::insert`] is given, and is asked before a fill starts.

pub mod disk;
pub mod memory;
