//! Forebay, an S3-compatible caching gateway that keeps GPUs fed.
//!
//! The modules form six bands; a module imports lower bands only (`docs/ARCHITECTURE.md`, enforced by
//! `tests/architecture.rs`).

// Band 6: assembly.
pub mod cli;
pub mod config;
pub mod server;

// Band 5: doors.
pub mod admin;
pub mod s3;

// Band 4: the gateway.
pub mod gateway;

// Band 3: knowledge.
pub mod auth;
pub mod records;
pub mod routes;

// Band 2: I/O.
pub mod cache;
pub mod origin;

// Band 1: base.
pub mod clock;
pub mod memory;
pub mod net;
pub mod per_core;
pub mod tasks;
pub mod telemetry;
pub mod types;
