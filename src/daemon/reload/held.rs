//! Edits of the configuration that wait for a person: what they would do, and what was answered.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    config::{IntegrationName, PipelineName},
    engine::EditEffect,
    record::{RecordId, Side},
    store::{Approval, Group, Key, Ledger, Space, StoreError, frame},
};

/// An edit over its guard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldEdit {
    /// Short id for `approve`. Another edit, and one that does more, has another.
    pub id: String,
    /// The integration that was edited.
    pub integration: IntegrationName,
    /// What the edited integration comes to: an approval is for exactly this.
    pub meaning: u64,
    /// Since when it waits.
    pub since: DateTime<Utc>,
    /// An answer that comes later does not count: the edit is judged anew.
    pub expires: DateTime<Utc>,
    /// What it would do.
    pub effect: EditEffect,
    /// A person's answer.
    pub approval: Approval,
    /// What it would have done when a person approved it, if it does something else by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_before: Option<String>,
    /// Records that the person left out, by an id of either side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<RecordId>,
}

/// Why an answer to a held edit is not taken.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// It waited too long.
    #[error("the edit of `{integration}` waited until {expires} and is judged anew; `reconciled reload` does it now")]
    Expired {
        /// Which.
        integration: IntegrationName,
        /// Until when.
        expires: DateTime<Utc>,
    },
    /// A record that shall be left out is not linked.
    #[error("`{record}` is no id of a linked record of `{integration}`, so it cannot be left out")]
    NoSuchRecord {
        /// Which.
        integration: IntegrationName,
        /// The id.
        record: RecordId,
    },
}

impl HeldEdit {
    /// A new one, waiting.
    pub(super) fn new(
        integration: &IntegrationName,
        meaning: u64,
        effect: EditEffect,
        now: DateTime<Utc>,
        keep: std::time::Duration,
    ) -> Self {
        let counts: Vec<_> = effect.pipelines.iter().map(|p| (p.pipeline.as_str(), p.counts)).collect();
        let text = format!("{integration} {meaning:x} {} {counts:?}", now.timestamp_millis());
        let id = format!("{:06x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()) & 0xff_ffff);
        let expires = now.checked_add_signed(TimeDelta::from_std(keep).unwrap_or(TimeDelta::MAX));
        Self {
            id,
            integration: integration.clone(),
            meaning,
            since: now,
            expires: expires.unwrap_or(DateTime::<Utc>::MAX_UTC),
            effect,
            approval: Approval::Waiting,
            approved_before: None,
            except: Vec::new(),
        }
    }

    /// Why the old configuration goes on, and what a person can do.
    #[must_use]
    pub fn told(&self) -> String {
        let over = self.effect.pipelines.iter().filter(|pipeline| pipeline.is_over());
        let allowed: Vec<String> = over.map(|p| format!("{} allows {}", p.pipeline, p.allowed)).collect();
        let again = self.approved_before.as_ref().map_or_else(
            || "the edit waits for approval".to_owned(),
            |then| {
                format!(
                    "the edit was approved when it was another plan ({then}); records changed since, so it waits again"
                )
            },
        );
        let (id, effect, allowed) = (&self.id, &self.effect, allowed.join(", "));
        match self.approval {
            Approval::Rejected => format!(
                "the edit was rejected by a person ({effect}); write another, or put the file back with \
                 `reconciled config restore`"
            ),
            Approval::Waiting | Approval::Approved => format!(
                "{again}: {effect} (guards.config_edit: {allowed}); `reconciled config diff` shows \
                 more, `reconciled approve {id}` or `reject {id}` decides until {}",
                self.expires.format("%Y-%m-%d %H:%M UTC")
            ),
        }
    }
}

fn key(integration: &IntegrationName) -> Key {
    Key::new(Space::Meta, &["config", "held", integration.as_str()])
}

/// The held edit of an integration.
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon) async fn of(
    ledger: &Ledger,
    integration: &IntegrationName,
) -> Result<Option<HeldEdit>, StoreError> {
    let key = key(integration);
    let found = ledger.store().get(std::slice::from_ref(&key)).await?.into_iter().flatten().next();
    found.map(|bytes| frame::decode(&key, &bytes)).transpose()
}

/// Every held edit.
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon) async fn all(ledger: &Ledger) -> Result<Vec<HeldEdit>, StoreError> {
    let prefix = Key::new(Space::Meta, &["config", "held"]);
    let found = ledger.all_below(&prefix).await?;
    found.into_iter().map(|(key, bytes)| frame::decode(&key, &bytes)).collect()
}

/// Remembers one. Durable when it returns.
///
/// # Errors
///
/// When the store fails.
pub(super) async fn keep(ledger: &Ledger, held: &HeldEdit) -> Result<(), StoreError> {
    let mut group = Group::default();
    group.put(key(&held.integration), frame::encode(held));
    ledger.store().commit(vec![group]).await?;
    ledger.flush().await
}

/// Forgets those of these integrations: they took effect, or were taken back.
///
/// # Errors
///
/// When the store fails.
pub(super) async fn forget(
    ledger: &Ledger,
    integrations: impl IntoIterator<Item = &IntegrationName>,
) -> Result<(), StoreError> {
    let delete = |name| {
        let mut group = Group::default();
        group.delete(key(name));
        group
    };
    ledger.store().commit(integrations.into_iter().map(delete).collect()).await
}

/// The held edit that `what` names, by its id or by its integration, if there is one that was not answered, or answered
/// otherwise.
///
/// # Errors
///
/// When the store fails.
pub(in crate::daemon) async fn named(ledger: &Ledger, what: &str) -> Result<Option<HeldEdit>, StoreError> {
    Ok(all(ledger).await?.into_iter().find(|held| held.id == what || held.integration.as_str() == what))
}

/// Remembers a person's answer. `pipelines` are those of the integration as it runs.
///
/// # Errors
///
/// When the answer comes too late, a record that shall be left out is not linked, or the store fails.
pub(in crate::daemon) async fn answer(
    ledger: &Ledger,
    mut held: HeldEdit,
    (approval, except): (Approval, Vec<RecordId>),
    pipelines: &[PipelineName],
    now: DateTime<Utc>,
) -> Result<HeldEdit, AnswerError> {
    if held.expires <= now {
        return Err(AnswerError::Expired { integration: held.integration, expires: held.expires });
    }
    for record in &except {
        let mut linked = false;
        for pipeline in pipelines {
            for side in Side::BOTH {
                linked |= ledger.link(pipeline, side, record).await?.is_some();
            }
        }
        if !linked {
            return Err(AnswerError::NoSuchRecord { integration: held.integration, record: record.clone() });
        }
    }
    (held.approval, held.except) = (approval, except);
    keep(ledger, &held).await?;
    Ok(held)
}
