//! `reconciled`: parse the command line, hand over; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    reconciled::cli::main()
}
