//! Pipelines that are in no file any more: what is remembered of them is kept for a while, so that a file that comes back
//! finds its links, and forgotten after.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    config::{Config, PipelineName},
    store::{Changes, Group, Key, Ledger, PipelineState, Space, StoreError, belongings, frame},
};

fn key(pipeline: &PipelineName) -> Key {
    Key::new(Space::Meta, &["config", "removed", pipeline.as_str()])
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
