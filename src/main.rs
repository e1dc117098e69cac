//! `reconciled`: parse the command line, hand over; nothing else.

use std::process::ExitCode;

/// Long runs allocate and free many small values on several threads; this allocator stays small and quick with that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    reconciled::cli::main()
}
