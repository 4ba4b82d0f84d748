//! The epoch protocol as a pure state machine.
