//! The access log: one line a request, for machines ([`json`]) or for people ([`people`]).

pub(super) mod json;
pub(super) mod people;

/// The target of access lines.
pub const TARGET: &str = "forebay::access";
