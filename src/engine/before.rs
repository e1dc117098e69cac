//! Right before an update: what a call must know of the record as it is now.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::Value;

use super::{EngineError, apply::FRESH_FOR, elements::record_to_read, pull::Attached, run::Run};
use crate::{
    config::Pipeline,
    connector::{Resource, Write},
    record::Side,
    sync::Link,
};

impl Run<'_> {
    /// The link as it is now, and the record where the call needs it whole. `None` where the record is gone or cannot be
    /// read: its link is due, and is decided about again.
    pub(super) async fn before_update(
        &mut self,
        pipeline: &Arc<Pipeline>,
        (side, resource): (Side, &Resource),
        link: Link,
    ) -> Result<Option<(Link, Option<Value>)>, EngineError> {
        if resource.update.as_ref().is_some_and(Write::needs_the_record) {
            return Ok(self.as_it_is(pipeline, side, link).await?.map(|(link, now)| (link, Some(now))));
        }
        if self.is_long_ago(pipeline, side) {
            return Ok(self.as_it_is(pipeline, side, link).await?.map(|(link, _)| (link, None)));
        }
        Ok(self.with_version(pipeline, (side, resource), link).await?.map(|link| (link, None)))
    }

    /// Whether the reading of a side is too old to be written over, and its system tells no changes, so that only a look by id
    /// tells what was typed since.
    fn is_long_ago(&self, pipeline: &Pipeline, side: Side) -> bool {
        let end = pipeline.end(side);
        let key = (end.connection.name.clone(), end.resource.name.clone());
        let tells_changes = end.resource.list.as_ref().is_none_or(|list| list.changed_since.is_some());
        pipeline.reads(side)
            && !tells_changes
            && end.resource.get.is_some()
            && self.age_of(&key).is_some_and(|age| age > FRESH_FOR)
    }

    /// Reads the record by id and lays it beside its link: what is sent back whole must be what is there.
    async fn as_it_is(
        &mut self,
        pipeline: &Arc<Pipeline>,
        side: Side,
        link: Link,
    ) -> Result<Option<(Link, Value)>, EngineError> {
        let end = pipeline.end(side);
        let id = link.id(side).clone();
        if self.is_down(&end.connection.name) {
            return Ok(None);
        }
        // A copy from before our last write would take back what that carried over, mapped or not.
        if self.may_be_old(pipeline, side, std::slice::from_ref(&id)).await?.contains(&true) {
            return Ok(None);
        }
        let record = match self.connector(&end.connection.name)?.get(&end.resource, &record_to_read(end, &id)).await {
            Ok(Some(record)) => record,
            Ok(None) => {
                self.mark_gone(pipeline, side, &id).await?;
                return Ok(None);
            }
            Err(error) => {
                self.trouble(&end.connection.name, &error);
                return Ok(None);
            }
        };
        let attached = Attached { pipeline: pipeline.clone(), side, spill: false };
        self.deliver(&attached, std::slice::from_ref(&record), TimeDelta::zero()).await?;
        let link = self.engine.ledger.link(&pipeline.name, Side::Source, &link.source).await?;
        Ok(link.map(|link| (link, record.body)))
    }

    /// A guarded write needs the version of what is there. Where a list does not tell it (an `ETag`), or what was read is
    /// older than our own last write, the record is read by id right before.
    async fn with_version(
        &mut self,
        pipeline: &Arc<Pipeline>,
        (side, resource): (Side, &Resource),
        link: Link,
    ) -> Result<Option<Link>, EngineError> {
        let guarded = resource.update.as_ref().is_some_and(|update| update.version.is_some());
        if !guarded || resource.get.is_none() || link.mark(side).version.is_some() {
            return Ok(Some(link));
        }
        if self.is_down(&pipeline.end(side).connection.name) {
            return Ok(None);
        }
        let known = self.troubles.len();
        self.read_record(pipeline, side, link.id(side)).await?;
        if self.troubles.len() > known {
            return Ok(None);
        }
        let link = self.engine.ledger.link(&pipeline.name, Side::Source, &link.source).await?;
        // Where what was read may be older than our last write, its version is not known, and nothing is written over it.
        let lags = !pipeline.end(side).connection.manifest.lag.is_zero();
        Ok(link.filter(|link| !lags || link.mark(side).version.is_some()))
    }
}
