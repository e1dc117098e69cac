//! `approve` and `reject`: a person lets a held run or edit go ahead, or does not.

use super::{
    args::ApproveArgs,
    exit::{CliError, Exit},
    output::Output,
    setup::Office,
};
use crate::{
    config::PipelineName,
    daemon::protocol::{Request, Response},
    record::RecordId,
    store::Approval,
};

/// Approves.
///
/// # Errors
///
/// When nothing of that name waits, or the state cannot be used.
pub async fn approve(office: &mut Office, args: &ApproveArgs, out: &Output) -> Result<Exit, CliError> {
    let except = args.except.iter().map(|id| RecordId::from(id.as_str())).collect();
    let what = super::client::answerable(office, &args.what).await?;
    match office.ask(Request::Approve { what, except }).await? {
        Response::Approved(pipelines) if out.json => out.json(&pipelines),
        Response::EditAnswered(held) if out.json => out.json(&held),
        Response::RolloutAnswered(rollout) if out.json => out.json(&rollout),
        Response::Approved(pipelines) => {
            let names: Vec<&str> = pipelines.iter().map(PipelineName::as_str).collect();
            let left = args.except.len();
            let but =
                if left == 0 { String::new() } else { format!(", but for {left} of its records, which stay held") };
            out.talk(&format!("approved: {}{but}; the next run goes ahead", names.join(", ")));
        }
        Response::EditAnswered(held) => {
            let left = held.except.len();
            let but = if left == 0 { String::new() } else { format!(", but for {left} of its records") };
            let when = if office.has_daemon() { "it takes over now" } else { "it takes over when the daemon starts" };
            out.talk(&format!("approved: the edit of {}{but}; {when}", held.integration));
        }
        Response::RolloutAnswered(rollout) => {
            let when = if office.has_daemon() { "now" } else { "when the daemon starts" };
            let template = &rollout.template;
            out.talk(&match rollout.answer {
                Approval::Approved => {
                    format!("approved: all clients of the template {template} take its edit over {when}")
                }
                _ => format!("approved: this client takes the edit of the template {template} over {when}"),
            });
        }
        _ => return Err(Office::astray()),
    }
    Ok(Exit::Done)
}

/// Rejects.
///
/// # Errors
///
/// When nothing of that name waits, or the state cannot be used.
pub async fn reject(office: &mut Office, what: &str, out: &Output) -> Result<Exit, CliError> {
    let request = Request::Reject { what: super::client::answerable(office, what).await? };
    match office.ask(request).await? {
        Response::Rejected(pipeline) if out.json => out.json(&pipeline),
        Response::EditAnswered(held) if out.json => out.json(&held),
        Response::RolloutAnswered(rollout) if out.json => out.json(&rollout),
        Response::Rejected(pipeline) => {
            out.talk(&format!("rejected: the plan of {pipeline} stays held and is not applied"));
        }
        Response::EditAnswered(held) => out.talk(&format!(
            "rejected: {} goes on as it was until its configuration is edited again; `reconciled config restore` puts \
             the file back",
            held.integration
        )),
        Response::RolloutAnswered(rollout) => out.talk(&format!(
            "rejected: the first clients of the template {} go back to what they ran before, until it is edited again; \
             `reconciled config restore` puts the file back",
            rollout.template
        )),
        _ => return Err(Office::astray()),
    }
    Ok(Exit::Done)
}
