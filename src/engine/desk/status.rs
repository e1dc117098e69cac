//! How everything stands.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Desk, DeskError};
use crate::{
    config::{IntegrationName, Pipeline, PipelineName},
    store::{Approval, HeldRun, Hold, Stage},
};

/// How a pipeline stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PipelineStatus {
    /// The pipeline.
    pub pipeline: PipelineName,
    /// How far it has come.
    pub stage: Stage,
    /// Linked pairs.
    pub links: u64,
    /// Parked entries that are not ignored.
    pub parked: u64,
    /// Since when the oldest of them is put aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<DateTime<Utc>>,
    /// Records waiting to be looked at now.
    pub due: u64,
    /// The next instant at which a record is looked at again by itself.
    pub next_due: Option<DateTime<Utc>>,
    /// When both sides were last found in agreement, or everything that is not was listed.
    pub verified: Option<DateTime<Utc>>,
    /// A held run.
    pub held: Option<HeldRun>,
}

/// How an integration stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IntegrationStatus {
    /// The integration.
    pub integration: IntegrationName,
    /// Whether anything starts by itself.
    pub automatic: bool,
    /// Its pipelines.
    pub pipelines: Vec<PipelineStatus>,
    /// When its last run ended.
    pub last_run: Option<DateTime<Utc>>,
    /// Why its last run was made.
    pub last_why: Option<String>,
}

impl Desk<'_> {
    /// How every integration stands.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn status(&self) -> Result<Vec<IntegrationStatus>, DeskError> {
        let mut all = Vec::new();
        for integration in self.engine.config.integrations.values() {
            let mut pipelines = Vec::new();
            for pipeline in &integration.pipelines {
                pipelines.push(self.pipeline_status(pipeline).await?);
            }
            let last = self.engine.ledger.runs(&integration.name, 1).await?.pop();
            all.push(IntegrationStatus {
                integration: integration.name.clone(),
                automatic: integration.automatic,
                pipelines,
                last_run: last.as_ref().map(|run| run.ended),
                last_why: last.map(|run| run.why),
            });
        }
        Ok(all)
    }

    async fn pipeline_status(&self, pipeline: &Pipeline) -> Result<PipelineStatus, DeskError> {
        let ledger = &self.engine.ledger;
        let state = ledger.pipeline(&pipeline.name).await?;
        let parked = self.parked(Some(&pipeline.name)).await?;
        let parked: Vec<DateTime<Utc>> =
            parked.iter().filter(|item| !item.parked.ignored).map(|item| item.parked.since).collect();
        let now = self.engine.clock.now();
        let (mut due, mut next_due) = (0, None);
        let mut after = None;
        loop {
            let (page, next) = ledger.list_due(&pipeline.name, after.as_ref()).await?;
            for (_, _, entry) in page {
                if entry.at <= now {
                    due += 1;
                } else {
                    next_due = Some(next_due.map_or(entry.at, |earliest: DateTime<Utc>| earliest.min(entry.at)));
                }
            }
            match next {
                Some(key) => after = Some(key),
                None => break,
            }
        }
        Ok(PipelineStatus {
            pipeline: pipeline.name.clone(),
            stage: state.stage,
            links: state.links,
            parked: parked.len() as u64,
            oldest: parked.iter().min().copied(),
            due,
            next_due,
            verified: state.verified,
            held: first_hold(ledger.holds(&pipeline.name).await?),
        })
    }
}

/// Of several things that are held, the one to look at first: that waits, and is no mere plan.
fn first_hold(mut holds: Vec<HeldRun>) -> Option<HeldRun> {
    let rank = |what: Hold| match what {
        Hold::LeftOut => 2,
        Hold::Plan => 1,
        Hold::Revert | Hold::Account | Hold::Listing(_) => 0,
    };
    holds.sort_by_key(|held| (held.approval != Approval::Waiting, rank(held.what), held.since));
    holds.into_iter().next()
}
