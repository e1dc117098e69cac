//! `pause` and `resume`: whether things start by themselves.

use super::{
    args::NamesArgs,
    exit::{CliError, Exit},
    output::Output,
    setup::Office,
    text::count,
};
use crate::daemon::protocol::{Request, Response};

/// Pauses what was named.
///
/// # Errors
///
/// When a name is wrong or the state cannot be used.
pub async fn pause(office: &mut Office, args: &NamesArgs, out: &Output) -> Result<Exit, CliError> {
    let mut paused = Vec::new();
    for what in named(office, args)? {
        let by = crate::daemon::own_name();
        let Response::Paused(pause) = office.ask(Request::Pause { what, by }).await? else {
            return Err(Office::astray());
        };
        if !out.json {
            let what = &pause.what;
            out.data(&format!("`{what}` is paused: nothing of it starts by itself until `reconciled resume {what}`\n"));
        }
        paused.push(pause);
    }
    if out.json {
        out.json(&paused);
    }
    Ok(Exit::Done)
}

/// Resumes what was named.
///
/// # Errors
///
/// When a name is wrong or the state cannot be used.
pub async fn resume(office: &mut Office, args: &NamesArgs, out: &Output) -> Result<Exit, CliError> {
    let mut resumed = Vec::new();
    for what in named(office, args)? {
        let Response::Resumed(ended) = office.ask(Request::Resume { what: what.clone() }).await? else {
            return Err(Office::astray());
        };
        if !out.json {
            for pause in &ended {
                out.data(&format!("`{}` goes on; {} had paused it\n", pause.what, pause.by));
            }
            if ended.is_empty() && !args.names.is_empty() {
                out.data(&format!("`{what}` was not paused\n"));
            }
        }
        resumed.extend(ended);
    }
    if out.json {
        out.json(&resumed);
    } else if args.names.is_empty() {
        out.data(&format!("{} ended\n", count(resumed.len() as u64, "pause", "pauses")));
    }
    Ok(Exit::Done)
}

/// Integrations as wholes, and pipelines where these were named.
fn named(office: &Office, args: &NamesArgs) -> Result<Vec<String>, CliError> {
    let chosen = office.chosen(&args.names)?.into_iter();
    let names = chosen.flat_map(|(integration, pipelines)| {
        let pipelines: Vec<String> = pipelines.iter().map(ToString::to_string).collect();
        if pipelines.is_empty() { vec![integration.to_string()] } else { pipelines }
    });
    Ok(names.collect())
}
