//! Pipelines that are in no file any more: what is remembered of them is kept for a while, so that a file that comes back
//! finds its links, and forgotten after.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    config::{Auth, Config, ConnectionName, Integration, IntegrationName, PipelineName},
    store::{Changes, Group, Key, Ledger, PipelineState, Space, StoreError, belongings, frame},
};

fn key(pipeline: &PipelineName) -> Key {
    Key::new(Space::Meta, &["config", "removed", pipeline.as_str()])
}

fn left_key(integration: &IntegrationName) -> Key {
    Key::new(Space::Meta, &["config", "left", integration.as_str()])
}

/// The connections that an integration used, each with its login if it had one.
pub(in crate::daemon) type Left = BTreeMap<ConnectionName, Option<String>>;

/// The connections that an integration uses.
pub(in crate::daemon) fn left(integration: &Integration) -> Left {
    let connections = integration.pipelines.iter().flat_map(|pipeline| &pipeline.ends).map(|end| &end.connection);
    let login = |auth: &Auth| match auth {
        Auth::Grant(grant) => Some(grant.name.to_string()),
        _ => None,
    };
    connections.map(|connection| (connection.name.clone(), login(&connection.auth))).collect()
}

/// Notes what removed integrations used, until they are forgotten: former texts, which say it as well, are kept for a while
/// only.
///
/// # Errors
///
/// When the store fails.
pub(super) async fn note_left<'i>(
    ledger: &Ledger,
    gone: impl Iterator<Item = &'i Integration>,
) -> Result<(), StoreError> {
    let note = |integration: &Integration| {
        let mut group = Group::default();
        group.put(left_key(&integration.name), frame::encode(&left(integration)));
        group
    };
    let groups: Vec<Group> = gone.map(note).collect();
    if groups.is_empty() {
        return Ok(());
    }
    ledger.store().commit(groups).await?;
    ledger.flush().await
}

/// What an integration used when it was removed; `None` if that is not known (any more).
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon) async fn left_of(ledger: &Ledger, name: &IntegrationName) -> Result<Option<Left>, StoreError> {
    let key = left_key(name);
    let found = ledger.store().get(std::slice::from_ref(&key)).await?.pop().flatten();
    found.map(|bytes| frame::decode(&key, &bytes)).transpose()
}

/// Forgets what an integration used. The last thing that is forgotten of it: it says what else there is.
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon) async fn forget_left(ledger: &Ledger, name: &IntegrationName) -> Result<(), StoreError> {
    let mut group = Group::default();
    group.delete(left_key(name));
    ledger.store().commit(vec![group]).await
}

/// Notes which pipelines are gone and which are there again. One that was gone before keeps its time.
///
/// # Errors
///
/// When the store fails.
pub(super) async fn note(
    ledger: &Ledger,
    gone: Vec<PipelineName>,
    back: Vec<PipelineName>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut groups = Vec::new();
    let known = all(ledger).await?;
    for name in back.into_iter().filter(|name| known.contains_key(name)) {
        // Its neighbours moved the cursors meanwhile: it reads everything.
        let state = PipelineState { read: [0, 0], ..ledger.pipeline(&name).await? };
        let mut changes = Changes::new();
        changes.together(|atomic| atomic.pipeline(&name, &state));
        ledger.commit(changes).await?;
        let mut group = Group::default();
        group.delete(key(&name));
        groups.push(group);
    }
    for name in gone.into_iter().filter(|name| !known.contains_key(name)) {
        let mut group = Group::default();
        group.put(key(&name), frame::encode(&now));
        groups.push(group);
    }
    if groups.is_empty() {
        return Ok(());
    }
    ledger.store().commit(groups).await?;
    ledger.flush().await
}

/// Every pipeline that is gone, since when.
async fn all(ledger: &Ledger) -> Result<BTreeMap<PipelineName, DateTime<Utc>>, StoreError> {
    let prefix = Key::new(Space::Meta, &["config", "removed"]);
    let mut found = BTreeMap::new();
    for (key, bytes) in ledger.all_below(&prefix).await? {
        if let Some(name) = key.parts().pop().and_then(|name| PipelineName::parse(&name).ok()) {
            found.insert(name, frame::decode(&key, &bytes)?);
        }
    }
    Ok(found)
}

/// Forgets what was removed long enough ago, but for what is configured. Only what is remembered here is forgotten; no
/// system is told.
///
/// # Errors
///
/// When the store fails: then the rest is forgotten the next time.
pub(super) async fn forget(
    ledger: &Ledger,
    config: &Config,
    keep: Duration,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let keep = TimeDelta::from_std(keep).unwrap_or(TimeDelta::MAX);
    for (name, since) in all(ledger).await? {
        if config.pipeline(&name).is_some() || now.signed_duration_since(since) < keep {
            continue;
        }
        belongings::forget_pipeline(ledger, &name).await?;
        let mut group = Group::default();
        group.delete(key(&name));
        ledger.store().commit(vec![group]).await?;
        tracing::info!(event = "config.forgotten", pipeline = %name, %since, "removed for so long that its links are forgotten");
        let left = all(ledger).await?;
        let owner = name.integration();
        let used = config.integrations.contains_key(&owner) || left.keys().any(|left| left.integration() == owner);
        if !used {
            belongings::forget_runs(ledger, &owner).await?;
        }
    }
    ledger.flush().await
}
