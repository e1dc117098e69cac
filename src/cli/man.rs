//! `man`: the man pages, one for each command. For packages; people read them with `man reconciled`.

use std::{fmt::Write as _, path::Path};

use clap::CommandFactory;

use super::{
    args::CommandLine,
    examples,
    exit::{CliError, Exit},
};

/// Writes the pages into a folder.
///
/// # Errors
///
/// When the folder cannot be written to.
pub fn run(dir: &Path) -> Result<Exit, CliError> {
    let failed = |source| CliError::File { action: "write man pages into", path: dir.to_owned(), source };
    std::fs::create_dir_all(dir).map_err(failed)?;
    let command = examples::with_examples(CommandLine::command()).after_long_help(exits());
    clap_mangen::generate_to(command, dir).map_err(failed)?;
    Ok(Exit::Done)
}

/// The exit codes, for the page of the whole program.
fn exits() -> String {
    let mut text = String::from("Exit codes:");
    for (exit, meaning) in Exit::ALL {
        // Writing to a string does not fail.
        let _ = write!(text, "\n\n  {}  {meaning}", *exit as u8);
    }
    text.push_str("\n\nFiles: /etc/reconciled (configuration), /var/lib/reconciled (state), /run/reconciled (socket).");
    text
}
