//! How a client fares that runs an edit first, from what the store remembers of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::super::{decide::Why, held};
use crate::{
    config::{ApplyMode, Integration, IntegrationName},
    engine::RunReport,
    store::{Approval, Ledger, StoreError},
};

/// A client that runs an edit first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Which.
    pub integration: IntegrationName,
    /// The generation that it ran before; `None` where the edit changes nothing of it.
    pub before: Option<u64>,
    /// What was parked of it then.
    pub parked: u64,
    /// Since when it runs the edit.
    pub live: Option<DateTime<Utc>>,
    /// Whether a run with the edit ended well.
    pub ran: bool,
    /// When the last run began that was looked at.
    pub looked: Option<DateTime<Utc>>,
    /// Why that failed, if so.
    pub failing: Option<String>,
    /// When the last run with the edit that failed had ended.
    pub fell: Option<DateTime<Utc>>,
}

/// What is known of it besides.
pub(super) struct Seen<'s> {
    /// What it runs.
    pub runs: Option<&'s Integration>,
    /// Changes with what it shall run.
    pub meaning: u64,
    /// Why it goes on as it was, if so.
    pub kept: Option<&'s Why>,
    /// Why its last run had no report, if so.
    pub failure: Option<&'s String>,
    /// How many more records may be parked.
    pub allowed: u64,
}

impl Trial {
    /// One that begins now.
    pub(super) const fn new(integration: IntegrationName, before: Option<u64>, parked: u64) -> Self {
        Self { integration, before, parked, live: None, ran: before.is_none(), looked: None, failing: None, fell: None }
    }

    /// The same client with the next edit.
    pub(super) fn anew(&self) -> Self {
        Self { live: None, ran: false, looked: None, failing: None, fell: None, ..self.clone() }
    }

    /// Whether it ran with the edit, and well.
    pub(super) const fn is_proven(&self) -> bool {
        self.live.is_some() && self.ran
    }

    /// What is wrong with it, in one sentence.
    pub(super) async fn trouble(&mut self, ledger: &Ledger, seen: &Seen<'_>) -> Result<Option<String>, StoreError> {
        let name = self.integration.clone();
        if let Some(why) = seen.kept {
            return Ok(Some(format!("`{name}` goes on as it was ({why})")));
        }
        let Some((live, runs)) = self.live.zip(seen.runs) else {
            let held = held::of(ledger, &name).await?.filter(|held| held.meaning == seen.meaning);
            return Ok(match held.map(|held| held.approval) {
                Some(Approval::Waiting) => Some(format!("the edit of `{name}` waits for approval itself")),
                Some(Approval::Rejected) => Some(format!("the edit of `{name}` was rejected")),
                Some(Approval::Approved) | None => None,
            });
        };
        self.look_at_runs(ledger, live).await?;
        if runs.apply == ApplyMode::Observe {
            // It only ever plans.
            self.ran = true;
        }
        if let Some(why) = seen.failure.or(self.failing.as_ref()) {
            return Ok(Some(format!("runs of `{name}` fail ({why})")));
        }
        for pipeline in &runs.pipelines {
            let holds = ledger.holds(&pipeline.name).await?;
            let over = |waits: &crate::store::HeldRun| {
                let first_run = waits.guards.is_empty() && waits.message.is_none();
                waits.approval == Approval::Waiting && !first_run && waits.since >= live
            };
            if let Some(held) = holds.iter().find(|held| over(held)) {
                return Ok(Some(format!("a run of `{}` is held", held.pipeline)));
            }
        }
        let more = parked(ledger, runs).await?.saturating_sub(self.parked);
        Ok((more > seen.allowed).then(|| {
            let (records, are) = if more == 1 { ("record", "is") } else { ("records", "are") };
            format!("{more} more {records} of `{name}` {are} parked")
        }))
    }

    /// Looks at the runs that began since it was looked at last.
    async fn look_at_runs(&mut self, ledger: &Ledger, live: DateTime<Utc>) -> Result<(), StoreError> {
        let from = self.looked.unwrap_or(live);
        let runs = ledger.runs_since(&self.integration, from).await?;
        let looked = self.looked;
        for run in runs.into_iter().filter(|run| Some(run.started) != looked) {
            self.looked = Some(run.started);
            let Ok(report) = serde_json::from_value::<RunReport>(run.report) else { continue };
            let failed = report.exit_code() == 1;
            if failed {
                self.fell = Some(run.ended);
            }
            self.failing = failed.then(|| {
                let told =
                    report.troubles.first().map(|trouble| format!("{}: {}", trouble.connection, trouble.message));
                let skipped = report.pipelines.iter().find_map(|pipeline| pipeline.skipped.clone());
                told.or(skipped).unwrap_or_default()
            });
            self.ran |= !failed;
        }
        Ok(())
    }
}

/// How many records of an integration are parked.
pub(super) async fn parked(ledger: &Ledger, integration: &Integration) -> Result<u64, StoreError> {
    let mut count = 0;
    for pipeline in &integration.pipelines {
        let mut after = None;
        loop {
            let (page, next) = ledger.list_parked(&pipeline.name, after.as_ref()).await?;
            count += page.iter().filter(|(_, _, all)| all.iter().any(|parked| !parked.ignored)).count() as u64;
            match next {
                Some(key) => after = Some(key),
                None => break,
            }
        }
    }
    Ok(count)
}
