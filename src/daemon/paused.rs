//! What a person paused: an integration, or one pipeline of it. Remembered over restarts, with who and when.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::protocol::{Failure, FailureKind};
use crate::{
    config::{Config, Integration},
    store::{Group, Key, Ledger, Space, StoreError, frame},
};

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// The integration or the pipeline.
    pub what: String,
    /// The unix user who asked for it.
    pub by: String,
    /// Since when.
    pub at: DateTime<Utc>,
}

/// Pauses by what they are of.
pub(super) type Pauses = BTreeMap<String, Pause>;

fn key(what: &str) -> Key {
    Key::new(Space::Meta, &["paused", what])
}

/// Remembers pauses. Durable when it returns.
///
/// # Errors
///
/// When the store fails.
pub(super) async fn remember(ledger: &Ledger, pauses: &[Pause]) -> Result<(), StoreError> {
    let groups = pauses.iter().map(|pause| {
        let mut group = Group::default();
        group.put(key(&pause.what), frame::encode(pause));
        group
    });
    ledger.store().commit(groups.collect()).await?;
    ledger.flush().await
}

/// Forgets pauses that ended. Durable when it returns.
///
/// # Errors
///
/// When the store fails.
pub(super) async fn forget(ledger: &Ledger, pauses: &[Pause]) -> Result<(), StoreError> {
    let groups = pauses.iter().map(|pause| {
        let mut group = Group::default();
        group.delete(key(&pause.what));
        group
    });
    ledger.store().commit(groups.collect()).await?;
    ledger.flush().await
}

/// What was paused under one name is paused under another. Durable when it returns.
///
/// # Errors
///
/// When the store fails: then it can be done again.
pub(super) async fn rename(ledger: &Ledger, from: &str, to: &str) -> Result<(), StoreError> {
    let Some(pause) = all(ledger).await?.remove(from) else { return Ok(()) };
    let mut group = Group::default();
    group.put(key(to), frame::encode(&Pause { what: to.to_owned(), ..pause }));
    group.delete(key(from));
    ledger.store().commit(vec![group]).await?;
    ledger.flush().await
}

/// The names under which these integrations and their pipelines were known before, with those that they have now.
pub(super) fn moves<'i>(new: impl Iterator<Item = &'i Integration>) -> BTreeMap<String, String> {
    new.flat_map(|new| {
        let pipelines = new.pipelines.iter();
        let whole = new.moved_from.iter().map(|from| (from.to_string(), new.name.to_string()));
        pipelines.filter_map(|made| Some((made.moved_from.as_ref()?.to_string(), made.name.to_string()))).chain(whole)
    })
    .collect()
}

/// The pauses among these that have another name from now on, under it.
pub(super) fn renamed(pauses: &Pauses, names: &BTreeMap<String, String>) -> Pauses {
    let found = pauses.values().filter_map(|pause| Some((names.get(&pause.what)?.clone(), pause.clone())));
    found.map(|(what, pause)| (what.clone(), Pause { what, ..pause })).collect()
}

/// Every pause, whether or not what is paused is still configured.
///
/// # Errors
///
/// When the store fails.
pub(super) async fn all(ledger: &Ledger) -> Result<Pauses, StoreError> {
    let mut pauses = Pauses::new();
    for (key, bytes) in ledger.all_below(&Key::new(Space::Meta, &["paused"])).await? {
        let Some(what) = key.parts().pop() else { continue };
        // Who and when may be lost; that somebody paused it is not.
        let unknown = || Pause { what: what.clone(), by: "somebody".to_owned(), at: DateTime::UNIX_EPOCH };
        let pause = frame::decode(&key, &bytes).unwrap_or_else(|_| unknown());
        pauses.insert(what, pause);
    }
    Ok(pauses)
}

/// Makes what is remembered of these integrations as it is now: pauses may have begun or ended while the store failed.
///
/// # Errors
///
/// When the store fails.
pub(super) async fn put_right(ledger: &Ledger, now: &[(Arc<Integration>, Pauses)]) -> Result<(), StoreError> {
    let known = all(ledger).await?;
    let (mut begun, mut over) = (Vec::new(), Vec::new());
    for (integration, pauses) in now {
        begun.extend(pauses.values().filter(|pause| known.get(&pause.what) != Some(*pause)).cloned());
        over.extend(of(&known, integration).into_values().filter(|pause| !pauses.contains_key(&pause.what)));
    }
    remember(ledger, &begun).await?;
    forget(ledger, &over).await
}

/// The pauses of an integration and of its pipelines.
pub(super) fn of(pauses: &Pauses, integration: &Integration) -> Pauses {
    let concerns = |what: &str| {
        what == integration.name.as_str() || integration.pipelines.iter().any(|pipeline| pipeline.name.as_str() == what)
    };
    pauses.iter().filter(|(what, _)| concerns(what)).map(|(what, pause)| (what.clone(), pause.clone())).collect()
}

/// Whether nothing of an integration starts by itself: as a whole, or pipeline by pipeline.
pub(super) fn is_whole(pauses: &Pauses, integration: &Integration) -> bool {
    pauses.contains_key(integration.name.as_str())
        || integration.pipelines.iter().all(|pipeline| pauses.contains_key(pipeline.name.as_str()))
}

/// The integration that a name stands for: its own, or that of one of its pipelines.
///
/// # Errors
///
/// When there is none.
pub(super) fn named<'c>(config: &'c Config, what: &str) -> Result<&'c Arc<Integration>, Failure> {
    let of_pipeline = |integration: &Integration| integration.pipelines.iter().any(|p| p.name.as_str() == what);
    let mut all = config.integrations.values();
    let found = all.clone().find(|integration| integration.name.as_str() == what);
    found
        .or_else(|| all.find(|integration| of_pipeline(integration)))
        .ok_or_else(|| Failure::new(FailureKind::NoSuch, format!("there is no integration or pipeline named `{what}`")))
}

/// The pauses that end when a person resumes `what`: of an integration also those of its pipelines.
///
/// # Errors
///
/// When a pipeline shall go on whose integration is paused as a whole.
pub(super) fn ended(pauses: &Pauses, integration: &Integration, what: &str) -> Result<Vec<Pause>, Failure> {
    if what == integration.name.as_str() {
        return Ok(of(pauses, integration).into_values().collect());
    }
    if let Some(whole) = pauses.get(integration.name.as_str()) {
        let name = &integration.name;
        let text = format!("`{name}` is paused as a whole, by {}; `reconciled resume {name}` ends that", whole.by);
        return Err(Failure::new(FailureKind::NotPossible, text));
    }
    Ok(pauses.get(what).cloned().into_iter().collect())
}
