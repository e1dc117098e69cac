//! What stands around a record that is put aside: the record it is linked with, and who waits for it.

use serde::{Deserialize, Serialize};

use super::{Desk, DeskError, ParkedItem};
use crate::{config::PipelineName, record::RecordId};

/// So many who wait are named.
const NAMED: usize = 5;

/// A record that waits for another to be linked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behind {
    /// Its pipeline.
    pub pipeline: PipelineName,
    /// Its id, on the source.
    pub id: RecordId,
    /// Name for people.
    pub label: String,
}

impl Desk<'_> {
    /// As [`Desk::parked`], with what stands around each record.
    ///
    /// # Errors
    ///
    /// When the store fails or the pipeline does not exist.
    pub async fn parked_among_others(&self, only: Option<&PipelineName>) -> Result<Vec<ParkedItem>, DeskError> {
        let mut items = self.parked(only).await?;
        for item in &mut items {
            self.look_around(item).await?;
        }
        Ok(items)
    }

    async fn look_around(&self, item: &mut ParkedItem) -> Result<(), DeskError> {
        let ledger = &self.engine.ledger;
        let link = ledger.link(&item.pipeline, item.side, &item.id).await?;
        item.linked_with = link.map(|link| link.id(item.side.other()).clone());
        if item.linked_with.is_some() {
            return Ok(());
        }
        let waiting = ledger.waiting_for(&item.pipeline, &item.id).await?;
        item.more_behind = waiting.len().saturating_sub(NAMED);
        for (pipeline, side, id) in waiting.into_iter().take(NAMED) {
            let known = ledger.fresh(&pipeline, side, std::slice::from_ref(&id)).await?;
            let label = known.into_iter().flatten().next().map(|fresh| fresh.observation.label);
            let label = label.filter(|label| !label.is_empty()).unwrap_or_else(|| id.to_string());
            item.behind.push(Behind { pipeline, id, label });
        }
        Ok(())
    }
}
