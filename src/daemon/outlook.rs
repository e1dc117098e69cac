//! What the store says about the work of an integration: what is due, and how old the last full reads are.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::{
    config::{Integration, PipelineName},
    engine::Engine,
    record::Side,
    store::{Hold, Ledger, StoreError},
};

/// What is still to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outlook {
    /// Records are due that nothing but a run stands in the way of (those of a held or paused pipeline wait for a person).
    pub waiting: bool,
    /// When the first of the others will be due.
    pub due: Option<DateTime<Utc>>,
    /// When the resource that waits longest for it was last read in full.
    pub read_in_full: Option<DateTime<Utc>>,
}

/// Looks through what is remembered of an integration.
///
/// # Errors
///
/// When the store fails.
pub(super) async fn look(
    engine: &Engine,
    integration: &Integration,
    paused: &BTreeSet<PipelineName>,
) -> Result<Outlook, StoreError> {
    let now = engine.clock.now();
    let mut outlook = Outlook::default();
    for pipeline in &integration.pipelines {
        for side in Side::BOTH.into_iter().filter(|side| pipeline.reads(*side)) {
            let end = pipeline.end(side);
            let cursor = engine.ledger.cursor(&end.connection.name, &end.resource.name).await?;
            let read = cursor.and_then(|cursor| cursor.full_at);
            outlook.read_in_full = [outlook.read_in_full, read].into_iter().flatten().min();
            // A system told of something, and nobody has looked yet.
            let told = engine.ledger.news(&end.connection.name, &end.resource.name, 1).await?;
            outlook.waiting |= !told.is_empty() && !paused.contains(&pipeline.name);
        }
        let holds = engine.ledger.holds(&pipeline.name).await?;
        if paused.contains(&pipeline.name) || holds.iter().any(|held| held.what != Hold::LeftOut) {
            continue;
        }
        let left_out: Vec<_> = holds.into_iter().flat_map(|held| held.except).collect();
        let mut after = None;
        loop {
            let (page, next) = engine.ledger.list_due(&pipeline.name, after.as_ref()).await?;
            for (side, id, due) in page {
                if left_out.contains(&(side, id)) {
                    continue;
                }
                if due.at <= now {
                    outlook.waiting = true;
                } else {
                    outlook.due = [outlook.due, Some(due.at)].into_iter().flatten().min();
                }
            }
            match next {
                Some(key) => after = Some(key),
                None => break,
            }
        }
    }
    Ok(outlook)
}

/// Whether any record of the integration became due at or after `since`, held or not, where it is not paused.
///
/// # Errors
///
/// When the store fails.
pub(super) async fn became_due(
    ledger: &Ledger,
    integration: &Integration,
    paused: &BTreeSet<PipelineName>,
    (since, now): (DateTime<Utc>, DateTime<Utc>),
) -> Result<bool, StoreError> {
    for pipeline in integration.pipelines.iter().filter(|pipeline| !paused.contains(&pipeline.name)) {
        let mut after = None;
        loop {
            let (page, next) = ledger.list_due(&pipeline.name, after.as_ref()).await?;
            if page.iter().any(|(_, _, due)| since <= due.at && due.at <= now) {
                return Ok(true);
            }
            match next {
                Some(key) => after = Some(key),
                None => break,
            }
        }
    }
    Ok(false)
}
