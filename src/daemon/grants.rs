//! Consents and disconnections, as people ask for them: in the daemon, or in a command that finds none.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    control::Shared,
    protocol::{Failure, FailureKind, Request, Response, Status},
    status::ConnectionTrouble,
};
use crate::{
    config::{Auth, Config, Connection, ConnectionName, Grant},
    engine::Engine,
    grant::{ConnectionNow, ConnectionState, GrantError, Keeper, Leaving, Renewals},
};

/// The keeper of the logins of an engine; `None` where no connection logs in by a grant.
pub(super) fn keeper(engine: &Engine) -> Option<Arc<Keeper>> {
    engine.connectors.values().find_map(|connector| connector.keeper())
}

/// How often logins were renewed, of every grant that a connection uses.
pub(super) fn renewals(engine: &Engine) -> BTreeMap<String, Renewals> {
    let known = keeper(engine).map(|keeper| keeper.renewals()).unwrap_or_default();
    let used = engine.config.connections.values().filter_map(|connection| match &connection.auth {
        Auth::Grant(grant) => Some(grant.name.to_string()),
        _ => None,
    });
    used.map(|name| (name.clone(), known.get(&name).copied().unwrap_or_default())).collect()
}

/// How every connection stands that logs in by a grant.
pub(super) async fn all(engine: &Engine) -> Vec<ConnectionNow> {
    let Some(keeper) = keeper(engine) else { return Vec::new() };
    let mut found = Vec::new();
    for connection in engine.config.connections.values() {
        found.extend(keeper.look(connection).await);
    }
    found
}

/// Carries out a request about grants.
pub(super) async fn carry_out(engine: &Engine, request: Request) -> Result<Response, Failure> {
    let no_keeper = || {
        let text = "no connection logs in by a grant: give one below `grants:`, and name it in a connection as `grant`";
        Failure::new(FailureKind::NoSuch, text)
    };
    let keeper = keeper(engine).ok_or_else(no_keeper)?;
    Ok(match request {
        Request::ConnectBegin { what, redirect } => {
            let (grant, connection) = named(&engine.config, &what)?;
            let redirect = match redirect {
                Some(text) => url::Url::parse(&text)
                    .map_err(|error| Failure::new(FailureKind::BadRequest, format!("`redirect`: {error}")))?,
                None => grant.redirect.clone(),
            };
            let back = connection.map(|connection| connection.name.to_string());
            if let Some(consented) = keeper.take_back(&grant, back.as_deref()).await? {
                return Ok(Response::Consented(consented));
            }
            let url = keeper.begin(&grant, redirect.clone(), back).await?;
            Response::Consent { grant: grant.name.to_string(), url: url.into(), redirect: redirect.into() }
        }
        Request::ConnectFinish { parameters } => Response::Consented(keeper.finish(&parameters).await?),
        Request::Disconnect { what, whole, by } => {
            let (grant, connection) = named(&engine.config, &what)?;
            let connection = connection.filter(|_| !whole).map(|connection| connection.name.as_str());
            let others: Vec<String> = users(&engine.config, &grant).iter().map(ToString::to_string).collect();
            let by = if by.is_empty() { "somebody" } else { &by };
            Response::Disconnected(keeper.disconnect(&grant, Leaving { connection, others: &others, by }).await?)
        }
        _ => return Err(Failure::new(FailureKind::BadRequest, "this is no request about grants")),
    })
}

/// Has every integration tell which of its connections are not connected, also before it has tried to use them.
pub(super) fn note_lacking(shared: &Shared, status: &mut Status) {
    let Some(daemon) = &mut status.daemon else { return };
    let slots = shared.slots();
    let lacking: Vec<&ConnectionNow> =
        status.connections.iter().filter(|one| one.state != ConnectionState::Connected).collect();
    for now in &mut daemon.integrations {
        let used = slots.get(&now.integration).map(|slot| slot.connections()).unwrap_or_default();
        for login in lacking.iter().filter(|login| used.contains(&login.connection)) {
            if now.troubles.iter().any(|trouble| trouble.connection == login.connection) {
                continue;
            }
            let todo = login.todo.as_deref().unwrap_or_default();
            now.troubles.push(ConnectionTrouble {
                connection: login.connection.clone(),
                message: format!("it is {}; {todo}", login.state.said()),
                temporary: false,
                since: login.parted.as_ref().map_or(daemon.now, |parted| parted.at),
                attempts: 0,
            });
        }
    }
}

