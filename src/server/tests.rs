//! A node's life, from start to drain.
