//! `--client`: one integration (of an agency, a client) in place of all.
//!
//! The office then knows nothing else, so that every command that lists or acts does so for this one, and its pipelines
//! go by their short names. What is not asked by name is looked through here.

use super::{
    args::{Command, ConfigCommand},
    exit::CliError,
    setup::Office,
};
use crate::{
    config::IntegrationName,
    daemon::{
        protocol::{Request, Response, Status},
        reload::{ConfigDiff, Rollout},
    },
};

/// Refuses the option where it would be passed over in silence.
///
/// # Errors
///
/// When the command is about everything.
pub fn check(command: &Command) -> Result<(), CliError> {
    let name = match command {
        Command::Run => "run",
        Command::Validate(_) => "validate",
        Command::Doctor(_) => "doctor",
        Command::Access(_) => "access",
        Command::Notifications(_) => "notifications",
        Command::Connect(_) => "connect",
        Command::Disconnect(_) => "disconnect",
        Command::Connections => "connections",
        Command::Forget(_) => "forget",
        Command::Import(_) => "import",
        Command::Render(_) => "render",
        Command::Connectors(_) => "connectors",
        Command::Schema(_) => "schema",
        Command::Completions(_) => "completions",
        Command::Demo(_) => "demo",
        Command::LogLevel(_) => "log-level",
        Command::Reload(_) => "reload",
        Command::Edit(_) => "edit",
        Command::Config(ConfigCommand::Restore(_)) => "config restore",
        _ => return Ok(()),
    };
    Err(CliError::Usage(format!("`{name}` is about everything; it takes no `--client`")))
}

/// Leaves out of a status what is of others.
pub fn only(status: &mut Status, client: &IntegrationName) {
    status.integrations.retain(|one| one.integration == *client);
    if let Some(daemon) = &mut status.daemon {
        daemon.integrations.retain(|one| one.integration == *client);
    }
    status.edits.retain(|edit| edit.integration == *client);
    let takes_part = |rollout: &Rollout| {
        rollout.waiting.contains(client) || rollout.first.iter().any(|trial| trial.integration == *client)
    };
    status.rollouts.retain(takes_part);
    let own = |what: &str| what.split('/').next() == Some(client.as_str());
    status.paused.retain(|pause| own(&pause.what));
}

/// Leaves out of a comparison what is of others. Mistakes stay: they may be why it goes on as it is.
pub fn only_of(diff: &mut ConfigDiff, client: &str) {
    diff.integrations.retain(|one| one.integration.as_str() == client);
}

/// The full name of what a person answers (a pipeline, an integration, the id of something held), which must be the
/// client's where one was named.
///
/// # Errors
///
/// When it is another's, or there is nothing of that name.
pub async fn answerable(office: &mut Office, what: &str) -> Result<String, CliError> {
    let Some(client) = office.client().cloned() else { return Ok(what.to_owned()) };
    if let Ok(name) = office.full_name(what) {
        return Ok(name);
    }
    let Response::Held(held) = office.ask(Request::Held).await? else { return Err(Office::astray()) };
    if held.iter().any(|held| held.id == what && held.pipeline.integration() == client) {
        return Ok(what.to_owned());
    }
    let Response::Status(status) = office.ask(Request::Status).await? else { return Err(Office::astray()) };
    if status.edits.iter().any(|edit| edit.id == what && edit.integration == client) {
        return Ok(what.to_owned());
    }
    Err(CliError::Usage(format!("nothing of `{client}` is named `{what}`, or waits under that number")))
}
