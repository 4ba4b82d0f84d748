//! Reads of objects.

pub mod request;

pub use request::{Conditions, Demand, RangeHeader, Read, ReadMethod};
