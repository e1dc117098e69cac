//! `approve` and `reject`: a person lets a held run go ahead, or does not.

use super::{
    exit::{CliError, Exit},
    output::Output,
    setup::Office,
};
use crate::{
    config::PipelineName,
    daemon::protocol::{Request, Response},
};

/// Approves.
///
/// # Errors
///
/// When nothing of that name waits, or the state cannot be used.
pub async fn approve(office: &mut Office, what: &str, out: &Output) -> Result<Exit, CliError> {
    let request = Request::Approve { what: what.to_owned() };
    let Response::Approved(pipelines) = office.ask(request).await? else { return Err(Office::astray()) };
    if out.json {
        out.json(&pipelines);
    } else {
        let names: Vec<&str> = pipelines.iter().map(PipelineName::as_str).collect();
        out.talk(&format!("approved: {}; the next run goes ahead", names.join(", ")));
    }
    Ok(Exit::Done)
}

/// Rejects.
///
/// # Errors
///
/// When nothing of that name waits, or the state cannot be used.
pub async fn reject(office: &mut Office, what: &str, out: &Output) -> Result<Exit, CliError> {
    let request = Request::Reject { what: what.to_owned() };
    let Response::Rejected(pipeline) = office.ask(request).await? else { return Err(Office::astray()) };
    if out.json {
        out.json(&pipeline);
    } else {
        out.talk(&format!("rejected: the plan of {pipeline} stays held and is not applied"));
    }
    Ok(Exit::Done)
}
