//! `access`: what is written in `reconciled.toml` for those who use the console. Changes nothing.

use std::io::{self, BufRead as _, IsTerminal as _};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::json;

use super::{
    args::AccessCommand,
    exit::{CliError, Exit},
    output::Output,
};
use crate::admin;

/// Shortest password, in characters.
const SHORTEST: usize = 10;

/// Asks and prints.
///
/// # Errors
///
/// When the password cannot be read, or is too short.
pub fn run(command: &AccessCommand, out: &Output) -> Result<Exit, CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::Other(error.to_string());
    match command {
        AccessCommand::Password => {
            let password = read(out).map_err(|error| failed(&format!("the password cannot be read: {error}")))?;
            if password.chars().count() < SHORTEST {
                return Err(CliError::Usage(format!("a password has at least {SHORTEST} characters")));
            }
            let hash = admin::hash_password(&password).map_err(|error| failed(&error))?;
            if out.json {
                out.json(&json!({ "password": hash }));
            } else {
                out.data(&format!("[admin.users.NAME]\npassword = '{hash}'\nrole = \"viewer\"\n"));
                out.talk("put this into reconciled.toml with a name and a role: viewer, operator or admin");
            }
        }
        AccessCommand::Token => {
            let (token, hash) = admin::new_token().map_err(|error| failed(&error))?;
            if out.json {
                out.json(&json!({ "token": token, "hash": hash }));
            } else {
                out.data(&format!("[admin.tokens.NAME]\ntoken = '{hash}'\nrole = \"viewer\"\n"));
                out.talk("put this into reconciled.toml with a name and a role: viewer, operator or admin");
                out.talk(&format!("the token itself is shown only now; give it to the program: {token}"));
            }
        }
    }
    Ok(Exit::Done)
}

/// A line of standard input; on a terminal it is not shown.
fn read(out: &Output) -> io::Result<String> {
    let stdin = io::stdin();
    let hidden = if stdin.is_terminal() {
        out.prompt("password: ");
        let before = tcgetattr(&stdin)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &quiet)?;
        Some(before)
    } else {
        None
    };
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    if let Some(before) = hidden {
        tcsetattr(&stdin, OptionalActions::Flush, &before)?;
        out.talk("");
    }
    read?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
