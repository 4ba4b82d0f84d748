//! The `forebay` binary.

use std::process::ExitCode;

use forebay::memory::Heap;

/// Answers are made of many small allocations on many threads, which the system's allocator is slow at.
#[global_allocator]
static HEAP: Heap = Heap;

fn main() -> ExitCode {
    forebay::cli::run()
}
