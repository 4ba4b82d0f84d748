//! Tests of the books as a whole.
