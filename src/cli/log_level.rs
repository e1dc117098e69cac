//! `log-level`: how much the running daemon logs.

use std::path::Path;

use super::{
    args::LogLevelArgs,
    exit::{CliError, Exit},
    output::Output,
    setup::{Office, daemon_only, lost},
};
use crate::daemon::protocol::{Request, Response};

/// Shows or changes it.
///
/// # Errors
///
/// When no daemon runs, or there is no such level.
pub async fn run(dir: &Path, args: &LogLevelArgs, out: &Output) -> Result<Exit, CliError> {
    let mut client = daemon_only(dir, out).await?;
    let answer = client.call(&Request::LogLevel { directive: args.level.clone() }).await.map_err(lost)?;
    let Response::LogLevel(filter) = answer else { return Err(Office::astray()) };
    if out.json {
        out.json(&filter);
    } else {
        out.data(&format!("{filter}\n"));
    }
    Ok(Exit::Done)
}
