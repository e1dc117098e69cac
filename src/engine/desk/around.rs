//! What stands around a record that is put aside: the record it is linked with, and who waits for it.

use serde::{Deserialize, Serialize};

use super::{Desk, DeskError};
use crate::{
    config::PipelineName,
    record::{RecordId, Side},
    store::Parked,
};

/// So many who wait are named.
const NAMED: usize = 5;

/// A parked entry with what it belongs to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ParkedItem {
    /// The pipeline.
    pub pipeline: PipelineName,
    /// The side of the record.
    pub side: Side,
    /// The record.
    pub id: RecordId,
    /// What is parked of it.
    pub parked: Parked,
    /// What to do about it.
    pub remedy: String,
    /// The record it is linked with, on the other side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked_with: Option<RecordId>,
    /// Records that wait for this one to be linked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub behind: Vec<Behind>,
    /// How many more do.
    #[serde(default, skip_serializing_if = "is_none_more")]
    pub more_behind: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_none_more(more: &usize) -> bool {
    *more == 0
}

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
