//! `forget`: everything that is remembered of one client is erased, after it was taken out of the configuration.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use super::{
    grants, notices,
    protocol::{Failure, FailureKind, chain},
    reload::{
        remembered,
        removed::{self, Left},
        rollout,
    },
};
use crate::{
    config::{
        Auth, Config, Connection, ConnectionName, IntegrationName, Loaded, Snapshot, defines, is_below, load_snapshot,
    },
    engine::Engine,
    store::{
        Client, Ledger, StoreError,
        belongings::client::{self, Found},
        snapshot,
    },
};

/// What is remembered of a client, or was until now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Whether it was erased; else it is only counted.
    pub done: bool,
    /// Entries of the store, by the kind of thing, as an export names them.
    pub entries: BTreeMap<String, u64>,
    /// Connections that nobody else uses: what is remembered of them goes as well.
    pub connections: BTreeSet<ConnectionName>,
    /// Logins that nobody else uses: their tokens go as well. The remote is not told.
    pub grants: BTreeSet<String>,
    /// Former texts of files that are about this client alone.
    pub texts: u64,
    /// Files whose former texts name it among others; they are forgotten after twenty more edits.
    pub named_in: BTreeSet<String>,
    /// Snapshots of the store, which hold it until newer ones take their place.
    pub snapshots: Vec<PathBuf>,
}

/// Counts what is remembered of a client, and erases it if a person is sure.
///
/// # Errors
///
/// When it is still configured, nothing is remembered of it, or the store fails.
pub(super) async fn forget(engine: &Engine, name: &IntegrationName, sure: bool) -> Result<Forgotten, Failure> {
    let dir = engine.config.settings.config_dir.clone();
    let written = load(Snapshot::read(&dir)).await?;
    if let Some(place) = written.written.get(name) {
        let text = format!("`{name}` is in {}; take it out there first, and let the daemon take that over", place.file);
        return Err(Failure::new(FailureKind::NotPossible, text));
    }
    if engine.config.integrations.contains_key(name) {
        let text = format!("`{name}` still runs, although no file names it any more; `reconciled status` says why");
        return Err(Failure::new(FailureKind::NotPossible, text));
    }
    let failed = |error: StoreError| Failure::new(FailureKind::Store, format!("the store failed: {}", chain(&error)));
    let ledger = &engine.ledger;
    let now = [engine.config.as_ref(), &written.config];
    let texts = former_texts(ledger, name, &now).await?;
    let left = removed::left_of(ledger, name).await.map_err(failed)?;
    let client = belonging(ledger, name, &now, &dir).await?;
    let found =
        if sure { client::erase(ledger, &client).await } else { client::count(ledger.store().as_ref(), &client).await };
    let found = found.map_err(failed)?;
    if sure {
        remembered::forget_texts(ledger, &texts.own).await.map_err(failed)?;
        rollout::leave_out(ledger, name).await.map_err(failed)?;
        notices::leave_out(ledger, name).await.map_err(failed)?;
        // Tokens are held in memory as well, and would be written back from there.
        if let Some(keeper) = grants::keeper(engine) {
            for grant in &client.grants {
                keeper.forget(grant).await.map_err(failed)?;
            }
        }
        removed::forget_left(ledger, name).await.map_err(failed)?;
        ledger.flush().await.map_err(failed)?;
        tracing::warn!(event = "client.forgotten", client = %name, entries = total(&found));
    } else if total(&found) == 0 && texts.own.is_empty() && left.is_none() {
        let text = format!("nothing is remembered of `{name}`");
        return Err(Failure::new(FailureKind::NoSuch, text));
    }
    Ok(Forgotten {
        done: sure,
        entries: found.into_iter().map(|(space, count)| (space.name().to_owned(), count)).collect(),
        connections: client.connections,
        grants: client.grants,
        texts: texts.own.len() as u64,
        named_in: texts.shared,
        // What cannot be looked through tells of none.
        snapshots: snapshot::every(&engine.config.settings.backup.dir).unwrap_or_default(),
    })
}

fn total(found: &Found) -> u64 {
    found.values().sum()
}

async fn load(snapshot: Snapshot) -> Result<Loaded, Failure> {
    // Variables make no difference to what is named.
    let none: HashMap<String, String> = HashMap::new();
    let loaded = tokio::task::spawn_blocking(move || load_snapshot(&snapshot, &none, &BTreeMap::new())).await;
    loaded.map_err(|error| Failure::new(FailureKind::NotPossible, format!("a mistake in the program: {error}")))
}