/// Whether there is such a grant or connection.
pub(super) fn known(engine: &Engine, what: &str) -> Result<(), Failure> {
    named(&engine.config, what).map(drop)
}

/// Everybody who logs in by this grant.
fn users(config: &Config, grant: &Grant) -> BTreeSet<ConnectionName> {
    let uses = |connection: &Connection| matches!(&connection.auth, Auth::Grant(of) if of.name == grant.name);
    config.connections.iter().filter(|(_, connection)| uses(connection)).map(|(name, _)| name.clone()).collect()
}

/// The grant of this name, or that of the connection of this name.
fn named<'c>(config: &'c Config, what: &str) -> Result<(Arc<Grant>, Option<&'c Connection>), Failure> {
    let all = config.connections.values();
    let mut with_grant = all.filter_map(|connection| match &connection.auth {
        Auth::Grant(grant) => Some((connection, grant)),
        _ => None,
    });
    // A grant that has the name of a connection is meant as the grant.
    if let Some((_, grant)) = with_grant.clone().find(|(_, grant)| grant.name.as_str() == what) {
        return Ok((Arc::clone(grant), None));
    }
    if let Some((connection, grant)) = with_grant.find(|(connection, _)| connection.name.as_str() == what) {
        return Ok((Arc::clone(grant), Some(connection)));
    }
    let text = format!("`{what}` is neither a grant that a connection uses, nor a connection that logs in by one");
    Err(Failure::new(FailureKind::NoSuch, text))
}

/// Returns when no login is being given or renewed, or that takes too long.
pub(super) async fn settled(shared: &Shared) {
    /// Longer than a request and its repetition take. In real time, as authorization servers are real.
    const PATIENCE: Duration = Duration::from_secs(60);
    let Some(keeper) = keeper(&shared.engine()) else { return };
    if tokio::time::timeout(PATIENCE, keeper.settled()).await.is_err() {
        tracing::error!(
            event = "grant.not_settled",
            "a login was being renewed at the end; it may have to be given again"
        );
    }
}

/// Carries out a request about grants in the daemon, and has whoever is concerned look again. It comes to its end also when
/// whoever asked has hung up: half a disconnection, or a login that nobody looks for, is worse than either.
pub(super) async fn answer(shared: &Arc<Shared>, request: Request) -> Result<Response, Failure> {
    let shared = Arc::clone(shared);
    let work = tokio::spawn(async move { answer_once(&shared, request).await });
    work.await.unwrap_or_else(|error| {
        Err(Failure::new(FailureKind::NotPossible, format!("a mistake in the program: {error}")))
    })
}

async fn answer_once(shared: &Arc<Shared>, request: Request) -> Result<Response, Failure> {
    let engine = shared.engine();
    let response = carry_out(&engine, request).await?;
    if let Response::Consented(consented) = &response {
        let users = engine.config.connections.values().filter_map(|connection| match &connection.auth {
            Auth::Grant(grant) if grant.name.as_str() == consented.grant => Some(connection.name.clone()),
            _ => None,
        });
        let users: BTreeSet<ConnectionName> = users.collect();
        for slot in shared.slots().values().filter(|slot| slot.shares(&users)) {
            slot.login_given(&users, "a login was given", true);
        }
    }
    if let Response::Disconnected(_) = response {
        // Whoever tells people, and whoever looks at a page, looks again.
        for slot in shared.slots().values() {
            slot.stir();
        }
    }
    Ok(response)
}

impl From<GrantError> for Failure {
    fn from(error: GrantError) -> Self {
        let kind = match &error {
            GrantError::Person(_) | GrantError::Vault(_) => FailureKind::NotPossible,
            GrantError::Passes(_) => FailureKind::Remote,
            GrantError::Store(_) => FailureKind::Store,
        };
        Self::new(kind, super::protocol::chain(&error))
    }
}
