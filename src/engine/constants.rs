//! Constants that the target must know (`one_of`): looked up before a pipeline's first write of a run.
//!
//! A wrong id in the configuration would be refused by the remote once for each record, or taken and mean nobody. One call
//! a run, and only in a run that has something to do, tells it before anything is sent.

use std::sync::Arc;

use super::{EngineError, run::Run};
use crate::{config::Pipeline, record::Side, store::Spill};

impl Run<'_> {
    /// Why nothing of this pipeline may be sent: one of its constants is not known to the target.
    pub(super) async fn unknown_constant(&mut self, pipeline: &Arc<Pipeline>) -> Result<Option<String>, EngineError> {
        if pipeline.known.is_empty() || !self.has_work(pipeline).await? {
            return Ok(None);
        }
        if let Some(known) = self.constants.get(&pipeline.name) {
            return Ok(known.clone());
        }
        let found = self.look_constants_up(pipeline).await?;
        self.constants.insert(pipeline.name.clone(), found.clone());
        Ok(found)
    }

    async fn look_constants_up(&mut self, pipeline: &Pipeline) -> Result<Option<String>, EngineError> {
        let connection = &pipeline.end(Side::Target).connection.name;
        let connector = self.connector(connection)?;
        for constant in &pipeline.known {
            let (resource, id) = (&constant.resource, &constant.id);
            match connector.get(resource, id).await {
                // Deleted there: what names it would be refused, or belong to nobody.
                Ok(Some(record)) if !record.gone => {}
                Ok(_) => {
                    return Ok(Some(format!(
                        "`{}` is to be `{id}`, and {connection} has no such record in `{}`; nothing was sent. Correct the \
                         value in the configuration",
                        constant.field, resource.name
                    )));
                }
                Err(error) => {
                    self.trouble(connection, &error);
                    return Ok(Some(format!(
                        "`{}` could not be looked up at {connection}; nothing was sent",
                        constant.field
                    )));
                }
            }
        }
        Ok(None)
    }

    /// Whether anything is to be decided about in this run.
    async fn has_work(&self, pipeline: &Pipeline) -> Result<bool, EngineError> {
        if self.spills.get(&pipeline.name).is_some_and(|spill| !Spill::is_empty(spill)) {
            return Ok(true);
        }
        let now = self.engine.clock.now();
        let (due, next) = self.engine.ledger.list_due(&pipeline.name, None).await?;
        Ok(next.is_some() || due.iter().any(|(_, _, due)| due.at <= now))
    }
}