/// A client, configured or not, with the connections that nobody else uses.
///
/// # Errors
///
/// When the store fails.
pub async fn everything_of(ledger: &Ledger, name: &IntegrationName, config: &Config) -> Result<Client, Failure> {
    let mut client = belonging(ledger, name, &[config], &config.settings.config_dir).await?;
    if let Some(integration) = config.integrations.get(name) {
        let others = uses(config, name);
        let ends = integration.pipelines.iter().flat_map(|pipeline| &pipeline.ends);
        let own = ends.map(|end| end.connection.name.clone()).filter(|connection| !others.contains(connection));
        client.connections.extend(own);
    }
    Ok(client)
}

/// A client with the connections and logins that were its alone.
async fn belonging(
    ledger: &Ledger,
    name: &IntegrationName,
    now: &[&Config],
    dir: &std::path::Path,
) -> Result<Client, Failure> {
    let used = |connection: &ConnectionName| {
        now.iter().any(|config| config.connections.contains_key(connection) || uses(config, name).contains(connection))
    };
    let others = |grant: &str| {
        let connections = now.iter().flat_map(|config| config.connections.values());
        connections.filter(|one| !is_below(one.name.as_str(), name.as_str())).any(|one| grant_of(one) == Some(grant))
    };
    let mut client = Client::new(name.clone());
    for (connection, grant) in left(ledger, name, dir).await? {
        if used(&connection) {
            continue;
        }
        client.grants.extend(grant.filter(|grant| !others(grant)));
        client.connections.insert(connection);
    }
    Ok(client)
}

/// The connections and logins that a client used: as noted when it was removed, or from the last configuration that it
/// was in.
async fn left(ledger: &Ledger, name: &IntegrationName, dir: &std::path::Path) -> Result<Left, Failure> {
    let failed = |error: StoreError| Failure::new(FailureKind::Store, format!("the store failed: {}", chain(&error)));
    if let Some(left) = removed::left_of(ledger, name).await.map_err(failed)? {
        return Ok(left);
    }
    for (_, generation) in remembered::generations(ledger).await.map_err(failed)?.iter().rev() {
        let texts = remembered::texts(ledger, generation).await.map_err(failed)?;
        if !texts.values().any(|text| text.contains(name.as_str())) {
            continue;
        }
        let then = load(Snapshot::of_texts(dir, texts)).await?;
        if let Some(integration) = then.config.integrations.get(name) {
            return Ok(removed::left(integration));
        }
    }
    Ok(Left::new())
}

fn grant_of(connection: &Connection) -> Option<&str> {
    match &connection.auth {
        Auth::Grant(grant) => Some(grant.name.as_str()),
        _ => None,
    }
}

/// The connections that the other integrations use.
fn uses(config: &Config, but: &IntegrationName) -> BTreeSet<ConnectionName> {
    let others = config.integrations.values().filter(|one| one.name != *but);
    let ends = others.flat_map(|one| &one.pipelines).flat_map(|pipeline| &pipeline.ends);
    ends.map(|end| end.connection.name.clone()).collect()
}

/// Texts of former configurations that name the client.
#[derive(Default)]
struct Texts {
    /// Files that define nothing else: file and hash.
    own: BTreeSet<(String, String)>,
    /// Files that define something of others as well.
    shared: BTreeSet<String>,
}

async fn former_texts(ledger: &Ledger, name: &IntegrationName, now: &[&Config]) -> Result<Texts, Failure> {
    let failed = |error: StoreError| Failure::new(FailureKind::Store, format!("the store failed: {}", chain(&error)));
    let (mut found, mut looked) = (Texts::default(), BTreeMap::<String, bool>::new());
    for generation in remembered::generations(ledger).await.map_err(failed)?.values() {
        let texts = remembered::texts(ledger, generation).await.map_err(failed)?;
        for (file, hash) in &generation.files {
            let Some(text) = texts.get(file).filter(|text| text.contains(name.as_str())) else { continue };
            let own = *looked.entry(hash.clone()).or_insert_with(|| is_own(text, name, now));
            if own {
                found.own.insert((file.clone(), hash.clone()));
            } else {
                found.shared.insert(file.clone());
            }
        }
    }
    Ok(found)
}

/// Whether a text is about the client alone. One that also defines what others use may be needed to start them.
fn is_own(text: &str, name: &IntegrationName, now: &[&Config]) -> bool {
    let Some(defined) = defines(text) else { return false };
    let is_client = |kind: &str, one: &str| matches!(kind, "integrations" | "pipelines") && one == name.as_str();
    let is_unused = |kind: &str, one: &str| {
        let there = |config: &&Config| config.connections.keys().any(|known| known.as_str() == one);
        kind == "connections" && !now.iter().any(there)
    };
    let all = || defined.iter().map(|(kind, one)| (kind.as_str(), one.as_str()));
    all().any(|(kind, one)| is_client(kind, one))
        && all().all(|(kind, one)| is_client(kind, one) || is_unused(kind, one))
}
