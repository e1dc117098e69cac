//! `--client`: one integration (of an agency, a client) in place of all.
//!
//! The office then knows nothing else, so that every command that lists or acts does so for this one, and its pipelines
//! go by their short names. What is not asked by name is looked through here.

use std::collections::BTreeSet;

use super::{
    args::{Command, ConfigCommand},
    exit::CliError,
    setup::Office,
};
use crate::{
    config::{Config, ConnectionName, IntegrationName, is_below},
    daemon::{
        NotificationNow,
        protocol::{Request, Response, Status},
        reload::{ConfigDiff, Rollout},
    },
    grant::ConnectionNow,
};

/// Refuses the option where it would be passed over in silence.
///
/// # Errors
///
/// When the command is about everything.
pub fn check(command: &Command) -> Result<(), CliError> {
    let name = match command {
        Command::Run => "run",
        Command::Init(_) => "init",
        Command::Validate(_) => "validate",
        Command::Access(_) => "access",
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

/// The connections of a client: those that it has of its own, and those that its pipelines use.
#[must_use]
pub fn connections(config: &Config, client: &str) -> BTreeSet<ConnectionName> {
    let own = config.connections.keys().filter(|name| is_below(name.as_str(), client));
    let integration = config.integrations.iter().filter(|(name, _)| name.as_str() == client);
    let pipelines = integration.flat_map(|(_, integration)| &integration.pipelines);
    let used = pipelines.flat_map(|pipeline| &pipeline.ends).map(|end| &end.connection.name);
    own.chain(used).cloned().collect()
}

/// The logins of the client, where one was named; of all otherwise.
#[must_use]
pub fn logins(office: &Office, all: Vec<ConnectionNow>) -> Vec<ConnectionNow> {
    let Some(client) = office.client() else { return all };
    let used = connections(&office.config, client.as_str());
    let of_client =
        |one: &ConnectionNow| used.contains(&one.connection) || is_below(one.connection.as_str(), client.as_str());
    all.into_iter().filter(of_client).collect()
}

/// What of a login ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// Nothing: somebody consents.
    Nothing,
    /// The connection that is named, or the login if that is named.
    Named,
    /// The login, whatever is named.
    Login,
}

/// The full name of the connection or login that is meant, which must be the client's where one was named.
///
/// # Errors
///
/// When it is another's, or something would end that others use, too.
pub async fn login(office: &mut Office, what: &str, ends: Ends) -> Result<String, CliError> {
    let Some(client) = office.client().cloned() else { return Ok(what.to_owned()) };
    let Response::Status(status) = office.ask(Request::Status).await? else { return Err(Office::astray()) };
    let all = status.connections;
    let own = logins(office, all.clone());
    let short = format!("{client}/{what}");
    let meant = own.iter().find(|one| one.connection.as_str() == what || one.connection.as_str() == short);
    let grant = meant.map_or(what, |one| one.grant.as_str());
    if meant.is_none() && own.iter().all(|one| one.grant != grant) {
        let names: Vec<&str> = own.iter().map(|one| one.connection.as_str()).collect();
        let has = match names.as_slice() {
            [] => "none of its connections logs in by consent".to_owned(),
            names => format!("it has {}", names.join(", ")),
        };
        return Err(CliError::Usage(format!("`{client}` has no connection or login `{what}`; {has}")));
    }
    let others: BTreeSet<String> = match (ends, meant) {
        (Ends::Nothing, _) => BTreeSet::new(),
        (Ends::Named, Some(meant)) => {
            let all = office.config.integrations.keys().filter(|name| **name != client);
            let uses = |name: &&IntegrationName| connections(&office.config, name.as_str()).contains(&meant.connection);
            all.filter(uses).map(ToString::to_string).collect()
        }
        (Ends::Named | Ends::Login, _) => {
            let others = all.iter().filter(|one| one.grant == grant && !own.contains(one));
            others.map(|one| one.connection.to_string()).collect()
        }
    };
    if !others.is_empty() {
        let others: Vec<String> = others.into_iter().collect();
        return Err(CliError::Usage(format!(
            "`{what}` is also used by {}; say it without `--client` if they are meant, too",
            others.join(", ")
        )));
    }
    Ok(meant.map_or_else(|| what.to_owned(), |one| one.connection.to_string()))
}

/// The receivers of notifications that are told of this client alone; of all otherwise.
#[must_use]
pub fn receivers(office: &Office, all: Vec<NotificationNow>) -> Vec<NotificationNow> {
    let Some(client) = office.client() else { return all };
    all.into_iter().filter(|one| is_told_alone(&office.config, &one.name, client)).collect()
}

/// The full name of the receiver that is meant, who must be the client's alone where one was named.
///
/// # Errors
///
/// When there is none of the name.
pub fn receiver(office: &Office, name: &str) -> Result<String, CliError> {
    let Some(client) = office.client() else { return Ok(name.to_owned()) };
    let known = office.config.notifications.keys().find(|known| {
        let named = known.as_str() == name || **known == format!("{client}/{name}");
        named && is_told_alone(&office.config, known, client)
    });
    let unknown = || CliError::Usage(format!("nobody named `{name}` is told of `{client}` alone"));
    known.cloned().ok_or_else(unknown)
}

fn is_told_alone(config: &Config, name: &str, client: &IntegrationName) -> bool {
    let only = config.notifications.get(name).and_then(|told| told.integrations.as_ref());
    is_below(name, client.as_str()) || only.is_some_and(|only| only.len() == 1 && only.contains(client))
}
