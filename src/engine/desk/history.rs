//! What was overwritten of a record.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Desk, DeskError, field_name};
use crate::{
    config::Pipeline,
    record::{Cell, RecordId, Side},
};

/// A value that was overwritten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BeforeImage {
    /// The run that did it, for `revert`.
    pub run: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The side written.
    pub side: Side,
    /// The field's name for people.
    pub field: String,
    /// The value before.
    pub before: Cell,
    /// The value sent.
    pub wrote: Cell,
    /// The rule by which it was sent, a sentence.
    pub why: String,
}

/// So many are shown of a record.
const SHOWN: usize = 10;

impl Desk<'_> {
    /// What was last overwritten of the record with this source id, newest first.
    pub(super) async fn before_images(
        &self,
        pipeline: &Pipeline,
        origin: &RecordId,
    ) -> Result<Vec<BeforeImage>, DeskError> {
        let mut found = std::collections::VecDeque::new();
        let mut after = None;
        loop {
            let (page, next) = self.engine.ledger.overwritten(&pipeline.name, after.as_ref()).await?;
            for overwritten in page {
                for write in
                    overwritten.items.iter().filter(|item| item.origin == *origin).flat_map(|item| item.fields.iter())
                {
                    found.push_front(BeforeImage {
                        run: overwritten.run.clone(),
                        at: overwritten.at,
                        side: overwritten.side,
                        field: field_name(pipeline, write.field),
                        before: write.before.clone(),
                        wrote: write.value.clone(),
                        why: write.why.to_string(),
                    });
                }
                found.truncate(SHOWN);
            }
            match next {
                Some(key) => after = Some(key),
                None => return Ok(found.into()),
            }
        }
    }
}
