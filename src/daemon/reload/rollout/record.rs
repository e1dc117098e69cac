//! What is remembered of a rollout.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Stage, Trial};
use crate::{
    config::IntegrationName,
    store::{Approval, Group, Key, Ledger, Space, StoreError, frame},
};

/// An edit of a template on its way to the clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// Short id for `approve` and `reject`. Another edit has another.
    pub id: String,
    /// The template.
    pub template: String,
    /// Changes with what was edited, and with what it comes to at the first clients.
    pub edit: u64,
    /// Since when.
    pub since: DateTime<Utc>,
    /// The clients that run it first, and how they fare.
    pub first: Vec<Trial>,
    /// The clients that go on as they are.
    pub waiting: BTreeSet<IntegrationName>,
    /// Clients that a person let take it over before the others.
    #[serde(default)]
    pub let_go: BTreeSet<IntegrationName>,
    /// How far it is.
    pub stage: Stage,
    /// Since when all is well at the first clients.
    pub calm: Option<DateTime<Utc>>,
    /// A person's answer.
    pub answer: Approval,
    /// Whether the others take it over without a person.
    pub by_itself: bool,
}

impl Rollout {
    /// One that begins. `earlier` is an edit that did not get through: what was before that is still what is before this.
    pub(super) fn begin(template: &str, edit: u64, earlier: Option<&Self>, now: DateTime<Utc>) -> Self {
        let text = format!("{template} {edit:x} {}", now.timestamp_millis());
        Self {
            id: format!("{:06x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()) & 0xff_ffff),
            template: template.to_owned(),
            edit,
            since: now,
            first: earlier.map(|earlier| earlier.first.iter().map(Trial::anew).collect()).unwrap_or_default(),
            waiting: BTreeSet::new(),
            let_go: BTreeSet::new(),
            stage: Stage::TakingOver { missing: Vec::new() },
            calm: None,
            answer: Approval::Waiting,
            by_itself: false,
        }
    }
}

fn key(template: &str) -> Key {
    Key::new(Space::Meta, &["config", "rollout", template])
}

/// The rollout of a template.
///
/// # Errors
///
/// When the store fails.
pub(super) async fn of(ledger: &Ledger, template: &str) -> Result<Option<Rollout>, StoreError> {
    let key = key(template);
    let found = ledger.store().get(std::slice::from_ref(&key)).await?.into_iter().flatten().next();
    found.map(|bytes| frame::decode(&key, &bytes)).transpose()
}

/// Every rollout.
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon) async fn all(ledger: &Ledger) -> Result<Vec<Rollout>, StoreError> {
    let prefix = Key::new(Space::Meta, &["config", "rollout"]);
    let found = ledger.all_below(&prefix).await?;
    found.into_iter().map(|(key, bytes)| frame::decode(&key, &bytes)).collect()
}

/// The generations that first clients go back to if a person rejects the edit.
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon::reload) async fn generations(ledger: &Ledger) -> Result<BTreeSet<u64>, StoreError> {
    Ok(all(ledger).await?.iter().flat_map(|rollout| &rollout.first).filter_map(|trial| trial.before).collect())
}

/// Remembers one. Durable when it returns.
///
/// # Errors
///
/// When the store fails.
pub(super) async fn keep(ledger: &Ledger, rollout: &Rollout) -> Result<(), StoreError> {
    let mut group = Group::default();
    group.put(key(&rollout.template), frame::encode(rollout));
    ledger.store().commit(vec![group]).await?;
    ledger.flush().await
}

/// Forgets that of a template: all run the edit, or it was taken back.
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon::reload) async fn forget(ledger: &Ledger, template: &str) -> Result<(), StoreError> {
    let mut group = Group::default();
    group.delete(key(template));
    ledger.store().commit(vec![group]).await
}

/// Nothing is remembered of this client any more.
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon) async fn leave_out(ledger: &Ledger, client: &IntegrationName) -> Result<(), StoreError> {
    for mut rollout in all(ledger).await? {
        let before = rollout.clone();
        rollout.first.retain(|trial| trial.integration != *client);
        rollout.waiting.remove(client);
        rollout.let_go.remove(client);
        if rollout != before {
            keep(ledger, &rollout).await?;
        }
    }
    Ok(())
}

/// The rollout of this id or template, or the one that a client of this name waits for.
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon) async fn named(ledger: &Ledger, what: &str) -> Result<Option<Rollout>, StoreError> {
    let all = all(ledger).await?;
    let named = |rollout: &&Rollout| rollout.id == what || rollout.template == what;
    let waits = |rollout: &&Rollout| rollout.waiting.iter().any(|name| name.as_str() == what);
    Ok(all.iter().find(named).or_else(|| all.iter().find(waits)).cloned())
}

/// Remembers a person's answer: for all, or for the one client that was named.
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon) async fn answer(
    ledger: &Ledger,
    mut rollout: Rollout,
    (what, approval): (&str, Approval),
) -> Result<Rollout, StoreError> {
    let one = rollout.waiting.iter().find(|name| name.as_str() == what).cloned();
    match one {
        Some(client) if rollout.id != what && rollout.template != what => {
            rollout.waiting.remove(&client);
            rollout.let_go.insert(client);
        }
        _ => {
            rollout.answer = approval;
            rollout.stage = if approval == Approval::Rejected { Stage::PutBack } else { Stage::Going };
        }
    }
    keep(ledger, &rollout).await?;
    Ok(rollout)
}
